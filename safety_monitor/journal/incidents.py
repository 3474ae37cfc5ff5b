"""The journal: what became of every incident. What is written here is durable before anything else is done with it.

`file` opens the file, `asking` adds the deliveries that incidents ask for, `outbox` holds them, `covert` says what
people may see of them, `search` finds incidents again.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from safety_monitor.delivery import Turn
from safety_monitor.escalation import Kind, Nature, Planned, delivery_key
from safety_monitor.incident import MAY_FOLLOW, OPEN, Incident, Mark, State
from safety_monitor.journal.asking import answer, ask, ask_records, ask_told, end_trouble, unfinished
from safety_monitor.journal.entry import Entry, entry_of, place_in
from safety_monitor.journal.file import JournalError, JournalFile
from safety_monitor.journal.outbox import Outbox
from safety_monitor.journal.search import Search, find_incidents
from safety_monitor.journal.tables import (
    INCIDENT_ROW,
    PERSON,
    DeliveryRow,
    IncidentRow,
    PlaceRow,
    RemarkRow,
    TransitionRow,
    decision_of,
    incident_of,
    iso,
)
from safety_monitor.place import Place

LEFT_OPEN = "the station ended before it was over"
LONGEST_REMARK, LONGEST_NAME = 2000, 100
"""Characters of a note, and of the name of whoever writes it."""


class Journal:
    """An open journal; may be used from several threads and processes at once.

    Args:
        home: the folder; made if it is not there.
        clock: seconds since 1970.
        wait_s: how long another process that writes is waited for.
        rescue: whether a damaged file is moved aside and a fresh one begun.
        connections: how many are opened now rather than when they are needed.

    Raises:
        JournalError: the folder or file cannot be written, or the file is not a journal.
    """

    def __init__(
        self,
        home: Path,
        clock: Callable[[], float] = time.time,
        wait_s: float = 10.0,
        *,
        rescue: bool = False,
        connections: int = 1,
    ) -> None:
        self.file = JournalFile(home, clock, wait_s, rescue=rescue, connections=connections)
        self.outbox = Outbox(self.file)
        self.path, self.clock = self.file.path, clock

    def close(self) -> None:
        """Give the file back."""
        self.file.close()

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
        with self.file.writing() as session:
            now = self.clock() if at is None else at
            row = session.get(IncidentRow, incident.id)
            if row is None:
                row = IncidentRow(
                    id=incident.id, kind="alarm", opened_at=iso(now), source=source, silent=silent, duress=False
                )
                session.add(row)
            else:
                _check_follows(incident.id, State(row.state), incident.state)
                ask_records(session, incident.id, now)
            _set(row, incident, now)
            # What confirms it decides: half a sign that must not be noticed, and then a scream, is a loud emergency.
            row.silent = silent or (row.silent and incident.state is not State.CONFIRMED)
            session.flush()
            session.add(_transition_row(incident, row.changed_at, "station"))
            if place is not None:
                session.merge(PlaceRow(incident_id=incident.id, **_position(place)))
            ask(session, incident.id, deliveries, now, begin_sounds=True)

    def end_left_open(self) -> int:
        """End what a station left open that was ended in the middle of it; only while no station watches.

        It counts as over since it changed last. Channels that keep a record are asked to write it again.

        Returns:
            How many incidents that were.
        """
        open_now = select(IncidentRow).where(IncidentRow.kind == "alarm", IncidentRow.state.in_(OPEN))
        with self.file.reading() as session:
            if session.scalar(select(open_now.exists())) is False:
                return 0
        with self.file.writing() as session:
            now = self.clock()
            rows = self.file.sensible(session, open_now, INCIDENT_ROW, lambda row: (row, incident_of(row)))
            for row, incident in rows:
                row.state = State.CANCELLED if row.state == State.PENDING else State.CLOSED
                row.reason = LEFT_OPEN
                ended = replace(incident, state=State(row.state), reason=LEFT_OPEN)
                session.add(_transition_row(ended, iso(now), "station"))
                ask_records(session, row.id, now)
        return len(rows)

    def notice(
        self,
        told: Incident,
        deliveries: Iterable[Planned],
        *,
        covert: bool = False,
        over: str = "",
        at: float | None = None,
    ) -> None:
        """Write what is told though nothing was noticed, such as that a part of the station failed.

        Args:
            told: see `safety_monitor.incident.notice`; `show` finds it by its id, `list` leaves it out.
            deliveries: that this asks for.
            covert: whether nothing of it may be seen where the station stands.
            over: the part that works again: steps that wait because of its troubles are dropped; empty: none.
            at: when it came to that, seconds since 1970; None: now.
        """
        with self.file.writing() as session:
            now = self.clock() if at is None else at
            if over:
                end_trouble(session, over, now)
            row = IncidentRow(id=told.id, kind="trouble", opened_at=iso(now), source="", silent=covert, duress=False)
            _set(row, told, now)
            session.add(row)
            session.flush()
            ask(session, told.id, deliveries, now, covert=covert)

    def troubles_within(self, last_s: float) -> list[tuple[float, str]]:
        """What was told of troubles within the last seconds, the oldest first: how many seconds ago, and the text."""
        now = self.clock()
        told = select(IncidentRow.opened_at, IncidentRow.reason).where(
            IncidentRow.kind == "trouble",
            IncidentRow.opened_at.between(iso(now - last_s), iso(now)),
        )
        with self.file.reading() as session:
            found = session.execute(told.order_by(IncidentRow.opened_at)).all()
        return [(now - datetime.fromisoformat(at).timestamp(), reason) for at, reason in found]

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
        with self.file.writing() as session:
            now = self.clock()
            row = self._found(session, incident_id)
            waiting = [each for each in unfinished(session, row.id) if each.waits and each.turn != Turn.TAKEN]
            over = row.state == State.CLOSED and row.kind == "alarm" and state is not State.CLOSED
            earlier = decision_of(session, row)
            standing = State(earlier.state if earlier else State.CONFIRMED if over else row.state)
            _check_follows(row.id, standing, state)
            at_s = _source_clock(session, row, now)
            if not over:
                row.state, row.at_s = state, at_s
            row.changed_at, row.reason, row.duress = iso(now), reason, row.duress or duress
            for each in waiting:
                each.covert = row.duress and each.nature != Nature.SOUND  # whoever forces somebody must not hear it
                if not each.covert:
                    answer(each, iso(now))
            incident = replace(incident_of(row), state=state, at_s=at_s)
            session.add(_transition_row(incident, row.changed_at, PERSON))
            kind: Kind = "duress" if row.duress else "update"
            ask_records(session, row.id, now, kind)
            ask_told(session, row.id, now, kind)
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
        with self.file.writing() as session:
            row = self._found(session, incident_id)
            if row.kind != "alarm":
                raise JournalError(f"{row.id} is a trouble of the station, not an incident")
            session.add(RemarkRow(incident_id=row.id, at=iso(self.clock()), by=by, text=text, mark=mark))
            session.flush()
            return entry_of(session, row, covert=False)

    def state_of(self, incident_id: str) -> State:
        """Where an incident stands now, whoever moved it."""
        with self.file.reading() as session:
            state = session.scalar(select(IncidentRow.state).where(IncidentRow.id == incident_id))
            if state is None:
                raise JournalError(f"no incident {incident_id}")
            return State(state)

    def decisions(self, incident_ids: Sequence[str]) -> Mapping[str, State]:
        """What persons decided last about incidents, by id; those about which nobody decided anything are left out."""
        steps = select(TransitionRow.incident_id, TransitionRow.state).order_by(TransitionRow.number)
        steps = steps.where(TransitionRow.incident_id.in_(incident_ids), TransitionRow.by == PERSON)
        with self.file.reading() as session:
            return {incident_id: State(state) for incident_id, state in session.execute(steps)}

    def place_of(self, incident_id: str) -> Place | None:
        """Where a browser was that heard an incident; None for the station's own."""
        with self.file.reading() as session:
            return place_in(session.get(PlaceRow, incident_id))

    def show(self, incident_id: str, *, covert: bool = False) -> Entry:
        """One incident with all that belongs to it; the id may be shortened while it is unique.

        Args:
            incident_id: its id.
            covert: also what must not be seen where the station stands; else an incident called off under duress
                looks as any other that was called off.

        Raises:
            JournalError: none or several incidents have such an id.
        """
        with self.file.reading() as session:
            row = self._found(session, incident_id)
            return entry_of(session, row, covert=covert)

    def list(self, limit: int = 20) -> Sequence[Entry]:
        """The newest incidents, newest first, as `show` gives them."""
        return find_incidents(self.file, Search(), limit=limit)[0]

    def count_by_state(self) -> dict[State, int]:
        """How many incidents there are in each state."""
        counted = select(IncidentRow.state, func.count()).where(IncidentRow.kind == "alarm")
        with self.file.reading() as session:
            counts = {State(state): count for state, count in session.execute(counted.group_by(IncidentRow.state))}
        return {state: counts.get(state, 0) for state in State}

    def alert(self, incident_id: str, channels: Mapping[str, Nature]) -> Sequence[str]:
        """Have an incident told on these channels now, because a person says so, whatever its policy says.

        What waits for its step on a channel is made due; where nothing waits, the channel is told once more.

        Returns:
            The keys of the deliveries.

        Raises:
            JournalError: no such incident, or it was called off.
        """
        with self.file.writing() as session:
            now = self.clock()
            row = self._found(session, incident_id)
            decided = decision_of(session, row)
            standing = decided.state if decided else row.state
            if row.kind != "alarm" or standing in (State.PENDING, State.CANCELLED):
                raise JournalError(f"incident {row.id} is {standing}; nobody is told of it")
            keys = []
            for channel, nature in channels.items():
                asked = session.scalars(
                    select(DeliveryRow).where(
                        DeliveryRow.incident_id == row.id,
                        DeliveryRow.channel == channel,
                        DeliveryRow.kind == "alarm",
                    )
                ).all()
                fresh = [each for each in asked if each.due_at is not None and each.turn == Turn.FRESH]
                waiting = [each for each in fresh if each.waits and not each.covert]
                for each in waiting[:1]:
                    each.asked_at = each.due_at = now
                    each.waits = False
                    keys.append(each.key)
                if not waiting:
                    key = delivery_key(row.id, channel, "alarm", len(asked))
                    ask(session, row.id, [Planned(key, channel, nature, "alarm")], now)
                    keys.append(key)
        return keys

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


def _set(row: IncidentRow, incident: Incident, now: float) -> None:
    """Make a row say what an incident is now."""
    row.state = incident.state
    row.changed_at = iso(now)
    row.at_s = incident.at_s
    row.confidence = incident.confidence
    row.senses = json.dumps(incident.senses)
    row.labels = json.dumps(incident.labels)
    row.evidence = json.dumps([asdict(piece) for piece in incident.evidence])
    row.reason = incident.reason


def _source_clock(session: Session, row: IncidentRow, now: float) -> float:
    """What the clock of an incident's source shows now: people have none; so much later than at the newest step."""
    steps = select(TransitionRow.at_s, TransitionRow.at).where(TransitionRow.incident_id == row.id)
    newest = session.execute(steps.order_by(TransitionRow.number.desc()).limit(1)).first()
    at_s, at = newest or (row.at_s, row.changed_at)
    return at_s + max(0.0, now - datetime.fromisoformat(at).timestamp())  # the clock may have been set back


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


def _position(place: Place) -> dict[str, float | None]:
    return {"latitude": place.latitude, "longitude": place.longitude, "accuracy_m": place.accuracy_m}
