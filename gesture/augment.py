"""More hands from the hands there are, by what is true of hands: turned, tilted, shaken, between two poses.

All functions take and give float32 points of shape (n, 21, 3) in one unit on all axes, right hands (see
`gesture.features.square`), and draw from the generator they are given, so that a seed decides everything.
"""

import numpy as np
from numpy.typing import NDArray

from gesture.features import WRIST, upright

Points = NDArray[np.float32]


def turn(points: Points, roll: Points, pitch: Points, yaw: Points) -> Points:
    """Hands turned about their wrist; angles in radians, shape (n,): roll within the picture, then tilts out of it."""
    moved = points - points[:, WRIST : WRIST + 1]
    zero, one = np.zeros_like(roll), np.ones_like(roll)

    def matrix(rows: list[list[Points]]) -> Points:
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    about_y = matrix([[np.cos(yaw), zero, np.sin(yaw)], [zero, one, zero], [-np.sin(yaw), zero, np.cos(yaw)]])
    about_x = matrix([[one, zero, zero], [zero, np.cos(pitch), -np.sin(pitch)], [zero, np.sin(pitch), np.cos(pitch)]])
    about_z = matrix([[np.cos(roll), -np.sin(roll), zero], [np.sin(roll), np.cos(roll), zero], [zero, zero, one]])
    # Tilts first: they are about the picture's axes as the hand was seen.
    rotation = about_z @ about_x @ about_y
    return np.asarray(np.einsum("nij,nkj->nki", rotation, moved), np.float32)


def shake(points: Points, share: Points, rng: np.random.Generator) -> Points:
    """Tracking jitter: every landmark moved at random by a share (n,) of the hand's size; twice as much in depth."""
    size = np.sqrt(np.mean(np.sum((points - points[:, WRIST : WRIST + 1])[:, :, :2] ** 2, axis=2), axis=1))
    noise = rng.normal(size=points.shape) * np.array([1, 1, 2])
    return np.asarray(points + noise * (size * share)[:, None, None], np.float32)


def blend(first: Points, second: Points, share: Points) -> Points:
    """Poses between two hands: both are brought upright and to one size; `share` (n,) of 0 is the first."""
    one, two = upright(first)[0], upright(second)[0]
    return np.asarray(one + share[:, None, None] * (two - one), np.float32)


def vary(points: Points, rng: np.random.Generator, max_roll: Points) -> Points:
    """The same signs as a camera may see them.

    Args:
        points: what was seen.
        rng: decides.
        max_roll: shape (n,), largest roll in radians that leaves the sign what it is.
    """
    count = len(points)
    roll = rng.uniform(-1, 1, count) * max_roll
    pitch, yaw = rng.normal(0, np.deg2rad(14), (2, count))
    scale = np.ones((count, 1, 3), np.float32)
    # Lenses, body build and MediaPipe's rough depth.
    scale[:, 0, 0] = rng.normal(1, 0.05, count)
    scale[:, 0, 2] = rng.uniform(0.6, 1.3, count)
    turned = turn(points * scale, *(angle.astype(np.float32) for angle in (roll, pitch, yaw)))
    return shake(turned, np.abs(rng.normal(0, 0.02, count)).astype(np.float32), rng)
