"""The senses at work, a thread each: it loads the detector, opens the source, and opens it again when it breaks."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from media.heartbeat import Heartbeats
from safety_monitor.incident import Moment, Sense
from safety_monitor.live import LiveView
from safety_monitor.supervision.supervisor import Supervisor
from safety_monitor.timeline import TimeLine

log = logging.getLogger(__name__)

RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Waits before a live source that broke is opened again; the last one repeats."""
SENSE_LIMIT_S, LOAD_LIMIT_S, HUNG_LIMIT_S = 60.0, 300.0, 300.0
"""Longest times between two heartbeats: of a thread that senses, of one that loads, and of one whose driver hangs (a
new start may help, but ends what works still)."""
UNFORESEEN = "failed in an unforeseen way"


class SenseError(Exception):
    """A sense cannot start or go on; the text is one line that says why.

    Attributes:
        hung: whether a driver does not answer any more, so that nothing but a new start of the program may help.
    """

    def __init__(self, text: str, *, hung: bool = False) -> None:
        super().__init__(text)
        self.hung = hung


@dataclass(frozen=True, slots=True)
class RunningSense:
    """An open source with its detector.

    Attributes:
        name: the source's name, for people.
        live: whether time goes on by itself.
        moments: what it finds; iterated in one thread; raises `SenseError` when the source breaks.
        close: ends the iteration soon; called from any thread.
    """

    name: str
    live: bool
    moments: Iterator[Moment]
    close: Callable[[], None]


