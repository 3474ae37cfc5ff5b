"""A microphone that gives sound and hears nothing is told from a quiet room and from a loud scream."""

import numpy as np
import pytest

from audio.blocks import BLOCK_SAMPLES, Samples
from audio.liveness import Rate, SoundFault, after_loss, examine, loud_at, measure

RNG = np.random.default_rng(0)
TIME = np.arange(BLOCK_SAMPLES) / 16_000


def quiet_room() -> Samples:
    """One bit of 16 now and then."""
    bits = RNG.integers(0, 2, BLOCK_SAMPLES)
    return np.asarray(bits / 32_768, np.float32)


def loud_scream() -> Samples:
    return np.asarray(np.clip(1.05 * np.sin(2 * np.pi * 900 * TIME), -1, 1), np.float32)


def overdriven() -> Samples:
    return np.asarray(np.clip(20 * np.sin(2 * np.pi * 900 * TIME), -1, 1), np.float32)


@pytest.mark.parametrize(
    ("samples", "fault"),
    [
        (np.zeros(BLOCK_SAMPLES, np.float32), SoundFault.SILENT),
        (np.full(BLOCK_SAMPLES, 1e-7, np.float32), SoundFault.SILENT),
        (np.full(BLOCK_SAMPLES, -0.25, np.float32), SoundFault.STUCK),
        (overdriven(), SoundFault.CLIPPED),
        (quiet_room(), None),
        (loud_scream(), None),
        (np.zeros(0, np.float32), None),
    ],
)
def test_what_is_wrong_with_a_block(samples: Samples, fault: SoundFault | None) -> None:
    assert examine(samples) is fault


def test_a_source_was_loud_last_when_more_than_its_own_noise_was_heard() -> None:
    assert loud_at(None, quiet_room(), 1.0) == 1.0
    assert loud_at(1.0, quiet_room(), 2.0) == 1.0
    assert loud_at(1.0, quiet_room() + np.float32(0.01), 2.0) == 1.0
    assert loud_at(1.0, np.zeros(0, np.float32), 2.0) == 1.0
    assert loud_at(1.0, np.asarray(-0.001 * loud_scream(), np.float32), 3.0) == 3.0


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ((5.0, 5.0, 5.0), None),
        ((4.8, 5.3, 4.8), None),
        ((4.2, 5.8, 5.0), None),  # late, and then in a rush
        ((5.9,), None),  # once proves nothing
        ((5.9, 5.0, 5.9), None),
        ((5.0, 2.5, 2.5), SoundFault.WRONG_RATE),
        ((5.9, 5.9), SoundFault.WRONG_RATE),
        ((5.9, 5.9, 5.0), None),
    ],
)
def test_sound_and_time_go_on_alike(given: tuple[float, ...], fault: SoundFault | None) -> None:
    rate, sound_s = measure(Rate(), (1.0, 100.0)), 1.0
    for number, gained_s in enumerate(given, start=1):
        sound_s += gained_s
        rate = measure(rate, (sound_s - 0.1, 100.0 + 5 * number - 0.1))  # too early to say anything
        rate = measure(rate, (sound_s, 100.0 + 5 * number))
    assert rate.fault is fault


@pytest.mark.parametrize(
    ("given_s", "goes_on"),
    [
        pytest.param(4.0, True, id="there was too much sound: some was thrown away because of that"),
        pytest.param(3.0, True, id="there was as much as time"),
        pytest.param(2.0, False, id="what was lost is missing in the measurement"),
    ],
)
def test_a_measurement_goes_on_after_a_loss_only_where_there_was_enough_sound(given_s: float, goes_on: bool) -> None:
    rate = Rate(begun=(1.0, 100.0), gained_s=1.0)
    assert after_loss(rate, (1.0 + given_s, 103.0)) == (rate if goes_on else Rate())
    assert after_loss(Rate(), (5.0, 103.0)) == after_loss(rate, None) == Rate()
