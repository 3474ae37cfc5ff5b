"""What an incident is, its states, and what may follow what."""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """The life of an incident, named as on-call tools name it."""

    PENDING = "pending"
    """Something was noticed; it is not yet enough."""
    CONFIRMED = "confirmed"
    """Enough: help is being called."""
    ACKNOWLEDGED = "acknowledged"
    """A person has taken it on."""
    CANCELLED = "cancelled"
    """Dropped: by a person, or because a pending one was not confirmed in time."""
    CLOSED = "closed"
    """Over."""


class Mark(StrEnum):
    """What a person says an incident was."""

    REAL = "real"
    """Somebody was in danger, or it was rightly taken for that."""
    FALSE = "false"
    """A false alarm."""
    NONE = "none"
    """Nothing any more: an earlier mark is taken back."""


MAY_FOLLOW: Mapping[State, frozenset[State]] = {
    State.PENDING: frozenset({State.CONFIRMED, State.CANCELLED}),
    State.CONFIRMED: frozenset({State.ACKNOWLEDGED, State.CANCELLED, State.CLOSED}),
    State.ACKNOWLEDGED: frozenset({State.CANCELLED, State.CLOSED}),
    State.CANCELLED: frozenset(),
    State.CLOSED: frozenset(),
}

BY_A_PERSON = "by a person"
"""Why an incident was acknowledged or cancelled, where it is not known who did."""
OPEN = frozenset(state for state, followers in MAY_FOLLOW.items() if followers)


class Sense(StrEnum):
    """Where evidence comes from."""

    AUDIO = "audio"
    GESTURE = "gesture"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reading that speaks for an emergency.

    Attributes:
        sense: which sense it comes from.
        label: what was noticed: "scream", or the name of an emergency gesture.
        probability: calibrated, 0..1.
        at_s: seconds on the source's clock.
    """

    sense: Sense
    label: str
    probability: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Moment:
    """One sense has judged everything up to `at_s`, and this is the evidence it found there.

    Attributes:
        sense: which.
        at_s: seconds on the source's clock.
        evidence: what it found.
        late_s: how late it came to the sense, as what is sent in pieces does; no fault of this machine.
    """

    sense: Sense
    at_s: float
    evidence: tuple[Evidence, ...]
    late_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Incident:
    """One event, at one moment of its life. Every transition makes a new value.

    Attributes:
        id: UUID.
        state: where it stands.
        at_s: source clock of the transition into `state`.
        confidence: the highest combined probability so far, 0..1.
        evidence: the strongest evidence of each sense and label, in order of time.
        reason: the numbers that led to this state, for people.
    """

    id: str
    state: State
    at_s: float
    confidence: float
    evidence: tuple[Evidence, ...]
    reason: str

    @property
    def senses(self) -> tuple[Sense, ...]:
        """The senses that gave evidence, sorted."""
        return tuple(sorted({piece.sense for piece in self.evidence}))

    @property
    def labels(self) -> tuple[str, ...]:
        """What was noticed, sorted."""
        return tuple(sorted({piece.label for piece in self.evidence}))


def notice(text: str) -> Incident:
    """What is told though nothing was noticed, and is over at once: a trouble of the station, or a test."""
    return Incident(str(uuid.uuid4()), State.CLOSED, 0.0, 0.0, (), text)


def incident_json(incident: Incident) -> dict[str, Any]:
    """An incident as JSON values: what `--json` prints, a line a transition."""
    return {
        "incident": incident.id,
        "state": incident.state,
        "at_s": round(incident.at_s, 3),
        "senses": list(incident.senses),
        "labels": list(incident.labels),
        "confidence": round(incident.confidence, 4),
        "reason": incident.reason,
        "evidence": [asdict(piece) for piece in incident.evidence],
    }
