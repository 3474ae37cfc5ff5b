"""How a hand moves: its index tip and its wrist over the last seconds, as points at fixed time steps.

The same path means the same at ten and at thirty frames a second, because it is resampled by time stamps; near and far,
because it is measured in palm sizes. Several spans of time are looked at together, so that a fast swipe and a slow
circle are both seen whole. Directions are those of the picture: a swipe to the right goes to the picture's right.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.registry import open_card
from models.runtime import TFLiteModel

Points = NDArray[np.float32]

DEFAULT_MODEL = "motions"
TASK = "motions"
POINTS = 16
"""Points of a path."""
SPANS_S = (0.6, 1.2, 2.4, 4.0)
"""Seconds that a path covers, each looked at by itself."""
LONGEST_GAP_S = 0.4
"""A hand that was lost for longer starts its history anew; shorter gaps are bridged in a straight line."""
STILL, MOVING = "stop", "move"
SWIPES = ("swipe_left", "swipe_right", "swipe_up", "swipe_down")
MOTION_FEATURES = 2 * POINTS + 7


@dataclass(slots=True)
class PointHistory:
    """Where the index tip and the wrist of one hand were; the newest seconds of it.

    Attributes:
        times: seconds, increasing.
        places: index tip x, y and wrist x, y in picture widths, one row a time.
        sizes: palm sizes in picture widths.
    """

    times: deque[float] = field(default_factory=deque)
    places: deque[tuple[float, float, float, float]] = field(default_factory=deque)
    sizes: deque[float] = field(default_factory=deque)

    def add(self, at_s: float, landmarks: Points, size: float, aspect: float, *, anew: bool) -> None:
        """Note one frame; `anew` where the hand was found again elsewhere."""
        if anew or (self.times and at_s - self.times[-1] > LONGEST_GAP_S):
            for kept in (self.times, self.places, self.sizes):
                kept.clear()
        if self.times and at_s <= self.times[-1]:
            return
        tip, wrist = landmarks[8], landmarks[0]
        self.times.append(at_s)
        self.places.append((float(tip[0]), float(tip[1]) * aspect, float(wrist[0]), float(wrist[1]) * aspect))
        self.sizes.append(size)
        # One frame older than the longest span, so that it can be covered whole.
        while len(self.times) > 2 and at_s - self.times[1] > SPANS_S[-1]:
            for kept in (self.times, self.places, self.sizes):
                kept.popleft()

    def paths(self) -> tuple[Points, list[float]]:
        """Paths of the tip and of the wrist for every span the history covers.

        Returns:
            float32 of shape (spans covered, 2, POINTS, 2) in palm sizes, oldest point first, and those spans.
        """
        if len(self.times) < 3:
            return np.zeros((0, 2, POINTS, 2), np.float32), []
        times = np.array(self.times)
        places = np.array(self.places) / float(np.median(self.sizes))
        covered = [span for span in SPANS_S if times[-1] - times[0] >= span * 0.95]
        if not covered:
            return np.zeros((0, 2, POINTS, 2), np.float32), []
        steps = np.concatenate([np.linspace(times[-1] - span, times[-1], POINTS) for span in covered])
        points = _at(times, places, steps).reshape(len(covered), POINTS, 2, 2)
        return np.asarray(points.transpose(0, 2, 1, 3), np.float32), covered


def resample(times: NDArray[np.float64], values: NDArray[np.float64], span_s: float) -> Points:
    """Values at `POINTS` even time steps over the last `span_s` seconds.

    Args:
        times: shape (n,), increasing seconds.
        values: shape (n, columns).
        span_s: seconds before the newest time.

    Returns:
        float32 of shape (POINTS, columns), interpolated in straight lines.
    """
    return _at(times, values, np.linspace(times[-1] - span_s, times[-1], POINTS))


def _at(times: NDArray[np.float64], values: NDArray[np.float64], steps: NDArray[np.float64]) -> Points:
    """Values at other times, in straight lines; before the first and after the last they stay what they are."""
    before = np.clip(np.searchsorted(times, steps) - 1, 0, len(times) - 2)
    share = np.clip((steps - times[before]) / (times[before + 1] - times[before]), 0.0, 1.0)
    start = values[before]
    return np.asarray(start + (values[before + 1] - start) * share[:, None], np.float32)


def motion_features(paths: Points) -> Points:
    """What the movement classifier takes in.

    Args:
        paths: float32 of shape (n, POINTS, 2), in palm sizes, y down.

    Returns:
        float32 of shape (n, `MOTION_FEATURES`).
    """
    middle = paths - paths.mean(axis=1, keepdims=True)
    extent = np.maximum(np.linalg.norm(middle, axis=2).max(axis=1), 1e-3)
    shape = middle / extent[:, None, None]
    steps = np.diff(shape, axis=1)
    lengths = np.linalg.norm(steps, axis=2)
    here, there = shape[:, :-1], shape[:, 1:]
    area = 0.5 * np.sum(here[:, :, 0] * there[:, :, 1] - there[:, :, 0] * here[:, :, 1], axis=1)
    cross = steps[:, :-1, 0] * steps[:, 1:, 1] - steps[:, :-1, 1] * steps[:, 1:, 0]
    dot = np.sum(steps[:, :-1] * steps[:, 1:], axis=2)
    # Turns count only where there is movement: the direction of jitter says nothing.
    turning = np.where(lengths[:, 1:] * lengths[:, :-1] > 1e-3, np.arctan2(cross, dot), 0.0).sum(axis=1)
    end = shape[:, -1] - shape[:, 0]
    numbers = np.stack(
        [
            np.log(extent),
            lengths.sum(axis=1) / 4,
            area,
            turning / (2 * np.pi),
            end[:, 0],
            end[:, 1],
            lengths[:, -2:].sum(axis=1),
        ],
        axis=1,
    )
    return np.concatenate([shape.reshape(len(paths), -1), numbers], axis=1).astype(np.float32)


def combine(probabilities: Points, labels: Sequence[str]) -> Points:
    """One answer from the paths of one hand.

    Args:
        probabilities: float32 of shape (spans, 2, labels): of the tip's and the wrist's path for each span.
        labels: of the last axis; must hold "stop" and "move".

    Returns:
        float32 of shape (labels,), summing to 1. A particular movement counts as sure as the span that shows it best;
        what is left over is shared between stop and move as the shortest span says. A swipe is one of the whole hand:
        fingers that close move their tips downwards too.
    """
    still, moving = labels.index(STILL), labels.index(MOVING)
    swipes = [i for i, label in enumerate(labels) if label in SWIPES]
    tip, wrist = probabilities[:, 0].copy(), probabilities[:, 1]
    tip[:, swipes] = np.sqrt(tip[:, swipes] * wrist[:, swipes])
    best = tip.max(axis=0)
    best[[still, moving]] = 0.0
    total = float(best.sum())
    if total > 1:
        best /= total
        total = 1.0
    rest = tip[0, still], max(float(1 - tip[0, still]), 1e-6)
    best[still] = (1 - total) * rest[0] / (rest[0] + rest[1])
    best[moving] = (1 - total) * rest[1] / (rest[0] + rest[1])
    return np.asarray(best, np.float32)


@dataclass(frozen=True, slots=True)
class MotionClassifier:
    """Movements from point histories; belongs to the thread that calls it.

    Attributes:
        model: motion features in, calibrated probabilities out.
        labels: in the order of the model's outputs.
    """

    model: TFLiteModel
    labels: tuple[str, ...]

    @staticmethod
    def load(name: str = DEFAULT_MODEL, home: Path | None = None) -> "MotionClassifier":
        """The classifier of a model folder (see `models.registry.find`).

        Raises:
            ModelError: there is no such model, or it is damaged or made for something else.
        """
        folder, card = open_card(name, task=TASK, home=home)
        model = TFLiteModel(folder / "model.tflite")
        model.try_out([(1, MOTION_FEATURES)], len(card.labels))
        return MotionClassifier(model, card.labels)

    def __call__(self, histories: Sequence[PointHistory]) -> list[Points | None]:
        """Probabilities by hand, float32 of shape (labels,); None where the history is still too short."""
        paths = [history.paths()[0] for history in histories]
        none = np.zeros((0, POINTS, 2), np.float32)
        together = np.concatenate([none, *(path.reshape(-1, POINTS, 2) for path in paths)])
        if not len(together):
            return [None] * len(histories)
        answers = np.asarray(self.model(motion_features(together))[0], np.float32)
        results: list[Points | None] = []
        start = 0
        for path in paths:
            mine = answers[start : start + 2 * len(path)].reshape(len(path), 2, len(self.labels))
            results.append(combine(mine, self.labels) if len(path) else None)
            start += 2 * len(path)
        return results
