"""Incidents found again in the journal: filtered, page by page, and all of them as a table."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import ColumnElement, exists, func, or_, select

from safety_monitor.incident import Incident, Mark, Sense, State
from safety_monitor.journal.entry import Entry, entry_of
from safety_monitor.journal.file import JournalError, JournalFile
from safety_monitor.journal.tables import (
    INCIDENT_ROW,
    PERSON,
    IncidentRow,
    PlaceRow,
    RemarkRow,
    TransitionRow,
    incident_of,
    iso,
    words_in,
)

_words = lru_cache(maxsize=256)(words_in)
"""Of senses or labels, of which there are few."""
EXPORTED = 5000
"""Rows that an export reads at once."""
LONGEST_S = 86_400.0
"""No incident is open for longer."""


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


def find_incidents(
    file: JournalFile, search: Search, after: str = "", limit: int = 50
) -> tuple[Sequence[Entry], str | None]:
    """Some of the incidents that are wanted, newest first; as fast for the last page as for the first.

    Args:
        file: of the journal.
        search: which.
        after: where the page before ended; empty for the first.
        limit: at most so many.

    Returns:
        The incidents, and what to give as `after` for the next ones; None if there are none.

    Raises:
        JournalError: `after` is none of what this gives.
    """
    wanted = select(IncidentRow).where(*_wanted(search, after))
    with file.reading() as session:
        order = (IncidentRow.opened_at.desc(), IncidentRow.id)
        read = partial(entry_of, session, covert=False)
        found = file.sensible(session, wanted.order_by(*order), INCIDENT_ROW, read, limit + 1)
        last = found[limit - 1] if len(found) > limit else None
        return found[:limit], f"{last.opened_at}~{last.incident.id}" if last is not None else None


def unanswered_incidents(file: JournalFile, within_s: float, most: int) -> list[tuple[Incident, float]]:
    """The newest incidents that are over and about which nobody decided, oldest first, and for how many seconds.

    What a station left open that was ended in the middle of it is among them, as closed; what nobody where the station
    stands must notice is not.

    Args:
        file: of the journal; no station watches that writes to it.
        within_s: how long they have been over at most; what a clock that was set has put into the future is left out.
        most: how many.
    """
    now = file.clock()
    over = select(IncidentRow).where(
        IncidentRow.kind == "alarm",
        IncidentRow.state.in_((State.CLOSED, State.CONFIRMED)),
        IncidentRow.opened_at >= iso(now - within_s - LONGEST_S),
        IncidentRow.changed_at.between(iso(now - within_s), iso(now)),
        IncidentRow.silent.is_(False),
        ~exists().where(TransitionRow.incident_id == IncidentRow.id, TransitionRow.by == PERSON),
    )

    def closed(row: IncidentRow) -> tuple[Incident, float]:
        over_s = now - datetime.fromisoformat(row.changed_at).timestamp()
        return replace(incident_of(row), state=State.CLOSED), over_s

    with file.reading() as session:
        newest = over.order_by(IncidentRow.changed_at.desc())
        return file.sensible(session, newest, INCIDENT_ROW, closed, most)[::-1]


def export_incidents(file: JournalFile, search: Search) -> Iterator[dict[str, Any]]:
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
        with file.reading() as session:
            found = session.execute(rows.where(*_wanted(search, after)).order_by(*order).limit(EXPORTED))
            some = [dict(zip(names, row, strict=True)) for row in found]
            for columns in some:
                columns["senses"], columns["labels"] = _words(columns["senses"]), _words(columns["labels"])
                columns["mark"] = None if columns["mark"] == Mark.NONE else columns["mark"]
        yield from some
        if len(some) < EXPORTED:
            return
        after = f"{some[-1]['opened_at']}~{some[-1]['incident']}"


def _wanted(search: Search, after: str) -> list[ColumnElement[bool]]:
    """What is true of the incidents that a search wants, older than where a page ended.

    Raises:
        JournalError: `after` is none of what `find_incidents` gives.
    """
    wanted: list[ColumnElement[bool]] = [IncidentRow.kind == "alarm"]
    if search.state is not None:
        wanted.append(IncidentRow.state == search.state)
    if search.sense is not None:
        wanted.append(IncidentRow.senses.contains(json.dumps(search.sense), autoescape=True))
    if search.label:
        wanted.append(IncidentRow.labels.contains(json.dumps(search.label), autoescape=True))
    if search.since is not None:
        wanted.append(IncidentRow.opened_at >= iso(_utc_seconds(search.since)))
    if search.until is not None:
        wanted.append(IncidentRow.opened_at < iso(_utc_seconds(search.until)))
    if after:
        opened_at, tilde, incident_id = after.partition("~")
        if not tilde:
            raise JournalError(f"'{after}' is not where a page ended")
        wanted.append(IncidentRow.opened_at <= opened_at)
        wanted.append(or_(IncidentRow.opened_at < opened_at, IncidentRow.id > incident_id))
    return wanted


def _utc_seconds(moment: datetime) -> float:
    """Seconds since 1970, within what can be written as a date."""
    zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    try:
        return min(max(zoned.timestamp(), 0.0), 253_402_300_799.0)
    except (OverflowError, ValueError):
        return 0.0
