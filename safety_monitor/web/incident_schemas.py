"""An incident as the REST API gives it."""

from safety_monitor.delivery import DeliveryState
from safety_monitor.incident import Mark, Sense, State
from safety_monitor.journal.entry import Entry
from safety_monitor.web.conventions import Answered


class EvidenceOut(Answered):
    """One reading that speaks for an emergency."""

    sense: Sense
    label: str
    probability: float
    at_s: float


class TransitionOut(Answered):
    """One step of an incident's life."""

    state: State
    at: str
    at_s: float
    confidence: float
    reason: str
    by: str


class DeliveryOut(Answered):
    """What became of one action."""

    key: str
    channel: str
    kind: str
    state: DeliveryState
    attempts: int
    changed_at: str
    due_at: str | None
    detail: str


class PlaceOut(Answered):
    """A position on earth: degrees (WGS 84), and the radius in metres within which it is."""

    latitude: float
    longitude: float
    accuracy_m: float | None


class RemarkOut(Answered):
    """What a person said of an incident afterwards."""

    at: str
    by: str
    text: str
    mark: Mark | None


class IncidentOut(Answered):
    """An incident with all that belongs to it; times with a date are UTC."""

    incident: str
    state: State
    at_s: float
    senses: list[Sense]
    labels: list[str]
    confidence: float
    reason: str
    evidence: list[EvidenceOut]
    opened_at: str
    changed_at: str
    source: str
    place: PlaceOut | None
    """Where a browser was that heard it; null for what the station's own senses noticed."""
    transitions: list[TransitionOut]
    deliveries: list[DeliveryOut]
    mark: Mark | None
    """What people say that it was."""
    remarks: list[RemarkOut]


class IncidentPage(Answered):
    """Some incidents, newest first."""

    incidents: list[IncidentOut]
    older: str | None
    """Give it as `after` to get the next, older ones; null if there are none."""


def entry_out(entry: Entry) -> IncidentOut:
    """A journal entry as the API gives it."""
    incident = entry.incident
    return IncidentOut(
        incident=incident.id,
        state=incident.state,
        at_s=incident.at_s,
        senses=list(incident.senses),
        labels=list(incident.labels),
        confidence=incident.confidence,
        reason=incident.reason,
        evidence=[EvidenceOut.model_validate(piece) for piece in incident.evidence],
        opened_at=entry.opened_at,
        changed_at=entry.changed_at,
        source=entry.source,
        place=PlaceOut.model_validate(entry.place) if entry.place else None,
        transitions=[TransitionOut.model_validate(step) for step in entry.transitions],
        deliveries=[DeliveryOut.model_validate(delivery) for delivery in entry.deliveries],
        mark=entry.mark,
        remarks=[RemarkOut.model_validate(remark) for remark in entry.remarks],
    )
