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

_BONES = tuple(bone for finger in FINGERS for bone in zip(finger, (WRIST, *finger[:-1]), strict=True))
_BETWEEN = np.array([np.eye(21)[end] - np.eye(21)[start] for end, start in _BONES + PAIRS], np.float32)
"""Times the landmarks of a hand: its bones, each towards the tip, and what lies between the pairs."""
_TURN = np.array([[0, -1, 0, 1, 0, 0, 0, 0, 0], [-1, 0, 0, 0, -1, 0, 0, 0, 0]], np.float32)
_DEPTH_STAYS = np.array([0, 0, 0, 0, 0, 0, 0, 0, 1], np.float32)
"""Of a hand's direction (x, y) the matrix, row by row, that turns its points so that they point up."""
_ONE = np.array([3 * point + axis for point in (5, 17) for axis in (1, 2, 0)])
_OTHER = np.array([3 * point + axis for point in (17, 5) for axis in (2, 0, 1)])
"""Of a hand's 63 numbers those that, multiplied, give both halves of a cross product: that of its outer knuckles, seen
from the wrist."""


def square(landmarks: Points, handedness: Sequence[str], aspect: float) -> Points:
    """Landmarks in one unit on all axes, left hands mirrored into right ones.

    Args:
        landmarks: float32 of shape (n, 21, 3), x and y in 0..1 of the picture, z in picture widths.
        handedness: n times "left" or "right".
        aspect: the picture's height divided by its width.

    Returns:
        float32 of shape (n, 21, 3), in picture widths.
    """
    scale = np.array([(-1.0 if hand == "left" else 1.0, aspect, 1.0) for hand in handedness], np.float32)
    return np.asarray(landmarks, np.float32) * scale.reshape(-1, 1, 3)


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
    flat = moved[:, :, :2].reshape(len(moved), 42)
    size = np.maximum(np.sqrt(_dot(flat, flat) / 21), 1e-6)
    # The knuckles together are steadier than one of them when the hand is seen from the side.
    direction = _unit(moved[:, 5:18:4, :2].sum(axis=1))
    turn = (direction @ _TURN + _DEPTH_STAYS) / size[:, None]
    return np.asarray(moved @ turn.reshape(-1, 3, 3), np.float32), direction


def sign_features(points: Points) -> Points:
    """What the sign classifier takes in.

    Args:
        points: float32 of shape (n, 21, 3), as `square` gives them.

    Returns:
        float32 of shape (n, `SIGN_FEATURES`), always finite for finite landmarks.
    """
    turned, direction = upright(points)
    count = len(points)
    between: Points = np.asarray(_BETWEEN @ turned, np.float32)
    lengths: Points = np.sqrt(_dot(between, between))
    bones = between[:, : len(_BONES)] / np.maximum(lengths[:, : len(_BONES)], 1e-6)[:, :, None]
    fingers: Points = bones.reshape(count, 5, 4, 3).astype(np.float32, copy=False)
    bends = _dot(fingers[:, :, 1:], fingers[:, :, :-1])  # cosine at each joint
    flat = turned.reshape(count, 63)
    halves = flat[:, _ONE] * flat[:, _OTHER]
    palm = _unit(halves[:, :3] - halves[:, 3:])
    # Where thumb (2 to 4) and index (5 to 8) point within the picture as it is, not as it was turned: up or down.
    pointing = _unit(points[:, 4:9:4, :2] - points[:, 2:6:3, :2])
    return np.concatenate(
        [
            flat[:, 3:],
            bones.reshape(count, 60),
            bends.reshape(count, 15),
            lengths[:, len(_BONES) :],
            palm,
            direction,
            pointing.reshape(count, 4),
        ],
        axis=1,
    )
