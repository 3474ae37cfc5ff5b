"""Sound and pictures from before and after an incident was confirmed, out of rings kept in memory.

What is no incident is overwritten and never written anywhere. A picture is there at once, so that messages can carry
it; sound, clip and the landmarks of hands follow, in a thread of their own, when the time after the trigger has passed.
Of a recording that is played as fast as possible one sense may be so far ahead that its seconds are gone by then.
"""

import io
import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE, Block
from gesture.capture import Frame
from gesture.rows import SIGNS, CollectionError, Origin, sign_row, table_text
from media.lasting import failed, lasting
from safety_monitor.actions.ageing import Ageing
from safety_monitor.actions.evidence import HANDS, EvidenceStore
from safety_monitor.incident import Incident

if TYPE_CHECKING:
    from gesture.detector import HandReading

log = logging.getLogger(__name__)

KINDS = ("sound", "picture", "clip")
"""What a policy may want; the joints of hands go with picture and clip."""
SNAPSHOT, SOUND, CLIP = "picture.jpg", "sound.flac", "clip.mp4"
TRIGGER = "trigger_s="
"""Begins the comment in the sound's file that says how far into it the incident was confirmed."""
FPS = 5
"""Pictures a second that are kept."""
MILLISECOND = Fraction(1, 1000)
WIDEST = 640
"""Pixels; wider pictures are made smaller."""
QUALITY = 85
SPARE_S = 10.0
"""How much longer than needed the rings reach back, and how long a source that is late is waited for."""
MOST_WAITING = 10
"""Pictures that may wait to be compressed; a source that brings more, faster than time goes by, is held up."""
LOOK_S = 0.2
STILL_S = 5.0
"""A source that has brought nothing for so long has broken, and is not waited for."""
TIDY_S = 600.0
"""How often what was kept is looked through for what is too old, also where nothing happens."""
CLOSE_S = 10.0
"""How long the saving of what was begun may take at the end."""


@dataclass(frozen=True, slots=True)
class _Picture:
    jpeg: Future[bytes]
    at_s: float


@dataclass(frozen=True, slots=True)
class _Hands:
    readings: tuple["HandReading", ...]
    at_s: float
    aspect: float


Timed = TypeVar("Timed", Block, _Picture, _Hands)


