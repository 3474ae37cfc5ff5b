"""The journal: SQLite through SQLAlchemy. What is written here is durable before anything else is done with it.

One file, `journal.sqlite`, in WAL mode with full synchronisation, so that a commit survives a power cut and the
command line can read and write beside the running station.

It holds the outbox, too: one row for every delivery that an incident asks for, written in the same transaction as the
incident's state. A row that still has something to be done has a `due_at`; only those are indexed for the workers, so
that a journal of a million incidents is as fast as an empty one.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from filelock import FileLock, Timeout
from sqlalchemy import (
    ColumnElement,
    create_engine,
    event,
    func,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from safety_monitor.actions.message import Kind, Place
from safety_monitor.escalation import Nature, Planned, delivery_key
from safety_monitor.incident import MAY_FOLLOW, Evidence, Incident, Mark, Sense, State, notice
from safety_monitor.journal_tables import (
    VERSION,
    DeliveryRow,
    IncidentRow,
    NewerError,
    PlaceRow,
    RemarkRow,
    TransitionRow,
    migrate,
)
from safety_monitor.rescue import copy, move_aside, salvage

FILE_NAME = "journal.sqlite"
LOCK_NAME = "outbox.lock"
"""Held by the process that delivers."""
DAMAGE = ("malformed", "not a database", "no such table")
"""What SQLite says of a file that is no journal any more."""
LONGEST_REMARK, LONGEST_NAME = 2000, 100
"""Characters of a note, and of the name of whoever writes it."""
EXPORTED = 5000
"""Rows that an export reads at once."""
STALE = "of an earlier run: too late to be of use"
PERSON = "person"
"""Who moved an incident, where it was not the station."""


class JournalError(Exception):
    """The journal cannot be used, or not that way; the text is one line."""


class JournalUnusableError(JournalError):
    """The file cannot be read or written, for now or for ever: disk full, read-only, gone or damaged."""


class JournalDamagedError(JournalUnusableError):
    """What is in the file is no journal any more, or the file is gone; `Journal.rescue` begins a fresh one."""


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


TURNS = (Turn.FRESH, Turn.RETRY, Turn.HELD, Turn.FOLLOW)
"""In this order."""


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
class Search:
    """Which incidents are wanted; what is None or empty does not matter.

    Attributes:
        state: where they stand.
        sense: one that gave evidence.
        label: something that was noticed.
        since: they opened at this moment or later; UTC if it has no zone.
        until: they opened before this moment; UTC if it has no zone.
    """

    state: State | None = None
    sense: Sense | None = None
    label: str = ""
    since: datetime | None = None
    until: datetime | None = None


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
        """Where it stands for people: an incident that is over may have been taken on or called off before or since."""
        decided = [step.state for step in self.transitions if step.by == PERSON]
        return decided[-1] if decided and self.incident.state is State.CLOSED else self.incident.state


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
        instead: deliveries to make because this one failed.
        held: whether it is held back until `due_at`.
    """

    key: str
    version: int
    state: DeliveryState
    detail: str
    due_at: float | None = None
    reference: str = ""
    instead: tuple[Planned, ...] = ()
    held: bool = False


