import numpy as np
import pytest

from audio.calibration import highest, log_odds_line, running, steepness, strongest, temperature, threshold_at
from audio.detector import Persistence, at_operating_point


def test_windows_add_up_as_in_the_running_detector() -> None:
    rng = np.random.default_rng(1)
    odds, opinions = rng.normal(0, 4, 60).astype(np.float32), rng.normal(0, 2, 60).astype(np.float32)
    clips = np.repeat(np.arange(3, dtype=np.int32), 20)
    persistence = Persistence(share=1.5)
    expected = []
    for clip in range(3):
        total = -persistence.limit
        for value, opinion in zip(odds[clips == clip], opinions[clips == clip], strict=True):
            total = persistence.step(total, 1 / (1 + float(np.exp(-value))))
            expected.append(persistence.with_opinion(total, float(opinion)))
    assert running(odds, opinions, clips, persistence) == pytest.approx(expected, abs=1e-3)


def test_a_recording_alarms_by_its_highest_moment() -> None:
    odds, clips = np.asarray([-3, 5, 1, -7, -8, 0], np.float32), np.asarray([0, 0, 0, 1, 1, 2], np.int32)
    assert highest(odds, clips, 3).tolist() == [5, -7, 0]


def test_a_recording_is_judged_by_its_strongest_windows() -> None:
    odds = np.asarray([*range(20), 7], np.float32)
    clips = np.asarray([0] * 20 + [1], np.int32)
    assert strongest(odds, clips, 2) == pytest.approx([16.5, 7.0])


@pytest.mark.parametrize(("rate", "passing"), [(0.1, 10), (0.01, 1), (0.0, 0)])
def test_a_threshold_lets_through_its_share(rate: float, passing: int) -> None:
    scores = np.random.default_rng(0).permutation(np.arange(100, dtype=np.float32))
    assert int((scores > threshold_at(scores, rate)).sum()) == passing


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_temperature_undoes_overconfidence(scale: float) -> None:
    rng = np.random.default_rng(0)
    true_odds = rng.normal(0, 2, 20_000)
    truth = rng.random(20_000) < 1 / (1 + np.exp(-true_odds))
    assert temperature((true_odds / scale).astype(np.float32), truth) == pytest.approx(scale, rel=0.15)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_probabilities_beyond_a_threshold_are_as_steep_as_the_truth(scale: float) -> None:
    rng = np.random.default_rng(0)
    beyond = rng.normal(-2, 2, 20_000)
    truth = rng.random(20_000) < [at_operating_point(each) for each in beyond]
    assert steepness((beyond / scale).astype(np.float32), truth) == pytest.approx(scale, rel=0.1)


def test_distances_become_log_odds() -> None:
    rng = np.random.default_rng(0)
    true_odds = rng.normal(0, 2, 20_000)
    truth = rng.random(20_000) < 1 / (1 + np.exp(-true_odds))
    slope, offset = log_odds_line(((true_odds - 1) / 3).astype(np.float32), truth)
    assert [slope, offset] == pytest.approx([3, 1], abs=0.15)