class Recorder:
    """Keeps the last seconds, and saves them with what follows when an incident is confirmed.

    `hear`, `see` and `note` are called by the threads of the senses and return at once; `begin` by the one that
    decides.

    Args:
        store: where files are kept.
        before_s: seconds before the trigger.
        after_s: seconds after it.
        sound: whether sound is kept.
        clip: whether a clip is kept besides the single picture.
        picture: whether any picture is kept.
        wanted: what of `KINDS` is kept of an incident, at most what is kept at all.
        saved: told of each incident whose evidence is complete, in the recorder's own thread.
    """

    def __init__(
        self,
        store: EvidenceStore,
        *,
        before_s: float = 10.0,
        after_s: float = 10.0,
        sound: bool = True,
        picture: bool = True,
        clip: bool = True,
        wanted: Callable[[Incident], Collection[str]] = lambda incident: KINDS,
        saved: Callable[[str], None] = lambda incident_id: None,
    ) -> None:
        self._store = store
        self.ageing = Ageing(store)
        """Deletes what was kept in its time."""
        self._wanted = wanted
        self._saved = saved
        self._before_s, self._after_s = before_s, after_s
        self._sound, self._picture, self._clip = sound, picture, clip
        self._kept_s = before_s + after_s + SPARE_S
        self._blocks: deque[Block] = deque()
        self._pictures: deque[_Picture] = deque()
        self._hands: deque[_Hands] = deque()
        self._lock = threading.Lock()
        self._compressor = ThreadPoolExecutor(1, thread_name_prefix="recorder-pictures")
        self._fresh: dict[str, _Picture] = {}
        """Incident -> its picture, until that is written."""
        self._asked: SimpleQueue[Incident | None] = SimpleQueue()
        self._closing = threading.Event()
        self._thread = lasting("recorder", self._work, self._closing)

    def hear(self, block: Block) -> None:
        """Keep a block of sound."""
        if self._sound:
            with self._lock:
                self._blocks.append(block)
                self._forget(self._blocks, block.at_s)

    def see(self, frame: Frame) -> None:
        """Keep a picture, a few times a second."""
        if not self._picture or self._closing.is_set():
            return
        with self._lock:
            newest = self._pictures[-1].at_s if self._pictures else float("-inf")
            awaited = self._pictures[-MOST_WAITING] if len(self._pictures) >= MOST_WAITING else None
        if newest <= frame.at_s < newest + 1 / FPS:
            return
        if awaited is not None:
            wait((awaited.jpeg,))
        # Compressing takes milliseconds, for which whoever sees is not to wait.
        picture = _Picture(self._compressor.submit(jpeg, frame.image), frame.at_s)
        with self._lock:
            self._pictures.append(picture)
            self._forget(self._pictures, frame.at_s)

    def note(self, frame: Frame, readings: Sequence["HandReading"]) -> None:
        """Keep where the hands of a picture were, and what they were taken for."""
        height, width = frame.image.shape[:2]
        with self._lock:
            if readings:
                self._hands.append(_Hands(tuple(readings), frame.at_s, height / width))
            self._forget(self._hands, frame.at_s)

    def _forget(self, ring: "deque[Timed]", at_s: float) -> None:
        """Drop what is too old at a moment, or of a source that began anew."""
        while ring and not at_s - self._kept_s <= ring[0].at_s <= at_s:
            ring.popleft()

    def begin(self, incident: Incident) -> None:
        """An incident was confirmed: keep its picture, and the rest when its time has passed. Writes nothing."""
        wanted = self._wanted(incident)
        if not wanted:
            return
        with self._lock:
            near = min(self._pictures, key=lambda picture: abs(picture.at_s - incident.at_s), default=None)
            # Nothing pushes the last pictures of a camera that has died out of the ring: they may be hours old.
            if near is not None and abs(near.at_s - incident.at_s) <= self._kept_s and "picture" in wanted:
                self._fresh[incident.id] = near
        self._asked.put(incident)

    def files(self, incident_id: str) -> tuple[Path, ...]:
        """The evidence for people that there is by now; the picture of an incident just confirmed is written for it."""
        self._write_picture(incident_id)
        return self._store.for_people(incident_id)

    def _write_picture(self, incident_id: str) -> None:
        with self._lock:
            picture = self._fresh.get(incident_id)
        if picture is not None:
            self._store.save(incident_id, SNAPSHOT, picture.jpeg.result())
            with self._lock:
                self._fresh.pop(incident_id, None)

    def close(self) -> None:
        """Save what there is of what was begun, and end."""
        self._closing.set()
        self._asked.put(None)
        self._thread.join(CLOSE_S)
        self._compressor.shutdown(wait=False)
        if self._thread.is_alive():
            log.error("evidence is still being written at the end; what is not finished is lost")

    def _work(self) -> None:
        while True:
            self._tidy()
            try:
                incident = self._asked.get(timeout=TIDY_S)
            except Empty:
                continue
            if incident is None:
                return
            try:
                self._write_picture(incident.id)
                self._wait_until(incident.at_s + self._after_s)
                self._save(incident)
                self._saved(incident.id)
            except Exception:  # evidence that cannot be made must not end the making of evidence
                failed("recorder", f"evidence of {incident.id} is lost")

    def _tidy(self) -> None:
        try:
            self.ageing.tidy()
        except OSError as error:  # a disk that cannot be written
            log.error("evidence cannot be tidied: %s", error.strerror)

    def _wait_until(self, at_s: float) -> None:
        """Until the rings have reached a moment, or those that have not bring nothing more.

        Who waits longer for a camera that has broken loses the sound of the next incident, which goes on.
        """
        waited = still = 0.0
        before: list[float] = []
        while waited < self._after_s + SPARE_S and still < STILL_S and not self._closing.is_set():
            with self._lock:
                newest = [ring[-1].at_s for ring in (self._blocks, self._pictures) if ring]
            behind = [moment for moment in newest if moment < at_s]
            if newest and not behind:
                return
            still = still + LOOK_S if behind == before else 0.0
            before = behind
            self._closing.wait(LOOK_S)
            waited += LOOK_S

    def _save(self, incident: Incident) -> None:
        wanted = frozenset(self._wanted(incident))
        begin, end = incident.at_s - self._before_s, incident.at_s + self._after_s
        with self._lock:
            blocks = [block for block in self._blocks if begin <= block.at_s <= end]
            pictures = [picture for picture in self._pictures if begin <= picture.at_s <= end]
            hands = [hands for hands in self._hands if begin <= hands.at_s <= end]
        if blocks and "sound" in wanted:
            before = sum(len(block.samples) for block in blocks if block.at_s < incident.at_s) / SAMPLE_RATE
            sound = np.concatenate([block.samples for block in blocks])
            self._store.save(incident.id, SOUND, flac(sound, before))
        if not wanted.isdisjoint(("picture", "clip")) and (rows := _hand_rows(incident.id, hands)):
            self._store.save(incident.id, HANDS, table_text(SIGNS, rows).encode())
        if self._clip and "clip" in wanted and len(pictures) > 1:
            self._store.save(incident.id, CLIP, mp4([(picture.at_s, picture.jpeg.result()) for picture in pictures]))


