"""YAMNet's scores (Gemmeke et al. 2017; Apache-2.0) taken as they are: its "Screaming" is a scream."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from audio.corpus import LABELS
from audio.zoo.front_end import whole
from audio.zoo.member import Features, Kind, Member

Array = NDArray[np.float32]

WINDOW = 15_600
SCREAMING = 11
"""Row of "Screaming" in YAMNet's class map."""
VOICES = slice(0, 67)
"""Rows of sounds that people make."""

MEMBER = Member(
    "yamnet", "YAMNet's score for Screaming", Kind.GIVEN, Features("samples", WINDOW, partial(whole, length=WINDOW))
)


def classes(scores: Array) -> Array:
    """Our classes from its 521 scores: what is left of "Screaming" goes to voices and other sounds as they score.

    Args:
        scores: float32 of shape (521,).

    Returns:
        float32 of shape (3,), sum 1.
    """
    others = np.delete(scores, SCREAMING)
    voice, rest = float(others[VOICES.start : VOICES.stop - 1].max()), float(others[VOICES.stop - 1 :].max())
    scream = float(scores[SCREAMING])
    share = voice / max(voice + rest, 1e-9)
    by_label = {"scream": scream, "conversation": (1 - scream) * share, "ambient": (1 - scream) * (1 - share)}
    return np.asarray([by_label[label] for label in LABELS], np.float32)
