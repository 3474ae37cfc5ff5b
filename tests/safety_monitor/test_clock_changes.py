"""Hours of the day on the two days of the year on which clocks change: none comes twice, none is left out."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest

from safety_monitor.clock_changes import moment
from safety_monitor.dispatch.limits import quiet_until
from safety_monitor.schedule import Hours

SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
EVERY_DAY = frozenset(range(7))
pytestmark = pytest.mark.usefixtures("berlin")


@pytest.mark.parametrize(
    ("day", "clock", "last", "utc"),
    [
        (SPRING, "01:59", False, "00:59"),
        (SPRING, "02:00", False, "01:00"),
        (SPRING, "02:30", False, "01:00"),
        (SPRING, "02:30", True, "01:00"),
        (SPRING, "03:00", False, "01:00"),
        (SPRING, "03:01", True, "01:01"),
        (AUTUMN, "01:59", True, "23:59"),
        (AUTUMN, "02:30", False, "00:30"),
        (AUTUMN, "02:30", True, "01:30"),
        (AUTUMN, "03:00", False, "02:00"),
    ],
)
def test_the_moment_of_a_time_that_is_left_out_or_comes_twice(day: date, clock: str, last: bool, utc: str) -> None:
    assert f"{moment(day, time.fromisoformat(clock), last=last).astimezone(UTC):%H:%M}" == utc


def minutes(day: date) -> Iterator[datetime]:
    """Every minute from noon to noon, as the machine gives it."""
    begin = datetime.combine(day - timedelta(days=1), time(12)).timestamp()
    end = datetime.combine(day, time(12)).timestamp()
    return (datetime.fromtimestamp(at) for at in range(int(begin), int(end), 60))


@pytest.mark.parametrize(
    ("day", "begin", "end", "armed", "quiet"),
    [
        (SPRING, "22:00", "06:00", 7 * 60, 7 * 60),
        (SPRING, "22:00", "02:30", 4 * 60, 4 * 60),
        (SPRING, "02:30", "06:00", 3 * 60, 3 * 60),
        (SPRING, "02:10", "02:50", 0, 0),
        (AUTUMN, "22:00", "06:00", 9 * 60, 9 * 60),
        (AUTUMN, "22:00", "02:30", 5 * 60 + 30, 4 * 60 + 30),  # armed rather longer, quiet rather shorter
        (AUTUMN, "02:30", "06:00", 4 * 60 + 30, 4 * 60 + 30),
        (AUTUMN, "02:10", "02:50", 100, 40),
    ],
)
def test_hours_are_one_piece_however_clocks_change(day: date, begin: str, end: str, armed: int, quiet: int) -> None:
    first, last = time.fromisoformat(begin), time.fromisoformat(end)
    hours = Hours(EVERY_DAY, first, last)
    holds = [hours.hold(at) for at in minutes(day)]
    ends = [quiet_until((first, last), at.astimezone()) for at in minutes(day)]
    for found, lasts in ((holds, armed), ([until is not None for until in ends], quiet)):
        assert sum(found) == lasts
        assert sum(before != after for before, after in pairwise(found)) == (2 if lasts else 0)
    told = {until for until in ends if until is not None}
    assert len(told) == (1 if quiet else 0)  # and nothing that is held back waits for another moment than its end
    if told:
        quiet_minutes = [at.astimezone() for at, until in zip(minutes(day), ends, strict=True) if until is not None]
        assert told == {quiet_minutes[-1] + timedelta(minutes=1)}
