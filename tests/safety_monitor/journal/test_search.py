"""Incidents found again: filtered, and page by page."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from safety_monitor.incident import Evidence, Incident, Sense, State
from safety_monitor.journal.file import JournalError
from safety_monitor.journal.incidents import Journal
from safety_monitor.journal.search import Search, find_incidents
from tests.clock import Clock

DAY = 86_400.0


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Ten incidents, one a day: the even ones heard, the odd ones seen; the last is cancelled."""
    clock = Clock(1_700_000_000.0)
    journal = Journal(tmp_path, clock)
    for number in range(10):
        sense, label = [(Sense.AUDIO, "scream"), (Sense.GESTURE, "signal_for_help")][number % 2]
        evidence = Evidence(sense, label, 0.9, 0.0)
        journal.record(Incident(f"id-{number}", State.CONFIRMED, 0.0, 0.9, (evidence,), ""))
        clock.now += DAY
    journal.decide("id-9", State.CANCELLED, "")
    yield journal
    journal.close()


def found(journal: Journal, search: Search) -> list[str]:
    return [entry.incident.id[3:] for entry in find_incidents(journal.file, search)[0]]


@pytest.mark.parametrize(
    ("search", "numbers"),
    [
        (Search(), "9876543210"),
        (Search(state=State.CANCELLED), "9"),
        (Search(state=State.CLOSED), ""),
        (Search(sense=Sense.AUDIO), "86420"),
        (Search(label="signal_for_help"), "97531"),
        (Search(label="signal"), ""),
        (Search(label="%"), ""),
        (Search(since=datetime.fromtimestamp(1_700_000_000 + 8 * DAY, UTC)), "98"),
        (Search(until=datetime.fromtimestamp(1_700_000_000 + 2 * DAY, UTC)), "10"),
        (Search(until=datetime(1, 1, 1)), ""),
        (Search(since=datetime(9999, 12, 31)), ""),
        (
            Search(
                state=State.CONFIRMED, sense=Sense.AUDIO, since=datetime.fromtimestamp(1_700_000_000 + 3 * DAY, UTC)
            ),
            "864",
        ),
    ],
)
def test_filters(journal: Journal, search: Search, numbers: str) -> None:
    assert found(journal, search) == list(numbers)


def test_pages_follow_each_other_also_within_one_moment(tmp_path: Path) -> None:
    journal = Journal(tmp_path, lambda: 1_700_000_000.0)
    for number in range(7):
        journal.record(Incident(f"id-{number}", State.CONFIRMED, 0.0, 0.9, (), ""))
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        entries, after = find_incidents(journal.file, Search(), after, 3)
        seen += [entry.incident.id for entry in entries]
    assert seen == [f"id-{number}" for number in range(7)]


def test_a_page_begins_only_where_one_ended(journal: Journal) -> None:
    with pytest.raises(JournalError, match="not where a page ended"):
        find_incidents(journal.file, Search(), "anything")


def test_incidents_are_counted_by_state(journal: Journal) -> None:
    counts = journal.count_by_state()
    assert {state: count for state, count in counts.items() if count} == {State.CONFIRMED: 9, State.CANCELLED: 1}
