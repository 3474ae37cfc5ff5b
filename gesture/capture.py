"""Where pictures come from: camera, file, stream or folder, all as the same frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class CameraError(Exception):
    """A picture source that cannot be opened or read; the text is one line that says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source.

    Attributes:
        image: uint8 of shape (height, width, 3), RGB, contiguous, not mirrored.
        at_s: seconds on the source's own clock; strictly increasing within a source.
    """

    image: NDArray[np.uint8]
    at_s: float


class FrameSource(Protocol):
    """An open source of frames; iterate it in one thread, close it from any."""

    @property
    def name(self) -> str:
        """For people: device name, file name or address without credentials."""

    @property
    def live(self) -> bool:
        """Whether time goes on by itself (camera, stream: the newest frame wins) or with the frames taken (file)."""

    @property
    def dropped(self) -> int:
        """Frames overtaken by newer ones so far; always 0 for files."""

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """End the iteration soon, also one that waits; may be called twice."""
