"""Collect rows for new gestures: from a camera, from recordings, from picture folders; what keys do, and the terminal.

The window is `gesture.collect_window`.

Keys, as users of the two-model repository know them: n logs nothing, k logs hands, h logs movements, 0 to 9 choose the
label and log one row; and besides: u takes the last row back, p pauses, a logs by itself, l asks for a new label,
q or Escape ends. Every row is on the disk before the next frame is looked at.
"""

import codecs
import importlib
import math
import os
import re
import select
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from gesture.capture import Frame
from gesture.collection import Collection
from gesture.detector import HandReading
from gesture.features import WRIST
from gesture.point_history_classifier import SPANS_S, PointHistory
from gesture.rows import MOTIONS, SIGNS, CollectionError, Origin, motion_row, sign_row
from gesture.tables import TableError
from gesture.tracks import palm_of, reach

ESCAPE = "\x1b"
MODES = {"n": None, "k": SIGNS, "h": MOTIONS}
SPAN_S = SPANS_S[1]
"""Seconds that a collected movement covers."""
DIGITS = 10
"""Labels that have a key of their own."""
MOST_TYPED = 1024
"""Bytes taken from a terminal at once."""
SPECIAL = re.compile(r"\x1b(\[[0-9;]*[A-Za-z~]|O[A-Z])")
"""What a terminal sends for an arrow and the like: an Escape and more, where Escape itself ends the collection."""


class Seer(Protocol):
    """What sees the hands of a frame: `gesture.detector.GestureDetector`."""

    def see(self, frame: Frame) -> list[HandReading]: ...


@dataclass(frozen=True, slots=True)
class Panel:
    """What the keys have set.

    Attributes:
        mode: "signs", "motions" or None for logging nothing.
        label: what is logged; None until one is chosen.
        paused: nothing is logged.
        automatic: rows are logged by themselves, `rate` a second.
        rate: rows a second where they are logged by themselves.
        once: log one row of the next frame that shows a hand.
        naming: letters typed so far of a new label; None while none is typed.
        done: the end was asked for.
        undo: the last row is to be taken back.
    """

    mode: str | None = SIGNS
    label: str | None = None
    paused: bool = False
    automatic: bool = False
    rate: float = 5.0
    once: bool = False
    naming: str | None = None
    done: bool = False
    undo: bool = False


def press(panel: Panel, key: str, labels: Sequence[str]) -> Panel:
    """The panel after a key; `labels` are those of its mode, in the order of the digits."""
    if panel.naming is not None:
        return _typed(panel, key)
    key = key.lower()  # Caps Lock may be on
    if key in MODES:
        mode = MODES[key]
        return replace(panel, mode=mode, label=panel.label if mode == panel.mode else None, once=False)
    if key.isdecimal() and len(key) == 1:  # not isdigit: ² has a key of its own on a French keyboard, and is no number
        if panel.mode is None or int(key) >= len(labels):
            return panel
        return replace(panel, label=labels[int(key)], once=not panel.automatic)
    changes: dict[str, Panel] = {
        "u": replace(panel, undo=True),
        "p": replace(panel, paused=not panel.paused, once=False),
        "a": replace(panel, automatic=not panel.automatic),
        "l": replace(panel, naming="") if panel.mode else panel,
        "q": replace(panel, done=True),
        ESCAPE: replace(panel, done=True),
    }
    return changes.get(key, panel)


def _typed(panel: Panel, key: str) -> Panel:
    text = panel.naming or ""
    if key in ("\r", "\n"):
        return replace(panel, naming=None, label=text.strip() or panel.label)
    if key == ESCAPE:
        return replace(panel, naming=None)
    if key in ("\b", "\x7f"):
        return replace(panel, naming=text[:-1])
    return replace(panel, naming=text + key) if key.isprintable() and key not in ',"' else panel


