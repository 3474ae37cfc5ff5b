"""Where sound comes from: microphone, file or stream, all as the same blocks of samples."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.container import InputContainer
from numpy.typing import NDArray

from media.container import MediaError, display_name, is_address, open_container, reason, start_s

SAMPLE_RATE = 16_000
"""Samples a second of every block, whatever the source's own rate."""
BLOCK_SAMPLES = 800
"""Samples of a block (50 ms); the last of a source may be shorter."""

SMALLEST_GAP_S = 0.1
"""Time stamps of containers are rounded; a smaller hole or overlap is no hole."""
LONGEST_FILL_S = 1.0
"""A hole up to this long becomes silence; after a longer one the clock jumps."""
KEPT_S = 10.0
"""A live source keeps so much sound for a reader that is late."""
DEVICE_QUIET_S = 3.0
"""A device that calls no more for so long has gone: a driver tells nobody when its plug is pulled."""
RATES = range(1_000, 768_001)

log = logging.getLogger(__name__)

Samples = NDArray[np.float32]


class SoundError(Exception):
    """A sound source that cannot be opened or read; the text is one line that says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive samples of one source.

    Attributes:
        samples: float32 of shape (n,), mono at `SAMPLE_RATE`, full scale ±1, always finite.
        at_s: seconds on the source's own clock at the first sample.
    """

    samples: Samples
    at_s: float


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
    if not is_address(src) and not Path(src).exists() and (src.isdigit() or not _looks_like_a_file(src)):
        raise SoundError("devices come next")
    container = _open(src)
    if is_address(src) and (container.duration is None or src.lower().startswith("rtsp")):
        raise SoundError("streams come next")
    return _Recording(display_name(src), container, fast, start)


def read_clip(path: Path | str) -> Samples:
    """A whole recording: float32 of shape (n,), mono at `SAMPLE_RATE`.

    Raises:
        SoundError: nothing there that can be heard, or it breaks in the middle.
    """
    with _open(str(path)) as container:
        return np.concatenate([block.samples for block in _recorded_blocks(container, display_name(str(path)))])


def _looks_like_a_file(src: str) -> bool:
    return Path(src).suffix != "" or "/" in src or "\\" in src


# -- recordings and streams ------------------------------------------------------------------------------------------


class _Chunk(NamedTuple):
    """Samples as a source gives them: mono, float32, at the source's own rate and on its own time line."""

    samples: Samples
    rate: int
    at_s: float | None


def _open(src: str) -> InputContainer:
    try:
        container = open_container(src)
    except MediaError as error:
        raise SoundError(str(error)) from None
    if not container.streams.audio:
        container.close()
        raise SoundError(f"{display_name(src)}: has no sound track")
    return container


def _chunks(container: InputContainer, name: str) -> Iterator[_Chunk]:
    """Decode the first sound track; at_s counts from the container's start, None where the file does not say."""
    zero_s = start_s(container)
    end_s = container.duration / av.time_base + 1.0 if container.duration else float("inf")
    at_s = 0.0
    damaged = False
    try:
        for packet in container.demux(container.streams.audio[0]):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                if not damaged:
                    log.warning("%s: damaged after %.1f s; what can be read is used", name, at_s)
                damaged = True
                continue
            for frame in frames:
                if not isinstance(frame, AudioFrame) or frame.samples == 0:
                    continue
                if frame.sample_rate not in RATES:
                    raise SoundError(f"{name}: {frame.sample_rate} samples a second is no sound that can be judged")
                known = None if frame.time is None else max(0.0, frame.time - zero_s)
                at_s = known if known is not None and known <= end_s else at_s
                yield _Chunk(_mono(frame), frame.sample_rate, known if known == at_s else None)
                at_s += frame.samples / frame.sample_rate
    except av.error.EOFError:
        return
    except av.FFmpegError as error:
        raise SoundError(f"{name}: breaks off at {at_s:.1f} s: {reason(error)}") from None


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
        sound = _finite(raw)
    heard = [index for index, name in enumerate(names) if not name.startswith("LFE")]
    return sound[heard or slice(None)].mean(axis=0, dtype=np.float32)


def _finite(samples: NDArray[Any]) -> Samples:
    """float32 within ±1; what is no number becomes silence."""
    finite: NDArray[Any] = np.where(np.isfinite(samples), samples, 0.0)
    return finite.clip(-1.0, 1.0).astype(np.float32)


def _blocks(chunks: Iterable[_Chunk]) -> Iterator[Block]:
    """Resample to `SAMPLE_RATE` and cut into blocks; holes become silence, a long one a jump of the clock.

    A step back in time is taken for a slip of the time stamps: the samples go on as they come.
    """
    cutter: _Cutter | None = None
    slip_s = 0.0
    next_s = 0.0
    for chunk in chunks:
        at_s = next_s if chunk.at_s is None else chunk.at_s + slip_s
        hole_s = at_s - next_s
        if cutter is None or cutter.rate != chunk.rate or hole_s > LONGEST_FILL_S:
            if cutter is not None:
                yield from cutter.rest()
                at_s = at_s if hole_s > SMALLEST_GAP_S else next_s
            cutter = _Cutter(chunk.rate, at_s)
            next_s = at_s
        elif hole_s > SMALLEST_GAP_S:
            silence = round(hole_s * chunk.rate)
            yield from cutter.add(np.zeros(silence, np.float32))
            next_s += silence / chunk.rate
        elif hole_s < -SMALLEST_GAP_S:
            slip_s -= hole_s
        yield from cutter.add(chunk.samples)
        next_s += len(chunk.samples) / chunk.rate
    if cutter is not None:
        yield from cutter.rest()


class _Cutter:
    """Turns consecutive samples of one rate into consecutive blocks."""

    def __init__(self, rate: int, at_s: float) -> None:
        self.rate = rate
        self._start_s = at_s
        self._given = 0
        self._kept: Samples = np.zeros(0, np.float32)
        self._resample = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1)

    def add(self, samples: Samples, last: bool = False) -> Iterator[Block]:
        if self._resample is not None:
            samples = self._resample.resample_chunk(samples, last=last)
        kept = np.concatenate([self._kept, samples])
        whole = len(kept) if last else len(kept) - len(kept) % BLOCK_SAMPLES
        for begin in range(0, whole, BLOCK_SAMPLES):
            block = kept[begin : begin + BLOCK_SAMPLES]
            yield Block(block, self._start_s + self._given / SAMPLE_RATE)
            self._given += len(block)
        self._kept = kept[whole:]

    def rest(self) -> Iterator[Block]:
        return self.add(np.zeros(0, np.float32), last=True)


def _recorded_blocks(container: InputContainer, name: str) -> Iterator[Block]:
    """All blocks of a recording.

    Raises:
        SoundError: there is none, or it breaks in the middle.
    """
    some = False
    for block in _blocks(_chunks(container, name)):
        some = True
        yield block
    if not some:
        raise SoundError(f"{name}: holds no sound that can be decoded")


class _Recording:
    live = False
    dropped = 0

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
