"""What becomes base data: a row must show its movement without doubt."""

import numpy as np
import pytest

from gesture.point_history_classifier import POINTS
from gesture.prepare import shown_movements

ALONG = np.linspace(0, 1, POINTS)
TURN = 2 * np.pi * ALONG


@pytest.mark.parametrize(
    ("x", "y", "shown"),
    [
        (0 * ALONG, 0 * ALONG, "stop"),
        (3 * ALONG, 0.1 * np.sin(TURN), "swipe_right"),
        (-3 * ALONG, 0 * ALONG, "swipe_left"),
        (0.1 * ALONG, -2 * ALONG, "swipe_up"),
        (0 * ALONG, 2 * ALONG, "swipe_down"),
        (3 * ALONG, 3 * ALONG, ""),  # slanting
        (0.8 * ALONG, 0 * ALONG, ""),  # too little
        (np.cos(TURN), np.sin(TURN), "clockwise"),  # y is down
        (np.cos(TURN), -np.sin(TURN), "counter_clockwise"),
        (np.cos(TURN / 2), np.sin(TURN / 2), ""),  # half a circle
        (np.where(ALONG < 0.5, 0, 3), 0 * ALONG, ""),  # the tracker has jumped
    ],
)
def test_only_what_is_shown_without_doubt_is_base_data(x: np.ndarray, y: np.ndarray, shown: str) -> None:
    assert shown_movements(np.stack([x, y], axis=1)[None].astype(np.float32)).tolist() == [shown]
