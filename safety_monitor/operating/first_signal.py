"""Whether a source gives anything: it is opened, and its first sound or picture waited for."""

from collections.abc import Callable
from dataclasses import dataclass

from audio.blocks import SoundError
from audio.capture import open_sound
from gesture.capture import CameraError, open_camera
from media.container import display_name
from media.in_time import in_time

LIMIT_S = 15.0
"""How long a source may take to open and to give something."""
LISTEN_S = 1.0
"""How much sound is looked through for anything that is not silence."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What a source gave.

    Attributes:
        source: its name, and what it gives.
        doubt: why that may be of no use, one line; empty if nothing speaks against it.
    """

    source: str
    doubt: str = ""


def first_sound(source: str) -> Signal:
    """Hear a microphone, recording or stream.

    Args:
        source: as in the settings; empty: the default microphone.

    Raises:
        SoundError: it cannot be opened, or gives nothing.
    """

    def listen() -> Signal:
        opened = open_sound(source or "default", fast=True)
        try:
            heard = False
            for block in opened:
                heard = heard or bool(block.samples.any())
                if heard or block.at_s >= LISTEN_S:
                    return Signal(opened.name, "" if heard else "digital silence just now: is it muted?")
        finally:
            opened.close()
        raise SoundError(f"{opened.name}: gives no sound")

    return _in_time("first-sound", listen, source, SoundError)


def first_picture(source: str) -> Signal:
    """See through a camera, video, picture, folder or stream.

    Args:
        source: as in the settings; empty: the first camera.

    Raises:
        CameraError: it cannot be opened, or gives nothing.
    """

    def look() -> Signal:
        opened = open_camera(source or "default", fast=True)
        try:
            for frame in opened:
                height, width = frame.image.shape[:2]
                return Signal(f"{opened.name}, {width} × {height}")
        finally:
            opened.close()
        raise CameraError(f"{opened.name}: gives no picture")

    return _in_time("first-picture", look, source, CameraError)


def _in_time(name: str, work: Callable[[], Signal], source: str, failure: type[Exception]) -> Signal:
    try:
        return in_time(name, work, LIMIT_S)
    except TimeoutError:
        raise failure(f"{display_name(source)}: has given nothing for {LIMIT_S:.0f} s") from None
