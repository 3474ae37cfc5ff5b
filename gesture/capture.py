"""Where pictures come from: camera, file, stream or folder, all as the same frames."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import cv2
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from media.container import (
    MediaError,
    decoded,
    display_name,
    in_pieces,
    is_address,
    open_container,
    packets_of,
    read_limit_s,
    start_s,
)
from media.folders import files_in
from media.in_time import in_time
from media.inbox import Inbox
from media.pieces import PieceClock

PICTURES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".pbm", ".pgm", ".ppm"}
)
"""Files with these endings are still pictures; what has another is opened as a video."""
FOLDER_FPS = 10.0
VIDEOS = frozenset({".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".gif"})
"""A missing file with such an ending, or that of a picture, is not taken for a camera."""
DEFAULT = "default"
QUIET_S = 5.0
"""A camera or stream that gives nothing for so long has gone."""
OPEN_LIMIT_S = 10.0
"""A driver that has not opened its camera by then hangs."""
AHEAD_PACKETS = 1_000
"""Pictures of a stream in pieces that are there before their time: more than a piece holds."""
CLOSE_LIMIT_S = 2.0
CAMERAS = Path("/sys/class/video4linux")

log = logging.getLogger(__name__)

Image = NDArray[np.uint8]
Raw = TypeVar("Raw")
Taken = TypeVar("Taken")


class CameraError(Exception):
    """A picture source that cannot be opened or read; the text is one line that says what is wrong and what to do."""


class CameraHungError(CameraError):
    """A camera's driver does not answer; if it never does, only a new start of the program helps."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source.

    Attributes:
        image: uint8 of shape (height, width, 3), RGB, contiguous, not mirrored.
        at_s: seconds on the source's own clock; strictly increasing within a source.
    """

    image: Image
    at_s: float


class FrameSource(Protocol):
    """An open source of frames; iterate it in one thread, close it from any."""

    @property
    def name(self) -> str:
        """For people: device name, file name or address without credentials."""

    @property
    def live(self) -> bool:
        """Whether time goes on by itself (camera, stream: the newest frame wins) or with the frames taken (file)."""

    @property
    def dropped(self) -> int:
        """Frames overtaken by newer ones so far; always 0 for files."""

    @property
    def late_s(self) -> float:
        """How late the newest frame came, as that of a stream does which is sent in pieces; 0 for all others."""

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """End the iteration soon, also one that waits; may be called twice."""


def open_camera(src: str, *, fast: bool = False, fps: float | None = None, start: float | None = None) -> FrameSource:
    """Open a camera, a video, a picture, a folder of pictures or a stream.

    Args:
        src: camera number or (part of) its name, "default", a video of any kind FFmpeg reads, a picture, a folder of
            pictures (in it and below, in the order of their names), or an http or rtsp address. A recording behind an
            address is treated like a file.
        fast: give a file's frames as fast as they are taken instead of when they would have been seen.
        fps: pictures a second of a folder.
        start: the `time.monotonic()` that is zero on the source's clock; None: now, for a file the start of the
            iteration. Give sound and picture of one scene the same, and they stay together.

    Pictures are turned the way their metadata says. Iterating a live source that breaks raises `CameraError`; open it
    again then. A video that is merely cut short ends quietly where it ends. Damaged frames of a video and damaged
    pictures of a folder are skipped with a warning.

    Raises:
        CameraError: nothing there that can be seen.
    """
    path = Path(src)
    if not is_address(src) and path.is_dir():
        frames = _folder_frames(path, FOLDER_FPS if fps is None else fps)
        return _Recording(path.name or src, frames, fast, start)
    if not is_address(src) and path.is_file() and path.suffix.lower() in PICTURES:
        return _Recording(path.name, iter([Frame(_read_picture(path), 0.0)]), fast, start)
    clock = time.monotonic() if start is None else start
    if src.isdigit() or not (is_address(src) or path.exists()):
        return _open_device(src, clock)
    container = _open(src)
    name = display_name(src)
    if is_address(src) and (container.duration is None or src.lower().startswith("rtsp")):
        return _open_stream(name, container, clock)
    return _Recording(name, _video_frames(container, name), fast, start)


# -- pictures --------------------------------------------------------------------------------------------------------


def _read_picture(path: Path) -> Image:
    """Any picture as 8-bit RGB, turned the way its EXIF data says.

    Raises:
        CameraError: it cannot be read.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise CameraError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    except cv2.error:
        image = None
    if image is None:
        raise CameraError(f"{path}: not a picture that can be read, or it is damaged")
    return image.astype(np.uint8, copy=False)


