"""Movements made up from what is known of them: paths of a hand at 100 points a second, in palm sizes, y down.

Strokes follow the minimum-jerk profile of Flash and Hogan (1985); waves and circles are drawn with a wandering speed,
size and place; on all of it lies the slow sway and the jitter of a tracked hand.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gesture.point_history_classifier import POINTS, resample

Path = NDArray[np.float64]

RATE = 100
DIRECTIONS = {"swipe_right": 0.0, "swipe_down": 90.0, "swipe_left": 180.0, "swipe_up": 270.0}
"""Degrees in the picture, y down."""
MOTION_LABELS = ("stop", "clockwise", "counter_clockwise", "move", *DIRECTIONS, "wave")


def stroke(start: Path, end: Path, seconds: float) -> Path:
    """A minimum-jerk movement from one point to another; shape (n, 2)."""
    time = np.linspace(0, 1, max(int(seconds * RATE), 2))
    share = 10 * time**3 - 15 * time**4 + 6 * time**5
    return start + share[:, None] * (end - start)


def still(place: Path, seconds: float) -> Path:
    """Rest at a point; shape (n, 2)."""
    return np.repeat(place[None], max(int(seconds * RATE), 1), axis=0)


def wander(count: int, rng: np.random.Generator, size: float) -> Path:
    """A smooth random path about 0; shape (count, 2)."""
    time = np.arange(count) / RATE
    total = np.zeros((count, 2))
    for frequency in (0.15, 0.4, 0.9):
        phase = rng.uniform(0, 2 * np.pi, 2)
        total += rng.normal(0, size / 3, 2) * np.sin(2 * np.pi * frequency * time[:, None] + phase)
    return total


def _swipe(direction: str, span: float, rng: np.random.Generator) -> Path:
    """A stroke of which most lies within the span: one that is over, under way, or slow and not yet at its end.

    Arms turn about elbow and shoulder, so that strokes are arcs; how far the arm turns decides the bow.
    """
    angle = np.deg2rad(DIRECTIONS[direction] + rng.normal(0, 10))
    length = rng.uniform(1.5, 9)
    slow = rng.random() < 0.35
    seconds = rng.uniform(0.8, 1.5) * min(span, 2.6) if slow else rng.uniform(0.25, 0.85) * min(span, 2.6)
    length = rng.uniform(1.5, 4.5) if slow else length
    after = 0.0 if slow and rng.random() < 0.5 else rng.uniform(0, max(span - seconds, 0.02))
    across = np.array([-np.sin(angle), np.cos(angle)]) * length * rng.normal(0, 0.06)
    end = length * np.array([np.cos(angle), np.sin(angle)])
    path = stroke(np.zeros(2), end, seconds)
    # Steady hands that draw keep their speed more than the profile of least jerk says.
    steady = rng.uniform(0, 0.7) if slow else rng.uniform(0, 0.3)
    share = np.linspace(0, 1, len(path))
    path = (1 - steady) * path + steady * share[:, None] * end
    path = path + np.sin(np.pi * (path @ end) / (end @ end))[:, None] * across
    if slow:
        path = path[: max(len(path) - int(len(path) * rng.uniform(0, 0.35)), 2)]
    elif after < 0.15 * span:
        after = 0.0
        path = path[: len(path) - int(len(path) * rng.uniform(0, 0.25))]
    return np.concatenate([still(np.zeros(2), span), path, still(path[-1], after)])


def _circle(clockwise: bool, span: float, rng: np.random.Generator) -> Path:
    count = int(span * RATE) + 1
    turns = rng.uniform(0.72, 2.4 if span < 2 else 3.2)
    time = np.linspace(0, 1, count)
    speed = 1 + 0.35 * np.sin(2 * np.pi * rng.uniform(0.5, 2) * time + rng.uniform(0, 6.3))
    angle = np.cumsum(speed) / speed.sum() * turns * 2 * np.pi + rng.uniform(0, 2 * np.pi)
    size = float(np.exp(rng.uniform(np.log(0.45), np.log(3.5))))
    radius: Path = size * (1 + rng.normal(0, 0.12) * (time - 0.5))
    squash, tilt = rng.uniform(0.6, 1), rng.uniform(0, np.pi)
    x, y = radius * np.cos(angle), radius * np.sin(angle) * squash * (1 if clockwise else -1)
    turned = np.stack([np.cos(tilt) * x - np.sin(tilt) * y, np.sin(tilt) * x + np.cos(tilt) * y], axis=1)
    drift = time[:, None] * rng.normal(0, 0.25 * size, 2)
    path = np.asarray(turned + drift)
    if turns < 1.5 and rng.random() < 0.4:
        # The circle is over.
        rest = still(path[-1], span * rng.uniform(0, 0.5))
        return _squeezed(path, rest)
    return path


def _squeezed(path: Path, rest: Path) -> Path:
    """Path and rest within the path's own time."""
    keep = np.linspace(0, len(path) - 1, max(len(path) - len(rest), 4)).astype(int)
    return np.concatenate([path[keep], rest])


def _wave(span: float, rng: np.random.Generator) -> Path:
    count = int(span * RATE) + 1
    time = np.arange(count) / RATE
    # At least three half swings within the span; no faster than the points can show.
    frequency = rng.uniform(max(1.5 / span, 0.7), max(min(3.5, POINTS / span / 3), 1.6 / span))
    tilt = np.deg2rad(rng.normal(0, 15))
    phase = 2 * np.pi * frequency * time * (1 + rng.normal(0, 0.03)) + rng.uniform(0, 6.3)
    swing = rng.uniform(0.35, 2.5) * np.sin(phase)
    lift = rng.uniform(0, 0.3) * np.abs(swing)
    path = np.stack([np.cos(tilt) * swing, np.sin(tilt) * swing + lift], axis=1)
    return np.asarray(path + time[:, None] * rng.normal(0, 0.15, 2))


