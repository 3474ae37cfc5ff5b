"""Where sound comes from: microphone, file or stream, all as the same blocks of samples."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from audio.blocks import Block
from audio.live import open_stream
from audio.microphone import open_device
from audio.recording import Recording, open_track
from media.container import display_name, is_address


class SoundSource(Protocol):
    """An open source of blocks; iterate it in one thread, close it from any."""

    @property
    def name(self) -> str:
        """For people: device name, file name or address without credentials."""

    @property
    def live(self) -> bool:
        """Whether time goes on by itself (device, stream) rather than with the blocks taken (file)."""

    @property
    def dropped(self) -> int:
        """Blocks thrown away so far because nobody took them in time; always 0 for files."""

    @property
    def position(self) -> tuple[float, float] | None:
        """Seconds of sound that a device has given, and the `time.monotonic()` at which the last was there.

        None before the first, and for whatever has no clock of its own.
        """

    @property
    def late_s(self) -> float:
        """How late the newest sound came, as that of a stream does which is sent in pieces; 0 for all others."""

    def __iter__(self) -> Iterator[Block]: ...

    def close(self) -> None:
        """End the iteration soon, also one that waits; may be called twice."""


def open_sound(src: str, *, fast: bool = False, start: float | None = None) -> SoundSource:
    """Open a microphone, a recording or a stream.

    Args:
        src: device number or (part of) its name, "default", a file of any kind FFmpeg reads, or an http or rtsp
            address. A recording behind an address is treated like a file.
        fast: give a file's blocks as fast as they are taken instead of when they would have been heard.
        start: the `time.monotonic()` that is zero on the source's clock; None: now, for a file the start of the
            iteration. Give sound and picture of one scene the same, and they stay together.

    Iterating a live source that breaks raises `SoundError`; open it again then. A file that is merely cut short ends
    quietly where it ends. Damage inside a file is skipped with a warning, and silent for as long as it lasts; where the
    rest cannot be found, `SoundError` says so after all that came before it.

    Raises:
        SoundError: nothing there that can be heard.
    """
    clock = time.monotonic() if start is None else start
    if src.isdigit() or not (is_address(src) or Path(src).exists()):
        return open_device(src, clock)
    container = open_track(src)
    if is_address(src) and (container.duration is None or src.lower().startswith("rtsp")):
        return open_stream(display_name(src), container, clock)
    return Recording(display_name(src), container, fast, start)
