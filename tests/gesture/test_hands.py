"""Around MediaPipe: what it is fed with, and what it must not drag in."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gesture.hands import HandFinder, pad, unpad
from models.card import ModelError
from models.hand_landmarker import default_path, is_complete

needs_model = pytest.mark.skipif(not is_complete(default_path()), reason="the hand model file is not set up")


def test_padding_can_be_undone() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (60, 100, 3), dtype=np.uint8)
    padded = pad(image, 0.5)
    assert padded.shape == (160, 200, 3)
    assert (padded[50:110, 50:150] == image).all()
    assert (padded[0, 0] == image[0, 0]).all()
    landmarks = np.array([[0.25, 50 / 160, 0.1], [0.75, 110 / 160, -0.1]], np.float32)
    expected = [[0, 0, 0.2], [1, 1, -0.2]]
    np.testing.assert_allclose(unpad(landmarks, (60, 100), 0.5), expected, atol=1e-6)
    assert pad(image, 0.0) is image


@needs_model
@pytest.mark.parametrize("hands", [0, 5, -1])
def test_number_of_hands_is_bounded(hands: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 4"):
        HandFinder(default_path(), hands)


def test_a_missing_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a usable hand model file"):
        HandFinder(tmp_path / "hand_landmarker.task")


@needs_model
def test_times_may_repeat_or_go_back() -> None:
    finder = HandFinder(default_path())
    image = np.zeros((120, 160, 3), np.uint8)
    assert [finder.find(image, at_s) for at_s in (0.0, 0.0, 0.0004, 5.0, 1.0)] == [[]] * 5
    finder.close()
    finder.close()


@needs_model
def test_the_station_loads_neither_tensorflow_nor_matplotlib_and_training_still_can() -> None:
    code = (
        "import sys, gesture.detector as d\n"
        "d.GestureDetector().close()\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'tensorflow', 'keras', 'matplotlib'}, loaded\n"
        "import importlib.util\n"
        "assert importlib.util.find_spec('tensorflow')\n"
        "from matplotlib.figure import Figure\n"
        "assert Figure().add_subplot().plot([1, 2])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@needs_model
def test_a_finder_left_open_does_not_keep_the_program_from_ending() -> None:
    code = "from gesture.detector import GestureDetector\nkept = [GestureDetector(), GestureDetector()]\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
