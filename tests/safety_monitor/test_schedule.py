"""Armed and how sure, by the hour: over midnight, on its days, and a person is obeyed until the next hour."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from safety_monitor.config import Settings
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.fusion import FusionRules
from safety_monitor.journal.incidents import Journal
from safety_monitor.schedule import Schedule, schedule_of
from tests.idle_station import idle_station

MONDAY = 23  # of November 2026
SHOP = {
    "armed": [
        {"days": ["mon", "tue"], "begin": "08:00", "end": "18:00"},
        {"days": ["fri"], "begin": "22:00", "end": "06:00"},
        {"days": ["sun"], "begin": "00:00", "end": "00:00"},
    ],
    "thresholds": [
        {"begin": "22:00", "end": "06:00", "threshold": 0.7},
        {"begin": "21:00", "end": "23:00", "threshold": 0.9},
    ],
}


def at(day: int, clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{MONDAY + day:02} {clock}")


def shop() -> Schedule:
    return schedule_of(Settings.model_validate({"schedule": SHOP}).schedule)


@pytest.mark.parametrize(
    ("day", "clock", "armed"),
    [
        (0, "07:59:59", False),
        (0, "08:00", True),
        (1, "17:59:59", True),
        (1, "18:00", False),
        (2, "12:00", False),
        (4, "21:59", False),
        (4, "22:00", True),
        (5, "05:59", True),
        (5, "06:00", False),
        (5, "22:30", False),
        (6, "00:00", True),
        (6, "23:59", True),
        (7, "00:00", False),
    ],
)
def test_armed_in_its_hours(day: int, clock: str, armed: bool) -> None:
    assert shop().armed_at(at(day, clock)) is armed


@pytest.mark.parametrize(("clock", "threshold"), [("12:00", 0.8), ("21:30", 0.9), ("22:30", 0.7), ("05:00", 0.7)])
def test_the_first_hours_that_hold_give_the_threshold(clock: str, threshold: float) -> None:
    assert shop().threshold_at(at(2, clock), 0.8) == threshold


def test_without_hours_it_is_always_armed() -> None:
    assert Schedule().armed_at(at(0, "03:00"))
    assert Schedule().threshold_at(at(0, "03:00"), 0.8) == 0.8


@pytest.mark.parametrize(
    ("schedule", "complaint"),
    [
        ({"thresholds": [{"begin": "22:00", "end": "06:00", "threshold": 0.3}]}, "below fusion.weak"),
        ({"armed": [{"begin": "24:00", "end": "06:00"}]}, "begin"),
        ({"armed": [{"days": ["monday"], "begin": "08:00", "end": "06:00"}]}, "days"),
        ({"armed": [{"begin": "08:00"}]}, "end"),
    ],
)
def test_hours_that_are_none_are_refused(schedule: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        Settings.model_validate({"schedule": schedule})
    assert complaint in str(caught.value)


@pytest.fixture
def dispatch(tmp_path: Path) -> Iterator[Dispatch]:
    journal = Journal(tmp_path)
    dispatch = Dispatch(journal, [])
    yield dispatch
    dispatch.close()
    journal.close()


@pytest.mark.parametrize("live", [True, False])
def test_a_station_keeps_its_hours_and_obeys_until_the_next(dispatch: Dispatch, tmp_path: Path, live: bool) -> None:
    now = at(0, "12:00")
    station = idle_station(Journal(tmp_path), dispatch, live=live, local_time=lambda: now)
    seen = []
    for day, clock, by_hand in [
        (0, "12:00", None),
        (0, "19:00", None),
        (0, "19:01", True),
        (1, "08:00", None),
        (1, "23:00", None),
    ]:
        now = at(day, clock)
        if by_hand is not None:
            station.arm(by_hand)
        station.follow_rules(FusionRules(), shop())  # as at every moment of a run
        seen.append((station.armed, station.view.rules.threshold))
    station.journal.close()
    by_hours = [(True, 0.8), (False, 0.8), (True, 0.8), (True, 0.8), (False, 0.7)]
    assert seen == (by_hours if live else [(True, 0.8)] * 5)
