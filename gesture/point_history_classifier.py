"""How a hand moves: its index tip and its wrist over the last seconds, as points at fixed time steps.

The same path means the same at ten and at thirty frames a second, because it is resampled by time stamps; near and far,
because it is measured in palm sizes. Several spans of time are looked at together, so that a fast swipe and a slow
circle are both seen whole. Directions are those of the picture: a swipe to the right goes to the picture's right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.runtime import TFLiteModel, open_classifier

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

_STEPS_S = np.concatenate([np.linspace(-span, 0.0, POINTS) for span in SPANS_S])
_TIME, _PLACES, _SIZE = 0, slice(1, 5), 5
_ROOM = 32


class PointHistory:
    """Where the index tip and the wrist of one hand were; the newest seconds of it."""

    __slots__ = ("_end", "_rows", "_start")

    def __init__(self) -> None:
        self._rows = np.empty((_ROOM, 6))
        self._start = self._end = 0

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds, increasing; shape (n,)."""
        return self._rows[self._start : self._end, _TIME]

    @property
    def places(self) -> NDArray[np.float64]:
        """Index tip x, y and wrist x, y in picture widths; shape (n, 4)."""
        return self._rows[self._start : self._end, _PLACES]

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Palm sizes in picture widths; shape (n,)."""
        return self._rows[self._start : self._end, _SIZE]

    def add(self, at_s: float, landmarks: Points, size: float, aspect: float, *, anew: bool) -> None:
        """Note one frame; `anew` where the hand was found again elsewhere."""
        passed = at_s - float(self._rows[self._end - 1, _TIME]) if self._end else 0.0
        if anew or passed > LONGEST_GAP_S:
            self._start = self._end = 0
        elif self._end and passed <= 0:
            return
        if self._end == len(self._rows):
            self._make_room()
        tip_x, tip_y, _ = landmarks[8].tolist()
        wrist_x, wrist_y, _ = landmarks[0].tolist()
        self._rows[self._end] = at_s, tip_x, tip_y * aspect, wrist_x, wrist_y * aspect, size
        self._end += 1
        # One frame older than the longest span stays, so that it can be covered whole.
        while self._start + 1 < self._end and at_s - self._rows[self._start + 1, _TIME] > SPANS_S[-1]:
            self._start += 1

    def _make_room(self) -> None:
        """Behind what is kept there is room for as much again: rows are moved only now and then."""
        kept = self._rows[self._start : self._end]
        self._rows = np.empty((2 * len(kept) + _ROOM, 6))
        self._rows[: len(kept)] = kept
        self._start, self._end = 0, len(kept)

    def paths(self) -> tuple[Points, list[float]]:
        """Paths of the tip and of the wrist for every span the history covers.

        Returns:
            float32 of shape (spans covered, 2, POINTS, 2) in palm sizes, oldest point first, and those spans.
        """
        times = self.times
        passed = times[-1] - times[0] if len(times) >= 3 else 0.0
        covered = [span for span in SPANS_S if passed >= span * 0.95]
        if not covered:
            return np.zeros((0, 2, POINTS, 2), np.float32), []
        steps = times[-1] + _STEPS_S[: len(covered) * POINTS]
        tip, wrist = self.places.view(np.complex128).T
        ordered = np.sort(self.sizes)
        size = (ordered[len(ordered) // 2] + ordered[(len(ordered) - 1) // 2]) / 2  # the median
        points = np.array([np.interp(steps, times, tip), np.interp(steps, times, wrist)]) / size
        paths = points.reshape(2, len(covered), POINTS).transpose(1, 0, 2).astype(np.complex64)
        return paths.view(np.float32).reshape(len(covered), 2, POINTS, 2), covered


def resample(times: NDArray[np.float64], values: NDArray[np.float64], span_s: float) -> Points:
    """Values at `POINTS` even time steps over the last `span_s` seconds.

    Args:
        times: shape (n,), increasing seconds.
        values: shape (n, columns).
        span_s: seconds before the newest time.

    Returns:
        float32 of shape (POINTS, columns), interpolated in straight lines.
    """
    steps = np.linspace(times[-1] - span_s, times[-1], POINTS)
    return np.array([np.interp(steps, times, column) for column in values.T], np.float32).T


def motion_features(paths: Points) -> Points:
    """What the movement classifier takes in.

    Args:
        paths: float32 of shape (n, POINTS, 2), in palm sizes, y down.

    Returns:
        float32 of shape (n, `MOTION_FEATURES`).
    """
    # Points as complex numbers: of conj(a) * b the real part is the dot product, the imaginary one the cross product.
    points = np.ascontiguousarray(paths, np.float32).view(np.complex64)[:, :, 0]
    middle = points - (points.sum(axis=1) / POINTS)[:, None]
    extent = np.maximum(np.abs(middle).max(axis=1), 1e-3)
    shape = middle / extent[:, None]
    steps = shape[:, 1:] - shape[:, :-1]
    lengths = np.abs(steps)
    area = 0.5 * (shape[:, :-1].conj() * shape[:, 1:]).imag.sum(axis=1)
    turns = steps[:, :-1].conj() * steps[:, 1:]
    # Turns count only where there is movement: the direction of jitter says nothing.
    turning = np.where(np.abs(turns) > 1e-3, np.arctan2(turns.imag, turns.real), 0.0).sum(axis=1)
    end = shape[:, -1] - shape[:, 0]
    numbers = [
        np.log(extent),
        lengths.sum(axis=1) / 4,
        area,
        turning / (2 * np.pi),
        end.real,
        end.imag,
        lengths[:, -2:].sum(axis=1),
    ]
    return np.concatenate([shape.view(np.float32), np.array(numbers, np.float32).T], axis=1)


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
    tip, wrist = probabilities[:, 0], probabilities[:, 1]
    best = np.where(_swipes(tuple(labels)), np.sqrt(tip * wrist), tip).max(axis=0)
    best[still] = best[moving] = 0.0
    total = float(best.sum())
    if total > 1:
        best /= total
        total = 1.0
    resting = float(tip[0, still])
    going = max(1 - resting, 1e-6)
    best[still] = (1 - total) * resting / (resting + going)
    best[moving] = (1 - total) * going / (resting + going)
    return np.asarray(best, np.float32)


@cache
def _swipes(labels: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which of the labels are swipes."""
    return np.array([label in SWIPES for label in labels])


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
        model, card = open_classifier(name, task=TASK, features=MOTION_FEATURES, home=home)
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
