from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE
from audio.corpus import Clip
from audio.examples import SAMPLES, Sound
from audio.features import frames, picture

pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install -e '.[train]'")

import keras

from audio.mixtures import ALONE, LENGTH, Bank, Draw, mix, pictures

Array = NDArray[np.float32]

TONES = {"scream": 1500.0, "conversation": 300.0, "ambient": 5000.0}
"""What each label sounds like here, in hertz."""


def _sound(label: str, number: int) -> Sound:
    time = np.arange(LONG) / SAMPLE_RATE
    samples = np.round(np.sin(2 * np.pi * TONES[label] * time) * 16_000).astype(np.int16)
    return Sound(Clip(Path(f"{label}-{number}.wav"), label, f"place-{number}", f"{label}-{number}"), samples)


LONG = 32_000
"""Samples of each."""


@pytest.fixture(scope="module")
def bank() -> Bank:
    sounds = [_sound(label, number) for label in TONES for number in range(2)]
    return Bank(sounds, [_sound("ambient", 7)], made_up=4, jobs=1)


def _place(label: str) -> tuple[int, int, int]:
    """Where the first sound of a label lies in the bank, its length, and where a window in it starts."""
    return list(TONES).index(label) * 2 * LONG, LONG, 4000


def _mixed(bank: Bank, drawn: Mapping[str, Any], seed: int = 1) -> tuple[Array, Array]:
    both = mix(keras.ops.convert_to_tensor(bank.samples), drawn, keras.random.SeedGenerator(seed))
    sound, front = (np.asarray(keras.ops.convert_to_numpy(each), np.float32) for each in both)
    return sound, front


def _level_at(samples: Array, hertz: float) -> NDArray[np.float64]:
    """Level of a tone in each row, dB."""
    wave = np.exp(-2j * np.pi * hertz * np.arange(samples.shape[1]) / SAMPLE_RATE) * np.hanning(samples.shape[1])
    return np.asarray(20 * np.log10(np.abs(samples @ wave) + 1e-9))


def test_windows_are_as_a_16_bit_file_holds_them(bank: Bank) -> None:
    sound, front = _mixed(bank, bank.draw(32, np.random.default_rng(0)).arrays())
    assert sound.shape == front.shape == (32, SAMPLES)
    assert np.isfinite(sound).all()
    peaks = 20 * np.log10(np.abs(sound).max(axis=1))
    assert peaks.max() <= 0.01
    assert peaks.min() > -53
    assert sound * 32768 == pytest.approx(np.round(sound * 32768), abs=1e-3)


@pytest.mark.parametrize("snr_db", [-5.0, 10.0])
def test_the_front_lies_so_far_above_what_is_behind_as_was_drawn(bank: Bank, snr_db: float) -> None:
    """Both through the same room and microphone, which spare no band alike: the mean over many tells."""
    count = 64
    scream, ambient = (np.asarray(_place(label), np.int32) for label in ("scream", "ambient"))
    still = np.ones((count, 2), np.float32)
    drawn = Draw(np.tile(scream, (count, 1)), np.tile(ambient, (count, 1)), still, np.full(count, snr_db, np.float32))
    alone = Draw(drawn.front, drawn.back, still, np.full(count, 2 * ALONE, np.float32))
    both, only = (_mixed(bank, each.arrays())[0] for each in (drawn, alone))
    behind = _level_at(both, TONES["ambient"]) - _level_at(both, TONES["scream"])
    assert np.median(behind) == pytest.approx(-snr_db, abs=3.0)
    assert np.median(_level_at(only, TONES["ambient"]) - _level_at(only, TONES["scream"])) < -40


def test_a_sound_that_is_over_is_followed_by_silence(bank: Bank) -> None:
    place, length, _ = _place("scream")
    late = np.asarray([[place, length, length - LENGTH // 2]], np.int32)
    drawn = Draw(late, late, np.ones((1, 2), np.float32), np.full(1, 2 * ALONE, np.float32))
    _, front = _mixed(bank, drawn.arrays(), seed=3)
    assert np.abs(front[0, -2000:]).max() < 0.3 * np.abs(front[0, :4000]).max()


def test_pictures_are_those_that_the_running_detector_looks_at(bank: Bank) -> None:
    sound, _ = _mixed(bank, bank.draw(16, np.random.default_rng(2)).arrays())
    made = keras.ops.convert_to_numpy(pictures(keras.ops.convert_to_tensor(sound)))
    assert made == pytest.approx(np.stack([picture(frames(each)) for each in sound]), abs=1e-4)


def test_every_kind_of_sound_is_drawn(bank: Bank) -> None:
    """Recordings judged by, further ones and made-up ones: in front each has its share."""
    drawn = bank.draw(4000, np.random.default_rng(3))
    drawn_places = set(drawn.front[:, 0].tolist())
    assert {_place(label)[0] for label in TONES} <= drawn_places
    assert len(drawn_places) == 6 + 1 + 8
    assert 0.3 < (drawn.snr_db >= ALONE).mean() < 0.4


def test_a_corpus_without_voices_is_mixed_all_the_same() -> None:
    drawn = Bank([_sound("ambient", 1)], [], made_up=2, jobs=1).draw(200, np.random.default_rng(4))
    assert len(set(drawn.front[:, 0].tolist())) == 1 + 4
