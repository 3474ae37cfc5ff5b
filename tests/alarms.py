"""An incident and a message about it, for tests of what becomes of one."""

from datetime import UTC, datetime

from safety_monitor.actions.message import Message
from safety_monitor.incident import Evidence, Incident, Sense, State

OPENED_AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
SCREAM = Incident(
    "0b4ad0e6-6f0e-4c5e-8a43-000000000001",
    State.CONFIRMED,
    8.25,
    0.91,
    (Evidence(Sense.AUDIO, "scream", 0.91, 8.25),),
    "scream 0.91, threshold 0.80",
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
