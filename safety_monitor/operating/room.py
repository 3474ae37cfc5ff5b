"""Whether screams can be told from how a room usually sounds to a microphone."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median

from audio.blocks import SoundError
from audio.capture import SoundSource, open_sound
from audio.detector import OPERATING_POINT, ScreamDetector, ScreamModel, SoundReading
from safety_monitor.demo import open_demo_sound
from safety_monitor.senses import DEMO, hear

MUTE_DBFS, LOUD_DBFS = -85.0, -20.0
"""A room is never as quiet as the first, and a microphone that hears more than the second has no room for a scream."""


@dataclass(frozen=True, slots=True)
class Room:
    """How a room sounds to a microphone.

    Attributes:
        level_dbfs: median level.
        loudest_dbfs: of the loudest moment.
        scream: the highest persisted scream probability.
    """

    level_dbfs: float
    loudest_dbfs: float
    scream: float

    @property
    def good(self) -> bool:
        """Whether screams can be told from it."""
        return self.loudest_dbfs >= MUTE_DBFS and self.scream < OPERATING_POINT and self.level_dbfs <= LOUD_DBFS

    def advice(self) -> str:
        """What that means, one line."""
        if self.loudest_dbfs < MUTE_DBFS:
            return "that is silence, not a room: is the microphone muted, or the wrong one?"
        if self.scream >= OPERATING_POINT:
            return "what was to be heard just now would have raised the alarm: choose another place or microphone"
        if self.level_dbfs > LOUD_DBFS:
            return "that leaves no room for a scream: turn the microphone's gain down, or put it elsewhere"
        return "well suited"


def listen(source: str, model: ScreamModel, seconds: float) -> Room:
    """Listen to a room.

    Args:
        source: as in the settings.
        model: that tells screams.
        seconds: how long.

    Raises:
        SoundError: it cannot be heard.
    """
    opened = open_demo_sound(fast=False) if source == DEMO else open_sound(source or "default")
    try:
        return room_of(_for(opened, model, seconds))
    finally:
        opened.close()


def _for(source: SoundSource, model: ScreamModel, seconds: float) -> Iterator[SoundReading]:
    until = time.monotonic() + seconds
    for reading in hear(source, ScreamDetector(model)):
        yield reading
        if time.monotonic() >= until:
            return


def room_of(readings: Iterable[SoundReading]) -> Room:
    """What readings say of a room.

    Raises:
        SoundError: there are none.
    """
    found = list(readings)
    if not found:
        raise SoundError("nothing was to be heard at all")
    levels = [reading.level_dbfs for reading in found]
    return Room(median(levels), max(levels), max(reading.scream for reading in found))
