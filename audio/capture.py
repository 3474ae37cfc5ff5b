"""Where sound comes from: microphone, file or stream, all as the same blocks of samples."""

import atexit
import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from av.container import InputContainer
from numpy.typing import NDArray

from audio import alsa
from media.container import READ_LIMIT_S, MediaError, decoded, display_name, is_address, open_container, start_s
from media.in_time import in_time
from media.inbox import Inbox

SAMPLE_RATE = 16_000
"""Samples a second of every block, whatever the source's own rate."""
BLOCK_SAMPLES = 800
"""Samples of a block (50 ms); the last of a source may be shorter."""

SMALLEST_GAP_S = 0.1
"""Time stamps of containers are rounded; a smaller hole or overlap is no hole."""
LONGEST_FILL_S = 1.0
"""A hole up to this long becomes silence; after a longer one the clock jumps."""
KEPT_ITEMS = 600
"""Blocks that a live source keeps for a reader that is late: 30 s. A scream that is heard late is better than none."""
DEVICE_QUIET_S = 5.0
"""A device that gives nothing for so long has gone: a driver tells nobody when its plug is pulled."""
OPEN_LIMIT_S = 8.0
"""A sound system that has not answered by then hangs."""
CLOSE_LIMIT_S = 2.0
AHEAD_S = 0.25
"""Live sound that comes faster than time passes is left out beyond this."""
DEVICE_LAG_S = 0.25
STREAM_LAG_S = 10.0
LAG_LASTS_S = 1.0
"""Live sound all of which comes later than the one for so long has lost something on its way: the clock is set anew. On
a busy machine sound is often late, and none of it lost."""
BACKLOG_WAIT_S = 0.005
"""Sound of a stream that arrives without such a wait was not made just now; servers send some when one connects."""
RATES = range(1_000, 768_001)
DEFAULT = "default"
SOUND_FILES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".m4a", ".mp4", ".mkv", ".webm", ".avi"})
"""A missing file with such an ending is not taken for a device."""

log = logging.getLogger(__name__)

Samples = NDArray[np.float32]
T = TypeVar("T")


class SoundError(Exception):
    """A sound source that cannot be opened or read; the text is one line that says what is wrong and what to do."""


class SoundHungError(SoundError):
    """The sound system does not answer; if it never does, only a new start of the program helps."""


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

    @property
    def position(self) -> tuple[float, float] | None:
        """Seconds of sound that a device has given, and the `time.monotonic()` at which the last was there.

        None before the first, and for whatever has no clock of its own.
        """

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
        return _open_device(src, clock)
    container = _open(src)
    if is_address(src) and (container.duration is None or src.lower().startswith("rtsp")):
        return _open_stream(display_name(src), container, clock)
    return _Recording(display_name(src), container, fast, start)


def read_clip(path: Path | str) -> Samples:
    """A whole recording: float32 of shape (n,), mono at `SAMPLE_RATE`.

    Raises:
        SoundError: nothing there that can be heard, or it breaks in the middle.
    """
    with _open(str(path)) as container:
        return np.concatenate([block.samples for block in _recorded_blocks(container, display_name(str(path)))])


# -- decoding --------------------------------------------------------------------------------------------------------


class _Chunk(NamedTuple):
    """Samples as a source gives them: mono, float32, at the source's own rate and on its own time line."""

    samples: Samples
    rate: int
    at_s: float


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
    """Decode the first sound track, on a time line that counts from the container's start."""
    zero_s = start_s(container)
    lasts_s = container.duration / av.time_base if container.duration else math.inf
    at_s = 0.0
    try:
        for frame in decoded(container, container.streams.audio[0], AudioFrame, name):
            if frame.samples == 0:
                continue
            if frame.sample_rate not in RATES:
                raise SoundError(f"{name}: {frame.sample_rate} samples a second is no sound that can be judged")
            if frame.time is not None and frame.time - zero_s <= lasts_s + 1.0:
                at_s = max(0.0, frame.time - zero_s)
            yield _Chunk(_mono(frame), frame.sample_rate, at_s)
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
        sound = _finite(raw)
    heard = [index for index, name in enumerate(names) if not name.startswith("LFE")]
    mono: Samples = sound[heard or slice(None)].mean(axis=0, dtype=np.float32)
    return mono


