"""Which hand of this frame is which hand of the frames before: tracks, each with its own history.

Pure: hands and times in, assignments out. MediaPipe loses a hand that moves fast or turns and finds it again elsewhere;
a track outlives such a gap, and a hand that turns up while one is missing is taken for the missing one. Two hands that
are in view together stay two.
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
"""Palm sizes a frame; a hand this near is the same one whatever else is in view."""
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
        jumped: whether it was found again away from where it was lost: its movement starts anew.
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
        (
            dist(one.palm, track.palm) / max(one.size, track.size)
            + (WRONG_SIDE if one.hand.handedness != track.handedness else 0.0),
            i,
            j,
        )
        for i, one in enumerate(hands)
        for j, track in enumerate(alive)
    )
    found: dict[int, Track] = {}
    taken: set[int] = set()
    # First those that are near, then whoever is left over: found again after a jump.
    for near in (True, False):
        for cost, i, j in costs:
            if i in found or j in taken or (near and cost > NEAR + WRONG_SIDE):
                continue
            one, before = hands[i], alive[j]
            moved = dist(one.palm, before.palm) / max(one.size, before.size)
            found[i] = Track(before.number, one.palm, one.size, one.hand.handedness, at_s, moved > NEAR)
            taken.add(j)
    number = first_number
    for i, one in enumerate(hands):
        if i not in found:
            found[i] = Track(number, one.palm, one.size, one.hand.handedness, at_s)
            number += 1
    return [found[i] for i in range(len(hands))], [track for j, track in enumerate(alive) if j not in taken]
