"""Where sound comes from: microphone, file or stream, all as the same blocks of samples."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Samples a second of every block, whatever the source's own rate."""


class SoundError(Exception):
    """A sound source that cannot be opened or read; the text is one line that says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive samples of one source.

    Attributes:
        samples: float32 of shape (n,), mono at `SAMPLE_RATE`, full scale ±1, always finite.
        at_s: seconds on the source's own clock at the first sample.
    """

    samples: NDArray[np.float32]
    at_s: float


class SoundSource(Protocol):
    """An open source of blocks; iterate it in one thread, close it from any."""

    @property
    def name(self) -> str:
        """For people: device name, file name or address without credentials."""

    @property
    def live(self) -> bool:
        """Whether time goes on by itself (device, stream) rather than with the blocks taken (file)."""

    @property
    def dropped(self) -> int:
        """Blocks thrown away so far because nobody took them in time; always 0 for files."""

    def __iter__(self) -> Iterator[Block]: ...

    def close(self) -> None:
        """End the iteration soon, also one that waits; may be called twice."""