def _finite(samples: NDArray[Any]) -> Samples:
    """float32 within ±1; what is no number becomes silence."""
    return np.where(np.isfinite(samples), samples, 0.0).clip(-1.0, 1.0).astype(np.float32)


def _blocks(chunks: Iterable[_Chunk]) -> Iterator[Block]:
    """Resample to `SAMPLE_RATE` and cut into blocks; holes become silence, a long one a jump of the clock.

    A step back in time is taken for a slip of the time stamps: the samples go on as they come.
    """
    cutter: _Cutter | None = None
    slip_s = 0.0
    next_s = 0.0
    for chunk in chunks:
        at_s = chunk.at_s + slip_s
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
    position = None

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


# -- live ------------------------------------------------------------------------------------------------------------


class _Arrival(NamedTuple):
    chunk: _Chunk
    at: float
    """`time.monotonic()` when its last sample was there."""


class _Live:
    """A microphone or stream: somebody fills the inbox, the reader gets blocks on the monotonic clock.

    Args:
        name: for people.
        inbox: what has arrived.
        start: the `time.monotonic()` that is zero.
        quiet_s: silence of the giver, in seconds, that means it is broken.
        lag_s: sound that comes later than this has lost something on its way.
        stop: ends the giver.
        clocked: whether the giver counts samples by a clock of its own, see `SoundSource.position`.
    """

    live = True

    def __init__(
        self,
        name: str,
        inbox: Inbox[_Arrival],
        start: float,
        quiet_s: float,
        lag_s: float,
        stop: Callable[[], None],
        *,
        clocked: bool = False,
    ) -> None:
        self.name = name
        self._inbox = inbox
        self._start = start
        self._quiet_s = quiet_s
        self._lag_s = lag_s
        self._stop = stop
        self._clocked = clocked
        self.position: tuple[float, float] | None = None

    @property
    def dropped(self) -> int:
        return self._inbox.dropped

    def __iter__(self) -> Iterator[Block]:
        try:
            yield from _blocks(self._on_clock())
        finally:
            self.close()

    def close(self) -> None:
        if self._inbox.close():
            self._stop()

    def _on_clock(self) -> Iterator[_Chunk]:
        """Put the source's own time line, which has no jitter, on the monotonic clock, which does not drift."""
        offset_s: float | None = None
        late_since, least_s = math.inf, math.inf
        for chunk, at in self._arrivals():
            seconds = len(chunk.samples) / chunk.rate
            if self._clocked:
                self.position = chunk.at_s + seconds, at
            now_s = at - self._start - (chunk.at_s + seconds)
            if offset_s is None:
                offset_s = now_s
            if now_s - offset_s > self._lag_s:
                late_since, least_s = min(late_since, at), min(least_s, now_s)
                if at - late_since >= LAG_LASTS_S:
                    offset_s = least_s
            else:
                late_since, least_s = math.inf, math.inf
            if offset_s - now_s > AHEAD_S:
                offset_s -= seconds
                self._inbox.lose()
                continue
            yield _Chunk(_finite(chunk.samples), chunk.rate, chunk.at_s + offset_s)

    def _arrivals(self) -> Iterator[_Arrival]:
        while (arrival := self._inbox.take(self._quiet_s)) is not None:
            yield arrival
        if not self._inbox.closed:
            raise SoundError(f"{self.name}: has given no sound for {self._quiet_s:.0f} s")


def _open_stream(name: str, container: InputContainer, start: float) -> SoundSource:
    inbox: Inbox[_Arrival] = Inbox(KEPT_ITEMS)
    threading.Thread(target=_read_stream, args=(name, container, inbox), name="sound-stream", daemon=True).start()
    return _Live(name, inbox, start, READ_LIMIT_S + 1.0, STREAM_LAG_S, stop=lambda: None)


def _read_stream(name: str, container: InputContainer, inbox: Inbox[_Arrival]) -> None:
    """Fill the inbox until the stream ends or nobody wants it; runs in a thread of its own."""
    try:
        with container:
            before = time.monotonic()
            backlog = True
            for chunk in _chunks(container, name):
                now = time.monotonic()
                backlog = backlog and now - before < BACKLOG_WAIT_S
                before = now
                if not backlog:
                    inbox.put(_Arrival(chunk, now))
                if inbox.closed:
                    return
        inbox.end(SoundError(f"{name}: the stream has ended"))
    except Exception as error:  # whatever it is, the reader must hear of it
        inbox.end(error)


