"""What a member of the zoo learns from, and how it went."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learned from.

    Attributes:
        x: features, n of them.
        y: int of shape (n,), the class.
        weights: float32 of shape (n,).
    """

    x: NDArray[Any]
    y: NDArray[np.int64]
    weights: Array


@dataclass(frozen=True, slots=True)
class Epoch:
    """Mean loss of an epoch.

    Attributes:
        learned: on what was learned from, while it was.
        held: on what was held back.
    """

    learned: float
    held: float
