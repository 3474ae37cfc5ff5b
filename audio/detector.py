"""What the microphone says: blocks of samples in, readings out."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SoundReading:
    """What hearing says of one window of sound.

    Attributes:
        start_s: source clock at the window's first sample.
        at_s: source clock at the window's end: the moment the reading speaks of.
        label: the likeliest class of the window.
        probabilities: calibrated, by label; they sum to 1.
        scream: persisted scream probability in 0..1, after smoothing over windows. This is what fusion judges, and
            0.80 is the operating point the detector ships with.
        level_dbfs: level of the newest hop, RMS in dB below full scale.
    """

    start_s: float
    at_s: float
    label: str
    probabilities: Mapping[str, float]
    scream: float
    level_dbfs: float
