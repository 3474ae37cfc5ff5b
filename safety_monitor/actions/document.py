"""A message as JSON values, for programs: what webhooks, MQTT and document databases get."""

from dataclasses import asdict
from datetime import UTC
from typing import Any

from safety_monitor.actions.message import Message
from safety_monitor.identity import Identity
from safety_monitor.incident import incident_json


def document(message: Message, station: Identity) -> dict[str, Any]:
    """All that a message says; the same for every attempt of a delivery, as long as the incident stays as it is."""
    place = message.place
    return {
        "key": message.key,
        "kind": message.kind,
        "station": {"id": station.id, "name": station.name},
        "opened_at": message.opened_at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "text": message.text,
        "place": asdict(place) | {"map_link": place.map_link} if place else None,
        "files": [path.name for path in message.attachments],
        **incident_json(message.incident),
    }
