"""An incident's steps stand on a chart where they happened."""

import pytest

from safety_monitor.incident import State
from safety_monitor.journal.entry import Transition
from safety_monitor.web.chart import seconds_of


def step(state: State, minute: int, second: int, at_s: float, by: str = "station") -> Transition:
    return Transition(state, f"2026-05-04T03:{minute:02}:{second:02}.000+00:00", at_s, 0.9, "", by)


CONFIRMED = step(State.CONFIRMED, 2, 0, 100.0)
CLOSED = step(State.CLOSED, 2, 30, 130.0)


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        ((), ()),
        ((CONFIRMED, CLOSED), (100.0, 130.0)),
        ((CONFIRMED, step(State.ACKNOWLEDGED, 2, 12, 100.0, "person"), CLOSED), (100.0, 112.0, 130.0)),
        ((CONFIRMED, CLOSED, step(State.CANCELLED, 7, 30, 130.0, "person")), (100.0, 130.0, 430.0)),
        # Of a recording that was played fast the clock of the source is ahead, or behind.
        ((CONFIRMED, step(State.ACKNOWLEDGED, 3, 30, 100.0, "person"), CLOSED), (100.0, 190.0, 190.0)),
        # The clock was set back meanwhile.
        ((CONFIRMED, step(State.ACKNOWLEDGED, 1, 0, 100.0, "person")), (100.0, 100.0)),
    ],
)
def test_what_a_person_decides_stands_where_it_happened(
    steps: tuple[Transition, ...], seconds: tuple[float, ...]
) -> None:
    assert seconds_of(steps) == seconds
