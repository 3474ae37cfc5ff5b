"""The journal: SQLite through SQLAlchemy. What is written here is durable before anything else is done with it.

One file, `journal.sqlite`, in WAL mode with full synchronisation, so that a commit survives a power cut and the
command line can read and write beside the running station.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import ForeignKey, Index, create_engine, event, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from safety_monitor.incident import MAY_FOLLOW, Evidence, Incident, Sense, State

FILE_NAME = "journal.sqlite"


class JournalError(Exception):
    """The journal cannot be used, or not that way; the text is one line."""


class DeliveryState(StrEnum):
    """What became of one action for one incident."""

    PENDING = "pending"
    """To be done."""
    SENDING = "sending"
    """Being done."""
    SENT = "sent"
    """Done, as far as the station can know."""
    FAILED = "failed"
    """Given up; `detail` says why."""


class _Table(DeclarativeBase):
    pass


class IncidentRow(_Table):
    """One row an incident, as it stands now."""

    __tablename__ = "incidents"

    id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    opened_at: Mapped[str] = mapped_column(index=True)
    """UTC, ISO 8601: when the row was first written."""
    changed_at: Mapped[str]
    at_s: Mapped[float]
    confidence: Mapped[float]
    senses: Mapped[str]
    labels: Mapped[str]
    evidence: Mapped[str]
    reason: Mapped[str]
    source: Mapped[str]
    """What was watched and listened to."""


class TransitionRow(_Table):
    """One row for every state an incident entered."""

    __tablename__ = "transitions"

    number: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    state: Mapped[str]
    at: Mapped[str]
    at_s: Mapped[float]
    confidence: Mapped[float]
    reason: Mapped[str]
    by: Mapped[str]
    """Who moved it: station or person."""


class DeliveryRow(_Table):
    """One row for every incident and channel."""

    __tablename__ = "deliveries"
    __table_args__ = (Index("deliveries_by_state", "state"),)

    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    attempts: Mapped[int]
    changed_at: Mapped[str]
    detail: Mapped[str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one action for one incident; times are UTC, ISO 8601."""

    incident_id: str
    channel: str
    state: DeliveryState
    attempts: int
    changed_at: str
    detail: str


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
class Entry:
    """An incident as the journal holds it."""

    incident: Incident
    opened_at: str
    changed_at: str
    source: str
    transitions: tuple[Transition, ...]
    deliveries: tuple[Delivery, ...]


