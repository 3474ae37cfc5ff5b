"""What the camera says: frames in, readings out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class HandReading:
    """What seeing says of one hand in one frame.

    Attributes:
        at_s: source clock of the frame.
        hand: number of the track; the same hand keeps it while it stays in view.
        handedness: "left" or "right", as the person's own.
        landmarks: float32 of shape (21, 3), x and y in 0..1 of the picture, z in picture widths (MediaPipe's order).
        sign: the likeliest static sign, "none" where it is none of those known.
        sign_probabilities: calibrated, by label; they sum to 1.
        movement: the likeliest movement of the hand's point history, None while the history is too short.
        movement_probabilities: calibrated, by label; empty while the history is too short.
        sequences: probability by sequence ("signal_for_help") that it is under way or has just been completed;
            0.80 and more only once it is complete.
    """

    at_s: float
    hand: int
    handedness: str
    landmarks: NDArray[np.float32]
    sign: str
    sign_probabilities: Mapping[str, float]
    movement: str | None = None
    movement_probabilities: Mapping[str, float] = field(default_factory=dict)
    sequences: Mapping[str, float] = field(default_factory=dict)