def _folder_frames(folder: Path, fps: float) -> Iterator[Frame]:
    if not (np.isfinite(fps) and fps > 0):
        raise CameraError(f"{folder}: a folder of pictures needs a number of pictures a second above 0, not {fps:g}")
    paths = list(files_in(folder, PICTURES))
    if not paths:
        raise CameraError(f"{folder}: holds no pictures ({', '.join(sorted(PICTURES))})")
    return _each_picture(folder, paths, fps)


def _each_picture(folder: Path, paths: list[Path], fps: float) -> Iterator[Frame]:
    some = False
    for index, path in enumerate(paths):
        try:
            image = _read_picture(path)
        except CameraError as error:
            log.warning("%s; left out", error)
            continue
        some = True
        yield Frame(image, index / fps)
    if not some:
        raise CameraError(f"{folder}: none of its {len(paths)} pictures can be read")


# -- recordings ------------------------------------------------------------------------------------------------------


def _open(src: str) -> InputContainer:
    try:
        container = open_container(src)
    except MediaError as error:
        raise CameraError(str(error)) from None
    if not _picture_tracks(container):
        container.close()
        raise CameraError(f"{display_name(src)}: has no moving pictures")
    return container


def _picture_tracks(container: InputContainer) -> list[VideoStream]:
    """The tracks of moving pictures, of which the first is seen; the cover of an album is none."""
    return [track for track in container.streams.video if not track.disposition & track.disposition.attached_pic]


def _decoded(
    container: InputContainer, name: str, packets: "Iterable[Packet[VideoStream]] | None" = None
) -> Iterator[VideoFrame]:
    try:
        yield from decoded(container, _picture_tracks(container)[0], VideoFrame, name, packets)
    except MediaError as error:
        raise CameraError(str(error)) from None


def _video_frames(container: InputContainer, name: str) -> Iterator[Frame]:
    """All frames of a video on the container's time line.

    Raises:
        CameraError: there is none, or it breaks in the middle.
    """
    zero_s = start_s(container)
    track = _picture_tracks(container)[0]
    rate = track.average_rate or track.guessed_rate
    step_s = 1.0 / float(rate) if rate else 1.0 / 25.0
    last_s: float | None = None
    for frame in _decoded(container, name):
        at_s = None if frame.time is None else max(0.0, frame.time - zero_s)
        if last_s is not None and (at_s is None or at_s <= last_s):
            at_s = last_s + step_s  # no time stamp, or one that steps back
        last_s = at_s or 0.0
        yield Frame(_upright(frame), last_s)
    if last_s is None:
        raise CameraError(f"{name}: holds no picture that can be decoded")


def _upright(frame: VideoFrame) -> Image:
    """RGB, turned the way the recording says that it was held."""
    image = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image


class _Recording:
    live = False
    dropped = 0
    late_s = 0.0

    def __init__(self, name: str, frames: Iterator[Frame], fast: bool, start: float | None) -> None:
        self.name = name
        self._start = start
        self._fast = fast
        self._closed = threading.Event()
        self._first = next(frames)  # so that a file without pictures is refused when it is opened
        self._frames = frames

    def __iter__(self) -> Iterator[Frame]:
        start = time.monotonic() if self._start is None else self._start
        frame: Frame | None = self._first
        while frame is not None:
            due = 0.0 if self._fast else start + frame.at_s
            if self._closed.wait(max(0.0, due - time.monotonic())):
                return
            yield frame
            frame = next(self._frames, None)

    def close(self) -> None:
        self._closed.set()


# -- live ------------------------------------------------------------------------------------------------------------


