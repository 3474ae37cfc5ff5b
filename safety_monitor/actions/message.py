"""What is told of an incident, and where it happened."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from safety_monitor.incident import Incident, State, notice

PHRASES = {"scream": "a scream was heard", "signal_for_help": "the signal for help was seen"}
"""What is said of a label; of any other, its name."""
OVER = "over: "
"""How the text of a trouble begins that is over."""
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


def from_browser(latitude: float, longitude: float, accuracy_m: float | None) -> Place:
    """The place that a browser told.

    Raises:
        ValueError: no position on earth.
    """
    if not (-90.0 <= latitude <= 90.0 and -180.0 <= longitude <= 180.0):
        raise ValueError(f"{latitude}, {longitude} is no position on earth")
    return Place(latitude, longitude, accuracy_m, "", "browser")


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


def what_was_noticed(incident: Incident) -> str:
    """The labels of an incident in words, such as "a scream was heard"."""
    return ", ".join(PHRASES.get(label, f"{label.replace('_', ' ')} was seen") for label in incident.labels)


def written(
    kind: Kind, incident: Incident, station: str, opened_at: datetime, place: Place | None, public_url: str = ""
) -> str:
    """The text of a message for people: what, who, when, where, and how to take it on.

    Args:
        kind: why it is sent.
        incident: as it stands now.
        station: its name.
        opened_at: when the incident began; told in the machine's time zone.
        place: where it happened, if known.
        public_url: where others reach the station's pages; empty: they do not.
    """
    noticed = f"{what_was_noticed(incident)} ({incident.confidence:.0%} sure)"
    match kind:
        case "test":
            lines = [f"TEST of {station}: nothing has happened. This is what a message looks like."]
        case "trouble":
            over = incident.reason.startswith(OVER)
            lines = [f"{station}: {'works again.' if over else 'trouble.'} {incident.reason.removeprefix(OVER)}"]
        case "duress":
            lines = [
                f"EMERGENCY at {station}: called off by somebody who is being FORCED to. Help is needed.",
                "Do not call or ring: it must look as if nobody was coming.",
                f"Before, {noticed}.",
            ]
        case "update":
            now = {
                State.ACKNOWLEDGED: "somebody has taken it on",
                State.CANCELLED: "called off as a false alarm",
                State.CLOSED: "it is over",
            }.get(incident.state, str(incident.state))
            lines = [f"{station}: {now}. Before, {noticed}."]
        case "alarm":
            lines = [f"EMERGENCY at {station}: {noticed}."]
            if incident.state is State.CANCELLED:
                lines.append("It has been called off since.")
            elif incident.state is State.ACKNOWLEDGED:
                lines.append("Somebody has taken it on since.")
    lines.append(f"{opened_at.astimezone():%Y-%m-%d %H:%M:%S %Z}")
    if place is not None and kind != "trouble":
        accuracy = f" (within {place.accuracy_m:.0f} m)" if place.accuracy_m is not None else ""
        lines.append(f"{place.address or f'{place.latitude:.6f}, {place.longitude:.6f}'}{accuracy}")
        lines.append(place.map_link)
    number = incident.id[:8]
    if kind == "alarm" and incident.state is State.CONFIRMED:
        how = f": {public_url}/incidents/{number}" if public_url else f" at the station: incident {number}"
        lines.append(f"Take it on{how}")
    elif kind != "test":
        lines.append(f"Incident {number}")
    return "\n".join(lines)


def trial_message(station: str, channel: str) -> Message:
    """A message that says that it is only a test."""
    incident = notice("test")
    now = datetime.now(UTC)
    text = written("test", incident, station, now, None)
    return Message(f"{incident.id}:{channel}:test", "test", incident, station, now, text, None, (), "")
