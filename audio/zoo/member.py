"""What a member of the zoo is made of: what it looks at, how it is built, how it learns."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE

Array = NDArray[np.float32]


class Kind(StrEnum):
    """How a member learns."""

    ESTIMATOR = "estimator"
    """A scikit-learn estimator, saved by skops."""
    NETWORK = "network"
    """A Keras network, saved as TFLite."""
    GIVEN = "given"
    """A file that somebody else trained."""
    CONSENSUS = "consensus"
    """Made of other members."""


@dataclass(frozen=True, slots=True)
class Features:
    """What a member looks at.

    Attributes:
        name: of the extraction; the same name is the same numbers.
        window: samples at 16 kHz that one look takes in.
        extract: at most `window` samples -> float array of one shape.
    """

    name: str
    window: int
    extract: Callable[[Array], NDArray[Any]]


def _not_built(_: object) -> Any:
    raise TypeError("nothing is built for this kind of member")


@dataclass(frozen=True, slots=True)
class Member:
    """A published approach.

    Attributes:
        name: by which commands know it.
        title: what it is, in a few words.
        kind: how it learns.
        features: what it looks at.
        build: estimators: (seed) -> unfitted; networks: (shape of the features) -> uncompiled. Imports what it needs.
        smote: made-up examples of the rarer classes (Chawla et al. 2002) instead of class weights.
        votes: a recording is judged by the mean of its windows, not by the one most like a scream.
    """

    name: str
    title: str
    kind: Kind
    features: Features
    build: Callable[..., Any] = _not_built
    smote: bool = False
    votes: bool = False


def seconds(length: float) -> int:
    """Samples in so many seconds."""
    return round(length * SAMPLE_RATE)