class _Live(Generic[Raw]):
    """A camera or stream: somebody puts each picture into the inbox, the reader gets the newest.

    Args:
        name: for people.
        inbox: the newest picture, still as its source gives it, the `time.monotonic()` when it was made, and how much
            later it was there.
        start: the `time.monotonic()` that is zero.
        image: makes a frame's image of what lies in the inbox; here, so that it is done only for those that are used.
        quiet_s: see `QUIET_S`.
    """

    live = True

    def __init__(
        self,
        name: str,
        inbox: Inbox[tuple[Raw, float, float]],
        start: float,
        image: Callable[[Raw], Image],
        quiet_s: float = QUIET_S,
    ) -> None:
        self.name = name
        self.late_s = 0.0
        self._inbox = inbox
        self._start = start
        self._image = image
        self._quiet_s = quiet_s

    @property
    def dropped(self) -> int:
        return self._inbox.dropped

    def __iter__(self) -> Iterator[Frame]:
        last_s = -math.inf
        try:
            while (arrival := self._inbox.take(self._quiet_s)) is not None:
                raw, made, self.late_s = arrival
                last_s = max(made - self._start, math.nextafter(last_s, math.inf))
                yield Frame(self._image(raw), last_s)
            if not self._inbox.closed:
                raise CameraError(f"{self.name}: has given no picture for {self._quiet_s:.0f} s")
        finally:
            self.close()

    def close(self) -> None:
        self._inbox.close()


def _start_live(
    name: str, start: float, pictures: Callable[[Callable[[], bool]], Iterator[Raw]], image: Callable[[Raw], Image]
) -> tuple[FrameSource, threading.Thread]:
    """Take all pictures in a thread, give the newest; `pictures` is told how to ask whether nobody wants any more."""
    inbox: Inbox[tuple[Raw, float, float]] = Inbox(1)

    def take() -> None:
        for picture in pictures(lambda: inbox.closed):
            if inbox.closed:
                return
            inbox.put((picture, time.monotonic(), 0.0))

    return _Live(name, inbox, start, image), _start_taking(name, inbox, take)


def _start_taking(name: str, inbox: Inbox[Taken], take: Callable[[], None]) -> threading.Thread:
    """A thread that fills an inbox until there is nothing more, or nobody wants it."""

    def work() -> None:
        try:
            take()
            inbox.end(CameraError(f"{name}: the stream has ended"))
        except Exception as error:  # whatever it is, the reader must hear of it
            inbox.end(error)

    thread = threading.Thread(target=work, name="camera", daemon=True)
    thread.start()
    return thread


def _open_stream(name: str, container: InputContainer, start: float) -> FrameSource:
    if in_pieces(container):
        return _open_pieces(name, container, start)
    track = _picture_tracks(container)[0]

    def pictures(unwanted: Callable[[], bool]) -> Iterator[VideoFrame]:
        with container:
            yield from _decoded(container, name, packets_of(container, track, unwanted))

    return _start_live(name, start, pictures, _upright)[0]


def _open_pieces(name: str, container: InputContainer, start: float) -> FrameSource:
    """A stream whose pictures come many at once: each is given when its time has come, the newest wins only then.

    One thread reads ahead, which says when each picture came; another decodes when it is time, because decoded pictures
    of many seconds would fill the memory.
    """
    track = _picture_tracks(container)[0]
    ahead: Inbox[Packet[VideoStream]] = Inbox(AHEAD_PACKETS)
    inbox: Inbox[tuple[VideoFrame, float, float]] = Inbox(1)
    clock = PieceClock()

    def read() -> None:
        for packet in packets_of(container, track, lambda: inbox.closed or ahead.closed):
            if packet.pts is not None and packet.time_base is not None:
                clock.note(float(packet.pts * packet.time_base), time.monotonic())
            ahead.put(packet)

    def packets() -> "Iterator[Packet[VideoStream]]":
        while (packet := ahead.take(None)) is not None:
            yield packet

    def take() -> None:
        last = -math.inf
        try:
            for frame in _decoded(container, name, packets()):
                if frame.time is None or clock.new_from_s is None or frame.time < clock.new_from_s:
                    continue
                made = clock.made(frame.time)
                if made <= last:
                    continue
                wait_s = made + clock.late_s - time.monotonic()
                if wait_s > clock.late_s + 1.0:
                    continue  # the stream began anew since, with another time
                if inbox.closed_within(wait_s):
                    return
                last = made
                inbox.put((frame, made, time.monotonic() - made))
        finally:
            ahead.close()
            reader.join()
            container.close()

    reader = _start_taking(name, ahead, read)
    _start_taking(name, inbox, take)
    return _Live(name, inbox, start, _upright, read_limit_s(container) + 1.0)


