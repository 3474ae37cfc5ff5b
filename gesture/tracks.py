"""Which hand of this frame is which hand of the frames before: tracks, each with its own history.

Pure: hands and times in, assignments out. MediaPipe loses a hand that moves fast or turns and finds it again elsewhere;
a track outlives such a gap, and a hand that turns up as soon as one is missing is taken for the missing one. Later a
hand where the missing one cannot be, or on the other side and not in its place, is another. Two hands that are in view
together stay two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import dist, sqrt

import numpy as np
from numpy.typing import NDArray

from gesture.hands import Hand

PALM = (0, 5, 9, 13, 17)
NEAR = 1.5
"""Palm sizes; a hand this near is the same one whatever else is in view, and whichever side it is taken for."""
FASTEST = 50.0
"""Palm sizes a second (more than 4 m/s): the hand of a person who waves with all their arm."""
LONGEST_WAY_S = 0.15
"""A hand that was missing for longer is not expected any further away."""
SOON_S = 0.3
"""Nobody lowers one hand and raises the other in so short a time."""
SAME = 0.35
"""Palm sizes; two detections whose palms are nearer than this are one hand found twice."""
WRONG_SIDE = 1.0
"""Palm sizes that a change of handedness counts as: MediaPipe mistakes it now and then."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A hand of one frame, and where it is.

    Attributes:
        hand: as it was found.
        palm: x and y of its middle in picture widths.
        size: palm size in picture widths.
    """

    hand: Hand
    palm: tuple[float, float]
    size: float


@dataclass(frozen=True, slots=True)
class Track:
    """One hand over time.

    Attributes:
        number: unlike that of any other track of the run.
        palm: x and y of its middle in picture widths.
        size: palm size in picture widths.
        handedness: "left" or "right" as last seen.
        seen_s: when it was last seen.
        jumped: whether it was found again further away than a hand moves: its movement starts anew.
    """

    number: int
    palm: tuple[float, float]
    size: float
    handedness: str
    seen_s: float
    jumped: bool = False


def palm_of(landmarks: NDArray[np.float32], aspect: float) -> tuple[tuple[float, float], float]:
    """Middle of the palm and its size, both in picture widths, of landmarks as a `Hand` has them."""
    rows = landmarks.tolist()  # five points are too few for numpy
    points = [(rows[i][0], rows[i][1] * aspect) for i in PALM]
    middle = sum(x for x, _ in points) / len(PALM), sum(y for _, y in points) / len(PALM)
    size = 2 * sqrt(sum(dist(point, middle) ** 2 for point in points) / len(PALM))
    return middle, max(size, 1e-4)


@lru_cache(maxsize=32)
def placed(hand: Hand, aspect: float) -> Placed:
    """Where a hand is; kept for a while, because it is asked for several times of a frame."""
    return Placed(hand, *palm_of(hand.landmarks, aspect))


def distinct(hands: Sequence[Hand], aspect: float) -> list[Placed]:
    """The hands without second finds of the same one; of two, the surer is kept."""
    kept: list[Placed] = []
    for hand in sorted(hands, key=lambda hand: -hand.score):
        one = placed(hand, aspect)
        if all(dist(one.palm, other.palm) > SAME * max(one.size, other.size) for other in kept):
            kept.append(one)
    return kept


def assign(
    tracks: Sequence[Track], hands: Sequence[Placed], at_s: float, gap_s: float, first_number: int
) -> tuple[list[Track], list[Track]]:
    """Match the hands of a frame with the tracks so far.

    Args:
        tracks: all that may still go on.
        hands: hands of the frame, each once.
        at_s: time of the frame.
        gap_s: how long a track outlives its hand.
        first_number: number of the next new track.

    Returns:
        The track of each hand, in the order of `hands`, and the tracks that wait for their hand.
    """
    alive = [track for track in tracks if at_s - track.seen_s <= gap_s]
    costs = sorted(
        (_moved(track, one) + (0.0 if _same_side(track, one) else WRONG_SIDE), i, j)
        for i, one in enumerate(hands)
        for j, track in enumerate(alive)
        if _may_be(track, one, at_s)
    )
    found: dict[int, Track] = {}
    taken: set[int] = set()
    for _, i, j in costs:
        if i not in found and j not in taken:
            far = _moved(alive[j], hands[i]) > reach(at_s - alive[j].seen_s)
            found[i] = _track(alive[j].number, hands[i], at_s, jumped=far)
            taken.add(j)
    number = first_number
    for i, one in enumerate(hands):
        if i not in found:
            found[i] = _track(number, one, at_s)
            number += 1
    return [found[i] for i in range(len(hands))], [track for j, track in enumerate(alive) if j not in taken]


def reach(passed_s: float) -> float:
    """How far a hand may have gone since it was last seen so many seconds ago, in palm sizes."""
    return max(NEAR, FASTEST * min(passed_s, LONGEST_WAY_S))


def _may_be(track: Track, one: Placed, at_s: float) -> bool:
    """Whether a hand may be that of a track."""
    passed_s = at_s - track.seen_s
    return passed_s <= SOON_S or _moved(track, one) <= (reach(passed_s) if _same_side(track, one) else NEAR)


def _moved(track: Track, one: Placed) -> float:
    """How far a hand is from where that of a track was, in palm sizes."""
    return dist(one.palm, track.palm) / max(one.size, track.size)


def _same_side(track: Track, one: Placed) -> bool:
    return one.hand.handedness == track.handedness


def _track(number: int, one: Placed, at_s: float, *, jumped: bool = False) -> Track:
    return Track(number, one.palm, one.size, one.hand.handedness, at_s, jumped)
