"""An incident as the journal holds it, with all that belongs to it."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from safety_monitor.delivery import Delivery
from safety_monitor.incident import Incident, Mark, State
from safety_monitor.journal.covert import overt
from safety_monitor.journal.tables import (
    PERSON,
    DeliveryRow,
    IncidentRow,
    PlaceRow,
    RemarkRow,
    TransitionRow,
    delivery_of,
    incident_of,
)
from safety_monitor.place import Place


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of an incident's life; `at` is UTC, ISO 8601."""

    state: State
    at: str
    at_s: float
    confidence: float
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Remark:
    """What a person said of an incident afterwards; `at` is UTC, ISO 8601, `mark` None for a note alone."""

    at: str
    by: str
    text: str
    mark: Mark | None


@dataclass(frozen=True, slots=True)
class Entry:
    """An incident as the journal holds it; `place` is where a browser heard it, None for the station's own."""

    incident: Incident
    opened_at: str
    changed_at: str
    source: str
    silent: bool
    transitions: tuple[Transition, ...]
    deliveries: tuple[Delivery, ...]
    remarks: tuple[Remark, ...] = ()
    place: Place | None = None

    @property
    def mark(self) -> Mark | None:
        """What people say that it was, as it stands now; None if nobody does."""
        marks = [remark.mark for remark in self.remarks if remark.mark is not None]
        return marks[-1] if marks and marks[-1] is not Mark.NONE else None

    @property
    def standing(self) -> State:
        """Where it stands for people: an incident that is over may have been taken on or called off before or since.

        One that was noticed and never became an emergency is PENDING: nobody called it off.
        """
        state, steps = self.incident.state, [step.state for step in self.transitions]
        if state is State.CANCELLED and steps and State.CONFIRMED not in steps:
            return State.PENDING
        decided = [step.state for step in self.transitions if step.by == PERSON]
        return decided[-1] if decided and state is State.CLOSED else state

    @property
    def why(self) -> str:
        """What made it an emergency; of one that never was, why it ended."""
        confirmed = (step.reason for step in self.transitions if step.state is State.CONFIRMED)
        return next(confirmed, self.incident.reason)


def entry_of(session: Session, row: IncidentRow, *, covert: bool) -> Entry:
    """The incident of a row; with `covert` also what must not be seen where the station stands."""
    transitions = session.scalars(
        select(TransitionRow).where(TransitionRow.incident_id == row.id).order_by(TransitionRow.number)
    ).all()
    answered_at = next((step.at for step in transitions if step.by == PERSON), row.changed_at)
    deliveries = session.scalars(
        select(DeliveryRow).where(DeliveryRow.incident_id == row.id).order_by(DeliveryRow.asked_at, DeliveryRow.key)
    )
    remarks = session.scalars(select(RemarkRow).where(RemarkRow.incident_id == row.id).order_by(RemarkRow.number))
    return Entry(
        incident=incident_of(row),
        opened_at=row.opened_at,
        changed_at=row.changed_at,
        source=row.source,
        silent=row.silent,
        transitions=tuple(
            Transition(State(step.state), step.at, step.at_s, step.confidence, step.reason, step.by)
            for step in transitions
        ),
        deliveries=tuple(map(delivery_of, deliveries)) if covert else overt(deliveries, answered_at),
        remarks=tuple(
            Remark(each.at, each.by, each.text, None if each.mark is None else Mark(each.mark)) for each in remarks
        ),
        place=place_in(session.get(PlaceRow, row.id)),
    )


def place_in(row: PlaceRow | None) -> Place | None:
    """The place that a row holds; None for none."""
    return Place(row.latitude, row.longitude, row.accuracy_m, "", "browser") if row is not None else None