class Journal:
    """An open journal; may be used from several threads and processes at once.

    Args:
        home: the folder; made if it is not there.
        clock: seconds since 1970.
        wait_s: how long another process that writes is waited for.
        rescue: whether a damaged file is moved aside and a fresh one begun.

    Raises:
        JournalError: the folder or file cannot be written, or the file is not a journal.
    """

    def __init__(
        self, home: Path, clock: Callable[[], float] = time.time, wait_s: float = 10.0, *, rescue: bool = False
    ) -> None:
        self.path = home / FILE_NAME
        self.clock = clock
        self._wait_s = wait_s
        self.rescued = ""
        """What had to be done about a damaged file, one line; empty if nothing had."""
        self.stands_in = ""
        """Why it is used in place of the one in the station's home, one line; empty if it is that one."""
        try:
            self._open()
        except JournalDamagedError:
            if not rescue:
                raise
            try:
                with FileLock(self.path.with_name(LOCK_NAME), timeout=wait_s):
                    self.rescued = self.rescue()
            except Timeout:
                raise JournalError(f"{self.path}: is damaged, and another safety-monitor is at work with it") from None

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._engine = create_engine(f"sqlite:///{self.path}", connect_args={"timeout": self._wait_s})
            event.listen(self._engine, "connect", _durable)
            with self._writing() as session:
                migrate(session)
        except (OSError, SQLAlchemyError) as error:
            raise JournalUnusableError(f"{self.path}: the journal cannot be opened: {_reason(error)}") from None
        except NewerError as error:
            raise JournalError(f"{self.path}: the journal cannot be opened: {error}") from None
        except JournalError as error:
            reason = str(error).removeprefix(f"{self.path}: cannot be written: ")
            raise type(error)(f"{self.path}: the journal cannot be opened: {reason}") from None

    def rescue(self) -> str:
        """Move a damaged file aside, begin a fresh one, and put into it what can be read of the old one.

        Returns:
            One line that says what came of it.

        Raises:
            JournalError: no fresh one can be begun.
        """
        gone = not self.path.exists()
        try:
            aside = move_aside(self.path, self.clock())
            if gone:
                self._copy_open(aside)
            self._engine.dispose()
            self._open()
            copied = salvage(aside, self.path)
        except (OSError, sqlite3.Error) as error:
            raise JournalUnusableError(f"{self.path}: no fresh journal can be begun: {_reason(error)}") from None
        return (
            f"was damaged: {aside} is what is left of it; {copied['incidents']} incidents could be read and were kept"
        )

    def _copy_open(self, aside: Path) -> None:
        """Write what a file holds that was deleted while it is open: it is there as long as a connection is."""
        if not cast(QueuePool, self._engine.pool).checkedin():
            return
        pooled = self._engine.raw_connection()
        try:
            copy(cast(sqlite3.Connection, pooled.driver_connection), aside)
        finally:
            pooled.close()

    def check(self) -> None:
        """Read the whole file, to see whether it is damaged; takes seconds where it is large, and delays nobody.

        Raises:
            JournalDamagedError: it is.
        """
        with self._reading() as session:
            found = str(session.scalar(text("PRAGMA quick_check(1)")))
        if found != "ok":
            raise JournalDamagedError(f"{self.path}: cannot be read: {found.splitlines()[0]}")

    def probe(self) -> None:
        """Try whether it can be written, by writing what stands there already.

        Raises:
            JournalUnusableError: it cannot.
        """
        if not self.path.exists():
            raise JournalDamagedError(f"{self.path}: is gone")
        with self._writing() as session:
            session.execute(text(f"PRAGMA user_version = {VERSION}"))

    def close(self) -> None:
        """Give the file back."""
        self._engine.dispose()

    def record(
        self,
        incident: Incident,
        deliveries: Iterable[Planned] = (),
        source: str = "",
        *,
        silent: bool = False,
        place: Place | None = None,
        at: float | None = None,
    ) -> None:
        """Write a transition decided by the station, together with the deliveries that it asks for.

        Channels that keep a record of the incident are asked to write it again.

        One transaction: when this returns, incident and deliveries are on the disk; when it raises, neither is.

        Args:
            incident: as it is now.
            deliveries: that it asks for.
            source: what was watched and listened to.
            silent: whether nothing of it may be heard or seen where the station stands.
            at: when it came to that, seconds since 1970; None: now.

        Raises:
            JournalError: the disk is full or read-only, or the state may not follow the one that the journal holds.
        """
        with self._writing() as session:
            now = self.clock() if at is None else at
            row = session.get(IncidentRow, incident.id)
            if row is None:
                row = IncidentRow(
                    id=incident.id, kind="alarm", opened_at=_iso(now), source=source, silent=silent, duress=False
                )
                session.add(row)
            else:
                _check_follows(incident.id, State(row.state), incident.state)
                self._ask_records(session, incident.id, now)
            _set(row, incident, now)
            row.silent = row.silent or silent
            session.flush()
            session.add(_transition_row(incident, row.changed_at, "station"))
            if place is not None:
                session.merge(PlaceRow(incident_id=incident.id, **_position(place)))
            self._ask(session, incident.id, deliveries, now, begin_sounds=True)

    def trouble(self, text: str, deliveries: Callable[[str], Iterable[Planned]], source: str = "") -> str:
        """Write that a part of the station failed, together with the deliveries that this asks for.

        Args:
            text: one line that says what failed.
            deliveries: gives them for the id of the trouble.
            source: as in `record`.

        Returns:
            The id of the trouble; `show` finds it, `list` leaves it out.
        """
        incident = notice(text)
        with self._writing() as session:
            now = self.clock()
            row = IncidentRow(
                id=incident.id, kind="trouble", opened_at=_iso(now), source=source, silent=False, duress=False
            )
            _set(row, incident, now)
            session.add(row)
            session.flush()
            self._ask(session, incident.id, deliveries(incident.id), now)
        return incident.id

    def decide(self, incident_id: str, state: State, reason: str, *, duress: bool = False) -> Incident:
        """A person acknowledges, cancels or closes an incident.

        Steps that wait are dropped, and those who were told of the incident are told of this. An incident closes by
        itself when it has been quiet for a while; whoever was called may need longer to answer. So it can still be
        acknowledged and cancelled then; it stays closed.

        Args:
            incident_id: may be shortened while it is unique.
            state: what the incident becomes.
            reason: for people.
            duress: the person is being forced: here it must look decided, but steps go on and all who were told are
                told that help is needed.

        Returns:
            The incident as it was decided about.

        Raises:
            JournalError: no such incident, or it is in a state that this may not follow.
        """
        with self._writing() as session:
            now = self.clock()
            row = self._found(session, incident_id)
            waiting = [each for each in self._unfinished(session, row.id) if each.waits and each.turn != Turn.TAKEN]
            over = row.state == State.CLOSED and row.kind == "alarm" and state is not State.CLOSED
            earlier = _decision(session, row)
            standing = State(earlier.state if earlier else State.CONFIRMED if over else row.state)
            _check_follows(row.id, standing, state)
            row.state = State.CLOSED if over else state
            row.changed_at, row.reason, row.duress = _iso(now), reason, row.duress or duress
            for each in waiting:
                each.covert = row.duress
                if not row.duress:
                    each.state, each.due_at, each.changed_at = DeliveryState.DROPPED, None, _iso(now)
            incident = replace(_incident(row), state=state)
            session.add(_transition_row(incident, row.changed_at, PERSON))
            kind: Kind = "duress" if row.duress else "update"
            self._ask_records(session, row.id, now, kind)
            told = select(DeliveryRow.channel, func.count()).where(DeliveryRow.incident_id == row.id)
            told = told.where(DeliveryRow.nature == Nature.MESSAGE, DeliveryRow.attempts > 0)
            counted = session.execute(told.where(DeliveryRow.kind == kind).group_by(DeliveryRow.channel)).all()
            before: dict[str, int] = dict(counted)
            channels = session.scalars(
                select(DeliveryRow.channel)
                .where(
                    DeliveryRow.incident_id == row.id,
                    DeliveryRow.nature == Nature.MESSAGE,
                    DeliveryRow.kind == "alarm",
                    or_(DeliveryRow.attempts > 0, DeliveryRow.waits.is_(False)),
                )
                .distinct()
            ).all()
            planned = [
                Planned(delivery_key(row.id, name, kind, before.get(name, 0)), name, Nature.MESSAGE, kind)
                for name in channels
            ]
            self._ask(session, row.id, planned, now, covert=row.duress)
        return incident

    def remark(self, incident_id: str, text: str = "", *, by: str = "", mark: Mark | None = None) -> Entry:
        """Write what a person says of an incident: a note, what it was, or both; its state stays as it is.

        Args:
            incident_id: may be shortened while it is unique.
            text: a note; may be empty beside a mark.
            by: who says it.
            mark: what the incident was.

        Returns:
            The incident with this remark, as `show` gives it.

        Raises:
            JournalError: no such incident, nothing is said, or more than `LONGEST_REMARK` characters.
        """
        text, by = text.strip(), by.strip()
        if not text and mark is None:
            raise JournalError("an empty note says nothing")
        if len(text) > LONGEST_REMARK or len(by) > LONGEST_NAME:
            raise JournalError(f"a note has up to {LONGEST_REMARK} characters, a name up to {LONGEST_NAME}")
        with self._writing() as session:
            row = self._found(session, incident_id)
            if row.kind != "alarm":
                raise JournalError(f"{row.id} is a trouble of the station, not an incident")
            session.add(RemarkRow(incident_id=row.id, at=_iso(self.clock()), by=by, text=text, mark=mark))
            session.flush()
            return _entry(session, row, covert=False)

    def state_of(self, incident_id: str) -> State:
        """Where an incident stands now, whoever moved it."""
        with self._reading() as session:
            state = session.scalar(select(IncidentRow.state).where(IncidentRow.id == incident_id))
        if state is None:
            raise JournalError(f"no incident {incident_id}")
        return State(state)

    def place_of(self, incident_id: str) -> Place | None:
        """Where a browser was that heard an incident; None for the station's own."""
        with self._reading() as session:
            return _place(session.get(PlaceRow, incident_id))

    def show(self, incident_id: str, *, covert: bool = False) -> Entry:
        """One incident with all that belongs to it; the id may be shortened while it is unique.

        Args:
            incident_id: its id.
            covert: also what must not be seen where the station stands; else an incident called off under duress
                looks as any other that was called off.

        Raises:
            JournalError: none or several incidents have such an id.
        """
        with self._reading() as session:
            row = self._found(session, incident_id)
            return _entry(session, row, covert=covert)

    def list(self, limit: int = 20) -> Sequence[Entry]:
        """The newest incidents, newest first, as `show` gives them."""
        return self.search(Search(), limit=limit)[0]

    def search(self, search: Search, after: str = "", limit: int = 50) -> tuple[Sequence[Entry], str | None]:
        """Some of the incidents that are wanted, newest first; as fast for the last page as for the first.

        Args:
            search: which.
            after: where the page before ended; empty for the first.
            limit: at most so many.

        Returns:
            The incidents, and what to give as `after` for the next ones; None if there are none.

        Raises:
            JournalError: `after` is none of what this gives.
        """
        wanted = select(IncidentRow).where(*_wanted(search, after))
        with self._reading() as session:
            order = (IncidentRow.opened_at.desc(), IncidentRow.id)
            rows = session.scalars(wanted.order_by(*order).limit(limit + 1)).all()
            older = f"{rows[limit - 1].opened_at}~{rows[limit - 1].id}" if len(rows) > limit else None
            return [_entry(session, row, covert=False) for row in rows[:limit]], older

    def export(self, search: Search) -> Iterator[dict[str, Any]]:
        """All incidents that are wanted, newest first, as the columns of a table.

        They are read some thousands at a time, so that a slow reader holds up nobody, and a million take no memory.
        """
        of_incident = RemarkRow.incident_id == IncidentRow.id
        marks = select(RemarkRow.mark).where(of_incident, RemarkRow.mark.is_not(None))
        newest_mark = marks.order_by(RemarkRow.number.desc()).limit(1).scalar_subquery()
        notes = select(func.group_concat(RemarkRow.text, "; ")).where(of_incident, RemarkRow.text != "")
        rows = select(
            IncidentRow.id.label("incident"),
            IncidentRow.opened_at,
            IncidentRow.changed_at,
            IncidentRow.state,
            IncidentRow.senses,
            IncidentRow.labels,
            IncidentRow.confidence,
            IncidentRow.reason,
            IncidentRow.source,
            PlaceRow.latitude,
            PlaceRow.longitude,
            PlaceRow.accuracy_m,
            newest_mark.label("mark"),
            notes.scalar_subquery().label("notes"),
        ).outerjoin(PlaceRow, PlaceRow.incident_id == IncidentRow.id)
        names = [column.name for column in rows.selected_columns]
        order = (IncidentRow.opened_at.desc(), IncidentRow.id)
        after = ""
        while True:
            with self._reading() as session:
                some = session.execute(rows.where(*_wanted(search, after)).order_by(*order).limit(EXPORTED)).all()
            for row in some:
                columns = dict(zip(names, row, strict=True))
                columns["senses"], columns["labels"] = _words(columns["senses"]), _words(columns["labels"])
                columns["mark"] = None if columns["mark"] == Mark.NONE else columns["mark"]
                yield columns
            if len(some) < EXPORTED:
                return
            after = f"{some[-1].opened_at}~{some[-1].incident}"

    def count_by_state(self) -> dict[State, int]:
        """How many incidents there are in each state."""
        counted = select(IncidentRow.state, func.count()).where(IncidentRow.kind == "alarm")
        with self._reading() as session:
            counts = {State(state): count for state, count in session.execute(counted.group_by(IncidentRow.state))}
        return {state: counts.get(state, 0) for state in State}

    def count_deliveries(self) -> dict[str, int]:
        """How many deliveries there are in each state, as far as they may be seen."""
        counted = select(DeliveryRow.state, func.count()).where(DeliveryRow.covert.is_(False))
        with self._reading() as session:
            found = session.execute(counted.group_by(DeliveryRow.state)).all()
        counts: dict[str, int] = dict(found)
        return counts

    def due(self, channel: str, limit: int = 1) -> Sequence[Job]:
        """What is to be done now by a channel: what is new first, then what failed before, then the rest."""
        with self._reading() as session:
            for turn in TURNS:
                rows = session.execute(
                    select(DeliveryRow, IncidentRow)
                    .join(IncidentRow, IncidentRow.id == DeliveryRow.incident_id)
                    .where(DeliveryRow.channel == channel, DeliveryRow.turn == turn, DeliveryRow.due_at <= self.clock())
                    .order_by(DeliveryRow.due_at)
                    .limit(limit)
                ).all()
                if rows:
                    return [_job(session, delivery, incident) for delivery, incident in rows]
        return []

    def next_due(self, channel: str) -> float | None:
        """When there is next something to be done by a channel."""
        of_turn = [
            select(func.min(DeliveryRow.due_at)).where(
                DeliveryRow.channel == channel, DeliveryRow.turn == turn, DeliveryRow.due_at.is_not(None)
            )
            for turn in TURNS
        ]
        with self._reading() as session:
            due = session.scalars(union_all(*of_turn)).all()
        return min((each for each in due if each is not None), default=None)

    def begin(self, jobs: Iterable[Job]) -> None:
        """Write that jobs are being done; each is an attempt, unless it is only followed."""
        with self._writing() as session:
            for job in jobs:
                change = update(DeliveryRow).where(DeliveryRow.key == job.key, DeliveryRow.version == job.version)
                if job.turn is Turn.FOLLOW:
                    session.execute(change.values(turn=Turn.TAKEN))
                else:
                    session.execute(
                        change.values(
                            state=DeliveryState.SENDING,
                            turn=Turn.TAKEN,
                            attempts=DeliveryRow.attempts + 1,
                            changed_at=_iso(self.clock()),
                        )
                    )

    def finish(self, results: Iterable[Result]) -> None:
        """Write what came of jobs; one that was asked for anew meanwhile stays to be done."""
        with self._writing() as session:
            now = self.clock()
            for result in results:
                row = session.get(DeliveryRow, result.key)
                if row is None or row.version != result.version:
                    continue
                handed_over = result.state in (DeliveryState.SENT, DeliveryState.DELIVERED)
                row.turn = Turn.FOLLOW if handed_over else Turn.HELD if result.held else Turn.RETRY
                if handed_over and row.sent_at is None:
                    row.sent_at = now
                row.state, row.detail, row.due_at, row.changed_at = (
                    result.state,
                    result.detail,
                    result.due_at,
                    _iso(now),
                )
                row.reference = result.reference or row.reference
                if result.instead:
                    row.fallback = None
                    self._ask(session, row.incident_id, result.instead, now, covert=row.covert)

    def overdue(self, asked_before: float) -> Sequence[Job]:
        """Deliveries with a fallback that were to be done before then, and were not."""
        with self._reading() as session:
            rows = session.execute(
                select(DeliveryRow, IncidentRow)
                .join(IncidentRow, IncidentRow.id == DeliveryRow.incident_id)
                .where(
                    DeliveryRow.asked_at < asked_before,
                    DeliveryRow.due_at.is_not(None),
                    DeliveryRow.fallback.is_not(None),
                    DeliveryRow.turn != Turn.HELD,
                    DeliveryRow.state.in_((DeliveryState.PENDING, DeliveryState.SENDING)),
                )
                .limit(100)
            ).all()
            return [_job(session, delivery, incident) for delivery, incident in rows]

    def fall_back(self, job: Job, instead: Iterable[Planned]) -> None:
        """Ask others to do a job, while it is still tried."""
        with self._writing() as session:
            row = session.get(DeliveryRow, job.key)
            if row is not None and row.fallback is not None:
                row.fallback = None
                self._ask(session, row.incident_id, instead, self.clock(), covert=row.covert)

    def recover(self, channels: Iterable[str]) -> int:
        """Make what an earlier run left behind ready to be done; only while no other process delivers.

        Sound that was not made then is not made now. What was being sent may have arrived or not: it is sent again,
        under the same key.

        Args:
            channels: those that are turned on; deliveries of any other have failed.

        Returns:
            How many deliveries are taken up again.
        """
        with self._writing() as session:
            now = self.clock()
            unfinished = update(DeliveryRow).where(DeliveryRow.due_at.is_not(None))
            failed = {"state": DeliveryState.FAILED, "due_at": None, "changed_at": _iso(now)}
            session.execute(unfinished.where(DeliveryRow.nature == Nature.SOUND).values(detail=STALE, **failed))
            off = "the channel is not turned on any more"
            gone = unfinished.where(DeliveryRow.channel.not_in(tuple(channels)))
            session.execute(gone.where(DeliveryRow.sent_at.is_not(None)).values(due_at=None))
            session.execute(gone.values(detail=off, **failed))
            taken = unfinished.where(DeliveryRow.turn == Turn.TAKEN)
            session.execute(
                taken.where(DeliveryRow.state == DeliveryState.SENDING).values(
                    state=DeliveryState.PENDING, turn=Turn.RETRY, due_at=now
                )
            )
            session.execute(taken.values(turn=Turn.FOLLOW, due_at=now))
            newest = session.scalar(select(func.max(DeliveryRow.changed_at)).where(DeliveryRow.due_at.is_not(None)))
            if newest and (ahead := datetime.fromisoformat(newest).timestamp() - now) > 1.0:
                self._shift(session, -ahead)  # the clock was set back since: else all would wait for that moment again
            count = select(func.count()).select_from(DeliveryRow).where(DeliveryRow.due_at.is_not(None))
            return session.scalar(count) or 0

    def shift(self, by_s: float) -> None:
        """The clock was set, by so many seconds: waits stay as long as they were."""
        with self._writing() as session:
            self._shift(session, by_s)

    def outbox(self, limit: int = 100) -> Sequence[Delivery]:
        """What is still to be done, in order of time, then what failed, the newest first; as much as may be seen."""
        with self._reading() as session:
            visible = select(DeliveryRow).where(DeliveryRow.covert.is_(False)).limit(limit)
            waiting = session.scalars(visible.where(DeliveryRow.due_at.is_not(None)).order_by(DeliveryRow.due_at)).all()
            failed = session.scalars(
                visible.where(text("state = 'failed'")).order_by(DeliveryRow.asked_at.desc())
            ).all()
            return [_delivery(row) for row in (*waiting, *failed)]

    def retry(self, key: str = "") -> Sequence[str]:
        """Make deliveries due now: all that wait for another attempt, or the one with this key, even if it failed.

        Returns:
            The keys of what will be done.

        Raises:
            JournalError: there is no delivery with this key that could be done again.
        """
        with self._writing() as session:
            now = self.clock()
            if key:
                row = self._waiting_or_failed(session, key)
                if row.nature == Nature.SOUND:
                    raise JournalError(f"'{key}' is a sound: it was of use at its moment only")
                if row.state == DeliveryState.FAILED:
                    row.asked_at, row.version = now, row.version + 1
                    row.sent_at, row.reference, row.turn = None, "", Turn.RETRY
                row.state, row.due_at = DeliveryState.PENDING, now
                return [row.key]
            session.execute(
                update(DeliveryRow)
                .where(DeliveryRow.due_at > now, DeliveryRow.turn.in_((Turn.RETRY, Turn.HELD)))
                .values(due_at=now)
            )
            return session.scalars(
                select(DeliveryRow.key).where(DeliveryRow.due_at <= now, DeliveryRow.nature != Nature.SOUND)
            ).all()

    def alert(self, incident_id: str, channels: Mapping[str, Nature]) -> Sequence[str]:
        """Have an incident told on these channels now, because a person says so, whatever its policy says.

        What waits for its step on a channel is made due; where nothing waits, the channel is told once more.

        Returns:
            The keys of the deliveries.

        Raises:
            JournalError: no such incident, or it was called off.
        """
        with self._writing() as session:
            now = self.clock()
            row = self._found(session, incident_id)
            if row.kind != "alarm" or row.state in (State.PENDING, State.CANCELLED):
                raise JournalError(f"incident {row.id} is {row.state}; nobody is told of it")
            keys = []
            for channel, nature in channels.items():
                asked = session.scalars(
                    select(DeliveryRow).where(
                        DeliveryRow.incident_id == row.id,
                        DeliveryRow.channel == channel,
                        DeliveryRow.kind == "alarm",
                    )
                ).all()
                waiting = [each for each in asked if each.waits and each.due_at is not None and each.turn == Turn.FRESH]
                for each in waiting[:1]:
                    each.asked_at = each.due_at = now
                    each.waits = False
                    keys.append(each.key)
                if not waiting:
                    key = delivery_key(row.id, channel, "alarm", len(asked))
                    self._ask(session, row.id, [Planned(key, channel, nature, "alarm")], now)
                    keys.append(key)
        return keys

    def told_since(self, since: float) -> Sequence[tuple[str, float, Sequence[str]]]:
        """Messages about incidents and troubles of the last time: channel, when it was sent, and the deliveries in it.

        Args:
            since: seconds since 1970; of older incidents nothing is looked up.
        """
        found = (
            select(DeliveryRow.channel, DeliveryRow.sent_at, DeliveryRow.key)
            .join(IncidentRow, IncidentRow.id == DeliveryRow.incident_id)
            .where(
                IncidentRow.kind.in_(("alarm", "trouble")),
                IncidentRow.opened_at >= _iso(since),
                DeliveryRow.nature == Nature.MESSAGE,
                DeliveryRow.sent_at.is_not(None),
            )
            .order_by(DeliveryRow.sent_at)
        )
        together: dict[tuple[str, float], list[str]] = {}
        with self._reading() as session:
            for channel, sent_at, key in session.execute(found):
                together.setdefault((channel, sent_at or 0.0), []).append(key)
        return [(channel, sent_at, keys) for (channel, sent_at), keys in together.items()]

    def drop(self, key: str) -> None:
        """Take a delivery out, so that it is not tried again.

        Raises:
            JournalError: there is no delivery with this key that waits or failed.
        """
        with self._writing() as session:
            row = self._waiting_or_failed(session, key)
            row.state, row.due_at, row.version = DeliveryState.DROPPED, None, row.version + 1
            row.changed_at = _iso(self.clock())

    def delivery(self, key: str) -> Delivery:
        """One delivery by its key.

        Raises:
            JournalError: there is none.
        """
        with self._reading() as session:
            row = session.get(DeliveryRow, key)
            if row is None:
                raise JournalError(f"no delivery '{key}'")
            return _delivery(row)

    @staticmethod
    def _waiting_or_failed(session: Session, key: str) -> DeliveryRow:
        row = session.get(DeliveryRow, key)
        if row is None or row.covert:
            raise JournalError(f"no delivery '{key}'")
        if row.turn == Turn.TAKEN and row.due_at is not None:
            raise JournalError(f"'{key}' is being done")
        if row.due_at is None and row.state != DeliveryState.FAILED:
            raise JournalError(f"'{key}' is {row.state}")
        return row

    @staticmethod
    def _unfinished(session: Session, incident_id: str) -> Sequence[DeliveryRow]:
        return session.scalars(
            select(DeliveryRow).where(DeliveryRow.incident_id == incident_id, DeliveryRow.due_at.is_not(None))
        ).all()

    @staticmethod
    def _ask(
        session: Session,
        incident_id: str,
        deliveries: Iterable[Planned],
        now: float,
        *,
        covert: bool = False,
        begin_sounds: bool = False,
    ) -> None:
        """Add deliveries; one whose key is there already is not asked for twice.

        With `begin_sounds` they are written as begun: they are made in the same moment, and nothing may come between.
        """
        rows = [
            {
                "key": each.key,
                "incident_id": incident_id,
                "channel": each.channel,
                "nature": each.nature,
                "kind": each.kind,
                "state": DeliveryState.SENDING if begun else DeliveryState.PENDING,
                "turn": Turn.TAKEN if begun else Turn.FRESH,
                "version": 1,
                "waits": each.after_s > 0,
                "covert": covert,
                "attempts": int(begun),
                "asked_at": now + each.after_s,
                "due_at": now + each.after_s,
                "fallback": json.dumps(each.fallback) if each.fallback else None,
                "changed_at": _iso(now),
                "detail": "",
                "reference": "",
                "sent_at": None,
            }
            for each in deliveries
            for begun in [begin_sounds and is_immediate(each)]
        ]
        if rows:
            session.execute(insert(DeliveryRow).on_conflict_do_nothing(), rows)

    def _ask_records(self, session: Session, incident_id: str, now: float, kind: Kind = "update") -> None:
        """Have the channels that keep a record of the incident write it again."""
        channels = session.scalars(
            select(DeliveryRow.channel)
            .where(
                DeliveryRow.incident_id == incident_id,
                DeliveryRow.nature == Nature.RECORD,
                DeliveryRow.waits.is_(False) | (DeliveryRow.attempts > 0),
            )
            .distinct()
        ).all()
        for channel in channels:
            key = delivery_key(incident_id, channel, kind)
            row = session.get(DeliveryRow, key)
            if row is None:
                self._ask(
                    session, incident_id, [Planned(key, channel, Nature.RECORD, kind)], now, covert=kind == "duress"
                )
            else:
                row.version += 1
                row.state, row.turn, row.attempts = DeliveryState.PENDING, Turn.FRESH, 0
                row.asked_at = row.due_at = now
                row.sent_at = None

    @staticmethod
    def _shift(session: Session, by_s: float) -> None:
        session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.due_at.is_not(None))
            .values(
                due_at=DeliveryRow.due_at + by_s,
                asked_at=DeliveryRow.asked_at + by_s,
                sent_at=DeliveryRow.sent_at + by_s,
            )
        )

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        try:
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                session.execute(text("BEGIN IMMEDIATE"))
                yield session
        except SQLAlchemyError as error:
            raise _unusable(error)(f"{self.path}: cannot be written: {_reason(error)}") from None

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        try:
            with Session(self._engine) as session:
                yield session
        except SQLAlchemyError as error:
            raise _unusable(error)(f"{self.path}: cannot be read: {_reason(error)}") from None

    @staticmethod
    def _found(session: Session, start: str) -> IncidentRow:
        """The incident whose id begins so."""
        rows = session.scalars(
            select(IncidentRow).where(IncidentRow.id >= start, IncidentRow.id < start + chr(0x10FFFF)).limit(2)
        ).all()
        if not rows or not start:
            raise JournalError(f"no incident '{start}'")
        if len(rows) > 1:
            raise JournalError(f"several incidents begin with '{start}'")
        return rows[0]