class Journal:
    """An open journal; may be used from several threads and processes at once.

    Args:
        home: the folder; made if it is not there.

    Raises:
        JournalError: the folder or file cannot be written, or the file is not a journal.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / FILE_NAME
        try:
            home.mkdir(parents=True, exist_ok=True)
            self._engine = create_engine(f"sqlite:///{self.path}", connect_args={"timeout": 10.0})
            event.listen(self._engine, "connect", _durable)
            _Table.metadata.create_all(self._engine)
        except (OSError, SQLAlchemyError) as error:
            raise JournalError(f"{self.path}: the journal cannot be opened: {_reason(error)}") from None

    def close(self) -> None:
        """Give the file back."""
        self._engine.dispose()

    def record(self, incident: Incident, channels: Iterable[str] = (), source: str = "") -> None:
        """Write a transition decided by the station, together with the deliveries that it asks for.

        One transaction: when this returns, incident and deliveries are on the disk; when it raises, neither is.

        Raises:
            JournalError: the disk is full or read-only, or the state may not follow the one that the journal holds.
        """
        with self._writing() as session:
            now = _now()
            row = session.get(IncidentRow, incident.id)
            if row is None:
                row = IncidentRow(id=incident.id, opened_at=now, source=source)
                session.add(row)
            else:
                _check_follows(incident.id, State(row.state), incident.state)
            row.state = incident.state
            row.changed_at = now
            row.at_s = incident.at_s
            row.confidence = incident.confidence
            row.senses = json.dumps(incident.senses)
            row.labels = json.dumps(incident.labels)
            row.evidence = json.dumps([asdict(piece) for piece in incident.evidence])
            row.reason = incident.reason
            session.flush()
            session.add(_transition_row(incident, now, "station"))
            for channel in channels:
                session.add(
                    DeliveryRow(
                        incident_id=incident.id,
                        channel=channel,
                        state=DeliveryState.PENDING,
                        attempts=0,
                        changed_at=now,
                        detail="",
                    )
                )

    def decide(self, incident_id: str, state: State, reason: str) -> Incident:
        """A person acknowledges, cancels or closes an incident.

        Raises:
            JournalError: no such incident, or it is in a state that this may not follow.
        """
        with self._writing() as session:
            row = session.get(IncidentRow, self._full_id(session, incident_id))
            assert row is not None  # noqa: S101  # the id was just looked up in the same transaction
            _check_follows(row.id, State(row.state), state)
            row.state, row.changed_at, row.reason = state, _now(), reason
            incident = _incident(row)
            session.add(_transition_row(incident, row.changed_at, "person"))
        return incident

    def delivery(self, incident_id: str, channel: str, state: DeliveryState, detail: str = "") -> None:
        """Write what became of a delivery; every change to SENDING counts as an attempt."""
        with self._writing() as session:
            session.execute(
                update(DeliveryRow)
                .where(DeliveryRow.incident_id == incident_id, DeliveryRow.channel == channel)
                .values(
                    state=state,
                    detail=detail,
                    changed_at=_now(),
                    attempts=DeliveryRow.attempts + (state is DeliveryState.SENDING),
                )
            )

    def state_of(self, incident_id: str) -> State:
        """Where an incident stands now, whoever moved it."""
        with self._reading() as session:
            state = session.scalar(select(IncidentRow.state).where(IncidentRow.id == incident_id))
        if state is None:
            raise JournalError(f"no incident {incident_id}")
        return State(state)

    def show(self, incident_id: str) -> Entry:
        """One incident with all that belongs to it; the id may be shortened while it is unique.

        Raises:
            JournalError: none or several incidents have such an id.
        """
        with self._reading() as session:
            row = session.get(IncidentRow, self._full_id(session, incident_id))
            assert row is not None  # noqa: S101  # the id was just looked up in the same transaction
            return _entry(session, row)

    def list(self, limit: int = 20) -> Sequence[Entry]:
        """The newest incidents, newest first."""
        with self._reading() as session:
            rows = session.scalars(
                select(IncidentRow).order_by(IncidentRow.opened_at.desc(), IncidentRow.id).limit(limit)
            ).all()
            return [_entry(session, row) for row in rows]

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        try:
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                session.execute(text("BEGIN IMMEDIATE"))
                yield session
        except SQLAlchemyError as error:
            raise JournalError(f"{self.path}: cannot be written: {_reason(error)}") from None

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        try:
            with Session(self._engine) as session:
                yield session
        except SQLAlchemyError as error:
            raise JournalError(f"{self.path}: cannot be read: {_reason(error)}") from None

    @staticmethod
    def _full_id(session: Session, start: str) -> str:
        ids = session.scalars(
            select(IncidentRow.id).where(IncidentRow.id.startswith(start, autoescape=True)).limit(2)
        ).all()
        if not ids or not start:
            raise JournalError(f"no incident '{start}'")
        if len(ids) > 1:
            raise JournalError(f"several incidents begin with '{start}'")
        return ids[0]


def _durable(connection: Any, _record: Any) -> None:
    """WAL lets readers and the writer work side by side; FULL makes each commit survive a power cut.

    The driver opens no transactions by itself: writers open theirs with BEGIN IMMEDIATE, because a transaction that
    reads before it writes must hold the write lock from its start, or two could both read the old state and the
    later one fail half-way.
    """
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _reason(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return str(cause).splitlines()[0]


def _check_follows(incident_id: str, now: State, then: State) -> None:
    if then not in MAY_FOLLOW[now]:
        raise JournalError(f"incident {incident_id} is {now}; it cannot become {then}")


def _transition_row(incident: Incident, at: str, by: str) -> TransitionRow:
    return TransitionRow(
        incident_id=incident.id,
        state=incident.state,
        at=at,
        at_s=incident.at_s,
        confidence=incident.confidence,
        reason=incident.reason,
        by=by,
    )


def _incident(row: IncidentRow) -> Incident:
    return Incident(
        id=row.id,
        state=State(row.state),
        at_s=row.at_s,
        confidence=row.confidence,
        evidence=tuple(
            Evidence(Sense(piece["sense"]), piece["label"], piece["probability"], piece["at_s"])
            for piece in json.loads(row.evidence)
        ),
        reason=row.reason,
    )


def _entry(session: Session, row: IncidentRow) -> Entry:
    transitions = session.scalars(
        select(TransitionRow).where(TransitionRow.incident_id == row.id).order_by(TransitionRow.number)
    )
    deliveries = session.scalars(
        select(DeliveryRow).where(DeliveryRow.incident_id == row.id).order_by(DeliveryRow.channel)
    )
    return Entry(
        incident=_incident(row),
        opened_at=row.opened_at,
        changed_at=row.changed_at,
        source=row.source,
        transitions=tuple(
            Transition(State(step.state), step.at, step.at_s, step.confidence, step.reason, step.by)
            for step in transitions
        ),
        deliveries=tuple(
            Delivery(
                step.incident_id, step.channel, DeliveryState(step.state), step.attempts, step.changed_at, step.detail
            )
            for step in deliveries
        ),
    )
