"""Sound as the station hears it: blocks of samples at one rate, made of samples of any rate with holes between them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Samples a second of every block, whatever the source's own rate."""
BLOCK_SAMPLES = 800
"""Samples of a block (50 ms); the last of a source may be shorter."""
SMALLEST_GAP_S = 0.1
"""Time stamps of containers are rounded; a smaller hole or overlap is no hole."""
LONGEST_FILL_S = 1.0
"""A hole up to this long becomes silence; after a longer one the clock jumps."""
RATES = range(1_000, 768_001)

Samples = NDArray[np.float32]


class SoundError(Exception):
    """A sound source that cannot be opened or read; the text is one line that says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive samples of one source.

    Attributes:
        samples: float32 of shape (n,), mono at `SAMPLE_RATE`, full scale ±1, always finite.
        at_s: seconds on the source's own clock at the first sample.
    """

    samples: Samples
    at_s: float


class Chunk(NamedTuple):
    """Samples as a source gives them: mono, float32, at the source's own rate and on its own time line."""

    samples: Samples
    rate: int
    at_s: float


def finite(samples: NDArray[Any]) -> Samples:
    """float32 within ±1; what is no number becomes silence."""
    return np.where(np.isfinite(samples), samples, 0.0).clip(-1.0, 1.0).astype(np.float32)


def blocks_of(chunks: Iterable[Chunk]) -> Iterator[Block]:
    """Resample to `SAMPLE_RATE` and cut into blocks; holes become silence, a long one a jump of the clock.

    A step back in time is taken for a slip of the time stamps: the samples go on as they come.
    """
    cutter: _Cutter | None = None
    slip_s = 0.0
    next_s = 0.0
    for chunk in chunks:
        at_s = chunk.at_s + slip_s
        hole_s = at_s - next_s
        if cutter is None or cutter.rate != chunk.rate or hole_s > LONGEST_FILL_S:
            if cutter is not None:
                yield from cutter.rest()
                at_s = at_s if hole_s > SMALLEST_GAP_S else next_s
            cutter = _Cutter(chunk.rate, at_s)
            next_s = at_s
        elif hole_s > SMALLEST_GAP_S:
            silence = round(hole_s * chunk.rate)
            yield from cutter.add(np.zeros(silence, np.float32))
            next_s += silence / chunk.rate
        elif hole_s < -SMALLEST_GAP_S:
            slip_s -= hole_s
        yield from cutter.add(chunk.samples)
        next_s += len(chunk.samples) / chunk.rate
    if cutter is not None:
        yield from cutter.rest()


class _Cutter:
    """Turns consecutive samples of one rate into consecutive blocks."""

    def __init__(self, rate: int, at_s: float) -> None:
        self.rate = rate
        self._start_s = at_s
        self._given = 0
        self._kept: Samples = np.zeros(0, np.float32)
        self._resample = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1)

    def add(self, samples: Samples, last: bool = False) -> Iterator[Block]:
        if self._resample is not None:
            samples = self._resample.resample_chunk(samples, last=last)
        kept = np.concatenate([self._kept, samples])
        whole = len(kept) if last else len(kept) - len(kept) % BLOCK_SAMPLES
        for begin in range(0, whole, BLOCK_SAMPLES):
            block = kept[begin : begin + BLOCK_SAMPLES]
            yield Block(block, self._start_s + self._given / SAMPLE_RATE)
            self._given += len(block)
        self._kept = kept[whole:]

    def rest(self) -> Iterator[Block]:
        return self.add(np.zeros(0, np.float32), last=True)
