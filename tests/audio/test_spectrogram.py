"""Sound as a picture."""

import numpy as np
import pytest

from audio import spectrogram as module
from audio.blocks import SAMPLE_RATE
from audio.spectrogram import ROWS, spectrogram


def tone(hertz: float, seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE).astype(np.float32)


def test_a_tone_is_a_line_at_its_pitch_and_level() -> None:
    low, high = spectrogram([0.1 * tone(300, 1.0)], 1000), spectrogram([0.1 * tone(3000, 1.0)], 1000)
    assert low.shape == (31, ROWS)
    assert low[5].argmax() < high[5].argmax()
    assert low[5].max() == pytest.approx(-20, abs=3)
    assert np.sort(low[5])[ROWS // 2] < -60


def test_something_short_in_something_long_is_not_lost() -> None:
    silence = np.zeros(30 * SAMPLE_RATE, np.float32)
    levels = spectrogram([silence, tone(1000, 0.1), silence], 50)
    assert len(levels) <= 50
    assert levels.max() > -6


def test_however_it_is_cut_it_is_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = tone(700, 3.3) * np.linspace(0, 1, round(3.3 * SAMPLE_RATE), dtype=np.float32)
    whole = spectrogram([sound], 1000)
    monkeypatch.setattr(module, "AT_ONCE", 10_000)
    np.testing.assert_allclose(spectrogram(np.array_split(sound, 17), 1000), whole, atol=1e-3)


def test_no_sound_is_no_picture() -> None:
    assert spectrogram([], 100).shape == (0, ROWS)
