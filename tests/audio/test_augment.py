from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from audio import augment
from audio.blocks import SAMPLE_RATE

Samples = NDArray[np.float32]


@pytest.mark.parametrize("make", [augment.synthetic_scream, augment.synthetic_cry, augment.synthetic_tone])
def test_made_up_sounds_are_finite_heard_and_repeat(
    make: Callable[[np.random.Generator, float], Samples],
) -> None:
    for seed in range(12):
        sound = make(np.random.default_rng(seed), 1.2)
        assert sound.shape == (int(1.2 * SAMPLE_RATE),)
        assert sound.dtype == np.float32
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() > 0.01
        np.testing.assert_array_equal(sound, make(np.random.default_rng(seed), 1.2))


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_mixing_keeps_the_ratio(snr_db: float) -> None:
    rng = np.random.default_rng(1)
    front = (rng.standard_normal(16_000) * 0.3).astype(np.float32)
    back = (rng.standard_normal(16_000) * 0.01).astype(np.float32)
    added = augment.mix(front, back, snr_db) - front
    assert 10 * np.log10(np.square(front).mean() / np.square(added).mean()) == pytest.approx(snr_db, abs=0.5)


@pytest.mark.parametrize("change", [augment.colour, augment.record, augment.compress])
def test_changes_keep_length_and_stay_finite(change: Callable[[Samples, np.random.Generator], Samples]) -> None:
    for seed in range(10):
        for sound in (np.zeros(9000, np.float32), augment.synthetic_scream(np.random.default_rng(seed), 9000 / 16_000)):
            changed = change(sound, np.random.default_rng(seed))
            assert changed.shape == sound.shape
            assert changed.dtype == np.float32
            assert np.isfinite(changed).all()


def test_a_record_never_exceeds_full_scale() -> None:
    for seed in range(20):
        recorded = augment.record(np.linspace(-40, 40, 5000, dtype=np.float32), np.random.default_rng(seed))
        assert np.abs(recorded).max() <= 1.01


def test_faster_is_shorter_and_higher() -> None:
    tone = np.sin(2 * np.pi * 500 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    faster = augment.resample(tone, 1.25)
    assert len(faster) == pytest.approx(SAMPLE_RATE / 1.25, abs=2)
    peak = np.abs(np.fft.rfft(faster)).argmax() * SAMPLE_RATE / len(faster)
    assert peak == pytest.approx(625, abs=3)
