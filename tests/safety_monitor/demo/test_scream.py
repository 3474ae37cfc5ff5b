from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from safety_monitor.demo.scream import murmur, room_noise, scream

RATE = 16_000
SEEDS = range(1, 6)
Array = NDArray[np.float64]


def fundamentals(sound: Array, low: float, high: float) -> Array:
    """Fundamental in Hz of each 60 ms: where the first four multiples are strongest together."""
    size = round(0.06 * RATE)
    candidates = np.geomspace(low, high, 400)
    bins = np.round(np.outer(candidates, [1, 2, 3, 4]) * 16 * size / RATE).astype(int)
    found = []
    for start in range(0, sound.size - size, size // 2):
        spectrum = np.abs(np.fft.rfft(sound[start : start + size] * np.hanning(size), 16 * size))
        found.append(candidates[np.log(spectrum[bins] + 1e-3 * spectrum.max()).sum(axis=1).argmax()])
    return np.array(found)


def modulation(sound: Array, low: float, high: float) -> float:
    """Share of the loudness's changes between 2 and 400 Hz that fall into a band."""
    spectrum = np.fft.rfft(sound)
    spectrum[0] = 0
    full = np.zeros(sound.size, dtype=complex)
    full[: spectrum.size] = 2 * spectrum
    loudness = np.abs(np.fft.ifft(full))
    changes = np.abs(np.fft.rfft((loudness - loudness.mean()) * np.hanning(loudness.size))) ** 2
    frequency = np.fft.rfftfreq(loudness.size, 1 / RATE)
    within = changes[(frequency >= low) & (frequency < high)].sum()
    return float(within / changes[(frequency >= 2) & (frequency < 400)].sum())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_scream_glides_around_one_kilohertz(seed: int) -> None:
    pitch = fundamentals(scream(1.8, RATE, seed)[RATE // 10 : -RATE // 5], 400, 1_900)
    assert 850 < np.median(pitch) < 1_150
    assert np.percentile(pitch, 95) - np.percentile(pitch, 5) > 60, "it does not glide"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_scream_is_rough_and_talk_is_not(seed: int) -> None:
    screamed = scream(1.8, RATE, seed)[RATE // 4 : -RATE // 4]
    assert modulation(screamed, 30, 150) > 0.5
    assert modulation(screamed, 30, 150) > 2 * modulation(murmur(4.0, RATE, seed), 30, 100)


def test_a_scream_is_high_and_talk_is_low() -> None:
    def above(sound: Array, hertz: float) -> float:
        power = np.abs(np.fft.rfft(sound)) ** 2
        return float(power[np.fft.rfftfreq(sound.size, 1 / RATE) > hertz].sum() / power.sum())

    assert above(scream(1.8, RATE), 800) > 0.9
    assert above(murmur(4.0, RATE), 800) < 0.5
    assert np.median(fundamentals(murmur(4.0, RATE), 60, 600)) < 200


@pytest.mark.parametrize("make", [scream, murmur])
def test_fits_into_full_scale_and_lasts_as_asked(make: object) -> None:
    assert callable(make)
    for seconds in (0.7, 2.0):
        sound = make(seconds, RATE, 1)
        assert sound.shape == (round(seconds * RATE),)
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() == pytest.approx(1.0)


def test_another_seed_is_another_scream_and_the_same_seed_the_same() -> None:
    assert (scream(1.0, RATE, 1) == scream(1.0, RATE, 1)).all()
    assert np.abs(scream(1.0, RATE, 1) - scream(1.0, RATE, 2)).max() > 0.1


def test_a_quiet_room_falls_towards_high_frequencies() -> None:
    sound = room_noise(4.0, RATE)
    assert sound.std() == pytest.approx(1.0)
    power = np.abs(np.fft.rfft(sound)) ** 2
    frequency = np.fft.rfftfreq(sound.size, 1 / RATE)
    octaves = [power[(frequency >= f) & (frequency < 2 * f)].mean() for f in (400, 800, 1_600, 3_200)]
    assert all(a > 2 * b for a, b in pairwise(octaves))
