"""Recordings and network streams, opened by FFmpeg (PyAV): the one place that knows their errors and time limits."""

import errno
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media.in_time import in_time

log = logging.getLogger(__name__)

Frame = TypeVar("Frame", AudioFrame, VideoFrame)

OPEN_LIMIT_S = 5.0
"""An address that has not answered by then is reported as dead."""
PROBE_LIMIT_S = 1
"""So much of a stream is looked at before it is used."""
READ_LIMIT_S = 5.0
"""A stream that has sent nothing for so long is reported as broken."""
IN_PIECES, PIECES_READ_LIMIT_S = frozenset({"hls", "dash"}), 20.0
"""How FFmpeg calls what sends pieces of seconds, each when it is whole; ten seconds are usual, and one may be late."""

QUERY = re.compile("[?#]")
PASSWORD = re.compile(r"(pass(?:word|wd)?|pwd)=[^_&;/]+", re.IGNORECASE)
"""Cheap cameras want theirs in the path: /user=admin_password=secret_channel=1."""


class MediaError(Exception):
    """A recording or stream that cannot be opened; the text is one line that says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a recording holds.

    Attributes:
        duration_s: as the file states it; None where it does not.
        sound: whether it has a sound track.
        picture: whether it has moving pictures, or is a picture itself; cover art is none.
    """

    duration_s: float | None
    sound: bool
    picture: bool


def is_address(src: str) -> bool:
    """Whether `src` is the address of a network stream rather than a file or a device."""
    return src.lower().startswith(("http://", "https://", "rtsp://", "rtsps://"))


def display_name(src: str) -> str:
    """`src` as it may be shown: an address without user, password and query, a file by its name alone."""
    if not is_address(src):
        return Path(src).name or src
    scheme, _, rest = src.partition("://")
    place = QUERY.split(rest)[0]
    if "/" not in place:  # perhaps what ends it belongs to a password
        place = QUERY.split(rest.rpartition("@")[2])[0]
    place = place.rpartition("@")[2]  # the last @: a password may hold one
    return f"{scheme}://" + PASSWORD.sub(r"\1=…", place)


def open_container(src: str) -> InputContainer:
    """Open a recording or an address; close the container when done.

    Raises:
        MediaError: not there, not a media file, or an address that does not answer within `OPEN_LIMIT_S`.
    """
    if is_address(src):
        return _open_address(src)
    path = Path(src)
    if path.is_dir():
        raise MediaError(f"{src}: is a folder, not a recording")
    if not path.exists():
        raise MediaError(f"{src}: no such file")
    if not path.is_file():
        raise MediaError(f"{src}: is not a regular file")
    try:
        # An absolute path is never read as one of FFmpeg's own "protocol:" names.
        return av.open(str(path.absolute()), metadata_errors="replace")
    except av.InvalidDataError:
        raise MediaError(f"{src}: not a recording that can be read, or it is cut off or damaged") from None
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{src}: cannot be read: {_reason(error)}") from None


def _open_address(src: str) -> InputContainer:
    try:
        complete = bool(urlsplit(src).hostname)
    except ValueError:
        complete = False
    if not complete:
        raise MediaError(f"{display_name(src)}: not a complete address")

    options = {"analyzeduration": str(PROBE_LIMIT_S * av.time_base)}
    options["live_start_index"] = "-1"  # of pieces the newest: those before it are long past
    if src.lower().startswith("rtsp"):
        options["rtsp_transport"] = "tcp"  # what is lost on the way would be lost to us

    def work() -> InputContainer:
        container = av.open(src, options=options, timeout=(OPEN_LIMIT_S, READ_LIMIT_S), metadata_errors="replace")
        if not in_pieces(container):
            return container
        container.close()  # a limit holds from the opening on, and only now it is known which
        limits = (OPEN_LIMIT_S, PIECES_READ_LIMIT_S)
        return av.open(src, options=options, timeout=limits, metadata_errors="replace")

    try:
        # Looking up a host name cannot be interrupted and may take half a minute without a network.
        return in_time(f"open {display_name(src)}", work, OPEN_LIMIT_S + 1.0, InputContainer.close)
    except TimeoutError:
        raise MediaError(f"{display_name(src)}: no answer within {OPEN_LIMIT_S:.0f} s") from None
    except Exception as error:
        _refuse_address(src, error)


