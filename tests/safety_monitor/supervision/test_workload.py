"""A machine that is too slow judges less, step by step, and more again when there is time to spare."""

import pytest

from safety_monitor.incident import Sense
from safety_monitor.supervision.workload import EFFORTS, Load, Workload, step


@pytest.mark.parametrize(
    ("lags", "level"),
    [
        ([0.1] * 600, 0),
        ([2.0, 0.2] * 30, 0),
        ([2.0] * 6, 1),
        ([2.0] * 11, 2),
        ([2.0] * 300, len(EFFORTS) - 1),
        ([2.0] * 300 + [0.1] * 62, len(EFFORTS) - 2),
        ([2.0] * 6 + [0.8] * 600, 1),
        ([2.0] * 300 + [0.1] * 320, 0),
    ],
)
def test_how_much_is_judged(lags: list[float], level: int) -> None:
    load = Load()
    for now, lag_s in enumerate(lags):
        load = step(load, lag_s, float(now))
    assert load.level == level


def test_the_worst_of_the_last_seconds_counts_for_each_sense() -> None:
    now = 100.0
    workload = Workload(clock=lambda: now)
    for lag_s in (0.1, 0.9, 0.3):
        workload.decided(Sense.AUDIO, lag_s)
    workload.decided(Sense.GESTURE, 0.2)
    assert workload.lags() == {Sense.AUDIO: 0.9, Sense.GESTURE: 0.2}
    now += 4.0
    workload.decided(Sense.AUDIO, 0.4)
    now += 2.0
    assert workload.lags() == {Sense.AUDIO: 0.4, Sense.GESTURE: 0.0}