def _move(span: float, rng: np.random.Generator) -> Path:
    """Movement that is none of the others: passing by, arcs, strokes one after the other, wandering."""
    kind = rng.integers(7)
    if kind == 0:  # in the middle of a long straight way: too little of it, or too slanting, for a swipe
        slanting = rng.random() < 0.5
        angle = np.deg2rad(rng.choice([45, 135, 225, 315]) + rng.uniform(-18, 18)) if slanting else rng.uniform(0, 6.3)
        length = rng.uniform(0.5, 8 if slanting else 2)
        end = length * np.array([np.cos(angle), np.sin(angle)])
        whole = stroke(np.zeros(2), end, span * rng.uniform(2.2, 5))
        count = int(span * RATE)
        first = rng.integers(int(0.15 * len(whole)), max(int(0.8 * len(whole)) - count, int(0.15 * len(whole)) + 1))
        return whole[first : first + count]
    if kind == 1:  # an arc, not a circle
        along = np.linspace(0, np.deg2rad(rng.uniform(40, 170)), int(span * RATE)) + rng.uniform(0, 6.3)
        return np.asarray(rng.uniform(0.6, 4) * np.stack([np.cos(along), np.sin(along) * rng.choice([-1, 1])], axis=1))
    if kind in (2, 3):  # strokes between random points, corners
        place = np.zeros(2)
        parts = []
        for _ in range(int(rng.integers(2, 5))):
            end = place + rng.normal(0, 1.8, 2)
            parts += [stroke(place, end, span * rng.uniform(0.2, 0.7)), still(end, span * rng.uniform(0, 0.15))]
            place = end
        path = np.concatenate(parts)
        first = rng.integers(0, max(len(path) - int(span * RATE), 1))
        return path[first : first + int(span * RATE)]
    if kind == 4:
        return wander(int(span * RATE) + 1, rng, rng.uniform(0.8, 4))
    if kind == 5:  # corners: a star, a triangle, a square
        corners, step = [(5, 2), (3, 1), (4, 1)][int(rng.integers(3))]
        angles = np.arange(corners + 1) * step * 2 * np.pi / corners + rng.uniform(0, 2 * np.pi)
        points = rng.uniform(0.8, 4) * np.stack([np.cos(angles), np.sin(angles) * rng.choice([-1, 1])], axis=1)
        side = span * rng.uniform(0.8, 1.6) / corners
        path = np.concatenate([stroke(a, b, side) for a, b in pairwise(points)])
        first = rng.integers(0, max(len(path) - int(span * RATE), 1))
        return path[first : first + int(span * RATE)]
    # a slanting stroke from rest to rest
    angle = np.deg2rad(rng.choice([45, 135, 225, 315]) + rng.uniform(-15, 15))
    end = rng.uniform(0.6, 7) * np.array([np.cos(angle), np.sin(angle)])
    seconds = rng.uniform(0.3, 0.9) * span
    return np.concatenate(
        [still(np.zeros(2), span), stroke(np.zeros(2), end, seconds), still(end, (span - seconds) / 2)]
    )


def path_of(label: str, span: float, rng: np.random.Generator) -> Path:
    """One movement over about `span` seconds, without jitter; shape (n, 2) at `RATE`."""
    if label == "stop":
        return wander(int(span * RATE) + 1, rng, rng.uniform(0, 0.12))
    if label in ("clockwise", "counter_clockwise"):
        return _circle(label == "clockwise", span, rng)
    if label == "wave":
        return _wave(span, rng)
    if label != "move":
        return _swipe(label, span, rng)
    path = _move(span, rng)
    while _is_swipe(path[-int(span * RATE) :]):  # one of several strokes, as long and straight as a swipe
        path = _move(span, rng)
    return path


def _is_swipe(path: Path) -> bool:
    """Whether a path is as straight, long and level or upright as those that are called swipes."""
    net = path[-1] - path[0]
    gone, along = float(np.hypot(*net)), float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    return gone > 1.5 and gone > 0.9 * along and np.abs(net).max() > 3 * np.abs(net).min()


def seen(path: Path, span: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A path as a camera of some frame rate and a jittering tracker see it; float32 of shape (POINTS, 2)."""
    path = path + wander(len(path), rng, rng.uniform(0, 0.1))
    rate = rng.uniform(9, 31)
    times = np.arange(0, len(path) / RATE, 1 / rate)
    if rng.random() < 0.3:  # an irregular camera
        times = np.sort(times + rng.uniform(-0.3, 0.3, len(times)) / rate)
    if rng.random() < 0.2 and len(times) > 8:  # frames without the hand
        lost = int(rng.integers(1, len(times) - 3))
        times = np.delete(times, np.arange(lost, min(lost + int(rng.integers(1, 4)), len(times) - 2)))
    times = np.clip(times, 0, (len(path) - 1) / RATE)
    times = np.unique(times)
    grid = np.arange(len(path)) / RATE
    values = np.stack([np.interp(times, grid, column) for column in path.T], axis=1)
    values += rng.normal(0, np.abs(rng.normal(0, 0.03)), values.shape)
    return resample(times, values, span)


def draw(label: str, span: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """One made-up path of a movement, float32 of shape (POINTS, 2), in palm sizes."""
    return seen(path_of(label, span, rng), span, rng)
