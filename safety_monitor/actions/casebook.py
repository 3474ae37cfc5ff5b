"""What the journal holds of an incident, for the channels that record; as one document for MongoDB and Firebase."""

import logging
import platform
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from safety_monitor.actions.message import Message
from safety_monitor.identity import Identity
from safety_monitor.incident import Sense
from safety_monitor.journal.entry import Entry
from safety_monitor.journal.file import JournalError

log = logging.getLogger(__name__)


def entry_for(message: Message, entry_of: Callable[[str], Entry], channel: str) -> Entry | None:
    """What the journal holds of a message's incident; None if it cannot be read.

    A test is in no journal; and a record must not wait for a full disk.
    """
    try:
        return entry_of(message.incident.id)
    except JournalError as error:
        if message.kind != "test":
            log.warning("%s: written without its deliveries: %s", channel, error)
        return None


def case(message: Message, entry: Entry | None, station: Identity, *, threshold: float, channel: str) -> dict[str, Any]:
    """All that is known of an incident.

    Args:
        message: that asks for the record.
        entry: what the journal holds; None if it cannot be read, or the message is a test.
        station: who writes.
        threshold: probability from which an incident is confirmed.
        channel: who asks; its own deliveries are left out, so that a repeated one changes nothing.
    """
    incident = entry.incident if entry else message.incident
    scream = max((piece.probability for piece in incident.evidence if piece.sense is Sense.AUDIO), default=0.0)
    deliveries = [each for each in entry.deliveries if each.channel != channel] if entry else []
    place = message.place
    return {
        "timestamp": datetime.fromisoformat(entry.opened_at) if entry else message.opened_at.astimezone(UTC),
        "changed_at": datetime.fromisoformat(entry.changed_at) if entry else message.opened_at.astimezone(UTC),
        "source": entry.source if entry else "",
        "probability": incident.confidence,
        "threshold": threshold,
        "is_scream": "scream" in incident.labels,
        "scream_probability": scream,
        "alert_types": list(incident.labels),
        "location": asdict(place) | {"map_link": place.map_link} if place else None,
        "user": station.name,
        "device": {"id": station.id, "name": station.name, "host": platform.node()},
        "response_status": incident.state.value,
        "duress": message.kind == "duress",
        "test": message.kind == "test",
        "features": [
            {"sense": piece.sense.value, "label": piece.label, "probability": piece.probability, "at_s": piece.at_s}
            for piece in incident.evidence
        ],
        "deliveries": {
            each.key.replace(".", "_").replace("/", "_"): {
                "channel": each.channel,
                "kind": each.kind,
                "state": each.state.value,
                "attempts": each.attempts,
                "detail": each.detail,
            }
            for each in deliveries
        },
        "notes": incident.reason,
        "error": "; ".join(f"{each.channel}: {each.detail}" for each in deliveries if each.state.value == "failed"),
    }
