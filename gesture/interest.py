"""Which part of a picture deserves a nearer look: where something moves, and in time every other part.

Pure: pictures and times in, parts out. Every second time it is the part where most has moved of late and least was
looked at, otherwise the one that was not looked at for longest.
"""

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Map = NDArray[np.float32]

ENLARGED = 3.0
"""A part is so many times smaller than the picture: three metres away a palm is as large in it as one metre away in the
whole (`python -m benchmarks.distance`)."""
POINTS = 80
"""Points of the map along the longer side of the picture."""
CHANGED = 20
"""Steps of 255; noise changes a point by less."""
FADES_S = 1.0
"""Of a movement a third is left after so long."""
LONGEST_S = 10.0
"""What was not looked at for so long is no more wanted than that."""
LEAST = 4.0
"""Points that must have moved for it to be a movement."""
SPENT = 0.7
"""The middle of a part, in which a hand would have been seen whole, as a share of its side."""


@dataclass(frozen=True, slots=True)
class Part:
    """A square of a picture, in pixels: its left and upper edge, and its side."""

    left: int
    top: int
    side: int

    def of(self, image: Image) -> Image:
        """What the picture shows there, contiguous."""
        return np.ascontiguousarray(image[self.top : self.top + self.side, self.left : self.left + self.side])


def part_around(x: float, y: float, side: float, size: tuple[int, int]) -> Part:
    """The square with its middle at a pixel, moved and made smaller so that it lies in a picture of (height, width)."""
    height, width = size
    whole = max(min(round(side), height, width), 1)
    left = min(max(round(x - whole / 2), 0), width - whole)
    return Part(left, min(max(round(y - whole / 2), 0), height - whole), whole)


@dataclass(slots=True)
class Interest:
    """Where to look next in the pictures of one camera."""

    _before: NDArray[np.int16] | None = None
    _moved: Map = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """1 where something moves, and less the longer ago it did."""
    _unseen_s: Map = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """For how long each point was not looked at."""
    _last_s: float = -math.inf
    _by_movement: bool = False

    def next_part(self, image: Image, at_s: float) -> Part:
        """The part to look at now; it is then taken for looked at.

        Args:
            image: uint8 of shape (height, width, 3).
            at_s: seconds on the source's clock.
        """
        height, width = image.shape[:2]
        step = max(max(height, width) // POINTS, 1)
        seen = image[::step, ::step, 1].astype(np.int16)
        passed = min(max(at_s - self._last_s, 0.0), 1.0)
        self._last_s = at_s
        if self._before is None or self._before.shape != seen.shape:
            self._before = seen
            self._moved, self._unseen_s = np.zeros(seen.shape, np.float32), np.zeros(seen.shape, np.float32)
        moving = np.abs(seen - self._before) > CHANGED
        self._before = seen
        self._moved = np.maximum(self._moved * np.float32(math.exp(-passed / FADES_S)), moving, dtype=np.float32)
        self._unseen_s = np.minimum(self._unseen_s + np.float32(passed), np.float32(LONGEST_S))
        side = max(height, width) / ENLARGED
        half = max(round(side / step / 2), 1)
        wanted = _tent(self._unseen_s, half)
        self._by_movement = not self._by_movement
        if self._by_movement:
            movement = _tent(self._moved, half)
            if movement.max() * half**2 >= LEAST:
                wanted = movement * wanted
        row, column = _highest(wanted, half)
        spent = round(SPENT * half)
        looked = np.s_[max(row - spent, 0) : row + spent + 1, max(column - spent, 0) : column + spent + 1]
        self._moved[looked] = self._unseen_s[looked] = 0.0
        return part_around((column + 0.5) * step, (row + 0.5) * step, side, (height, width))


def _tent(points: Map, half: int) -> Map:
    """Means over squares of twice `half`, what is near their middle counting more; beyond the picture is nothing."""
    once = cv2.blur(points, (half, half), borderType=cv2.BORDER_CONSTANT)
    return np.asarray(cv2.blur(once, (half, half), borderType=cv2.BORDER_CONSTANT), np.float32)


def _highest(wanted: Map, half: int) -> tuple[int, int]:
    """Row and column of the highest value that is the middle of a square within the picture."""
    rows, columns = wanted.shape
    top, left = min(half, (rows - 1) // 2), min(half, (columns - 1) // 2)
    inside = wanted[top : max(rows - top, top + 1), left : max(columns - left, left + 1)]
    row, column = np.unravel_index(int(np.argmax(inside)), inside.shape)
    return int(row) + top, int(column) + left
