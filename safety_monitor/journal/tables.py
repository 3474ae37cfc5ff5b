"""The tables of the journal, and how those of older programs become them."""

import json
import math
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from sqlalchemy import (
    ColumnElement,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    TypeDecorator,
    literal_column,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from safety_monitor.delivery import Delivery, DeliveryState
from safety_monitor.escalation import Kind
from safety_monitor.incident import Evidence, Incident, Sense, State

VERSION = 5
"""Of the tables; kept in the file as `PRAGMA user_version`."""


YEARS = range(1000, 3000)
"""In which something may have happened."""
PERSON = "person"
"""Who moved an incident, where it was not the station."""


_MOMENTS_OF_PEOPLE = """
UPDATE transitions AS mine SET at_s = coalesce((
    SELECT before.at_s + max(0.0, (julianday(mine.at) - julianday(before.at)) * 86400.0)
    FROM transitions AS before
    WHERE before.incident_id = mine.incident_id AND before.number < mine.number AND before."by" != 'person'
    ORDER BY before.number DESC LIMIT 1
), at_s) WHERE "by" = 'person'
"""
"""What people decided had the time of the step before, until version 5."""


class NewerError(Exception):
    """The tables are those of a newer program; the text is one line that says so."""


class _Text(TypeDecorator[str]):
    """Text that is text. SQLite keeps anything in any column, and a damaged file may hold anything."""

    impl = String
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{value!r} is no text")
        return value


class _Moment(TypeDecorator[str]):
    """A moment: UTC, ISO 8601."""

    impl = String
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        if value is None or (moment := datetime.fromisoformat(value)).tzinfo is None or moment.year not in YEARS:
            raise ValueError(f"{value!r} is no moment")
        return str(value)


def _number(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return value


class _Number(TypeDecorator[float]):
    """A number that is one, and finite."""

    impl = Float
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> float | None:
        return None if value is None else _number(value)


class _Whole(TypeDecorator[int]):
    """A whole number."""

    impl = Integer
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        if value is not None and not isinstance(value, int):
            raise ValueError(f"{value!r} is no whole number")
        return value


Moment = Annotated[str, mapped_column(_Moment)]


class _Table(DeclarativeBase):
    """What is read of a row is what its columns are declared as, or that is a ValueError."""

    type_annotation_map = {str: _Text, float: _Number, int: _Whole}  # noqa: RUF012  # as SQLAlchemy has it


class IncidentRow(_Table):
    """One row an incident, as it stands now."""

    __tablename__ = "incidents"
    __table_args__ = (
        Index("incidents_by_time", "kind", "opened_at"),
        Index("incidents_by_state", "kind", "state", "opened_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    """"alarm"; "trouble" for what is told though nothing was noticed, such as that a part of the station failed."""
    state: Mapped[str]
    opened_at: Mapped[Moment]
    """When the row was first written."""
    changed_at: Mapped[Moment]
    at_s: Mapped[float]
    confidence: Mapped[float]
    senses: Mapped[str]
    labels: Mapped[str]
    evidence: Mapped[str]
    reason: Mapped[str]
    source: Mapped[str]
    """What was watched and listened to."""
    silent: Mapped[bool]
    """Nothing of it may be heard or seen where the station stands."""
    duress: Mapped[bool]
    """It was called off by somebody who was forced to."""


class TransitionRow(_Table):
    """One row for every state an incident entered."""

    __tablename__ = "transitions"

    number: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    state: Mapped[str]
    at: Mapped[Moment]
    at_s: Mapped[float]
    confidence: Mapped[float]
    reason: Mapped[str]
    by: Mapped[str]
    """Who moved it: station or person."""


class RemarkRow(_Table):
    """One row for everything that people said of an incident afterwards; the newest mark counts."""

    __tablename__ = "remarks"

    number: Mapped[int] = mapped_column(primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    at: Mapped[Moment]
    by: Mapped[str]
    """Who said it; empty if nobody gave a name."""
    text: Mapped[str]
    mark: Mapped[str | None]
    """One of `Mark`; null for a note alone."""


class DeliveryRow(_Table):
    """One row for every delivery: incident, channel, kind of message and repetition."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("deliveries_due", "channel", "turn", "due_at", sqlite_where=text("due_at IS NOT NULL")),
        Index("deliveries_to_fall_back", "asked_at", sqlite_where=text("due_at IS NOT NULL AND fallback IS NOT NULL")),
        Index("deliveries_failed", "asked_at", sqlite_where=text("state = 'failed'")),
    )

    key: Mapped[str] = mapped_column(primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    channel: Mapped[str]
    nature: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str]
    turn: Mapped[int]
    version: Mapped[int]
    """Counts how often it was asked for, so that a change during an attempt is not taken for delivered."""
    waits: Mapped[bool]
    """Whether it belongs to a later step, which is dropped when somebody answers."""
    covert: Mapped[bool]
    """Whether it must not be seen where the station stands, because somebody there is being forced."""
    attempts: Mapped[int]
    asked_at: Mapped[float]
    """Seconds since 1970: when it is to be done first; while it is held back, when that ends."""
    due_at: Mapped[float | None]
    """When there is something to be done for it; null when all is done."""
    fallback: Mapped[str | None]
    """JSON list of the channels to try if it fails; null when there are none, or they were."""
    changed_at: Mapped[Moment]
    detail: Mapped[str]
    reference: Mapped[str]
    sent_at: Mapped[float | None]


class PlaceRow(_Table):
    """One row for an incident that happened somewhere else than where the station stands."""

    __tablename__ = "places"

    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), primary_key=True)
    latitude: Mapped[float]
    longitude: Mapped[float]
    accuracy_m: Mapped[float | None]


TABLES = tuple(table.name for table in _Table.metadata.sorted_tables)
"""Their names; what others refer to comes first."""


def iso(seconds: float) -> str:
    """A moment as the tables hold it: UTC, ISO 8601, to the millisecond.

    Raises:
        ValueError: no date can be so far away.
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, OSError):
        raise ValueError(f"{seconds} is no moment") from None


INCIDENT_ROW: ColumnElement[int] = literal_column("incidents.rowid")


def words_in(listed: str) -> tuple[str, ...]:
    """The words of a JSON list.

    Raises:
        ValueError: it is none.
    """
    words = json.loads(listed)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"{listed!r} is no list of words")
    return tuple(words)


def incident_of(row: IncidentRow) -> Incident:
    """The incident that a row holds."""
    return Incident(
        id=row.id,
        state=State(row.state),
        at_s=row.at_s,
        confidence=row.confidence,
        evidence=tuple(
            Evidence(Sense(piece["sense"]), str(piece["label"]), _number(piece["probability"]), _number(piece["at_s"]))
            for piece in json.loads(row.evidence)
        ),
        reason=row.reason,
    )


def delivery_of(row: DeliveryRow) -> Delivery:
    """The delivery that a row holds."""
    return Delivery(
        key=row.key,
        incident_id=row.incident_id,
        channel=row.channel,
        kind=cast(Kind, row.kind),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        changed_at=row.changed_at,
        due_at=None if row.due_at is None else iso(row.due_at),
        detail=row.detail,
    )


def decision_of(session: Session, row: IncidentRow) -> TransitionRow | None:
    """What a person decided last about an incident that is over; None if it is not, or nobody did."""
    if row.state != State.CLOSED:
        return None
    steps = select(TransitionRow).where(TransitionRow.incident_id == row.id, TransitionRow.by == PERSON)
    return session.scalars(steps.order_by(TransitionRow.number.desc()).limit(1)).first()


def migrate(session: Session) -> None:
    """Make the tables, or bring those of an older program up to date.

    Raises:
        NewerError: they are those of a newer program.
    """
    version = session.scalar(text("PRAGMA user_version")) or 0
    if version > VERSION:
        raise NewerError(f"it was written by a newer program (version {version}); this one knows {VERSION}")
    if version == VERSION:
        return
    if version == 0:
        _upgrade(session)
    _Table.metadata.create_all(session.connection())
    session.execute(
        text("CREATE INDEX IF NOT EXISTS incidents_by_state ON incidents (kind, state, opened_at)")  # new in version 2
    )
    if 0 < version < 5:
        session.execute(text(_MOMENTS_OF_PEOPLE))
    session.execute(text(f"PRAGMA user_version = {VERSION}"))


def _upgrade(session: Session) -> None:
    """From version 0: one row for each incident and channel, without times or kinds."""
    if not session.scalar(text("SELECT count(*) FROM sqlite_master WHERE name = 'deliveries'")):
        return
    for statement in (
        "ALTER TABLE incidents ADD COLUMN kind VARCHAR NOT NULL DEFAULT 'alarm'",
        "ALTER TABLE incidents ADD COLUMN silent BOOLEAN NOT NULL DEFAULT 0",
        "ALTER TABLE incidents ADD COLUMN duress BOOLEAN NOT NULL DEFAULT 0",
        "CREATE INDEX incidents_by_time ON incidents (kind, opened_at)",
        "ALTER TABLE deliveries RENAME TO deliveries_0",
        "DROP INDEX deliveries_by_state",
    ):
        session.execute(text(statement))
    _Table.metadata.create_all(session.connection())
    session.execute(
        text(
            "INSERT INTO deliveries SELECT incident_id || '\\:' || channel || '\\:alarm', incident_id, channel,"
            " CASE WHEN channel IN ('alarm', 'speech') THEN 'sound' ELSE 'message' END, 'alarm', state, 1, 1, 0, 0,"
            " attempts, unixepoch(changed_at),"
            " CASE WHEN state IN ('pending', 'sending') THEN unixepoch(changed_at) END,"
            " NULL, changed_at, detail, '', NULL FROM deliveries_0"
        )
    )
    session.execute(text("DROP TABLE deliveries_0"))
