"""What is made up keeps what must be kept."""

import numpy as np
from numpy.typing import NDArray

from gesture.augment import blend, shake, turn, vary
from gesture.features import upright
from gesture.trajectories import MOTION_LABELS, draw

Points = NDArray[np.float32]


def hands(count: int = 3) -> Points:
    return np.random.default_rng(1).normal(0, 0.1, (count, 21, 3)).astype(np.float32)


def lengths(points: Points) -> Points:
    return np.asarray(np.linalg.norm(points - points[:, :1], axis=2), np.float32)


def test_turning_keeps_lengths_and_rolls_clockwise_in_the_picture() -> None:
    angle = np.full(3, np.pi / 2, np.float32)
    none = np.zeros(3, np.float32)
    np.testing.assert_allclose(
        lengths(turn(hands(), angle, angle * np.float32(0.3), angle * np.float32(0.2))), lengths(hands()), atol=1e-6
    )
    rolled = turn(hands(), angle, none, none)
    moved = hands() - hands()[:, :1]
    np.testing.assert_allclose(rolled[:, :, 0], -moved[:, :, 1], atol=1e-6)
    np.testing.assert_allclose(rolled[:, :, 1], moved[:, :, 0], atol=1e-6)


def test_blending_starts_at_one_hand_and_ends_at_the_other() -> None:
    one, two = hands(), hands()[::-1]
    np.testing.assert_allclose(blend(one, two, np.zeros(3, np.float32)), upright(one)[0], atol=1e-6)
    np.testing.assert_allclose(blend(one, two, np.ones(3, np.float32)), upright(two)[0], atol=1e-6)


def test_the_seed_decides() -> None:
    roll = np.full(3, 1.0, np.float32)
    first, again, other = (vary(hands(), np.random.default_rng(seed), roll) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    still = shake(hands(), np.zeros(3, np.float32), np.random.default_rng(1))
    np.testing.assert_array_equal(still, hands())


def test_made_up_movements_are_finite_and_go_where_they_are_named_for() -> None:
    rng = np.random.default_rng(1)
    for motion in MOTION_LABELS:
        paths = np.array([draw(motion, span, rng) for span in (0.6, 1.2, 2.4, 4.0) for _ in range(10)])
        assert np.isfinite(paths).all()
        gone = paths[:, -1] - paths[:, 0]
        if motion.startswith("swipe"):
            axis, sign = {"right": (0, 1), "left": (0, -1), "down": (1, 1), "up": (1, -1)}[motion[6:]]
            assert (gone[:, axis] * sign > np.abs(gone[:, 1 - axis])).all()
        if motion == "stop":
            assert np.ptp(paths, axis=1).max() < 0.8
