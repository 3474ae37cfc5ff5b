"""What is measured of the sound that a source gives."""

import time
from collections.abc import Iterable

import numpy as np

from audio.blocks import SAMPLE_RATE, SMALLEST_GAP_S, Block, Samples
from audio.live import AHEAD_S

A_TONE = 0.5 / np.sqrt(2)
"""Level of `tests.recordings.tone`, RMS."""
AT_MOST_AHEAD_S = AHEAD_S + SMALLEST_GAP_S
"""A live clock that began with a late block runs ahead by so much at most."""


def frequency(samples: Samples) -> float:
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * SAMPLE_RATE / len(samples)


def level(samples: Samples) -> float:
    """RMS of the middle, where no coder fades in or out."""
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    return float(np.sqrt(np.mean(middle.astype(np.float64) ** 2)))


def ahead_s(block: Block, start: float) -> float:
    """By how much its last sample lies in the future."""
    return block.at_s + len(block.samples) / SAMPLE_RATE - (time.monotonic() - start)


def joined(blocks: Iterable[Block]) -> Samples:
    return np.concatenate([block.samples for block in blocks])
