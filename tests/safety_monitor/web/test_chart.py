"""An incident's steps stand on a chart where they happened."""

import pytest

from safety_monitor.incident import State
from safety_monitor.journal.entry import Transition
from safety_monitor.web.chart import seconds_of


def step(state: State, at_s: float, by: str = "station") -> Transition:
    return Transition(state, "2026-05-04T03:02:00.000+00:00", at_s, 0.9, "", by)


CONFIRMED = step(State.CONFIRMED, 100.0)
CLOSED = step(State.CLOSED, 130.0)


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        ((), ()),
        ((CONFIRMED, step(State.ACKNOWLEDGED, 112.0, "person"), CLOSED), (100.0, 112.0, 130.0)),
        # Of a recording that was played fast the clock of the source is ahead of the person's.
        ((CONFIRMED, step(State.ACKNOWLEDGED, 190.0, "person"), CLOSED), (100.0, 190.0, 190.0)),
    ],
)
def test_steps_stand_in_their_order(steps: tuple[Transition, ...], seconds: tuple[float, ...]) -> None:
    assert seconds_of(steps) == seconds
