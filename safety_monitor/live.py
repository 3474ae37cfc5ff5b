"""What the station hears and sees now, for whoever looks.

`LiveView` keeps the newest and the last minute of what the station tells it, bounded however long it runs. A picture is
kept as the frame that the camera gave, without a copy: what somebody wants to look at is made of it by the one who
looks.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from audio.blocks import Block, Samples
from audio.detector import SoundReading
from gesture.capture import Frame
from gesture.detector import HandReading
from safety_monitor.fusion import FusionRules
from safety_monitor.incident import OPEN, Incident, Moment, Sense, State
from safety_monitor.near_misses import NearMiss, NearMisses
from safety_monitor.trouble import Trouble

SOUND_S = 12.0
"""Sound that is kept to be looked at."""
HITS = 12
"""Readings that the hit counter looks back: two seconds."""
BUCKET_S = 0.5
BUCKETS = 120
"""The last minute, in the highest probability of each half second."""
URGENCY = {State.CONFIRMED: 2, State.ACKNOWLEDGED: 1, State.PENDING: 0}
QUIET_S = 5.0
"""A live sense that says nothing for so long is not well."""


Watcher = Callable[[Frame, Sequence[HandReading]], None]
"""Told of every picture, and of what was seen in it, in the thread that sees."""


@dataclass(frozen=True, slots=True)
class SenseHealth:
    """How a sense is.

    Attributes:
        name: of its source; empty until that was opened.
        live: whether time goes on by itself there.
        trouble: what is wrong, one line; empty if nothing is.
        last: `time.monotonic()` of its last moment.
        note: what is to be known, though it is no trouble; empty if nothing is.
    """

    name: str = ""
    live: bool = False
    trouble: str = "not opened yet"
    last: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame, what was seen in it, and its number, which grows."""

    number: int
    frame: Frame
    hands: tuple[HandReading, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is known at one moment.

    Attributes:
        armed: whether incidents are confirmed.
        health: of each sense.
        sound: the newest reading; None before the first.
        hands: of the newest picture.
        minute: by label, the highest probability in each half second of the last minute, oldest first; None where
            nothing was judged.
        near_misses: newest first.
        incident: the open one that may be seen; of several the most urgent, then the one that changed last.
        deaf: whether the microphone is ignored, because the station itself sounds.
        hits: in how many of the last readings a scream was the likeliest, and of how many.
        pending_s: how long the incident still waits for more evidence, if it is pending.
        unanswered: the newest that is over and that nobody has answered, if none is open that is more than pending.
        unanswered_s: for how long that has been over.
    """

    armed: bool
    health: Mapping[Sense, SenseHealth]
    sound: SoundReading | None
    hands: tuple[HandReading, ...]
    minute: Mapping[str, tuple[float | None, ...]]
    near_misses: tuple[NearMiss, ...]
    incident: Incident | None
    deaf: bool
    hits: tuple[int, int]
    pending_s: float | None
    unanswered: Incident | None
    unanswered_s: float


@dataclass(slots=True)
class LiveView:
    """Keeps what the station tells it, from any thread, and gives it to whoever asks.

    Args:
        rules: of fusion, to say why there was no alarm.
        senses: those that the station has.
        deaf: whether the microphone is ignored at a moment of `time.monotonic()`.
        clock: seconds, never set back.
        now: UTC.
    """

    rules: FusionRules
    senses: Sequence[Sense]
    deaf: Callable[[float], bool] = lambda at: False
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ready: threading.Event = field(default_factory=threading.Event)
    """Set when every sense was opened once, or one of them cannot be."""
    board: Callable[[], Sequence[Trouble]] = tuple
    """What the supervisor says is wrong."""
    newest_unanswered: Callable[[], tuple[Incident, float] | None] = lambda: None
    """See `Unanswered.newest`."""
    _armed: bool = True
    _health: dict[Sense, SenseHealth] = field(default_factory=dict)
    _sound: SoundReading | None = None
    _sounds: deque[Block] = field(default_factory=deque)
    """The last seconds of sound, as it was judged."""
    _hits: deque[bool] = field(default_factory=lambda: deque(maxlen=HITS))
    _picture: Picture | None = None
    _watchers: tuple[Watcher, ...] = ()
    _buckets: deque[tuple[int, dict[str, float]]] = field(default_factory=lambda: deque(maxlen=BUCKETS))
    _near: NearMisses = field(default_factory=NearMisses)
    _open: dict[str, tuple[Incident, float]] = field(default_factory=dict)
    """The incidents that may be seen and are not over, and since when on the clock; the newest change at the end."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._health = {sense: SenseHealth() for sense in self.senses}

    def opened(self, sense: Sense, name: str, live: bool) -> None:
        """A sense has opened its source."""
        with self._lock:
            self._health[sense] = SenseHealth(name, live, "", self.clock())
            everything = all(health.name for health in self._health.values())
        if everything:
            self.ready.set()

    def broke(self, sense: Sense, text: str) -> None:
        """A sense's source broke, or could not be opened."""
        with self._lock:
            self._health[sense] = replace(self._health[sense], trouble=text)
        self.ready.set()

    def listened(self, block: Block) -> None:
        """A piece of sound that will be judged."""
        with self._lock:
            self._sounds.append(block)
            while abs(self._sounds[0].at_s - block.at_s) > SOUND_S:
                self._sounds.popleft()

    def heard(self, reading: SoundReading) -> None:
        """What hearing says."""
        with self._lock:
            self._sound = reading
            self._hits.append(reading.label == "scream")

    def saw(self, frame: Frame, readings: Sequence[HandReading]) -> None:
        """A picture, and what seeing says of its hands."""
        with self._lock:
            number = self._picture.number + 1 if self._picture else 1
            self._picture = Picture(number, frame, tuple(readings))

        for watcher in self._watchers:
            watcher(frame, readings)

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Have every picture told to somebody who returns at once; gives what ends it."""
        with self._lock:
            self._watchers = (*self._watchers, watcher)

        def end() -> None:
            with self._lock:
                self._watchers = tuple(each for each in self._watchers if each is not watcher)

        return end

    def judged(self, moment: Moment) -> None:
        """A moment has been taken into account."""
        now = self.clock()
        with self._lock:
            self._health[moment.sense] = replace(self._health[moment.sense], last=now)
            bucket = int(now / BUCKET_S)
            if not self._buckets or self._buckets[-1][0] != bucket:
                self._buckets.append((bucket, {}))
            highest = self._buckets[-1][1]
            if moment.sense is Sense.GESTURE and not moment.evidence:
                highest.setdefault("", 0.0)  # it looked, and saw nothing
            for piece in moment.evidence:
                highest[piece.label] = max(highest.get(piece.label, 0.0), piece.probability)
                self._near.noticed(piece.label, piece.probability, now, self.now(), armed=self._armed)
            self._near.settle(now, self.rules)

    def moved(self, incident: Incident, *, hidden: bool = False, here: bool = True) -> None:
        """An incident has changed its state.

        Args:
            incident: as it is now.
            hidden: it is not shown, and is no near miss either.
            here: whether the station's own senses noticed it, rather than a browser somewhere.
        """
        with self._lock:
            self._open.pop(incident.id, None)
            if incident.state in OPEN and not hidden:
                self._open[incident.id] = incident, self.clock()
            if not here:
                return
            self._near.alarmed(incident.state in (State.CONFIRMED, State.ACKNOWLEDGED))

    def switched(self, armed: bool) -> None:
        """The station was armed or disarmed."""
        with self._lock:
            self._armed = armed

    @property
    def sounds(self) -> list[Samples]:
        """The last seconds of sound, in pieces."""
        with self._lock:
            return [block.samples for block in self._sounds]

    @property
    def picture(self) -> Picture | None:
        """The newest picture."""
        return self._picture

    def snapshot(self) -> Snapshot:
        """All that is known now."""
        now = self.clock()
        deaf, board = self.deaf(now), self.board()
        unanswered, unanswered_s = self.newest_unanswered() or (None, 0.0)
        with self._lock:
            self._near.settle(now, self.rules)
            openings = reversed(self._open.values())
            incident, since = max(openings, key=lambda each: URGENCY[each[0].state], default=(None, now))
            pending = incident is not None and incident.state is State.PENDING
            return Snapshot(
                armed=self._armed,
                health={sense: _supervised(sense, health, board) for sense, health in self._health.items()},
                sound=self._sound,
                hands=self._picture.hands if self._picture else (),
                minute=self._minute(now),
                near_misses=self._near.misses,
                incident=incident,
                deaf=deaf,
                hits=(sum(self._hits), len(self._hits)),
                pending_s=max(since + self.rules.pending_s - now, 0.0) if pending else None,
                unanswered=unanswered if incident is None or pending else None,
                unanswered_s=unanswered_s,
            )

    def health(self) -> Mapping[Sense, SenseHealth]:
        """How the senses are at first sight, without what the supervisor makes of them."""
        with self._lock:
            return dict(self._health)

    def troubles(self) -> list[str]:
        """What is wrong with the station, a line each; none if all is well."""
        of_senses, others = self.troubles_apart()
        return [line for line in (*of_senses.values(), *others) if line]

    def troubles_apart(self) -> tuple[Mapping[Sense, str], list[str]]:
        """What is wrong with each sense, one line, empty if nothing is; and with all else, a line each."""
        now, board = self.clock(), self.board()
        senses = {sense: _supervised(sense, health, board) for sense, health in self.health().items()}
        of_senses = {sense: trouble_of(sense, health, now - health.last) for sense, health in senses.items()}
        return of_senses, [trouble.line for trouble in board if trouble.about not in senses and not trouble.note]

    def _minute(self, now: float) -> dict[str, tuple[float | None, ...]]:
        newest = int(now / BUCKET_S)
        by_number = {number: highest for number, highest in self._buckets if newest - number < BUCKETS}
        labels = sorted({label for highest in by_number.values() for label in highest if label})
        rows: dict[str, tuple[float | None, ...]] = {}
        for label in labels:
            empty = None if label == "scream" else 0.0  # a gesture that nobody makes is not evidence at all
            rows[label] = tuple(
                by_number[number].get(label, empty) if number in by_number else None
                for number in range(newest - BUCKETS + 1, newest + 1)
            )
        return rows


def _supervised(sense: Sense, health: SenseHealth, board: Sequence[Trouble]) -> SenseHealth:
    """With what the supervisor makes of it."""
    trouble = next((each for each in board if each.about == sense), None)
    if trouble is None:
        return health
    if trouble.note:
        return replace(health, note=trouble.text)
    return replace(health, trouble=health.trouble or trouble.text)


def trouble_of(sense: Sense, health: SenseHealth, quiet_s: float) -> str:
    """What is wrong with a sense, one line; empty if nothing is."""
    if health.trouble:
        return f"{sense}: {health.trouble}"
    if health.live and quiet_s > QUIET_S:
        return f"{sense}: {health.name} has said nothing for {quiet_s:.0f} s"
    return ""
