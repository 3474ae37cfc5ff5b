"""Voices made of numbers: a scream, and a murmur of talk to tell it from.

A voice is a row of harmonics of a gliding fundamental, shaped by the resonances of a vocal tract (the source-filter
model: Fant, Acoustic Theory of Speech Production, 1960), with breath noise through the same tract. What sets a scream
apart is taken from Arnal, Flinker, Kleinschmidt, Giraud and Poeppel, "Human screams occupy a privileged niche in the
communication soundscape", Current Biology 25 (2015), 2051-2056: its loudness is modulated fast, at 30 to 150 Hz, which
is heard as roughness. Beside that: a fundamental around 1 kHz that rises quickly and falls at the end, harmonics that
fall off slowly (a pressed voice through an open mouth), jitter, and breath.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

OPEN_MOUTH: Array = np.array(
    [[1300, 95], [1780, 125], [3400, 155], [4600, 190], [5600, 290], [6700, 450], [7800, 550]], dtype=np.float64
)
"""Resonances of a wide open mouth and a raised larynx: centre and bandwidth in Hz."""

VOWELS = (
    (700.0, 1200.0, 2500.0),
    (480.0, 1750.0, 2450.0),
    (310.0, 2050.0, 2700.0),
    (450.0, 850.0, 2350.0),
    (550.0, 1450.0, 2450.0),
)
"""First three resonances in Hz of five ordinary vowels."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What a stretch of voice is made from; all arrays have one value per sample.

    Attributes:
        fundamental: Hz.
        resonances: shape (n, k), Hz.
        bandwidths: shape (k,), Hz.
        fall_db: how much weaker the source's harmonics get per octave, in dB.
        breath: level of the breath noise against the harmonics.
    """

    fundamental: Array
    resonances: Array
    bandwidths: Array
    fall_db: float
    breath: float


def scream(seconds: float, rate: int, seed: int = 1) -> Array:
    """One scream, mono, peak 1.

    Args:
        seconds: its length; at least 0.5.
        rate: samples a second.
        seed: another seed is another scream.
    """
    rng = np.random.default_rng(seed)
    count = round(seconds * rate)
    t = np.arange(count) / rate
    course = 0, 0.08, 0.25, 0.65 * seconds, seconds - 0.15, seconds
    glide = 1150 * np.interp(t, course, (0.7, 0.76, 1.0, 0.88, 0.92, 0.65))
    voice = Voice(
        fundamental=glide * (1 + 0.027 * _wander(rng, count, rate, 4.0) + 0.01 * _wander(rng, count, rate, 60.0)),
        resonances=OPEN_MOUTH[:, 0] * (1 + 0.04 * _wander(rng, count, rate, 3.0)[:, None]),
        bandwidths=OPEN_MOUTH[:, 1],
        fall_db=6.0,
        breath=0.35,
    )
    sound = _utter(voice, rate, rng)
    pulse = 80 * (1 + 0.2 * _wander(rng, count, rate, 10.0))
    beat = np.cos(2 * np.pi * np.cumsum(pulse) / rate) + 0.5 * _wander(rng, count, rate, 140.0)
    depth = np.clip(0.48 + 0.25 * _wander(rng, count, rate, 2.0), 0.05, 0.9)
    course = 0, 0.06, 0.2, 0.7 * seconds, seconds - 0.12, seconds
    sound *= np.interp(t, course, (0.0, 0.6, 1.0, 0.85, 0.45, 0.0)) * np.clip(1 + depth * beat, 0, None)
    return _room(sound, rate, rng, seconds=0.4, share=0.07)


def murmur(seconds: float, rate: int, seed: int = 2) -> Array:
    """Talk without words: syllables of ordinary vowels in a low voice with pauses; mono, peak 1."""
    rng = np.random.default_rng(seed)
    count = round(seconds * rate)
    t = np.arange(count) / rate
    starts, when = [], 0.15
    while when < seconds - 0.3:
        starts.append(when)
        when += rng.uniform(0.16, 0.27) if rng.random() > 0.14 else rng.uniform(0.5, 0.8)
    loud = np.zeros(count)
    for start in starts:
        long = rng.uniform(0.12, 0.2)
        place = np.clip((t - start) / long, 0, 1)
        loud = np.maximum(loud, rng.uniform(0.5, 1.0) * np.sin(np.pi * place) ** 0.7)
    vowels = np.array(VOWELS)[rng.integers(len(VOWELS), size=len(starts))]
    middle = np.array(starts) + 0.08
    tract = np.stack([np.interp(t, middle, vowels[:, i]) for i in range(3)], axis=1)
    tune = 118 * (1 + 0.10 * _wander(rng, count, rate, 1.2)) * (1 + 0.008 * _wander(rng, count, rate, 40.0))
    voice = Voice(
        fundamental=tune,
        resonances=np.concatenate([tract, np.broadcast_to([3500.0, 4500.0, 5600.0, 6800.0], (count, 4))], axis=1),
        bandwidths=np.array([80.0, 110.0, 160.0, 250.0, 350.0, 450.0, 600.0]),
        fall_db=7.0,
        breath=0.06,
    )
    return _room(_utter(voice, rate, rng) * loud, rate, rng, seconds=0.4, share=0.3)


def room_noise(seconds: float, rate: int) -> Array:
    """The sound of a quiet room: noise that falls by 6 dB per octave above 100 Hz, and a little mains hum; RMS 1."""
    rng = np.random.default_rng(3)
    count = round(seconds * rate)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / rate)
    noise = np.fft.irfft(spectrum * frequency / (frequency**2 + 100.0**2 + 1e-9), count)
    t = np.arange(count) / rate
    hum = np.sin(2 * np.pi * 100 * t) + 0.4 * np.sin(2 * np.pi * 200 * t + 1)
    sound: Array = noise / noise.std() + 0.25 * hum
    return sound / float(sound.std())


def _utter(voice: Voice, rate: int, rng: np.random.Generator) -> Array:
    """Harmonics and breath through the vocal tract."""
    count = voice.fundamental.size
    phase = 2 * np.pi * np.cumsum(voice.fundamental) / rate
    sound = np.zeros(count)
    limit = 0.48 * rate
    # The tract moves slowly: its answer is worked out 400 times a second and drawn straight in between.
    place = np.arange(0, count + rate // 400, rate // 400).clip(max=count - 1)
    for number in range(1, int(limit / voice.fundamental.min()) + 1):
        frequency = number * voice.fundamental[place]
        gain = _tract(voice.resonances[place], voice.bandwidths, frequency)
        gain *= number ** (-voice.fall_db * np.log2(10) / 20) * np.clip((limit - frequency) / (0.03 * rate), 0, 1)
        # Each harmonic trembles a little on its own, as in a real throat.
        gain *= 1 + 0.12 * _wander(rng, place.size, 400, 25.0)
        sound += np.interp(np.arange(count), place, gain) * np.sin(number * phase + rng.uniform(0, 2 * np.pi))
    bins = np.fft.rfftfreq(count, 1 / rate).astype(np.float64)
    breath = np.fft.rfft(rng.standard_normal(count))
    breath *= _tract(voice.resonances.mean(axis=0)[None, :], voice.bandwidths, bins)
    noise = np.fft.irfft(breath, count)
    mixed: Array = sound / sound.std() + voice.breath * noise / noise.std()
    return mixed


def _tract(resonances: Array, bandwidths: Array, frequency: Array) -> Array:
    """How loud the vocal tract lets each frequency through: resonances in a row, 1 at 0 Hz."""
    gain = np.ones(frequency.shape)
    for centre, bandwidth in zip(resonances.T, bandwidths, strict=True):
        square = (frequency / centre) ** 2
        gain = gain / np.sqrt((1 - square) ** 2 + square * (bandwidth / centre) ** 2)
    return gain


def _wander(rng: np.random.Generator, count: int, rate: int, frequency: float) -> Array:
    """A random course around 0 with standard deviation about 1 that changes about `frequency` times a second."""
    knots = rng.standard_normal(int(np.ceil(count / rate * frequency)) + 3)
    place = np.arange(count) * (frequency / rate)
    index = place.astype(int)
    share = place - index
    share = share * share * (3 - 2 * share)
    course: Array = (1 - share) * knots[index] + share * knots[index + 1]
    return course


def _room(sound: Array, rate: int, rng: np.random.Generator, *, seconds: float, share: float) -> Array:
    """Add the room's answer: exponentially fading noise, 60 dB down after `seconds`; the result has peak 1."""
    tail = round(seconds * rate)
    answer = rng.standard_normal(tail) * 10 ** (-3 * np.arange(tail) / tail)
    size = sound.size + tail
    echo = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(answer, size), size)[: sound.size]
    mixed = sound + share * echo * sound.std() / (echo.std() + 1e-12)
    loud: Array = mixed / np.abs(mixed).max()
    return loud
