"""A delivery: something to be done about an incident by one channel, and what may become of it."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from safety_monitor.escalation import Kind
from safety_monitor.incident import Incident


class DeliveryState(StrEnum):
    """What became of one action for one incident."""

    PENDING = "pending"
    """To be done."""
    SENDING = "sending"
    """Being done."""
    SENT = "sent"
    """Done or handed over; whether it arrived is not known."""
    DELIVERED = "delivered"
    """Known to have arrived."""
    FAILED = "failed"
    """Given up; `detail` says why."""
    DROPPED = "dropped"
    """Not needed any more: somebody had answered before its time came, or took it out."""


class Turn(IntEnum):
    """In what order what is due is done: nothing new waits behind what failed before."""

    FRESH = 0
    RETRY = 1
    FOLLOW = 2
    """It was handed over; whether it arrived is still to be seen."""
    TAKEN = 3
    """Being done."""
    HELD = 4
    """Held back, to be told together with others."""
    WANTED = 5
    """A person asks for this very one, now: nothing holds it back."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one action for one incident; times are UTC, ISO 8601."""

    key: str
    incident_id: str
    channel: str
    kind: Kind
    state: DeliveryState
    attempts: int
    changed_at: str
    due_at: str | None
    """When there is something to be done for it next."""
    detail: str


@dataclass(frozen=True, slots=True)
class Job:
    """A delivery for which there is something to be done, with what it is about.

    Attributes:
        key: idempotency key.
        version: see `DeliveryRow`; a job that was changed meanwhile cannot be finished.
        channel: its name.
        kind: of the message.
        turn: FOLLOW if it is only to be seen whether it arrived.
        attempts: before this one.
        asked_at: when it was to be done first; seconds since 1970.
        sent_at: when it was handed over.
        reference: what the far end called it.
        fallback: channels to try if it fails.
        hidden: whether nothing of it may be seen where the station stands.
        incident: as it stands now.
        opened_at: when that began; UTC, ISO 8601.
    """

    key: str
    version: int
    channel: str
    kind: Kind
    turn: Turn
    attempts: int
    asked_at: float
    sent_at: float | None
    reference: str
    fallback: tuple[str, ...]
    hidden: bool
    incident: Incident
    opened_at: str


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a job.

    Attributes:
        key: of the job.
        version: of the job.
        state: of the delivery from now on.
        detail: one line for people.
        due_at: when there is something to be done again; None if all is done.
        reference: what the far end calls it.
        held: whether it is held back until `due_at`.
        at: when it came to that, seconds since 1970; None: now.
    """

    key: str
    version: int
    state: DeliveryState
    detail: str
    due_at: float | None = None
    reference: str = ""
    held: bool = False
    at: float | None = None
