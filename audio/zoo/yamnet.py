"""YAMNet's scores (Gemmeke et al. 2017; Apache-2.0) taken as they are: its "Screaming" is a scream."""

import threading
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio.corpus import LABELS
from audio.zoo.front_end import whole
from audio.zoo.member import Features, Kind, Member
from models.card import ModelError, sha256
from models.runtime import TFLiteModel

Array = NDArray[np.float32]

WINDOW = 15_600
SCREAMING = 11
"""Row of "Screaming" in YAMNet's class map."""
VOICES = slice(0, 67)
"""Rows of sounds that people make."""

MEMBER = Member(
    "yamnet", "YAMNet's score for Screaming", Kind.GIVEN, Features("samples", WINDOW, partial(whole, length=WINDOW))
)


@dataclass(frozen=True, slots=True)
class Scores:
    """Our classes from what a file of YAMNet makes of a window; each thread and process opens the file for itself.

    Attributes:
        path: the .tflite file.
    """

    path: Path

    def __call__(self, samples: Array) -> Array:
        """Of at most `WINDOW` samples: float32 of shape (3,), sum 1."""
        networks: dict[Path, TFLiteModel] = _opened.__dict__.setdefault("networks", {})
        if self.path not in networks:
            networks[self.path] = TFLiteModel(self.path)
        return classes(networks[self.path](whole(samples, WINDOW))[0][0])


_opened = threading.local()


def with_file(path: Path) -> Member:
    """The member, looking through a file.

    Raises:
        ModelError: it is not YAMNet's.
    """
    scores = Scores(path)
    try:
        scores(np.zeros(WINDOW, np.float32))
    except (ValueError, RuntimeError, IndexError):
        raise ModelError(f"{path}: is not YAMNet, which makes 521 scores of 15,600 samples") from None
    return replace(MEMBER, features=Features(f"yamnet-{sha256(path)[:12]}", WINDOW, scores))


def classes(scores: Array) -> Array:
    """Our classes from its 521 scores: what is left of "Screaming" goes to voices and other sounds as they score.

    Args:
        scores: float32 of shape (521,).

    Returns:
        float32 of shape (3,), sum 1.

    Raises:
        ValueError: another number of scores.
    """
    if scores.shape != (521,):
        raise ValueError("these are not the scores of YAMNet")
    others = np.delete(scores, SCREAMING)
    voice, rest = float(others[VOICES.start : VOICES.stop - 1].max()), float(others[VOICES.stop - 1 :].max())
    scream = float(scores[SCREAMING])
    share = voice / max(voice + rest, 1e-9)
    by_label = {"scream": scream, "conversation": (1 - scream) * share, "ambient": (1 - scream) * (1 - share)}
    return np.asarray([by_label[label] for label in LABELS], np.float32)