@dataclass(frozen=True, slots=True)
class ReadySense:
    """A sense whose detector is loaded; opens its source as often as needed.

    Attributes:
        sense: which one.
        open: opens the source; takes the `time.monotonic()` that is zero on its clock; raises `SenseError`.
        close: gives the detector back.
        live: whether the source, once it is there, goes on by itself.
    """

    sense: Sense
    open: Callable[[float], RunningSense]
    close: Callable[[], None] = lambda: None
    live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a station hears and sees with.

    Attributes:
        load: for each sense what loads its detector; called in the sense's own thread, where it stays.
        source: what is listened to and watched, for the journal.
        live: whether time goes on by itself; False only if every source is a recording.
        patient: whether a sense that cannot begin is waited for, and does not end the run.
        together: whether no sense begins before all are loaded, as recordings of one scene must; else each begins as
            soon as it can.
    """

    load: Mapping[Sense, Callable[[], ReadySense]]
    source: str
    live: bool
    patient: bool = False
    together: bool = True


class Sensing:
    """Runs the senses.

    Args:
        inputs: of the station.
        line: takes what they find.
        view: told of sources that open and break.
        supervisor: told of sources that open.
        hearts: where each thread says that it still works.
        stop: ends all of them soon; set here where a sense cannot begin, because that ends the run.
        trouble: called with one line when a sense has ended and will not go on.

    Attributes:
        threads: one a sense; the caller starts and joins them.
        start_s: `time.monotonic()` that is zero on every source's clock; 0 while the senses wait for each other.
        started: whether every sense could be started.
    """

    def __init__(
        self,
        inputs: Inputs,
        *,
        line: TimeLine,
        view: LiveView,
        supervisor: Supervisor,
        hearts: Heartbeats,
        stop: threading.Event,
        trouble: Callable[[str], None],
    ) -> None:
        self._load = load = inputs.load
        self._line = line
        self._view = view
        self._supervisor = supervisor
        self._hearts = hearts
        self._stop = stop
        self._trouble = trouble
        self._patient = inputs.patient
        self._together = together = inputs.together
        self.start_s = 0.0 if together else time.monotonic()
        self.started = True
        self._loaded = threading.Barrier(len(load), action=self._set_start) if together else None
        self._lock = threading.Lock()
        self._running: dict[Sense, RunningSense] = {}
        self._waited_for: set[Sense] = set()
        """Senses that a patient station begins without."""
        self._failures: dict[Sense, int] = {}
        """How often a sense has failed without a break."""
        self._hung: set[Sense] = set()
        """Senses whose driver hangs, or that failed in an unforeseen way, and have found nothing since."""
        self._restarting: set[Sense] = set()
        """Senses whose source is being opened anew because the supervisor asked for it."""
        self.threads = [
            threading.Thread(target=self._sense, args=each, name=each[0].value, daemon=True) for each in load.items()
        ]

    def restart(self, sense: Sense) -> None:
        """Have the source of a sense opened anew; it is said to have ended, and its thread opens it again."""
        with self._lock:
            running = self._running.get(sense)
        if running is not None and not self._stop.is_set():
            log.warning("%s: opening %s anew", sense, running.name)
            self._restarting.add(sense)
            _close(running.name, running.close)

    def close(self) -> None:
        """Close every source, so that the threads end."""
        self._abort()
        with self._lock:
            open_sources = list(self._running.values())
        for running in open_sources:
            _close(running.name, running.close)

    def _set_start(self) -> None:
        self.start_s = time.monotonic()

    def _abort(self) -> None:
        if self._loaded is not None:
            self._loaded.abort()

    def _sense(self, sense: Sense, load: Callable[[], ReadySense]) -> None:
        """The life of one sense's thread."""
        self._hearts.begin(sense, LOAD_LIMIT_S)
        over = False
        try:
            while not over:
                ready = self._ready(sense, load)
                try:
                    if self._loaded is not None and sense not in self._running:
                        self._loaded.wait()
                    over = self._keep_sensing(ready)
                finally:
                    _close(sense, ready.close)
        except SenseError as error:
            self._ended(sense, str(error), str(error))
        except threading.BrokenBarrierError:
            pass
        except Exception:
            log.exception("%s: ended in an unforeseen way", sense)
            text = "ended in an unforeseen way; see the log"
            self._ended(sense, text, f"{sense}: {text}")
        finally:
            self._hearts.end(sense)
            self._line.end(sense)
            if sense not in self._running:
                self._abort()

    def _ready(self, sense: Sense, load: Callable[[], ReadySense]) -> ReadySense:
        """A sense whose detector is loaded; a patient station tries that until it can be."""
        while True:
            try:
                return load()
            except Exception as failure:
                if (self._together or not self._patient) and sense not in self._running:
                    raise
                if sense not in self._running:
                    self._begin_without(sense)
                self._failed(sense, failure)
                if self._stop.is_set():
                    raise

    def _ended(self, sense: Sense, why: str, trouble: str) -> None:
        """A sense has ended and will not go on."""
        if sense not in self._running and not self._stop.is_set():
            self.started = False  # it never began: a station that only seems to watch helps nobody
            self._stop.set()
        self._view.broke(sense, why)
        self._trouble(trouble)

    def _keep_sensing(self, ready: ReadySense) -> bool:
        """Sense until the source ends; a live one that breaks is opened again.

        Returns:
            Whether that is all; else it failed in an unforeseen way, and its detector is to be loaded anew.
        """
        running: RunningSense | None = None
        while not self._stop.is_set():
            try:
                running = ready.open(self.start_s)
                if ready.sense not in self._hung:
                    self._hearts.begin(ready.sense, SENSE_LIMIT_S)
                self._opened(ready.sense, running)
                for moment in running.moments:
                    if self._stop.is_set():
                        return True
                    if ready.sense in self._hung:
                        self._hearts.begin(ready.sense, SENSE_LIMIT_S)
                    self._failures.pop(ready.sense, None)
                    self._hung.discard(ready.sense)
                    self._hearts.beat(ready.sense)
                    self._line.put(moment)
                if not running.live:
                    return True
                if ready.sense not in self._restarting:
                    raise SenseError(f"{running.name}: ended")
            except Exception as failure:  # one sense that fails never ends the other, nor itself
                if self._stop.is_set():
                    return True
                if ready.sense not in self._running and self._patient and ready.live:
                    self._begin_without(ready.sense)
                elif ready.sense not in self._running or not (ready.live or (running is not None and running.live)):
                    raise
                if running is not None:
                    _close(running.name, running.close)
                if not self._failed(ready.sense, failure):
                    return False
            finally:
                self._restarting.discard(ready.sense)
        return True

    def _failed(self, sense: Sense, failure: Exception) -> bool:
        """A sense failed, and is tried again after a wait; False if that was in an unforeseen way."""
        foreseen = isinstance(failure, SenseError)
        error = failure if isinstance(failure, SenseError) else SenseError(f"{UNFORESEEN}; see the log", hung=True)
        if not foreseen:
            log.exception("%s: %s", sense, UNFORESEEN)
        self._view.broke(sense, str(error))
        failures = self._failures.get(sense, 0)
        self._failures[sense] = failures + 1
        wait_s = RETRY_S[min(failures, len(RETRY_S) - 1)]
        log.warning("%s; trying again in %g s", error, wait_s)
        if not error.hung:
            self._hearts.begin(sense, SENSE_LIMIT_S)
            self._hung.discard(sense)
        elif sense not in self._hung:
            self._hearts.begin(sense, HUNG_LIMIT_S)
            self._hung.add(sense)
        self._stop.wait(wait_s)
        return foreseen

    def _opened(self, sense: Sense, running: RunningSense) -> None:
        with self._lock:
            first = sense not in self._running
            self._running[sense] = running
            armed = first and self._running.keys() | self._waited_for == self._load.keys()
        log.info("%s: %s", sense, running.name)
        self._supervisor.opened(sense)
        self._view.opened(sense, running.name, running.live)
        if armed:
            log.info("armed")

    def _begin_without(self, sense: Sense) -> None:
        """A patient station begins with what it has."""
        with self._lock:
            first = sense not in self._waited_for
            self._waited_for.add(sense)
            armed = first and bool(self._running) and self._running.keys() | self._waited_for == self._load.keys()
        if armed:
            log.info("armed")


def _close(name: str, close: Callable[[], object]) -> None:
    """Close what may be broken; that must end neither its sense nor the closing of others."""
    try:
        close()
    except Exception:
        log.exception("%s: does not close", name)
