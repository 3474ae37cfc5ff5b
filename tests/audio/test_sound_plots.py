"""A recording becomes a picture, whatever it is; what is none becomes one line."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from audio.blocks import SAMPLE_RATE, SoundError
from audio.detector import ScreamModel, load_scream_model
from audio.sound_plots import draw_recording
from safety_monitor.demo.scream import scream as demo_scream
from tests.recordings import write_media


@pytest.fixture(scope="module")
def model() -> ScreamModel:
    return load_scream_model()


def test_an_alarm_is_drawn_where_it_happens(model: ScreamModel, tmp_path: Path) -> None:
    scream = demo_scream(1.4, SAMPLE_RATE, 5)
    sound = np.concatenate([np.zeros(32_000), scream / np.abs(scream).max() * 0.5, np.zeros(32_000)]).astype(np.float32)
    write_media(tmp_path / "a.wav", sound=sound, rate=SAMPLE_RATE)
    path = draw_recording(model, tmp_path / "a.wav", tmp_path / "pictures")
    assert path == tmp_path / "pictures" / "a.wav.png"
    picture = cv2.imread(str(path))
    assert picture is not None
    time_line = picture[int(picture.shape[0] * 0.82) : int(picture.shape[0] * 0.93)]  # its red line stands upright
    red = (time_line[..., 2] > 170) & (time_line[..., 0] < 80) & (time_line[..., 1] < 90)
    columns = np.flatnonzero(red.mean(axis=0) > 0.7)
    left, right = 0.05 * picture.shape[1], 0.775 * picture.shape[1]
    at_s = (columns.mean() - left) / (right - left) * len(sound) / 16_000
    assert 2.2 < at_s < 3.4


@pytest.mark.parametrize("samples", [np.zeros(16_000), np.ones(1), np.full(400, -1.0)], ids=["silence", "one", "few"])
def test_any_sound_can_be_drawn(model: ScreamModel, tmp_path: Path, samples: np.ndarray) -> None:
    write_media(tmp_path / "a.wav", sound=samples.astype(np.float32), rate=SAMPLE_RATE)
    assert draw_recording(model, tmp_path / "a.wav", tmp_path).stat().st_size > 10_000


def test_what_is_no_sound_is_refused(model: ScreamModel, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    for name in ("a.wav", "missing.wav"):
        with pytest.raises(SoundError, match=name):
            draw_recording(model, tmp_path / name, tmp_path)
