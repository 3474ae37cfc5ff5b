"""Sound as a picture for people: time to the right, pitch upwards, as ears space it.

The pitch axis is the mel scale (O'Shaughnessy, Speech Communication: Human and Machine, 1987).
"""

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE

WINDOW, HOP = 1024, 512
"""Samples of a column (64 ms), and between columns (32 ms)."""
ROWS = 64
LOW_HZ, HIGH_HZ = 60.0, 7800.0
AT_ONCE = 60 * SAMPLE_RATE
"""Samples that are worked on together."""

Array = NDArray[np.float32]


def spectrogram(pieces: Iterable[Array], most: int) -> Array:
    """The level of each band over time, float32 of shape (columns, `ROWS`), dB below full scale.

    Args:
        pieces: consecutive samples, float32 of shape (n,), mono at `SAMPLE_RATE`.
        most: at most so many columns; of a longer sound each is the loudest of several, so that nothing short is lost.
    """
    parts: list[Array] = []
    waiting: list[Array] = []
    count = 0
    for piece in pieces:
        waiting.append(piece)
        count += len(piece)
        if count >= AT_ONCE:
            samples = np.concatenate(waiting)
            parts.append(_columns(samples))
            waiting = [samples[len(parts[-1]) * HOP :]]
            count = len(waiting[0])
    last = np.concatenate([*waiting, np.zeros(WINDOW - HOP, np.float32)])
    levels = np.concatenate([*parts, _columns(last)])
    if len(levels) <= most:
        return levels
    width = -(-len(levels) // most)
    return np.maximum.reduceat(levels, np.arange(0, len(levels), width), axis=0)


def _columns(samples: Array) -> Array:
    if len(samples) < WINDOW:
        return np.zeros((0, ROWS), np.float32)
    cut = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(cut * _hann())).astype(np.float32) ** 2
    return np.asarray(10 * np.log10(power @ _bands() + 1e-12), np.float32)


@cache
def _hann() -> Array:
    """Scaled so that a sine at full scale has power 1 in its band."""
    window = np.hanning(WINDOW)
    return np.asarray(2 * window / window.sum(), np.float32)


@cache
def _bands() -> Array:
    """(513, `ROWS`) triangles, equally spaced on the mel scale; each at least as wide as a bin."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (LOW_HZ, HIGH_HZ))
    edges = 700 * (10 ** (np.linspace(low, high, ROWS + 2) / 2595) - 1)
    bins = np.arange(WINDOW // 2 + 1)[:, None] * SAMPLE_RATE / WINDOW
    half = np.maximum(np.diff(edges), SAMPLE_RATE / WINDOW)
    triangles = np.minimum(1 - (edges[1:-1] - bins) / half[:-1], 1 - (bins - edges[1:-1]) / half[1:])
    return np.asarray(np.maximum(triangles, 0), np.float32)
