"""Features do not depend on side, place or size; the angle is kept where it matters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gesture.features import SIGN_FEATURES, sign_features, square, upright

Points = NDArray[np.float32]


def hand(seed: int = 1) -> Points:
    """Some hand-like landmarks, (1, 21, 3), picture coordinates."""
    rng = np.random.default_rng(seed)
    return (0.5 + rng.normal(0, 0.08, (1, 21, 3))).astype(np.float32)


def features(landmarks: Points, handedness: str = "right", aspect: float = 0.75) -> Points:
    return sign_features(square(landmarks, [handedness], aspect))


def test_shape() -> None:
    assert features(hand()).shape == (1, SIGN_FEATURES)
    assert sign_features(np.zeros((0, 21, 3), np.float32)).shape == (0, SIGN_FEATURES)


@given(x=st.floats(-0.4, 0.4), y=st.floats(-0.4, 0.4), size=st.floats(0.2, 3.0))
def test_place_and_size_do_not_matter(x: float, y: float, size: float) -> None:
    moved = hand() * np.float32(size) + np.array([x, y, 0], np.float32)
    np.testing.assert_allclose(features(moved), features(hand()), atol=2e-3)


def test_a_mirrored_left_hand_is_a_right_hand() -> None:
    mirrored = hand()
    mirrored[:, :, 0] = 1 - mirrored[:, :, 0]
    np.testing.assert_allclose(features(mirrored, "left"), features(hand(), "right"), atol=1e-4)


def test_the_shape_of_the_picture_does_not_matter() -> None:
    tall = hand() * np.array([1, 0.75 / 1.5, 1], np.float32)
    np.testing.assert_allclose(features(tall, aspect=1.5), features(hand(), aspect=0.75), atol=1e-4)


@pytest.mark.parametrize("degrees", [-60, -20, 35, 60, 180])
def test_roll_changes_only_the_angles(degrees: float) -> None:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]], np.float32)
    points = square(hand(), ["right"], 1.0)
    before, after = sign_features(points), sign_features(points @ turn.T)
    np.testing.assert_allclose(after[:, :-6], before[:, :-6], atol=1e-3)
    assert np.abs(after[:, -6:] - before[:, -6:]).max() > 0.2


def test_a_hand_of_no_size_gives_numbers() -> None:
    nothing = np.full((1, 21, 3), 0.5, np.float32)
    assert np.isfinite(features(nothing)).all()
    assert (upright(square(nothing, ["left"], 0.5))[0] == 0).all()