@dataclass(slots=True)
class Collector:
    """Takes frames and keys, writes rows.

    Attributes:
        collection: where the rows go.
        seer: sees the hands.
        origin: source, person and session of the rows.
        panel: what the keys have set.
        readings: hands of the newest frame.
        histories: where each hand in view has been, by its number.
        counts: rows of this session by kind and label.
        totals: rows of everybody by kind and label, as far as they were looked up.
        trouble: why a row could not be written; empty where all were.
        frames: frames that were looked at.
        empty: those of them that show no hand.
        message: the last thing that happened, for people.
    """

    collection: Collection
    seer: Seer
    origin: Origin
    panel: Panel = field(default_factory=Panel)
    readings: list[HandReading] = field(default_factory=list)
    histories: dict[int, PointHistory] = field(default_factory=dict)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    totals: Counter[tuple[str, str]] = field(default_factory=Counter)
    trouble: str = ""
    frames: int = 0
    empty: int = 0
    message: str = ""
    _rows: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    _next_s: float = 0.0

    def look_up(self) -> None:
        """Look up how many rows there are of everybody; others may be adding to them."""
        try:
            self.totals = Counter()
            for kind in (SIGNS, MOTIONS):
                for (label, _, _), count in self.collection.counts(kind).items():
                    self.totals[kind, label] += count
        except TableError as error:
            self.message = str(error)

    def labels(self) -> list[str]:
        """Labels that the digits choose."""
        return self.collection.labels(self.panel.mode) if self.panel.mode else []

    def key(self, key: str) -> None:
        """A key was pressed."""
        before, self.panel = self.panel, press(self.panel, key, self.labels())
        if self.panel.mode and self.panel.label and self.panel.label != before.label:
            try:
                self.collection.check_label(self.panel.mode, self.panel.label)
            except (TableError, CollectionError) as error:
                self.message = str(error)
                self.panel = replace(self.panel, label=before.label)
        if self.panel.undo:
            self.panel = replace(self.panel, undo=False)
            self.undo()

    def undo(self) -> None:
        """Take back the last row of this session."""
        if not self._rows:
            self.message = "nothing to take back"
            return
        kind, row = self._rows[-1]
        try:
            there = self.collection.undo(kind, row)
        except (TableError, CollectionError) as error:
            self.message = str(error)
            return
        self._rows.pop()
        self.counts[kind, row[0]] -= 1
        self.look_up()
        self.message = f"took back one row of {row[0]}" if there else f"that row of {row[0]} has gone already"

    def see(self, frame: Frame) -> None:
        """Look at a frame, and log it where the panel says so; while a label is typed, hands are at the keyboard."""
        if self.panel.naming is not None:
            self.readings = []
            return
        height, width = frame.image.shape[:2]
        self.take(self.seer.see(frame), frame.at_s, height / width)

    def take(self, readings: Sequence[HandReading], at_s: float, aspect: float) -> None:
        """Take the hands of a frame that somebody else has looked at, and log them where the panel says so.

        Args:
            readings: of its hands.
            at_s: time of the frame; not before the frame before.
            aspect: the picture's height divided by its width.
        """
        self.readings = list(readings)
        self.frames += 1
        self.empty += not readings
        self.histories = {hand: past for hand, past in self.histories.items() if at_s - past.times[-1] <= SPAN_S}
        for reading in self.readings:
            _, size = palm_of(reading.landmarks, aspect)
            history = self.histories.setdefault(reading.hand, PointHistory())
            history.add(reading.at_s, reading.landmarks, size, aspect, anew=jumped(history, reading, size, aspect))
        due = self.panel.automatic and at_s >= self._next_s
        if self.panel.mode is None or self.panel.label is None or self.panel.paused or not (due or self.panel.once):
            return
        logged = [row for reading in self.readings if (row := self._row(reading, aspect)) is not None]
        for row in logged:
            try:
                self.collection.add(self.panel.mode, row)
            except (TableError, CollectionError) as error:
                self.message = self.trouble = str(error)
                return
            self._rows.append((self.panel.mode, row))
            self.counts[self.panel.mode, row[0]] += 1
            self.totals[self.panel.mode, row[0]] += 1
        if logged:
            self.message = f"{self.panel.label}: {self.counts[self.panel.mode, self.panel.label]} rows"
            self.panel = replace(self.panel, once=False)
            self._next_s = at_s + 1 / self.panel.rate

    def _row(self, reading: HandReading, aspect: float) -> tuple[str, ...] | None:
        label = self.panel.label or ""
        try:
            if self.panel.mode == SIGNS:
                origin, points = self.origin, reading.landmarks
                return sign_row(label, origin, reading.handedness, reading.at_s, aspect, points)
            paths, spans = self.histories[reading.hand].paths()
            if SPAN_S not in spans:
                return None
            return motion_row(label, self.origin, reading.at_s, paths[spans.index(SPAN_S), 0])
        except CollectionError as error:
            self.message = str(error)
            return None

    def state(self) -> str:
        """What is logged and how, or the letters typed so far of a new label."""
        panel = self.panel
        if panel.naming is not None:
            return f"new label: {panel.naming}_ (Enter takes it, Escape does not)"
        if panel.mode is None:
            return "nothing is logged: K logs hands, H movements"
        if panel.label is None:
            return f"{panel.mode}: no label yet: L asks for one{', 0 to 9 choose one' if self.labels() else ''}"
        return f"{panel.mode}: {panel.label}, {self._how()}"

    def _how(self) -> str:
        if self.panel.paused:
            return "paused"
        if self.panel.once or self.panel.automatic:
            if not self.readings:
                return "as soon as a hand is in view"
            if self.panel.mode == MOTIONS and not any(map(self._spans, self.readings)):
                return f"as soon as a hand has been in view for {SPAN_S} s"
        return "logged by itself" if self.panel.automatic else "logged by key"

    def _spans(self, reading: HandReading) -> bool:
        """Whether a hand has been in view for as long as a collected movement lasts."""
        return SPAN_S in self.histories[reading.hand].paths()[1]

    def choices(self) -> list[str]:
        """Labels of this mode with the key that chooses each, and with their rows: of this session, of everybody."""
        mode, counts, totals = self.panel.mode or "", self.counts, self.totals
        return [
            f"{number if number < DIGITS else 'L'} {label} {counts[mode, label]} ({totals[mode, label]} in all)"
            for number, label in enumerate(self.labels())
        ]

    def seen(self) -> str:
        """What the hands in view are taken for."""
        hands = (
            f"{reading.handedness} {reading.sign} {reading.sign_probabilities.get(reading.sign, 0):.2f}"
            + (f" {reading.movement}" if reading.movement else "")
            for reading in self.readings
        )
        return "  ".join(hands) or "no hand"