def _unusable(error: Exception) -> type[JournalUnusableError]:
    return JournalDamagedError if any(word in str(error) for word in DAMAGE) else JournalUnusableError


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


@lru_cache(maxsize=256)
def _words(listed: str) -> tuple[str, ...]:
    """A JSON list of senses or labels, of which there are few."""
    return tuple(json.loads(listed))


def _wanted(search: Search, after: str) -> list[ColumnElement[bool]]:
    """What is true of the incidents that a search wants, older than where a page ended.

    Raises:
        JournalError: `after` is none of what `Journal.search` gives.
    """
    wanted: list[ColumnElement[bool]] = [IncidentRow.kind == "alarm"]
    if search.state is not None:
        wanted.append(IncidentRow.state == search.state)
    if search.sense is not None:
        wanted.append(IncidentRow.senses.contains(json.dumps(search.sense), autoescape=True))
    if search.label:
        wanted.append(IncidentRow.labels.contains(json.dumps(search.label), autoescape=True))
    if search.since is not None:
        wanted.append(IncidentRow.opened_at >= _iso(_utc_seconds(search.since)))
    if search.until is not None:
        wanted.append(IncidentRow.opened_at < _iso(_utc_seconds(search.until)))
    if after:
        opened_at, tilde, incident_id = after.partition("~")
        if not tilde:
            raise JournalError(f"'{after}' is not where a page ended")
        wanted.append(IncidentRow.opened_at <= opened_at)
        wanted.append(or_(IncidentRow.opened_at < opened_at, IncidentRow.id > incident_id))
    return wanted


