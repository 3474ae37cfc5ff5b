"""Collects gestures from what the running station sees; the rows are those of `safety-monitor collect`.

The thread that sees only hands its readings over. A thread of this session takes them, and waits for the disk: however
slow that is, detection goes on. What comes faster than it can be taken is left out, never a row that was taken.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from queue import Queue

from gesture.capture import Frame
from gesture.collect import Collector, Panel
from gesture.collection import Collection
from gesture.detector import HandReading
from gesture.rows import SIGNS, Origin
from safety_monitor.live import LiveView

log = logging.getLogger(__name__)

RATE = 5.0
"""Rows a second of a hand while they are recorded."""
WAITING = 60
"""Most pictures that wait to be taken; in a moment when the disk is slow."""
LONGEST_S = 60.0
"""Recording ends by itself after so long, in case that nobody is there to end it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How a session stands.

    Attributes:
        kind: "signs" or "motions".
        label: what is recorded; None until one is chosen.
        recording: whether rows are taken now.
        rows: of this session, by kind and label.
        total: of everybody, of this kind, by label.
        hands: in view now.
        message: the last thing that happened, for people.
    """

    kind: str = SIGNS
    label: str | None = None
    recording: bool = False
    rows: Mapping[tuple[str, str], int] = field(default_factory=dict)
    total: Mapping[str, int] = field(default_factory=dict)
    hands: int = 0
    message: str = ""


class LiveCollecting:
    """One session of one person at one page. May be used from any thread.

    Args:
        view: of the running station.
        collection: where the rows go.
        origin: source, person and session of the rows.
    """

    def __init__(self, view: LiveView, collection: Collection, origin: Origin) -> None:
        self.progress = Progress()
        self._collection = collection
        self._collector = Collector(collection, _Nobody(), origin, Panel(SIGNS, None, rate=RATE))
        self._until = 0.0
        self._pictures: Queue[Callable[[], None] | None] = Queue()
        self._thread = threading.Thread(target=self._work, name="collect", daemon=True)
        self._thread.start()
        self.choose(SIGNS, None)
        self._end = view.watch(self._saw)

    def choose(self, kind: str, label: str | None) -> None:
        """What is to be recorded; ends a recording."""

        def do() -> None:
            self._collector.panel = replace(self._collector.panel, mode=kind, label=label, automatic=False)
            self._collector.look_up()

        self._pictures.put(do)

    def name(self, person: str, session: str) -> None:
        """Who shows it, and what the rows from now on are called together."""

        def do() -> None:
            self._collector.origin = replace(self._collector.origin, person=person, session=session)

        self._pictures.put(do)

    def record(self, on: bool) -> None:
        """Begin or end to take rows."""

        def do() -> None:
            self._until = time.monotonic() + LONGEST_S
            self._switch(on)

        self._pictures.put(do)

    def undo(self) -> None:
        """Take back the last row of this session."""

        def do() -> None:
            self._collector.undo()

        self._pictures.put(do)

    def add_label(self, kind: str, label: str) -> None:
        """Make a label known.

        Raises:
            CollectionError: it is none, or is known already.
        """
        self._collection.add_label(kind, label)

    def close(self) -> None:
        """End it; every row that was taken is on the disk already. May be called twice."""
        self._end()
        self._pictures.put(None)

    def _saw(self, frame: Frame, readings: Sequence[HandReading]) -> None:
        if self._pictures.qsize() < WAITING:
            height, width = frame.image.shape[:2]
            self._pictures.put(lambda: self._take(readings, frame.at_s, height / width))

    def _take(self, readings: Sequence[HandReading], at_s: float, aspect: float) -> None:
        if self._collector.panel.automatic and time.monotonic() > self._until:
            self._switch(False)
        self._collector.take(readings, at_s, aspect)

    def _switch(self, on: bool) -> None:
        self._collector.panel = replace(self._collector.panel, automatic=on)
        if not on:
            self._collector.look_up()

    def _work(self) -> None:
        while (do := self._pictures.get()) is not None:
            try:
                do()
            except Exception as error:  # a full disk, say: the page says so, and the session goes on
                log.exception("collect: failed in an unforeseen way")
                self._collector.message = f"{type(error).__name__}; see the log"
            self.progress = self._now()

    def _now(self) -> Progress:
        collector = self._collector
        kind = collector.panel.mode or SIGNS
        rows = {key: count for key, count in collector.counts.items() if count}
        return Progress(
            kind=kind,
            label=collector.panel.label,
            recording=collector.panel.automatic,
            rows=rows,
            total={label: count for (of_kind, label), count in collector.totals.items() if of_kind == kind and count},
            hands=len(collector.readings),
            message=collector.message,
        )


class _Nobody:
    """Hands are seen elsewhere."""

    def see(self, frame: Frame) -> list[HandReading]:
        raise NotImplementedError
