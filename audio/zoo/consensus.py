"""Several members that must agree: the median of their votes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audio.corpus import SCREAM
from audio.zoo.member import Features, Kind, Member, seconds

Array = NDArray[np.float32]

MEMBER = Member(
    "consensus",
    "Consensus of several (median)",
    Kind.CONSENSUS,
    Features("samples-3s", seconds(3), lambda given: given),
)
DEFAULT = ("svm", "random-forest", "mel-cnn")
"""Unlike ones help each other most."""


def agree(votes: Sequence[Array]) -> Array:
    """What most say: the median probability of a scream, the others' mean share of the rest.

    Args:
        votes: of each member, float32 of shape (n, labels).

    Returns:
        float32 of shape (n, labels), each row of sum 1.
    """
    chances = np.stack(votes)
    middle = np.median(chances[:, :, SCREAM], axis=0)
    rest = np.delete(chances, SCREAM, axis=2)
    rest = (rest / np.maximum(rest.sum(axis=2, keepdims=True), 1e-9)).mean(axis=0)
    return np.asarray(np.insert(rest * (1 - middle)[:, None], SCREAM, middle, axis=1), np.float32)
