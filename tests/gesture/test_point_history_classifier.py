"""Movements mean the same at any frame rate, near and far; nothing is said of what has not been seen."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gesture.point_history_classifier import POINTS, SPANS_S, MotionClassifier, PointHistory, combine, resample
from gesture.trajectories import MOTION_LABELS
from models.card import ModelError, write_card
from models.registry import find

Points = NDArray[np.float32]
ASPECT = 0.75


@pytest.fixture(scope="module")
def classifier() -> MotionClassifier:
    return MotionClassifier.load()


def times(seconds: float, rate: float) -> list[float]:
    """Frame times; a rate of 0 is an irregular camera of about 20 frames a second."""
    if rate:
        return [i / rate for i in range(int(seconds * rate) + 1)]
    rng = np.random.default_rng(4)
    return [float(at_s) for at_s in np.cumsum(rng.uniform(0.02, 0.09, int(seconds * 20)))]


def circle(at_s: float, period: float, turn: int) -> tuple[float, float]:
    angle = 2 * np.pi * at_s / period
    return 1.5 * np.cos(angle), turn * 1.5 * np.sin(angle)


def swipe(at_s: float, seconds: float, x: float, y: float) -> tuple[float, float]:
    share = np.clip((at_s - 0.5) / seconds, 0, 1)
    gone = 10 * share**3 - 15 * share**4 + 6 * share**5
    return 5 * x * gone, 5 * y * gone


def wave(at_s: float) -> tuple[float, float]:
    return 1.2 * np.sin(2 * np.pi * 1.6 * at_s), 0.0


def history(path: list[tuple[float, tuple[float, float]]], size: float = 0.08) -> PointHistory:
    """The history of a hand that moves as a whole; places in palm sizes about the middle of the picture."""
    record = PointHistory()
    rng = np.random.default_rng(5)
    for at_s, (x, y) in path:
        landmarks = np.full((21, 3), 0.5, np.float32) + rng.normal(0, 0.01 * size, (21, 3)).astype(np.float32)
        landmarks[:, 0] += x * size
        landmarks[:, 1] += y * size / ASPECT
        record.add(at_s, landmarks, size, ASPECT, anew=False)
    return record


def movement(classifier: MotionClassifier, record: PointHistory) -> str | None:
    answer = classifier([record])[0]
    return None if answer is None else classifier.labels[int(answer.argmax())]


@pytest.mark.parametrize("size", [0.02, 0.08, 0.15])
@pytest.mark.parametrize("rate", [10, 15, 30, 0])
@pytest.mark.parametrize(
    ("label", "path"),
    [
        ("stop", lambda t: (0.0, 0.0)),
        ("clockwise", lambda t: circle(t, 0.9, 1)),
        ("clockwise", lambda t: circle(t, 3.6, 1)),
        ("counter_clockwise", lambda t: circle(t, 0.9, -1)),
        ("counter_clockwise", lambda t: circle(t, 3.6, -1)),
        ("swipe_right", lambda t: swipe(t, 0.4, 1, 0)),
        ("swipe_left", lambda t: swipe(t, 0.4, -1, 0)),
        ("swipe_up", lambda t: swipe(t, 0.4, 0, -1)),
        ("swipe_down", lambda t: swipe(t, 0.4, 0, 1)),
        ("wave", wave),
    ],
    ids=["stop", "cw", "slow cw", "ccw", "slow ccw", "right", "left", "up", "down", "wave"],
)
def test_movements(classifier: MotionClassifier, label: str, path: object, rate: float, size: float) -> None:
    assert callable(path)
    seconds = 1.1 if label.startswith("swipe") else 4.3
    record = history([(at_s, path(at_s)) for at_s in times(seconds, rate)], size)
    assert movement(classifier, record) == label


def test_nothing_is_said_before_the_shortest_span(classifier: MotionClassifier) -> None:
    assert movement(classifier, history([(at_s, wave(at_s)) for at_s in times(0.4, 30)])) is None
    assert classifier([]) == []
    assert classifier([PointHistory()]) == [None]


def test_a_short_gap_is_bridged(classifier: MotionClassifier) -> None:
    seen = [(at_s, circle(at_s, 1.2, 1)) for at_s in times(3.0, 30) if not 1.5 < at_s < 1.8]
    assert movement(classifier, history(seen)) == "clockwise"


def test_a_long_gap_starts_anew(classifier: MotionClassifier) -> None:
    record = history([(at_s, circle(at_s, 1.2, 1)) for at_s in times(3.0, 30)])
    record.add(3.6, np.full((21, 3), 0.5, np.float32), 0.08, ASPECT, anew=False)
    assert movement(classifier, record) is None


def test_a_jump_is_no_movement(classifier: MotionClassifier) -> None:
    record = history([(at_s, (0.0, 0.0)) for at_s in times(1.0, 30)])
    record.add(1.03, np.full((21, 3), 0.9, np.float32), 0.08, ASPECT, anew=True)
    assert movement(classifier, record) is None


def test_two_hands_have_their_own_histories(classifier: MotionClassifier) -> None:
    one = history([(at_s, circle(at_s, 1.2, 1)) for at_s in times(3, 15)])
    other = history([(at_s, (0.0, 0.0)) for at_s in times(3, 15)])
    answers = [classifier.labels[int(answer.argmax())] for answer in classifier([one, other]) if answer is not None]
    assert answers == ["clockwise", "stop"]
    assert movement(classifier, one) == "clockwise"


def test_probabilities_sum_to_one(classifier: MotionClassifier) -> None:
    for path in (wave, lambda t: circle(t, 2.0, 1), lambda t: swipe(t, 0.5, 1, 0)):
        answer = classifier([history([(at_s, path(at_s)) for at_s in times(2.5, 15)])])[0]
        assert answer is not None
        assert answer.sum() == pytest.approx(1, abs=1e-5)
        assert (answer >= 0).all()


def test_fingers_that_close_are_no_swipe() -> None:
    labels = MOTION_LABELS
    probabilities = np.zeros((1, 2, len(labels)), np.float32)
    probabilities[0, 0, labels.index("swipe_down")] = 0.95
    probabilities[0, 0, labels.index("move")] = 0.05
    probabilities[0, 1, labels.index("stop")] = 0.99
    probabilities[0, 1, labels.index("swipe_down")] = 0.01
    assert labels[int(combine(probabilities, labels).argmax())] == "move"


def test_resampling_follows_time_not_frames() -> None:
    seen = np.array([0.0, 0.1, 0.5, 0.6, 1.0])
    points = resample(seen, np.stack([seen * 2, -seen], axis=1), 0.9)
    assert points.shape == (POINTS, 2)
    np.testing.assert_allclose(points[:, 0], np.linspace(0.2, 2.0, POINTS), atol=1e-6)


def test_a_history_keeps_no_more_than_it_needs() -> None:
    record = history([(at_s, (0.0, 0.0)) for at_s in times(60, 30)])
    assert len(record.times) <= SPANS_S[-1] * 30 + 3


def test_a_model_that_does_not_fit_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    shutil.copy(find("signs") / "model.tflite", folder)
    write_card(folder, task="motions", model_format="tflite", labels=("stop", "move"), parameters={}, prose="")
    with pytest.raises(ModelError, match="does not take what this version gives it"):
        MotionClassifier.load("other", tmp_path)
