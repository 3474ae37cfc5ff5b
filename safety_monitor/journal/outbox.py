"""The outbox: deliveries that incidents ask for, as the journal holds them until each is done or given up on.

One row for every delivery, written in the same transaction as the incident's state. A row that still has something to
be done has a `due_at`; only those are indexed for the workers, so that a journal of a million incidents is as fast as
an empty one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

from sqlalchemy import ColumnElement, Select, exists, func, literal_column, select, text, union_all, update
from sqlalchemy.orm import Session

from safety_monitor.delivery import Delivery, DeliveryState, Job, Result, Turn
from safety_monitor.escalation import URGENT, Kind, Nature, Planned
from safety_monitor.incident import State
from safety_monitor.journal.asking import ask
from safety_monitor.journal.covert import TWINS, VISIBLE, row_shown, shown
from safety_monitor.journal.file import JournalError, JournalFile
from safety_monitor.journal.tables import (
    PERSON,
    DeliveryRow,
    IncidentRow,
    TransitionRow,
    decision_of,
    incident_of,
    iso,
    words_in,
)

STALE = "of an earlier run: too late to be of use"
OFF = "the channel is not turned on any more"
TURNS = (Turn.FRESH, Turn.WANTED, Turn.RETRY, Turn.HELD, Turn.FOLLOW)
"""In this order what is due is done."""
_ROW: ColumnElement[int] = literal_column("deliveries.rowid")
_TO_SEND = DeliveryRow.state.in_((DeliveryState.PENDING, DeliveryState.SENDING))
"""True of what is still to be sent, or to be sent again: `sent_at` stays when what was handed over did not arrive."""
UNIX_EPOCH_JD = 2_440_587.5
"""1970 as a Julian day."""
DAY_S = 86_400.0
ISO = "%Y-%m-%dT%H:%M:%f+00:00"
"""A moment as `iso` writes it, for SQLite."""
_JOBS = select(DeliveryRow, IncidentRow).join(IncidentRow, IncidentRow.id == DeliveryRow.incident_id)


class Outbox:
    """The deliveries in an open journal; may be used from several threads and processes at once.

    Args:
        file: of the journal.
    """

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def due(self, channel: str, limit: int = 1, *, without: Sequence[str] = (), urgent: bool = False) -> Sequence[Job]:
        """What is to be done now by a channel: what is new first, then what failed before, then the rest.

        Args:
            channel: its name.
            limit: at most so many, all of one turn.
            without: keys that are left out.
            urgent: only emergencies that are still to be told.
        """
        with self._file.reading() as session:
            for turn in _turns(urgent):
                of_turn = _JOBS.where(
                    DeliveryRow.channel == channel,
                    DeliveryRow.turn == turn,
                    DeliveryRow.due_at <= self._file.clock(),
                    *_among(without, urgent),
                )
                if jobs := self._jobs(session, of_turn.order_by(DeliveryRow.due_at, DeliveryRow.asked_at), limit):
                    return jobs
        return []

    def due_on(self) -> Sequence[str]:
        """The channels by which something is to be done now."""
        due = select(DeliveryRow.channel).where(DeliveryRow.due_at <= self._file.clock(), DeliveryRow.turn.in_(TURNS))
        with self._file.reading() as session:
            return session.scalars(due.distinct()).all()

    def next_due(self, channel: str, *, without: Sequence[str] = (), urgent: bool = False) -> float | None:
        """When there is next something to be done by a channel; see `due`."""
        of_turn = [
            select(func.min(DeliveryRow.due_at)).where(
                DeliveryRow.channel == channel,
                DeliveryRow.turn == turn,
                DeliveryRow.due_at.is_not(None),
                *_among(without, urgent),
            )
            for turn in _turns(urgent)
        ]
        with self._file.reading() as session:
            due = session.scalars(union_all(*of_turn)).all()
        return min((each for each in due if each is not None), default=None)

    def _jobs(self, session: Session, wanted: Select[DeliveryRow, IncidentRow], limit: int) -> list[Job]:
        return self._file.sensible(session, wanted, _ROW, partial(_job, session), limit)

    def begin(self, jobs: Iterable[Job]) -> Sequence[Job]:
        """Write that jobs are being done; each is an attempt, unless it is only followed.

        Returns:
            Those of them that are still to be done: somebody may have answered meanwhile.
        """
        attempt = {
            "state": DeliveryState.SENDING,
            "attempts": DeliveryRow.attempts + 1,
            "changed_at": iso(self._file.clock()),
        }
        with self._file.writing() as session:
            return [
                job
                for job in jobs
                if session.scalar(
                    update(DeliveryRow)
                    .where(
                        DeliveryRow.key == job.key, DeliveryRow.version == job.version, DeliveryRow.due_at.is_not(None)
                    )
                    .values(turn=Turn.TAKEN, **({} if job.turn is Turn.FOLLOW else attempt))
                    .returning(DeliveryRow.key)
                )
            ]

    def finish(self, results: Iterable[Result]) -> None:
        """Write what came of jobs; one that was asked for anew meanwhile stays to be done."""
        with self._file.writing() as session:
            for result in results:
                row = session.get(DeliveryRow, result.key)
                if row is None or row.version != result.version:
                    continue
                now = self._file.clock() if result.at is None else result.at
                handed_over = result.state in (DeliveryState.SENT, DeliveryState.DELIVERED)
                row.turn = Turn.FOLLOW if handed_over else Turn.HELD if result.held else Turn.RETRY
                if result.held and result.due_at is not None and not row.attempts:
                    row.asked_at = result.due_at  # it is not late before
                if handed_over and row.sent_at is None:
                    row.sent_at = now
                row.state, row.detail, row.due_at, row.changed_at = (
                    result.state,
                    result.detail,
                    result.due_at,
                    iso(now),
                )
                row.attempts = max(row.attempts, int(not result.held))  # the first may have been made from memory
                row.reference = result.reference or row.reference

    def overdue(self, asked_before: float) -> Sequence[Job]:
        """Deliveries with a fallback that were to be done before then, and were not."""
        with self._file.reading() as session:
            late = _JOBS.where(
                DeliveryRow.asked_at < asked_before,
                DeliveryRow.due_at.is_not(None),
                DeliveryRow.fallback.is_not(None),
                _TO_SEND,
            )
            return self._jobs(session, late, 100)

    def fall_back(self, job: Job, instead: Iterable[Planned]) -> None:
        """Ask others to do a job, once; where somebody has answered, none that is heard where the station stands.

        Nobody is asked if it was handed over since it was read: a disk that hung may have kept whoever finds it late.

        Raises:
            JournalError: the journal does not hold it.
        """
        with self._file.writing() as session:
            row = session.get(DeliveryRow, job.key)
            if row is None:
                raise JournalError(f"no delivery '{job.key}'")
            handed_over = row.sent_at is not None and job.sent_at is None
            if row.version == job.version and row.fallback is not None and not handed_over:
                row.fallback = None
                decisions = TransitionRow.incident_id == row.incident_id, TransitionRow.by == PERSON
                if session.scalar(select(exists().where(*decisions))):
                    instead = [each for each in instead if each.nature is not Nature.SOUND]
                ask(session, row.incident_id, instead, self._file.clock(), covert=row.covert)

    def gone(self, channels: Iterable[str]) -> Sequence[Job]:
        """Messages that an earlier run left behind, and nobody can send any more.

        Args:
            channels: those that are turned on.

        Raises:
            JournalDamagedError: one of them means nothing.
        """
        with self._file.reading() as session:
            left = _JOBS.where(
                DeliveryRow.due_at.is_not(None),
                DeliveryRow.channel.not_in(tuple(channels)),
                DeliveryRow.nature == Nature.MESSAGE,
                _TO_SEND,
            )
            return [_job(session, *row) for row in session.execute(left.order_by(DeliveryRow.asked_at))]

    def pass_on(self, job: Job, others: Iterable[Planned]) -> None:
        """Give up what is `gone`, and ask others to do it."""
        with self._file.writing() as session:
            now = self._file.clock()
            row = session.get_one(DeliveryRow, job.key)
            row.state, row.due_at, row.fallback = DeliveryState.FAILED, None, None
            row.detail, row.changed_at = OFF, iso(now)
            ask(session, row.incident_id, others, now, covert=row.covert)

    def recover(self, channels: Iterable[str], not_before: float = 0.0, *, written_before: float | None = None) -> int:
        """Make what an earlier run left behind ready to be done; only while no other process delivers.

        Sound whose time has passed is not made now. What was being sent may have arrived or not: it is sent again,
        under the same key.

        Args:
            channels: those that are turned on; deliveries of any other have failed.
            not_before: seconds since 1970; messages that were to be sent earlier count from then: a station that was
                off for days must not give one up at its first attempt, before the network is there.
            written_before: seconds since 1970; what was written since is being done by this run. None: nothing is.

        Returns:
            How many deliveries are taken up again.
        """
        with self._file.writing() as session:
            now = self._file.clock()
            changed_at = (func.julianday(DeliveryRow.changed_at) - UNIX_EPOCH_JD) * DAY_S  # null where it is no time
            newest = session.scalar(select(func.max(changed_at)).where(DeliveryRow.due_at.is_not(None)))
            if newest is not None and (ahead := newest - now) > 1.0:
                _shift(session, -ahead)  # the clock was set back since: else all would wait for that moment again
            _let_go(session, now)
            unfinished = update(DeliveryRow).where(DeliveryRow.due_at.is_not(None))
            failed = {"state": DeliveryState.FAILED, "due_at": None, "changed_at": iso(now)}
            is_sound = DeliveryRow.nature == Nature.SOUND
            earlier = unfinished
            if written_before is not None:
                earlier = unfinished.where(DeliveryRow.changed_at < iso(written_before))
            session.execute(earlier.where(is_sound, DeliveryRow.due_at <= now).values(detail=STALE, **failed))
            gone = unfinished.where(~is_sound, DeliveryRow.channel.not_in(tuple(channels)))
            session.execute(gone.where(~_TO_SEND).values(due_at=None))
            session.execute(gone.values(detail=OFF, **failed))
            unsent = DeliveryRow.nature == Nature.MESSAGE, _TO_SEND
            session.execute(unfinished.where(*unsent, DeliveryRow.asked_at < not_before).values(asked_at=not_before))
            taken = earlier.where(DeliveryRow.turn == Turn.TAKEN)
            session.execute(
                taken.where(DeliveryRow.state == DeliveryState.SENDING).values(
                    state=DeliveryState.PENDING, turn=Turn.RETRY, due_at=now
                )
            )
            session.execute(taken.values(turn=Turn.FOLLOW, due_at=now))
            count = select(func.count()).select_from(DeliveryRow).where(DeliveryRow.due_at.is_not(None))
            return session.scalar(count) or 0

    def shift(self, by_s: float, since: float | None = None) -> None:
        """The clock was set, by so many seconds: waits stay as long as they were, but for what is held back.

        Args:
            by_s: negative if it was set back.
            since: it was after that, seconds since 1970 by the new clock, by which goes already what was written since,
                however long this had to wait for the disk. None: nothing was.
        """
        with self._file.writing() as session:
            now = self._file.clock()
            since = now if since is None else since
            _shift(session, by_s, ~DeliveryRow.changed_at.between(iso(since), iso(now)))
            _let_go(session, now)

    def list(self, limit: int = 100) -> Sequence[Delivery]:
        """What is still to be done, in order of time, then what failed, the newest first; as much as may be seen."""
        with self._file.reading() as session:

            def seen(row: DeliveryRow) -> Delivery | None:
                delivery = shown(row)
                return delivery if row.kind not in TWINS or row_shown(session, delivery.key) is row else None

            visible = select(DeliveryRow).where(VISIBLE)
            waiting = visible.where(DeliveryRow.due_at.is_not(None)).order_by(DeliveryRow.due_at, DeliveryRow.channel)
            failed = visible.where(text("state = 'failed'")).order_by(DeliveryRow.asked_at.desc(), DeliveryRow.channel)
            found = [self._file.sensible(session, wanted, _ROW, seen, limit) for wanted in (waiting, failed)]
            return [each for some in found for each in some if each is not None]

    def count(self) -> dict[str, int]:
        """How many deliveries there are in each state, as far as they may be seen."""
        counted = select(DeliveryRow.state, func.count()).where(DeliveryRow.covert.is_(False))
        with self._file.reading() as session:
            found = session.execute(counted.group_by(DeliveryRow.state)).all()
        counts: dict[str, int] = dict(found)
        return counts

    def retry(self, key: str = "") -> Sequence[str]:
        """Make deliveries due now: all that wait for another attempt, or the one with this key, even if it failed.

        Returns:
            The keys of what will be done.

        Raises:
            JournalError: there is no delivery with this key that could be done again.
        """
        with self._file.writing() as session:
            now = self._file.clock()
            if key:
                row = _waiting_or_failed(session, key)
                if row.nature == Nature.SOUND:
                    raise JournalError(f"'{key}' is a sound: it was of use at its moment only")
                if row.state == DeliveryState.FAILED:
                    row.asked_at, row.version = now, row.version + 1
                    row.sent_at, row.reference, row.turn = None, "", Turn.WANTED
                if row.turn != Turn.FOLLOW:  # whoever wants this one now wants it in quiet hours, too
                    row.turn = Turn.WANTED
                row.state, row.due_at = DeliveryState.PENDING, now
                return [key]
            session.execute(
                update(DeliveryRow)
                .where(DeliveryRow.due_at > now, DeliveryRow.turn.in_((Turn.RETRY, Turn.HELD)))
                .values(due_at=now)
            )
            due = select(DeliveryRow).where(VISIBLE, DeliveryRow.due_at <= now, DeliveryRow.nature != Nature.SOUND)
            return list(dict.fromkeys(shown(row).key for row in session.scalars(due)))

    def hasten(self, channel: str) -> None:
        """Make due now what failed before on a channel that works again; what is held back is, if it still must be."""
        now = self._file.clock()
        tried = DeliveryRow.turn.in_((Turn.RETRY, Turn.HELD)), DeliveryRow.attempts > 0
        failed_before = DeliveryRow.channel == channel, *tried, DeliveryRow.due_at > now
        with self._file.reading() as session:
            if not session.scalar(select(exists().where(*failed_before))):
                return
        with self._file.writing() as session:
            session.execute(update(DeliveryRow).where(*failed_before).values(due_at=now))

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
                IncidentRow.opened_at >= iso(since),
                DeliveryRow.nature == Nature.MESSAGE,
                DeliveryRow.sent_at.is_not(None),
            )
            .order_by(DeliveryRow.sent_at)
        )
        together: dict[tuple[str, float], list[str]] = {}
        with self._file.reading() as session:
            for channel, sent_at, key in session.execute(found):
                together.setdefault((channel, sent_at or 0.0), []).append(key)
        return [(channel, sent_at, keys) for (channel, sent_at), keys in together.items()]

    def drop(self, key: str) -> None:
        """Take a delivery out, so that it is not tried again; one that calls for help under duress only looks that way.

        Raises:
            JournalError: there is no delivery with this key that waits or failed.
        """
        with self._file.writing() as session:
            row, now = _waiting_or_failed(session, key), self._file.clock()
            if row.covert:
                ask(session, row.incident_id, [Planned(key, row.channel, Nature(row.nature), "update")], now)
                covered, row = row, session.get_one(DeliveryRow, key)
                row.asked_at, row.attempts, row.detail = covered.asked_at, covered.attempts, covered.detail
            row.state, row.due_at, row.version = DeliveryState.DROPPED, None, row.version + 1
            row.changed_at = iso(now)

    def delivery(self, key: str) -> Delivery:
        """One delivery by its key, as much as may be seen.

        Raises:
            JournalError: there is none.
        """
        with self._file.reading() as session:
            row = row_shown(session, key)
            if row is None:
                raise JournalError(f"no delivery '{key}'")
            return shown(row)


def _turns(urgent: bool) -> Sequence[Turn]:
    return [turn for turn in TURNS if not (urgent and turn is Turn.FOLLOW)]


def _among(without: Sequence[str], urgent: bool) -> list[ColumnElement[bool]]:
    """True of all deliveries but these, or of the urgent among them."""
    return [
        *([DeliveryRow.key.not_in(without)] if without else []),
        *([DeliveryRow.kind.in_(URGENT)] if urgent else []),
    ]


def _shift(session: Session, by_s: float, *which: ColumnElement[bool]) -> None:
    """Have what is to be done go by a clock that was set; also when it was changed, or it would be shifted again."""
    shifted = func.julianday(DeliveryRow.changed_at) + by_s / DAY_S  # null where it is no time
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.due_at.is_not(None), *which)
        .values(
            due_at=DeliveryRow.due_at + by_s,
            asked_at=DeliveryRow.asked_at + by_s,
            sent_at=DeliveryRow.sent_at + by_s,
            changed_at=func.coalesce(func.strftime(ISO, shifted), DeliveryRow.changed_at),
        )
    )


def _let_go(session: Session, now: float) -> None:
    """Whether what was held back still is shall be decided anew: the clock or the settings are others."""
    held = update(DeliveryRow).where(DeliveryRow.turn == Turn.HELD, DeliveryRow.due_at > now)
    session.execute(held.values(due_at=now, asked_at=func.min(DeliveryRow.asked_at, now)))


def _waiting_or_failed(session: Session, key: str) -> DeliveryRow:
    row = row_shown(session, key)
    if row is None:
        raise JournalError(f"no delivery '{key}'")
    if row.turn == Turn.TAKEN and row.due_at is not None:
        raise JournalError(f"'{key}' is being done")
    if row.due_at is None and row.state != DeliveryState.FAILED:
        raise JournalError(f"'{key}' is {row.state}")
    return row


def _job(session: Session, delivery: DeliveryRow, row: IncidentRow) -> Job:
    incident, kind = incident_of(row), cast(Kind, delivery.kind)
    if delivery.nature == Nature.MESSAGE:  # records tell what it is, messages what became of it
        if (decision := decision_of(session, row)) is not None:
            incident = replace(incident, state=State(decision.state), reason=decision.reason)
        kind = "duress" if row.duress and kind in ("alarm", "update") else kind
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
        fallback=words_in(delivery.fallback) if delivery.fallback else (),
        hidden=delivery.covert or row.silent,
        incident=incident,
        opened_at=row.opened_at,
    )