def is_immediate(planned: Planned) -> bool:
    """Whether a delivery is a sound to be made now."""
    return planned.nature is Nature.SOUND and planned.after_s <= 0


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _utc_seconds(moment: datetime) -> float:
    """Seconds since 1970, within what can be written as a date."""
    zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    try:
        return min(max(zoned.timestamp(), 0.0), 253_402_300_799.0)
    except (OverflowError, ValueError):
        return 0.0


def _set(row: IncidentRow, incident: Incident, now: float) -> None:
    """Make a row say what an incident is now."""
    row.state = incident.state
    row.changed_at = _iso(now)
    row.at_s = incident.at_s
    row.confidence = incident.confidence
    row.senses = json.dumps(incident.senses)
    row.labels = json.dumps(incident.labels)
    row.evidence = json.dumps([asdict(piece) for piece in incident.evidence])
    row.reason = incident.reason


def _reason(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return str(getattr(cause, "strerror", None) or cause).splitlines()[0]


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


def _entry(session: Session, row: IncidentRow, *, covert: bool) -> Entry:
    transitions = session.scalars(
        select(TransitionRow).where(TransitionRow.incident_id == row.id).order_by(TransitionRow.number)
    )
    deliveries = session.scalars(
        select(DeliveryRow).where(DeliveryRow.incident_id == row.id).order_by(DeliveryRow.asked_at, DeliveryRow.key)
    )
    remarks = session.scalars(select(RemarkRow).where(RemarkRow.incident_id == row.id).order_by(RemarkRow.number))
    return Entry(
        incident=_incident(row),
        opened_at=row.opened_at,
        changed_at=row.changed_at,
        source=row.source,
        silent=row.silent,
        transitions=tuple(
            Transition(State(step.state), step.at, step.at_s, step.confidence, step.reason, step.by)
            for step in transitions
        ),
        deliveries=tuple(
            _delivery(step) if covert or not step.covert else _called_off(_delivery(step), row.changed_at)
            for step in deliveries
        ),
        remarks=tuple(
            Remark(each.at, each.by, each.text, None if each.mark is None else Mark(each.mark)) for each in remarks
        ),
        place=_place(session.get(PlaceRow, row.id)),
    )


def _place(row: PlaceRow | None) -> Place | None:
    return Place(row.latitude, row.longitude, row.accuracy_m, "", "browser") if row is not None else None


def _position(place: Place) -> dict[str, float | None]:
    return {"latitude": place.latitude, "longitude": place.longitude, "accuracy_m": place.accuracy_m}


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        key=row.key,
        incident_id=row.incident_id,
        channel=row.channel,
        kind=cast(Kind, row.kind),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        changed_at=row.changed_at,
        due_at=None if row.due_at is None else _iso(row.due_at),
        detail=row.detail,
    )


