"""What the classifiers see of a hand: numbers that do not depend on its side, place or size. numpy only.

A left hand is mirrored into a right one first, so that both sides share one description. Two kinds of numbers follow:
the landmarks turned so that the hand points up (independent of roll), and the few angles that tell the roll itself,
because a thumb up and a thumb down differ in nothing else.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]

WRIST = 0
FINGERS = ((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (17, 18, 19, 20))
"""Joints of thumb, index, middle, ring and little finger, from the palm to the tip (MediaPipe's order)."""
TIPS = (4, 8, 12, 16, 20)
PAIRS = (
    *((4, j) for j in (5, 6, 8, 9, 10, 12, 13, 14, 16, 17, 18, 20)),
    *((tip, 0) for tip in TIPS),
    (8, 5), (12, 9), (16, 13), (20, 17), (4, 2),
    (8, 12), (12, 16), (16, 20), (5, 17),
)  # fmt: skip
"""Landmarks whose distance tells a pose: thumb tip to every finger, tips to the wrist, to their base, to each other."""

SIGN_FEATURES = 60 + 60 + 15 + len(PAIRS) + 3 + 6

_FIRST, _SECOND = np.array(PAIRS).T
_BONE_STARTS = np.array([(WRIST, *finger[:-1]) for finger in FINGERS])
_BONE_ENDS = np.array(FINGERS)


def square(landmarks: Points, handedness: Sequence[str], aspect: float) -> Points:
    """Landmarks in one unit on all axes, left hands mirrored into right ones.

    Args:
        landmarks: float32 of shape (n, 21, 3), x and y in 0..1 of the picture, z in picture widths.
        handedness: n times "left" or "right".
        aspect: the picture's height divided by its width.

    Returns:
        float32 of shape (n, 21, 3), in picture widths.
    """
    side = np.array([-1.0 if hand == "left" else 1.0 for hand in handedness], np.float32)
    points = np.asarray(landmarks, np.float32) * np.array([1.0, aspect, 1.0], np.float32)
    points[:, :, 0] *= side[:, None]
    return points


def _dot(one: Points, other: Points) -> Points:
    return np.asarray(np.vecdot(one, other), np.float32)


def _unit(vectors: Points) -> Points:
    length = np.sqrt(_dot(vectors, vectors))
    return np.asarray(vectors / np.maximum(length, 1e-6)[..., None], np.float32)


def upright(points: Points) -> tuple[Points, Points]:
    """Hands moved to the wrist, scaled by their size and turned within the picture so that they point up.

    Args:
        points: float32 of shape (n, 21, 3), as `square` gives them.

    Returns:
        The turned hands, of the same shape, and the direction that each had: (n, 2), a unit vector (x right, y down)
        from the wrist to the base of the middle finger. A hand of no size becomes zeros.
    """
    moved = points - points[:, WRIST : WRIST + 1]
    size = np.sqrt(_dot(moved[:, :, :2], moved[:, :, :2]).mean(axis=1))
    scaled = moved / np.maximum(size, 1e-6)[:, None, None]
    # The knuckles together are steadier than one of them when the hand is seen from the side.
    direction = _unit(scaled[:, 5:18:4, :2].sum(axis=1))
    sin, cos = direction[:, :1], -direction[:, 1:]
    x, y = scaled[:, :, 0], scaled[:, :, 1]
    scaled[:, :, 0], scaled[:, :, 1] = cos * x + sin * y, cos * y - sin * x
    return scaled, direction


def sign_features(points: Points) -> Points:
    """What the sign classifier takes in.

    Args:
        points: float32 of shape (n, 21, 3), as `square` gives them.

    Returns:
        float32 of shape (n, `SIGN_FEATURES`), always finite for finite landmarks.
    """
    turned, direction = upright(points)
    count = len(points)
    bones = turned[:, _BONE_ENDS] - turned[:, _BONE_STARTS]  # (n, 5 fingers, 4 bones, 3)
    directions = _unit(bones)
    bends = _dot(directions[:, :, 1:], directions[:, :, :-1])  # cosine at each joint
    between = turned[:, _FIRST] - turned[:, _SECOND]
    distances = np.sqrt(_dot(between, between))
    palm = _unit(_cross(turned[:, 5], turned[:, 17]))
    # Where thumb and index point within the picture as it is, not as it was turned: up or down.
    pointing = _unit(points[:, [4, 8], :2] - points[:, [2, 5], :2])
    return np.concatenate(
        [
            turned[:, 1:].reshape(count, 60),
            directions.reshape(count, 60),
            bends.reshape(count, 15),
            distances,
            palm,
            direction,
            pointing.reshape(count, 4),
        ],
        axis=1,
    )


def _cross(one: Points, other: Points) -> Points:
    """Cross products of vectors of shape (n, 3); a tenth of the time of `np.cross` for the few of a frame."""
    (x, y, z), (u, v, w) = one.T, other.T
    return np.array([y * w - z * v, z * u - x * w, x * v - y * u]).T
