"""Whether a microphone that gives sound can hear: signs of a source that works and is deaf all the same."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from audio.blocks import Samples

STEP = 2.0**-17
"""A quarter of the smallest step of 16-bit sound: what moves by less does not move."""
FULL_SCALE = 0.995
CLIPPED_SHARE = 0.25
"""A block with so many samples at full scale is clipped; a loud scream stays below."""
LOUD = 2.0**-12
"""Eight steps of 16-bit sound: a microphone that gives no more hears hardly a scream. Voices in its room give more."""
FAINT_S = 3 * 86_400.0
"""Nobody is in a room for a weekend; in so long something is to be heard in any building."""
RATE_OVER_S = 5.0
"""Over how long a rate is measured: what lies in buffers must not count."""
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
    UNPLUGGED = "unplugged"
    """The sound server gives something else in the place of the microphone; see `audio.route`."""
    MUTED = "muted"
    """Switched off in the settings of the sound server."""
    FAINT = "faint"
    """Nothing but its own noise for days: its gain is turned down, or it is covered, or has died away."""


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


def loud_at(before: float | None, samples: Samples, at_s: float) -> float:
    """When a source was loud last, or first listened to. Pure.

    Args:
        before: the same before this block; None: this is the first.
        samples: float32 of shape (n,), full scale ±1.
        at_s: when the block was, on the source's clock.
    """
    if before is None or (len(samples) and float(np.ptp(samples)) / 2 >= LOUD):  # many a sound card adds a constant
        return at_s
    return before


@dataclass(frozen=True, slots=True)
class Rate:
    """Whether a live source gives as much sound as time passes.

    Attributes:
        begun: seconds of sound and of time when this measurement began; None: it has not.
        gained_s: how much more sound than time the one before gave; 0 if that was all right.
        fault: what is wrong.
    """

    begun: tuple[float, float] | None = None
    gained_s: float = 0.0
    fault: SoundFault | None = None


def measure(
    rate: Rate, position: tuple[float, float] | None, over_s: float = RATE_OVER_S, off: float = RATE_OFF
) -> Rate:
    """How it is now. Pure.

    On a busy machine sound comes late and then in a rush: a rate is wrong only if two measurements, one after the
    other, err to the same side.

    Args:
        rate: how it was; a fresh one after sound was lost.
        position: seconds of sound that there were, and of time; None while that is not known.
        over_s: over how long a rate is measured.
        off: from which share on it is wrong.
    """
    if rate.begun is None or position is None:
        return Rate(position, rate.gained_s, rate.fault)
    passed_s = position[1] - rate.begun[1]
    if passed_s < over_s:
        return rate
    gained_s = position[0] - rate.begun[0] - passed_s
    if abs(gained_s) <= off * passed_s:
        return Rate(position)
    return Rate(position, gained_s, SoundFault.WRONG_RATE if gained_s * rate.gained_s > 0 else None)


def after_loss(rate: Rate, position: tuple[float, float] | None) -> Rate:
    """The measurement after sound was thrown away: it goes on only where there was too much of it. Pure."""
    if rate.begun is None or position is None:
        return Rate()
    return rate if position[0] - rate.begun[0] >= position[1] - rate.begun[1] else Rate()