PUSHED_ITEMS = 40
"""Pieces that somebody has pushed and nobody has taken yet."""
PUSHED_QUIET_S = 10.0


def open_pushed(name: str, rate: int, *, start: float | None = None) -> tuple[SoundSource, Callable[[Samples], None]]:
    """A live source whose sound somebody pushes, such as a browser over the network.

    Args:
        name: for people.
        rate: samples a second of what is pushed, within `RATES`.
        start: the `time.monotonic()` that is zero on the source's clock; None: now.

    Returns:
        The source, and what takes its samples: float32 of shape (n,), mono, full scale ±1; it never waits. What comes
        faster than time passes, or waits too long for a reader, is left out and counted.

    Raises:
        SoundError: no such rate.
    """
    if rate not in RATES:
        raise SoundError(f"{name}: {rate} samples a second is no sound that can be judged")
    inbox: Inbox[_Arrival] = Inbox(PUSHED_ITEMS)
    given = 0

    def push(samples: Samples) -> None:
        nonlocal given
        inbox.put(_Arrival(_Chunk(samples, rate, given / rate), time.monotonic()))
        given += len(samples)

    begin = time.monotonic() if start is None else start
    return _Live(name, inbox, begin, PUSHED_QUIET_S, STREAM_LAG_S, stop=lambda: None), push


# -- devices ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SoundDevice:
    """A sound device that can be heard through.

    Attributes:
        number: what selects it; may change when devices come and go.
        name: as the system calls it.
        default: whether it is the one taken when none is named.
    """

    number: int
    name: str
    default: bool


_devices_lock = threading.Lock()
_open_streams: set[Any] = set()
"""Devices that are open, or being closed."""
_closing_streams: set[Any] = set()
"""Those that are being closed; one that stays here was left behind by whoever closed it."""


def list_devices() -> list[SoundDevice]:
    """The microphones and other inputs that are there now.

    While a device of this process is open, those that came since are not seen.

    Raises:
        SoundError: PortAudio is missing, or the sound system hangs.
    """

    def look() -> list[SoundDevice]:
        with _devices_lock:
            return _found_devices(_port_audio())

    return _in_time(look, lambda found: None)


def _in_time(work: Callable[[], T], too_late: Callable[[T], object]) -> T:
    """What `work` gives.

    Raises:
        SoundHungError: it did not in time.
    """
    try:
        result = in_time("sound-devices", work, OPEN_LIMIT_S, too_late)
    except TimeoutError:
        _forget_at_exit()
        raise SoundHungError(f"the sound system has not answered for {OPEN_LIMIT_S:.0f} s") from None
    if not _closing_streams and "sounddevice" in sys.modules:
        _forget_at_exit()  # or it would be ended twice
        atexit.register(sys.modules["sounddevice"]._exit_handler)
    return result


def _forget_at_exit() -> None:
    """PortAudio is not ended at exit: it would wait for what hangs for ever."""
    if "sounddevice" in sys.modules:
        atexit.unregister(sys.modules["sounddevice"]._exit_handler)


def _port_audio() -> ModuleType:
    if not alsa.has_devices():
        raise SoundError("no sound devices: ALSA is not set up on this machine (Debian: libasound2-data)")
    try:
        import sounddevice  # here, because without the PortAudio library even the import fails
    except (ImportError, OSError) as error:
        raise SoundError(f"no sound devices: {error}; install PortAudio (Debian: libportaudio2)") from None
    if not _open_streams:
        # PortAudio looks for devices only when it starts; starting it anew would end every open stream.
        sounddevice._terminate()
        sounddevice._initialize()
    return cast(ModuleType, sounddevice)


def _found_devices(port_audio: ModuleType) -> list[SoundDevice]:
    default = port_audio.default.device[0]
    return [
        SoundDevice(number, found["name"], number == default)
        for number, found in enumerate(port_audio.query_devices())
        if found["max_input_channels"] > 0
    ]


