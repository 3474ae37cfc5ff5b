import numpy as np
import pytest

from safety_monitor.demo import poses
from safety_monitor.demo.hand import draw_hand


def wall() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((240, 320, 3), 180, dtype=np.uint8)


def landmarks(x: float, y: float, palm: float = 60.0) -> poses.Array:
    points: poses.Array = poses.skeleton(poses.OPEN_PALM) * (palm, -palm, palm) + (x, y, 0)
    return points


def test_covers_its_landmarks_and_leaves_the_background_alone() -> None:
    background = wall()
    points = landmarks(160, 180)
    picture = draw_hand(points, background)
    assert picture.shape == background.shape
    assert picture.dtype == np.uint8
    assert (background == 180).all()
    for x, y in points[:, :2].round().astype(int):
        red, green, blue = picture[y, x].astype(int)
        assert red > green > blue, f"no skin at {x}, {y}"
    assert (picture[:, :60] == 180).all()


@pytest.mark.parametrize(("x", "y"), [(-40, 120), (335, 120), (160, 270), (160, 20)])
def test_is_cut_off_at_the_border(x: float, y: float) -> None:
    picture = draw_hand(landmarks(x, y), wall())
    assert 0 < (picture != 180).any(axis=2).mean() < 0.5


def test_far_outside_nothing_is_drawn() -> None:
    assert (draw_hand(landmarks(2_000, 2_000), wall()) == 180).all()


def test_the_nearer_part_hides_the_farther_one() -> None:
    points = landmarks(160, 180)
    far, near = points.copy(), points.copy()
    for joint, x, y in ((2, 172, 162), (3, 155, 150), (4, 142, 146)):  # a thumb across the palm
        far[joint], near[joint] = (x, y, -40), (x, y, 40)
    here = np.s_[142:156, 140:160]
    without = draw_hand(points, wall())[here].astype(int)
    assert np.abs(draw_hand(far, wall())[here] - without).mean() < 4
    assert np.abs(draw_hand(near, wall())[here] - without).mean() > 12
