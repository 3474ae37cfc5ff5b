"""An idle scene is looked at less often, and never so seldom that a hand waits."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from gesture.pace import Pace


def times(rate: float, seconds: float = 20.0) -> list[float]:
    """Frame times; a rate of 0 is a camera that gives 20 frames a second on average, none of them in time."""
    if rate:
        return [i / rate for i in range(int(seconds * rate))]
    return [float(at_s) for at_s in np.cumsum(np.random.default_rng(2).uniform(0.03, 0.07, int(seconds * 20)))]


def looks(pace: Pace, frames: Sequence[float], hand: tuple[float, float] = (-1.0, -1.0)) -> list[float]:
    """Times of the frames looked at; a hand is in view between the two times of `hand`."""
    seen = []
    for at_s in frames:
        if pace.due(at_s):
            seen.append(at_s)
            pace.looked(at_s, int(hand[0] <= at_s < hand[1]))
    return seen


@pytest.mark.parametrize("rate", [5, 10, 15, 25, 30, 60, 0])
def test_two_looks_at_an_idle_scene_are_no_further_apart_than_they_may_be(rate: float) -> None:
    frames = times(rate)
    seen = looks(Pace(idle_after_s=2.0), frames)
    assert [at_s for at_s in seen if at_s < 2.0] == [at_s for at_s in frames if at_s < 2.0]
    slowest = max(1.1 / 8, max(b - a for a, b in pairwise(frames))) + (0.04 if not rate else 0.0)
    assert max(b - a for a, b in pairwise(seen)) <= slowest + 1e-9
    if rate >= 15:
        assert len(seen) < 0.65 * len(frames)


def test_a_hand_wakes_it_and_keeps_it_awake() -> None:
    frames = times(30)
    seen = looks(Pace(idle_after_s=2.0), frames, hand=(10.0, 12.0))
    awake = [at_s for at_s in frames if 10.2 <= at_s < 13.9]
    assert [at_s for at_s in seen if 10.2 <= at_s < 13.9] == awake
    assert len([at_s for at_s in seen if at_s > 14.2]) < 60


def test_without_the_setting_every_frame_is_looked_at() -> None:
    assert looks(Pace(), times(15)) == times(15)