def _choose_device(devices: list[SoundDevice], src: str) -> SoundDevice:
    """By number, else by name: the exact name before a part of it, the default device before others."""
    if not devices:
        raise SoundError(f"{src}: no such file, and no sound device is there; connect a microphone")
    wanted = src.casefold()
    tests: list[Callable[[SoundDevice], bool]] = [
        lambda device: src.isdigit() and device.number == int(src),
        lambda device: device.name.casefold() == wanted,
        lambda device: wanted == DEFAULT and device.default,
        lambda device: not src.isdigit() and wanted in device.name.casefold(),
    ]
    for fits in tests:
        found = [device for device in devices if fits(device)]
        if found:
            return max(found, key=lambda device: device.default)
    there = ", ".join(f"{device.number} ({device.name})" for device in devices)
    what = "no sound device has that number" if src.isdigit() else "no such file or sound device"
    raise SoundError(f"{src}: {what}; there are: {there}")


def _open_device(src: str, start: float) -> SoundSource:
    return _in_time(lambda: _device(src, start), lambda late: late.close())


def _device(src: str, start: float) -> SoundSource:
    with _devices_lock:
        inbox: Inbox[_Arrival] = Inbox(KEPT_ITEMS)
        try:
            port_audio = _port_audio()
            device = _choose_device(_found_devices(port_audio), src)
            stream = _start_device(port_audio, device, inbox)
        except SoundError as error:
            if Path(src).suffix in SOUND_FILES:
                raise SoundError(f"{src}: no such file") from None
            if _closing_streams:  # what was plugged in since cannot be seen
                raise SoundHungError(f"{error}; the device before it does not close") from None
            raise
        _open_streams.add(stream)
    stop = partial(_stop_device, stream, device.name)
    return _Live(device.name, inbox, start, DEVICE_QUIET_S, DEVICE_LAG_S, stop, clocked=True)


def _start_device(port_audio: ModuleType, device: SoundDevice, inbox: Inbox[_Arrival]) -> Any:
    """At 16 kHz and one channel if the device can, else as it can: then we convert."""
    about = port_audio.query_devices(device.number)
    own_rate = round(about["default_samplerate"])
    formats = [(SAMPLE_RATE, 1), (own_rate, 1), (own_rate, about["max_input_channels"])]
    refusal = ""
    for rate, channels in formats:
        try:
            stream = port_audio.InputStream(
                device=device.number,
                samplerate=rate,
                channels=channels,
                blocksize=rate * BLOCK_SAMPLES // SAMPLE_RATE,
                dtype="float32",
                latency="low",
                callback=_on_sound(inbox, rate),
                finished_callback=lambda: inbox.end(SoundError(f"{device.name}: the device has stopped")),
            )
            stream.start()
        except port_audio.PortAudioError as error:
            refusal = str(error.args[0]).splitlines()[0]
        else:
            return stream
    raise SoundError(f"{device.name}: cannot be opened: {refusal}; another program may be using it")


def _on_sound(inbox: Inbox[_Arrival], rate: int) -> Callable[[NDArray[np.float32], int, object, Any], None]:
    """The function PortAudio calls with each block, in its own thread: it must be quick and never wait."""
    given = 0

    def take(samples: NDArray[np.float32], count: int, _times: object, status: Any) -> None:
        nonlocal given
        now = time.monotonic()
        if status.input_overflow:
            inbox.lose()
        inbox.put(_Arrival(_Chunk(samples.mean(axis=1), rate, given / rate), now))
        given += count

    return take


def _stop_device(stream: Any, name: str) -> None:
    """Close a device, which may never return where its driver or sound server has gone: then it is left behind."""
    if not _devices_lock.acquire(timeout=CLOSE_LIMIT_S):
        return  # the sound system hangs

    def close() -> None:
        stream.close()
        _open_streams.discard(stream)
        _closing_streams.discard(stream)

    try:
        _closing_streams.add(stream)
        closing = threading.Thread(target=close, name="close-device", daemon=True)
        closing.start()
        closing.join(CLOSE_LIMIT_S)
        if closing.is_alive():
            log.warning("%s: does not close; until it does, devices that are plugged in later are not seen", name)
            _forget_at_exit()
    finally:
        _devices_lock.release()