# -- cameras ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera of this machine.

    Attributes:
        number: what selects it; may change when cameras come and go.
        name: as the system calls it.
    """

    number: int
    name: str


def list_cameras() -> list[Camera]:
    """The cameras that are there now; none on other systems than Linux, where they are opened by number."""
    found = []
    for node in CAMERAS.glob("video*"):
        try:
            # The further nodes of a camera give descriptions of its pictures, not pictures.
            if (node / "index").read_text().strip() == "0":
                found.append(Camera(int(node.name.removeprefix("video")), (node / "name").read_text().strip()))
        except (OSError, ValueError):
            continue  # gone since it was listed
    return sorted(found, key=lambda camera: camera.number)


def _choose_camera(cameras: list[Camera], src: str) -> Camera:
    """By number, else by name: the exact name before a part of it."""
    if src.isdigit():
        number = int(src)
        return next((camera for camera in cameras if camera.number == number), Camera(number, f"camera {number}"))
    wanted = src.casefold()
    for fits in (
        lambda camera: camera.name.casefold() == wanted,
        lambda camera: wanted == DEFAULT or wanted in camera.name.casefold(),
    ):
        if found := [camera for camera in cameras if fits(camera)]:
            return found[0]
    if Path(src).suffix.lower() in VIDEOS | PICTURES:
        raise CameraError(f"{src}: no such file")
    raise CameraError(f"{src}: no such file, folder or camera; {_cameras_there(cameras)}")


def _cameras_there(cameras: list[Camera]) -> str:
    if not cameras:
        return "no camera is there: connect one"
    return "there are: " + ", ".join(f"{camera.number} ({camera.name})" for camera in cameras)


def _open_device(src: str, start: float) -> FrameSource:
    cameras = list_cameras()
    camera = _choose_camera(cameras, src)
    if CAMERAS.parent.is_dir() and not Path(f"/dev/video{camera.number}").exists():
        raise CameraError(f"{src}: no camera has that number; {_cameras_there(cameras)}")
    capture = _open_driver(camera)

    def pictures(unwanted: Callable[[], bool]) -> Iterator[cv2.typing.MatLike]:
        try:
            while not unwanted():
                there, picture = capture.read()
                if not there:
                    raise CameraError(f"{camera.name}: gives no pictures any more")
                yield picture
        finally:
            capture.release()

    source, _readers[camera.number] = _start_live(camera.name, start, pictures, _from_bgr)
    return source


_readers: dict[int, threading.Thread] = {}
"""By number of the camera, the thread that has it open."""


def _open_driver(camera: Camera) -> cv2.VideoCapture:
    """The open camera.

    Raises:
        CameraError: it cannot be opened.
        CameraHungError: its driver does not answer, or still does not from before.
    """
    before = _readers.get(camera.number)
    if before is not None:
        before.join(CLOSE_LIMIT_S)
        if before.is_alive():
            raise CameraHungError(f"{camera.name}: its driver hangs")
    try:
        capture = in_time(
            f"open-camera {camera.number}",
            lambda: cv2.VideoCapture(camera.number),
            OPEN_LIMIT_S,
            cv2.VideoCapture.release,
        )
    except TimeoutError:
        raise CameraHungError(f"{camera.name}: its driver has not answered for {OPEN_LIMIT_S:.0f} s") from None
    if not capture.isOpened():
        capture.release()
        raise CameraError(f"{camera.name}: cannot be opened; another program may be using it, or it may not be allowed")
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # where the driver can: no picture from a while ago
    return capture


def _from_bgr(picture: cv2.typing.MatLike) -> Image:
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