def in_pieces(container: InputContainer) -> bool:
    """Whether a stream comes in pieces of seconds (HLS, DASH) rather than as time goes by."""
    return container.format.name in IN_PIECES


def read_limit_s(container: InputContainer) -> float:
    """A stream that has sent nothing for so long is reported as broken."""
    return PIECES_READ_LIMIT_S if in_pieces(container) else READ_LIMIT_S


def _refuse_address(src: str, error: Exception) -> NoReturn:
    if isinstance(error, av.error.ExitError):
        raise MediaError(f"{display_name(src)}: no answer within {OPEN_LIMIT_S:.0f} s") from None
    if isinstance(error, av.InvalidDataError):
        raise MediaError(f"{display_name(src)}: what it sends is no sound or picture that can be read") from None
    host, meant = urlsplit(src).hostname, urlsplit(display_name(src)).hostname
    hint = "" if host == meant else "; in a password write %2F for /, %3F for ? and %23 for #"
    if isinstance(error, OSError) and error.errno == errno.EIO:  # FFmpeg's word for several things
        text = f"{display_name(src)}: no such host, or it sends nothing that can be read{hint}"
        raise MediaError(text) from None
    raise MediaError(f"{display_name(src)}: cannot be opened: {_reason(error)}{hint}") from None


def _reason(error: Exception, limit_s: float = READ_LIMIT_S) -> str:
    """What went wrong in one line; never the address, which may hold a password."""
    if isinstance(error, av.error.ExitError):
        return f"nothing came for {limit_s:.0f} s"
    if isinstance(error, OSError) and error.errno == errno.EIO:  # FFmpeg's word for a connection that ended
        return "nothing more can be read"
    text = getattr(error, "strerror", None) or type(error).__name__
    return str(text).splitlines()[0]


def contents(src: str) -> Contents:
    """What is in a recording, without decoding it.

    Raises:
        MediaError: it cannot be opened.
    """
    with open_container(src) as container:
        duration = container.duration
        return Contents(
            duration_s=duration / av.time_base if duration else None,
            sound=bool(container.streams.audio),
            picture=any(not stream.disposition & stream.disposition.attached_pic for stream in container.streams.video),
        )


def start_s(container: InputContainer) -> float:
    """The container's own time at which the recording starts: zero on the source's clock."""
    return (container.start_time or 0) / av.time_base


def packets_of(
    container: InputContainer, track: AudioStream | VideoStream, unwanted: Callable[[], bool]
) -> "Iterator[Packet[Any]]":
    """The packets of one track of a stream, until nobody wants them.

    That is asked with the packets of every track: one may say nothing any more while others go on for ever.
    """
    for packet in container.demux():
        if unwanted():
            return
        if packet.stream.index == track.index:
            yield packet


def decoded(
    container: InputContainer,
    track: AudioStream | VideoStream,
    kind: type[Frame],
    name: str,
    packets: "Iterable[Packet[Any]] | None" = None,
) -> Iterator[Frame]:
    """The frames of one track; what is damaged is left out with a warning, and one that is cut short just ends.

    Args:
        container: where the track is in.
        track: to decode.
        kind: what it holds; anything else that is in it is left out.
        name: for people.
        packets: of the track, where somebody else reads them; None: they are read here.

    Raises:
        MediaError: it breaks off in the middle.
    """
    zero_s, at_s, damaged = start_s(container), 0.0, False
    try:
        for packet in container.demux(track) if packets is None else packets:
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                if not damaged:
                    log.warning("%s: damaged after %.1f s; what can be read is used", name, at_s)
                damaged = True
                continue
            for frame in frames:
                if isinstance(frame, kind):
                    at_s = at_s if frame.time is None else max(0.0, frame.time - zero_s)
                    yield frame
    except av.error.EOFError:
        return
    except av.FFmpegError as error:
        raise MediaError(f"{name}: breaks off at {at_s:.1f} s: {_reason(error, read_limit_s(container))}") from None
