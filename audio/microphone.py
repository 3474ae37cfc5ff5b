"""Microphones and other sound devices, by PortAudio: a driver or sound server that hangs is left behind."""

import atexit
import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from audio import alsa, route
from audio.blocks import BLOCK_SAMPLES, SAMPLE_RATE, Chunk, SoundError
from audio.live import KEPT_ITEMS, Arrival, Live
from audio.recording import SUFFIXES
from media.in_time import in_time
from media.inbox import Inbox

DEVICE_QUIET_S = 5.0
"""A device that gives nothing for so long has gone: a driver tells nobody when its plug is pulled."""
OPEN_LIMIT_S = 8.0
"""A sound system that has not answered by then hangs."""
CLOSE_LIMIT_S = 2.0
DEVICE_LAG_S = 0.25
"""Sound of a device that comes later than this has lost something on its way."""
DEFAULT = "default"

log = logging.getLogger(__name__)

T = TypeVar("T")


class SoundHungError(SoundError):
    """The sound system does not answer; if it never does, only a new start of the program helps."""


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
        if route.refuses():
            raise SoundError(f"{src}: the sound server refuses this user: access denied; let it use the microphone")
        raise SoundError(
            f"{src}: no such file, and no sound device is there; connect a microphone, or let this user use it"
        )
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


def open_device(src: str, start: float) -> Live:
    """Open a device by its number or a part of its name; `start` is the `time.monotonic()` that is zero.

    Raises:
        SoundError: no such device, or none that can be opened.
        SoundHungError: the sound system does not answer.
    """
    return _in_time(lambda: _device(src, start), lambda late: late.close())


def _device(src: str, start: float) -> Live:
    with _devices_lock:
        inbox: Inbox[Arrival] = Inbox(KEPT_ITEMS)
        try:
            port_audio = _port_audio()
            device = _choose_device(_found_devices(port_audio), src)
            stream = _start_device(port_audio, device, inbox)
        except SoundError as error:
            if Path(src).suffix.lower() in SUFFIXES:  # a file that is missing, no device
                raise SoundError(f"{src}: no such file") from None
            if _closing_streams:  # what was plugged in since cannot be seen
                raise SoundHungError(f"{error}; the device before it does not close") from None
            raise
        _open_streams.add(stream)
    stop = partial(_stop_device, stream, device.name)
    return Live(device.name, inbox, start, DEVICE_QUIET_S, DEVICE_LAG_S, stop, clocked=True)


def _start_device(port_audio: ModuleType, device: SoundDevice, inbox: Inbox[Arrival]) -> Any:
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
    raise SoundError(
        f"{device.name}: cannot be opened: {refusal}; another program may be using it, or it may not be allowed"
    )


def _on_sound(inbox: Inbox[Arrival], rate: int) -> Callable[[NDArray[np.float32], int, object, Any], None]:
    """The function PortAudio calls with each block, in its own thread: it must be quick and never wait."""
    given = 0

    def take(samples: NDArray[np.float32], count: int, _times: object, status: Any) -> None:
        nonlocal given
        now = time.monotonic()
        if status.input_overflow:
            inbox.lose()
        inbox.put(Arrival(Chunk(samples.mean(axis=1), rate, given / rate), now))
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
