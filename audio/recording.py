"""Recordings, decoded: whole at once, or as a source of blocks. The tracks of streams are decoded alike."""

import logging
import math
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.packet import Packet
from numpy.typing import NDArray

from audio.blocks import RATES, SAMPLE_RATE, Block, Chunk, Samples, SoundError, blocks_of, finite
from media.container import MediaError, decoded, display_name, open_container, start_s

SUFFIXES = frozenset(
    {".wav", ".mp3", ".flac", ".ogg", ".opus", ".aac", ".m4a", ".mp4", ".mov", ".mkv", ".webm", ".avi"}
)
"""Endings of recordings, in small letters: what lies in a folder, or what a missing file was to be."""

log = logging.getLogger(__name__)


def read_clip(path: Path | str) -> Samples:
    """A whole recording: float32 of shape (n,), mono at `SAMPLE_RATE`.

    Raises:
        SoundError: nothing there that can be heard, or it breaks in the middle.
    """
    with open_track(str(path)) as container:
        return np.concatenate([block.samples for block in _recorded_blocks(container, display_name(str(path)))])


def open_track(src: str) -> InputContainer:
    """Open a file or an address with sound in it; close the container when done.

    Raises:
        SoundError: it cannot be opened, or has no sound track.
    """
    try:
        container = open_container(src)
    except MediaError as error:
        raise SoundError(str(error)) from None
    if not container.streams.audio:
        container.close()
        raise SoundError(f"{display_name(src)}: has no sound track")
    return container


def decoded_chunks(
    container: InputContainer, name: str, packets: "Iterable[Packet[Any]] | None" = None
) -> Iterator[Chunk]:
    """Decode the first sound track, on a time line that counts from the container's start.

    Args:
        container: where the track is in.
        name: for people.
        packets: see `media.container.decoded`.

    Raises:
        SoundError: it breaks off, or is sampled too slowly or too fast to be judged.
    """
    zero_s = start_s(container)
    lasts_s = container.duration / av.time_base if container.duration else math.inf
    at_s, rate = 0.0, 0
    timed = True
    try:
        for frame in decoded(container, container.streams.audio[0], AudioFrame, name, packets):
            if frame.samples == 0:
                continue
            rate = rate or frame.sample_rate
            timed = timed and frame.sample_rate == rate  # some go on to count time at the rate that they had before
            if frame.sample_rate not in RATES:
                raise SoundError(f"{name}: {frame.sample_rate} samples a second is no sound that can be judged")
            if timed and frame.time is not None and -1.0 <= frame.time - zero_s <= lasts_s + 1.0:
                at_s = max(0.0, frame.time - zero_s)
            yield Chunk(_mono(frame), frame.sample_rate, at_s)
            at_s += frame.samples / frame.sample_rate
    except MediaError as error:
        raise SoundError(str(error)) from None
    if at_s + 1.0 < lasts_s < math.inf:
        log.warning("%s: its sound ends at %.1f s, the recording should last %.1f s", name, at_s, lasts_s)


def _mono(frame: AudioFrame) -> Samples:
    """One channel: the mean of all but the low-frequency effects, so that no loud room clips."""
    raw: NDArray[Any] = frame.to_ndarray()
    names = [channel.name for channel in frame.layout.channels]
    if not frame.format.is_planar:
        raw = raw.reshape(-1, len(names)).T
    if raw.dtype == np.uint8:
        sound = (raw.astype(np.float32) - 128.0) / 128.0
    elif np.issubdtype(raw.dtype, np.integer):
        sound = (raw / -float(np.iinfo(raw.dtype).min)).astype(np.float32)
    else:
        sound = finite(raw)
    heard = [index for index, name in enumerate(names) if not name.startswith("LFE")]
    mono: Samples = sound[heard or slice(None)].mean(axis=0, dtype=np.float32)
    return mono


def _recorded_blocks(container: InputContainer, name: str) -> Iterator[Block]:
    """All blocks of a recording.

    Raises:
        SoundError: there is none, or it breaks in the middle.
    """
    some = False
    for block in blocks_of(decoded_chunks(container, name)):
        some = True
        yield block
    if not some:
        raise SoundError(f"{name}: holds no sound that can be decoded")


class Recording:
    """A file as a source of blocks, see `audio.capture.open_sound`."""

    live = False
    dropped = 0
    position = None
    late_s = 0.0

    def __init__(self, name: str, container: InputContainer, fast: bool, start: float | None) -> None:
        self.name = name
        self._start = start
        self._fast = fast
        self._closed = threading.Event()
        self._container = container
        self._blocks = _recorded_blocks(container, name)
        try:
            self._first = next(self._blocks)  # so that a file without sound is refused when it is opened
        except BaseException:
            container.close()
            raise

    def __iter__(self) -> Iterator[Block]:
        start = time.monotonic() if self._start is None else self._start
        with self._container:
            block: Block | None = self._first
            while block is not None:
                due = 0.0 if self._fast else start + block.at_s + len(block.samples) / SAMPLE_RATE
                if self._closed.wait(max(0.0, due - time.monotonic())):
                    return
                yield block
                block = next(self._blocks, None)

    def close(self) -> None:
        self._closed.set()
