import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety_monitor.demo import poses

NAMES = ("OPEN_PALM", "PALM_TOGETHER", "THUMB_TUCKED", "THUMB_TRAPPED", "FIST", "RELAXED", "POINTER", "VICTORY")
names = st.sampled_from(NAMES)


def lengths(points: poses.Array) -> poses.Array:
    """Length of each bone of the fingers, shape (5, 3)."""
    lengths: poses.Array = np.linalg.norm(np.diff(points[1:].reshape(5, 4, 3), axis=1), axis=2)
    return lengths


@given(names, names, st.floats(0, 1))
def test_bones_keep_their_length_whatever_the_hand_does(first: str, second: str, share: float) -> None:
    hand = poses.blend(getattr(poses, first), getattr(poses, second), share)
    points = poses.skeleton(hand)
    assert points.shape == (21, 3)
    np.testing.assert_allclose(lengths(points)[1:], poses.PHALANGES)
    np.testing.assert_allclose(lengths(points)[0], poses.THUMB_BONES)


@given(names, names)
def test_a_blend_begins_and_ends_at_its_poses(first: str, second: str) -> None:
    a, b = getattr(poses, first), getattr(poses, second)
    np.testing.assert_allclose(poses.skeleton(poses.blend(a, b, 0.0)), poses.skeleton(a))
    np.testing.assert_allclose(poses.skeleton(poses.blend(a, b, 1.0)), poses.skeleton(b), atol=1e-9)


@pytest.mark.parametrize("finger", [5, 9, 13, 17])
def test_closed_fingers_lie_over_the_trapped_thumb(finger: int) -> None:
    points = poses.skeleton(poses.THUMB_TRAPPED)
    nearest = points[finger + 1 : finger + 4, 2].max()
    assert nearest > points[3, 2]
    assert nearest > points[4, 2]
