"""What is told of an incident, and where it happened."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from safety_monitor.incident import Incident

Kind = Literal["alarm", "update", "duress", "trouble", "test"]
"""Why a message is sent: help is needed, something changed, help is needed though it looks called off, a part of the
station failed, or it is only tried."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an incident happened.

    Attributes:
        latitude: degrees, WGS 84.
        longitude: degrees, WGS 84.
        accuracy_m: radius in metres within which it is; None if unknown.
        address: for people; empty if unknown.
        source: who says so: "settings", "browser" or "ip".
    """

    latitude: float
    longitude: float
    accuracy_m: float | None
    address: str
    source: str

    @property
    def map_link(self) -> str:
        """A page that shows the place on a map."""
        return f"https://www.openstreetmap.org/?mlat={self.latitude:.6f}&mlon={self.longitude:.6f}"


@dataclass(frozen=True, slots=True)
class Message:
    """What one channel is asked to deliver.

    Attributes:
        key: the same for every attempt of this delivery, so that whoever gets it twice can tell.
        kind: why it is sent.
        incident: as it stands now.
        station: the station's name.
        opened_at: when the incident began, UTC.
        text: plain text for people, place and map link included.
        place: where it happened, if known.
        attachments: evidence files that exist now.
        reference: what an earlier attempt of this delivery got from the far end; "" at first.
    """

    key: str
    kind: Kind
    incident: Incident
    station: str
    opened_at: datetime
    text: str
    place: Place | None
    attachments: tuple[Path, ...]
    reference: str