def jumped(history: PointHistory, reading: HandReading, size: float, aspect: float) -> bool:
    """Whether a hand was found again further away than one moves: what lies between is no movement."""
    if not len(history.times):
        return False
    _, _, x, y = history.places[-1]
    wrist = reading.landmarks[WRIST]
    moved = math.hypot(float(wrist[0]) - x, float(wrist[1]) * aspect - y)
    return moved > reach(reading.at_s - float(history.times[-1])) * size


def in_terminal(
    collector: Collector,
    frames: Iterable[Frame],
    say: Callable[[str], None],
    count: Callable[[str], None],
    keys: Callable[[], str | None],
) -> None:
    """Without a window, until the frames or the user come to an end.

    Args:
        collector: takes frames and keys.
        frames: of the source.
        say: told what keys have set and what went wrong, a line at a time.
        count: told how many rows there are, and what is typed; each line takes the place of the one before.
        keys: the next key that was pressed; None: none was.
    """
    said, state = "", ""
    for frame in frames:
        pressed = False
        while (key := keys()) is not None:
            collector.key(key)
            pressed = True
        if collector.panel.done:
            return
        if pressed and collector.state() != state:
            state = collector.state()
            (say if collector.panel.naming is None else count)(state)
        rows = collector.counts.total()
        collector.see(frame)
        if collector.message != said:
            said = collector.message
            (count if collector.counts.total() > rows else say)(said)


@contextmanager
def keyboard() -> Iterator[Callable[[], str | None]]:
    """Keys as they are pressed, without Enter; none where the input is no terminal."""
    if not sys.stdin.isatty():
        yield lambda: None
        return
    if sys.platform == "win32":
        console = importlib.import_module("msvcrt")
        yield lambda: console.getwch() if console.kbhit() else None
        return
    import termios
    import tty

    terminal = sys.stdin.fileno()
    decoder = codecs.getincrementaldecoder(sys.stdin.encoding)("replace")
    waiting: deque[str] = deque()

    def next_key() -> str | None:
        # Not sys.stdin.read: it takes all that was typed since the frame before, and select does not know of the rest.
        if not waiting and select.select([terminal], [], [], 0)[0]:
            waiting.extend(SPECIAL.sub("", decoder.decode(os.read(terminal, MOST_TYPED))))
        return waiting.popleft() if waiting else None

    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield next_key
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def session_name() -> str:
    """A name for what is collected in one go."""
    return time.strftime("session-%Y%m%d-%H%M%S")


def summary(collector: Collector, *, recorded: bool) -> str:
    """What a session has brought, in one line; of a recording also how much of it showed no hand."""
    counts = sorted(collector.counts.items())
    rows = ", ".join(f"{count} of {label}" for (_, label), count in counts if count)
    line = f"collected: {rows or 'nothing'}"
    if recorded and collector.empty:
        line += f"; no hand was seen in {collector.empty} of {collector.frames} pictures"
    return line
