"""Microphones elsewhere, of a browser or a program: each is judged by itself, as the station judges its own.

What is detected becomes an incident like any other, with the position that was told: in the journal, with the policy,
the messages and the sound of it. The incident goes on when the microphone has gone: it ends as all do, after its
cool-down, or when somebody calls it off.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from audio.blocks import Block, Samples, SoundError
from audio.capture import SoundSource
from audio.detector import ScreamDetector, SoundReading
from audio.live import open_pushed
from safety_monitor.actions.recorder import Recorder
from safety_monitor.config import Settings
from safety_monitor.evidence import make_recorder
from safety_monitor.fusion import Fusion
from safety_monitor.incident import Incident
from safety_monitor.journal.incidents import Journal
from safety_monitor.learning.feedback import when_saved
from safety_monitor.people.decision_lookup import DecisionLookup, open_id
from safety_monitor.place import Place, from_browser
from safety_monitor.senses import hear, load_ears, silenced, sound_moment
from safety_monitor.sensing import SenseError
from safety_monitor.station import TICK_S, Station

log = logging.getLogger(__name__)

LISTENERS = 8
"""Most at a time, those included whose incident is not yet over."""
CLOSE_S = 5.0
UNFORESEEN = "ended in an unforeseen way"


class ListenError(Exception):
    """Nobody else can be listened to; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Ears:
    """What it takes to judge a microphone.

    Attributes:
        load: a detector; called in the thread that uses it; raises `SenseError`.
        remember: what keeps the sound of incidents; None if nothing is to be kept.
    """

    load: Callable[[], ScreamDetector]
    remember: Callable[[], Recorder | None]


def ears_of(settings: Settings, journal: Journal) -> Ears:
    """Ears like those of the station."""
    return Ears(
        load=lambda: load_ears(settings),
        remember=lambda: make_recorder(settings, seeing=False, saved=when_saved(settings, journal)),
    )


class Told(Protocol):
    """Who hears what comes of it; called in the listener's thread, and must not wait."""

    def reading(self, reading: SoundReading, *, deaf: bool) -> None:
        """Sound was judged."""

    def incident(self, incident: Incident) -> None:
        """An incident that may be seen has changed its state."""

    def ended(self, trouble: str) -> None:
        """Nothing more is judged, and why; empty if that was asked for."""


@dataclass(slots=True, eq=False)
class Listener:
    """One microphone; `push`, `move` and `close` are called from any thread and return at once."""

    push: Callable[[Samples], None]
    close: Callable[[], None]
    place: Place | None = None

    def move(self, latitude: float, longitude: float, accuracy_m: float | None) -> None:
        """Where it is from now on.

        Raises:
            ValueError: no position on earth.
        """
        self.place = from_browser(latitude, longitude, accuracy_m)


@dataclass(slots=True)
class Listeners:
    """All of them; closed with the station.

    Args:
        station: that acts on what is detected.
        ears: to judge with.
    """

    station: Station
    ears: Ears
    _threads: dict[Listener, threading.Thread] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ending: threading.Event = field(default_factory=threading.Event)

    def open(self, name: str, rate: int, told: Told) -> Listener:
        """Begin to listen.

        Args:
            name: the source of its incidents.
            rate: samples a second of what will be pushed.
            told: hears what comes of it.

        Raises:
            ListenError: there are too many already, the station ends, or the system gives no thread.
            SoundError: no such rate.
        """
        start = time.monotonic()
        source, push = open_pushed(name, rate, start=start)
        listener = Listener(push, source.close)

        def listen() -> None:
            try:
                self._listen(listener, source, start, told)
            except Exception:
                log.exception("%s: %s", name, UNFORESEEN)
                told.ended(f"{UNFORESEEN}; see the station's log")
            finally:
                with self._lock:
                    self._threads.pop(listener, None)

        with self._lock:
            if self._ending.is_set():
                raise ListenError("the station is ending")
            if len(self._threads) >= LISTENERS:
                raise ListenError(f"{LISTENERS} microphones are listened to already")
            thread = threading.Thread(target=listen, name="listener", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                raise ListenError("the system gives no more threads") from None
            self._threads[listener] = thread  # only now: one that never began would keep its place for good
        return listener

    def close(self) -> None:
        """End all of them; open incidents are closed."""
        self._ending.set()
        with self._lock:
            threads = dict(self._threads)
        for listener in threads:
            listener.close()
        close_by = time.monotonic() + CLOSE_S
        for thread in threads.values():
            thread.join(max(close_by - time.monotonic(), 0.0))

    def _listen(self, listener: Listener, source: SoundSource, start: float, told: Told) -> None:
        """The life of one listener's thread."""
        fusion = Fusion(self.station.view.rules, new_id=lambda: str(uuid.uuid4()))
        recorder = self.ears.remember()
        lookup = DecisionLookup(self.station.journal)

        def tell(incident: Incident) -> None:
            if not self.station.dispatch.is_hidden(incident):
                told.incident(incident)

        def follow(transitions: list[Incident]) -> None:
            for incident in transitions:
                self.station.follow(incident, source.name, listener.place, recorder)
                tell(incident)
            decided = self.station.follow_decision(fusion, lookup.ask(open_id(fusion)).open_state)
            if decided is not None:
                tell(decided)

        def blocks() -> Iterator[Block]:
            for block in source:
                if recorder:
                    recorder.hear(block)
                yield silenced(block, self.station.view.deaf, start)

        try:
            trouble = ""
            try:
                for reading in hear(blocks(), self.ears.load()):
                    told.reading(reading, deaf=self.station.view.deaf(start + reading.at_s))
                    armed, fusion.rules = self.station.armed, self.station.view.rules  # they change with the hours
                    follow(fusion.judge(sound_moment(reading)) if armed else fusion.advance(reading.at_s))
            except (SenseError, SoundError) as error:
                trouble = str(error)
            except Exception:  # an incident that is open is to end all the same
                log.exception("%s: %s", source.name, UNFORESEEN)
                trouble = f"{UNFORESEEN}; see the station's log"
            told.ended(trouble)
            while fusion.incident is not None and not self._ending.wait(TICK_S):
                follow(fusion.advance(time.monotonic() - start))
            follow(fusion.finish())
        finally:
            lookup.close()
            if recorder:
                recorder.close()
