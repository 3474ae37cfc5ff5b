"""An incident and a message about it, for tests of the ways out."""

from datetime import UTC, datetime

from safety_monitor.actions.message import Message
from safety_monitor.incident import Evidence, Incident, Sense, State

OPENED_AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
SCREAM = Incident(
    "11111111-0000-0000-0000-000000000001",
    State.CONFIRMED,
    13.5,
    0.97,
    (Evidence(Sense.AUDIO, "scream", 0.97, 13.5),),
    "scream 0.97",
)


def alarm(channel: str, incident: Incident = SCREAM) -> Message:
    """What a channel is asked to deliver about an incident; for anything else use `replace`."""
    return Message(
        key=f"{incident.id}:{channel}:alarm",
        kind="alarm",
        incident=incident,
        station="kiosk",
        opened_at=OPENED_AT,
        text="help",
        place=None,
        attachments=(),
        reference="",
    )