def _called_off(delivery: Delivery, at: str) -> Delivery:
    """What a covert delivery would look like, had the incident really been called off."""
    if delivery.kind == "duress":
        key = delivery.key.replace(":duress", ":update")
        return replace(delivery, key=key, kind="update", state=DeliveryState.SENT, attempts=1, due_at=None, detail="")
    return replace(delivery, state=DeliveryState.DROPPED, attempts=0, changed_at=at, due_at=None, detail="")


def _decision(session: Session, row: IncidentRow) -> TransitionRow | None:
    """What a person decided last about an incident that is over; None if it is not, or nobody did."""
    if row.state != State.CLOSED:
        return None
    steps = select(TransitionRow).where(TransitionRow.incident_id == row.id, TransitionRow.by == PERSON)
    return session.scalars(steps.order_by(TransitionRow.number.desc()).limit(1)).first()


def _job(session: Session, delivery: DeliveryRow, row: IncidentRow) -> Job:
    incident, kind = _incident(row), cast(Kind, delivery.kind)
    if delivery.nature == Nature.MESSAGE:  # records tell what it is, messages what became of it
        if (decision := _decision(session, row)) is not None:
            incident = replace(incident, state=State(decision.state), reason=decision.reason)
        kind = "duress" if row.duress and kind == "alarm" else kind
    return Job(
        key=delivery.key,
        version=delivery.version,
        channel=delivery.channel,
        kind=kind,
        turn=Turn(delivery.turn),
        attempts=delivery.attempts,
        asked_at=delivery.asked_at,
        sent_at=delivery.sent_at,
        reference=delivery.reference,
        fallback=tuple(json.loads(delivery.fallback)) if delivery.fallback else (),
        hidden=delivery.covert or row.silent,
        incident=incident,
        opened_at=row.opened_at,
    )
