"""Hands as joint angles, and their 21 landmarks by forward kinematics.

Landmarks are in MediaPipe's order: wrist, then thumb, index, middle, ring and little finger from the palm outwards.
The hand's own axes: x towards the thumb's side, y along the palm towards the fingers, z out of the palm. The unit is
the palm's length, from the wrist to the knuckle of the middle finger.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

KNUCKLES: Array = np.array([[0.29, 0.93, 0.0], [0.05, 0.99, 0.0], [-0.18, 0.93, 0.0], [-0.38, 0.81, 0.02]])
PHALANGES: Array = np.array([[0.46, 0.27, 0.21], [0.51, 0.32, 0.22], [0.47, 0.30, 0.22], [0.37, 0.21, 0.20]])
THUMB_BASE: Array = np.array([0.25, 0.20, 0.06])
THUMB_BONES: Array = np.array([0.44, 0.34, 0.27])


@dataclass(frozen=True, slots=True)
class Pose:
    """The joint angles of one hand, in degrees.

    Attributes:
        fingers: shape (4, 4), a row for each finger from index to little: splay (positive towards the thumb), then
            flexion at the knuckle, the middle and the end joint.
        thumb: shape (3, 2), a row for each bone from the palm outwards: direction in the palm's plane (0 along the
            fingers, positive away from them) and lift out of the palm.
    """

    fingers: Array
    thumb: Array


def pose(fingers: Sequence[Sequence[float]], thumb: Sequence[Sequence[float]]) -> Pose:
    """A pose from rows of degrees, see `Pose`."""
    return Pose(np.array(fingers, dtype=np.float64), np.array(thumb, dtype=np.float64))


def blend(first: Pose, second: Pose, share: float) -> Pose:
    """The pose on the way from `first` (share 0) to `second` (share 1); every joint turns evenly."""
    return Pose(
        first.fingers + share * (second.fingers - first.fingers), first.thumb + share * (second.thumb - first.thumb)
    )


def skeleton(hand: Pose) -> Array:
    """The 21 landmarks of a pose, shape (21, 3), in the hand's own axes and palm lengths."""
    points = np.zeros((21, 3))
    azimuth, lift = np.radians(hand.thumb).T
    steps = np.stack([np.sin(azimuth) * np.cos(lift), np.cos(azimuth) * np.cos(lift), np.sin(lift)], axis=1)
    points[1] = THUMB_BASE
    points[2:5] = THUMB_BASE + np.cumsum(steps * THUMB_BONES[:, None], axis=0)
    splay = np.radians(hand.fingers[:, 0])
    outward = np.stack([np.sin(splay), np.cos(splay), np.zeros(4)], axis=1)
    bend = np.radians(np.cumsum(hand.fingers[:, 1:], axis=1))
    steps = np.cos(bend)[..., None] * outward[:, None, :]
    steps[..., 2] += np.sin(bend)
    joints = KNUCKLES[:, None, :] + np.cumsum(steps * PHALANGES[..., None], axis=1)
    points[5:].reshape(4, 4, 3)[:, 0] = KNUCKLES
    points[5:].reshape(4, 4, 3)[:, 1:] = joints
    return points


_THUMB_OUT = [[48, 22], [38, 18], [30, 10]]
_THUMB_ACROSS = [[8, 34], [-62, 16], [-78, 2]]
_THUMB_UNDER = [[18, 30], [-58, 6], [-74, -4]]

OPEN_PALM = pose([[9, 4, 6, 4], [1, 3, 6, 4], [-7, 4, 7, 4], [-17, 6, 8, 5]], _THUMB_OUT)
PALM_TOGETHER = pose([[3, 5, 7, 4], [0, 4, 7, 4], [-3, 5, 8, 4], [-7, 7, 9, 5]], _THUMB_OUT)
THUMB_TUCKED = pose([[4, 6, 8, 5], [0, 5, 8, 5], [-4, 6, 9, 5], [-10, 8, 10, 6]], _THUMB_ACROSS)
THUMB_TRAPPED = pose([[3, 95, 105, 60], [0, 96, 107, 62], [-3, 97, 107, 62], [-7, 97, 105, 62]], _THUMB_UNDER)
FIST = pose([[2, 82, 100, 55], [0, 84, 102, 55], [-2, 86, 102, 55], [-5, 86, 98, 55]], [[30, 42], [-34, 38], [-62, 20]])
RELAXED = pose([[5, 22, 28, 14], [0, 26, 32, 16], [-4, 30, 36, 18], [-9, 34, 38, 20]], [[38, 34], [18, 28], [4, 18]])
POINTER = pose([[2, 4, 6, 4], *FIST.fingers[1:].tolist()], FIST.thumb.tolist())
VICTORY = pose([[11, 4, 6, 4], [-8, 4, 6, 4], *FIST.fingers[2:].tolist()], [[20, 45], [-40, 36], [-66, 16]])
