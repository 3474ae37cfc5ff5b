"""Whether a microphone that gives sound can hear: signs of a source that works and is deaf all the same."""

from enum import StrEnum

import numpy as np

from audio.capture import Samples

STEP = 2.0**-17
"""A quarter of the smallest step of 16-bit sound: what moves by less does not move."""
FULL_SCALE = 0.995
CLIPPED_SHARE = 0.25
"""A block with so many samples at full scale is clipped; a loud scream stays below."""
RATE_OFF = 0.1
"""A source that gives so much more or less sound than time passes runs at another rate than it says."""


class SoundFault(StrEnum):
    """What is wrong with sound."""

    SILENT = "silent"
    """Digital zero: muted, or its plug is pulled half-way. The quietest room has noise."""
    STUCK = "stuck"
    """One value that is not zero, again and again."""
    CLIPPED = "clipped"
    """At full scale most of the time: what is said in it is lost."""
    WRONG_RATE = "wrong-rate"
    """More or less sound than time."""


def examine(samples: Samples) -> SoundFault | None:
    """What is wrong with a block of sound, if anything is; a few microseconds.

    A block says little: only what all blocks of many seconds say is a fault.

    Args:
        samples: float32 of shape (n,), full scale ±1.
    """
    if not len(samples):
        return None
    low, high = float(samples.min()), float(samples.max())
    if high - low < STEP:
        return SoundFault.SILENT if max(-low, high) < STEP else SoundFault.STUCK
    if max(-low, high) >= FULL_SCALE and float((np.abs(samples) >= FULL_SCALE).mean()) >= CLIPPED_SHARE:
        return SoundFault.CLIPPED
    return None


def rate_fault(sound_s: float, passed_s: float) -> SoundFault | None:
    """Whether a live source gives as much sound as time passes.

    Args:
        sound_s: seconds of sound, as its rate says.
        passed_s: seconds that it took, at least 5: what lay in buffers must not count.
    """
    return SoundFault.WRONG_RATE if abs(sound_s - passed_s) > RATE_OFF * passed_s else None