def jpeg(image: NDArray[np.uint8]) -> bytes:
    """A picture, RGB of shape (height, width, 3), as JPEG, at most `WIDEST` pixels wide."""
    height, width = image.shape[:2]
    if width > WIDEST:
        size = (WIDEST, max(round(height * WIDEST / width), 1))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise ValueError("the picture cannot be written as JPEG")
    return bytes(data)


def _hand_rows(incident_id: str, hands: Sequence[_Hands]) -> list[tuple[str, ...]]:
    """Rows as they are collected; the label is what the hand was taken for."""
    rows = []
    for moment in hands:
        for reading in moment.readings:
            origin = Origin("incident", f"{incident_id} {reading.hand}", incident_id)
            try:
                row = sign_row(reading.sign, origin, reading.handedness, moment.at_s, moment.aspect, reading.landmarks)
            except CollectionError:  # landmarks of no use
                continue
            rows.append(row)
    return rows


def flac(samples: NDArray[np.float32], trigger_s: float = 0.0) -> bytes:
    """Sound, mono at `SAMPLE_RATE`, full scale ±1, as FLAC of 16 bits; `trigger_of` finds the moment in it again."""
    whole = (np.clip(samples, -1.0, 1.0) * 32_767).astype(np.int16)
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        container.metadata["comment"] = f"{TRIGGER}{trigger_s:.3f}"
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(whole.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return file.getvalue()


def trigger_of(path: Path) -> float:
    """How many seconds into a sound that was kept its incident was confirmed.

    Raises:
        OSError: it is no sound, or not one that was kept for an incident.
    """
    with av.open(str(path)) as container:
        comment = container.metadata.get("comment") or container.metadata.get("COMMENT") or ""
    if not comment.startswith(TRIGGER):
        raise OSError(f"{path}: does not say when its incident was confirmed")
    return float(comment.removeprefix(TRIGGER))


def mp4(pictures: Sequence[tuple[float, bytes]]) -> bytes:
    """JPEG pictures as a video that every telephone plays (H.264, even sizes, 4:2:0).

    Args:
        pictures: when each was seen, in seconds, and the picture; the video shows it as long as it lasted then.
    """
    begin_s, picture = pictures[0]
    first = _decoded(picture)
    height, width = (size - size % 2 for size in first.shape[:2])
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = MILLISECOND
        for at_s, picture in pictures:
            image = np.asarray(cv2.resize(_decoded(picture), (width, height)), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = round((at_s - begin_s) * 1000), MILLISECOND
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return file.getvalue()


def _decoded(picture: bytes) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(image, np.uint8)
