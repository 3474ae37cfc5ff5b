"""The station: a thread a sense, one that decides, one a channel. It starts them, and stops them cleanly."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from safety_monitor.actions.message import Place
from safety_monitor.actions.place import Places
from safety_monitor.actions.recorder import Recorder
from safety_monitor.dispatch import Dispatch
from safety_monitor.fusion import Fusion, FusionRules
from safety_monitor.heartbeat import Heartbeats
from safety_monitor.incident import Incident, Moment, Sense, State
from safety_monitor.journal import Journal, JournalError
from safety_monitor.live import LiveView
from safety_monitor.timeline import TimeLine

log = logging.getLogger(__name__)

TICK_S = 0.25
"""How often time passes for fusion, and decisions of people are looked up, when no moment arrives."""
UNWELL_S = 30.0
"""A live sense that is unwell for so long is a trouble that people are told of."""
RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Waits before a live source that broke is opened again; the last one repeats."""
DECIDE_LIMIT_S, SENSE_LIMIT_S, LOAD_LIMIT_S = 60.0, 60.0, 300.0
"""Longest times between two heartbeats: of the thread that decides, of one that senses, and of one that loads."""


class SenseError(Exception):
    """A sense cannot start or go on; the text is one line that says why."""


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
    """

    sense: Sense
    open: Callable[[float], RunningSense]
    close: Callable[[], None] = lambda: None


@dataclass(slots=True)
class Summary:
    """What a run came to."""

    watched_s: float = 0.0
    confirmed: list[Incident] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    started: bool = True
    """Whether every sense could be started."""


class Station:
    """Runs the senses and decides.

    Args:
        load: for each sense what loads its detector; called in the sense's own thread, where it stays.
        rules: of fusion.
        journal: where incidents become durable.
        dispatch: what is done about them.
        on_transition: told of every transition, after the journal.
        source: what is watched and listened to, for the journal.
        live: whether time goes on by itself; False only if every source is a recording.
        view: told of everything that may be shown.
        recorder: keeps sound and pictures of confirmed incidents; None: nobody does.
        hearts: where every thread says that it still works; None: those of this station alone.
        places: knows where incidents happened; None: nobody does.
    """

    def __init__(
        self,
        load: Mapping[Sense, Callable[[], ReadySense]],
        *,
        rules: FusionRules,
        journal: Journal,
        dispatch: Dispatch,
        on_transition: Callable[[Incident], None],
        source: str,
        live: bool,
        view: LiveView | None = None,
        recorder: Recorder | None = None,
        hearts: Heartbeats | None = None,
        places: Places | None = None,
    ) -> None:
        self._load = load
        self.hearts = hearts or Heartbeats()
        self._places = places
        self.at_end: list[Callable[[], None]] = []
        """Called when the run is over, while incidents can still be followed."""
        self._recorder = recorder
        self._fusion = Fusion(rules, new_id=lambda: str(uuid.uuid4()))
        self.journal = journal
        self._dispatch = dispatch
        self._on_transition = on_transition
        self._source = source
        self._live = live
        self.view = view or LiveView(rules, tuple(load))
        self._disarmed = threading.Event()
        self._line = TimeLine(load, live=live)
        self._stop = threading.Event()
        self._start = 0.0
        self._loaded = threading.Barrier(len(load), action=self._set_start)
        self._running: dict[Sense, RunningSense] = {}
        self._lock = threading.Lock()
        self._summary = Summary()
        self._looked_up = 0.0
        self._watched = 0.0
        self._unwell: dict[str, float] = {}

    def stop(self) -> None:
        """End the run soon; may be called from a signal handler."""
        self._stop.set()

    @property
    def dispatch(self) -> Dispatch:
        """What delivers."""
        return self._dispatch

    @property
    def armed(self) -> bool:
        """Whether what is noticed can become an incident."""
        return not self._disarmed.is_set()

    def arm(self, armed: bool) -> None:
        """Arm or disarm; may be called from any thread.

        A disarmed station hears and sees, but opens and confirms no incident; one that is open goes on to its end. It
        starts armed.
        """
        if armed == self.armed:
            return
        if armed:
            self._disarmed.clear()
        else:
            self._disarmed.set()
        log.info("armed" if armed else "disarmed")
        self.view.switched(armed)

    def run(self) -> Summary:
        """Run until the inputs end or `stop` is called."""
        threads = [
            threading.Thread(target=self._sense, args=(sense, load), name=sense.value, daemon=True)
            for sense, load in self._load.items()
        ]
        for thread in threads:
            thread.start()
        try:
            self._decide()
        finally:
            self.hearts.end("decide")
            self._loaded.abort()
            self._line.close()
            with self._lock:
                for running in self._running.values():
                    running.close()
            for thread in threads:
                thread.join()
        self._follow(self._fusion.finish())
        for ending in self.at_end:
            ending()
        if self._recorder:
            self._recorder.close()
        self._dispatch.close()
        self._summary.watched_s = self._fusion.now_s
        return self._summary

    def _set_start(self) -> None:
        self._start = time.monotonic()

    def _sense(self, sense: Sense, load: Callable[[], ReadySense]) -> None:
        """The life of one sense's thread."""
        self.hearts.begin(sense, LOAD_LIMIT_S)
        try:
            ready = load()
            try:
                self._loaded.wait()
                self._keep_sensing(ready)
            finally:
                ready.close()
        except SenseError as error:
            self.view.broke(sense, str(error))
            self._trouble(str(error))
        except threading.BrokenBarrierError:
            pass
        except Exception:
            log.exception("%s: ended in an unforeseen way", sense)
            self.view.broke(sense, "ended in an unforeseen way; see the log")
            self._trouble(f"{sense}: ended in an unforeseen way; see the log")
        finally:
            self.hearts.end(sense)
            self._line.end(sense)
            if (
                sense not in self._running and not self._stop.is_set()
            ):  # it never started: a station that only seems to watch helps nobody
                self._summary.started = False
                self._loaded.abort()
                self._stop.set()

    def _keep_sensing(self, ready: ReadySense) -> None:
        """Sense until the source ends; a live one that breaks is opened again."""
        running: RunningSense | None = None
        failures = 0
        while not self._stop.is_set():
            self.hearts.begin(ready.sense, SENSE_LIMIT_S)
            try:
                running = ready.open(self._start)
                self._opened(ready.sense, running)
                for moment in running.moments:
                    if self._stop.is_set():
                        return
                    failures = 0
                    self.hearts.beat(ready.sense)
                    self._line.put(moment)
                if not running.live:
                    return
                raise SenseError(f"{running.name}: ended")
            except SenseError as error:
                if self._stop.is_set():
                    return
                if running is None or not running.live:
                    raise
                self.view.broke(ready.sense, str(error))
                wait_s = RETRY_S[min(failures, len(RETRY_S) - 1)]
                failures += 1
                log.warning("%s; trying again in %g s", error, wait_s)
                self._stop.wait(wait_s)

    def _opened(self, sense: Sense, running: RunningSense) -> None:
        with self._lock:
            first = sense not in self._running
            self._running[sense] = running
            armed = first and len(self._running) == len(self._load)
        log.info("%s: %s", sense, running.name)
        self.view.opened(sense, running.name, running.live)
        if armed:
            log.info("armed")

    def _trouble(self, text: str) -> None:
        log.error("%s", text)
        with self._lock:
            self._summary.troubles.append(text)

    def _decide(self) -> None:
        """Take moments in the order of time and let fusion judge them, until all is over."""
        self.hearts.begin("decide", DECIDE_LIMIT_S)
        while not self._stop.is_set() and not self._line.over:
            self.hearts.beat("decide")
            moment = self._line.take(TICK_S)
            if moment is not None:
                self.view.judged(moment)
                self._follow(self._fusion.judge(moment) if self.armed else self._fusion.advance(moment.at_s))
            elif self._live and self._start:
                self._follow(self._fusion.advance(time.monotonic() - self._start))
            self._look_up_decisions()
            self._watch_senses()

    def _follow(self, transitions: list[Incident]) -> None:
        """Make each transition durable, then act on it."""
        for incident in transitions:
            if self._recorder and incident.state is State.CONFIRMED:
                self._recorder.begin(incident)  # returns at once; first, so that messages find its picture
            self.follow(incident, self._source)

    def follow(self, incident: Incident, source: str, place: Place | None = None) -> None:
        """Make a transition durable, then act on it; called from any thread, for what is heard elsewhere, too.

        Args:
            incident: as it is from now on.
            source: what heard or saw it.
            place: where it happened, if that is not where the station stands.
        """
        if place is not None and self._places is not None:
            self._places.report(incident.id, place.latitude, place.longitude, place.accuracy_m)
        try:
            self._dispatch.follow(incident, source, place)
        except JournalError as error:  # a full disk must not stop an alarm
            self._trouble(str(error))
        self._tell(incident, here=source == self._source)
        if incident.state is State.CONFIRMED and not self._dispatch.is_hidden(incident):
            self._summary.confirmed.append(incident)

    def look_up_decision(self, fusion: Fusion) -> Incident | None:
        """Follow what a person has decided about the open incident of a fusion, in another thread or process.

        Returns:
            The incident as decided; None if nobody has decided anything.
        """
        incident = fusion.incident
        if incident is None or incident.state is State.PENDING:
            return None
        try:
            state = self.journal.state_of(incident.id)
        except JournalError:
            return None
        if state is incident.state:
            return None
        decided = fusion.follow(incident.id, state)
        self._dispatch.interrupt()
        if decided is not None:
            self._tell(decided, here=fusion is self._fusion)
        return decided

    def place_of(self, incident: Incident) -> Place | None:
        """Where an incident happened, as far as that is known by now."""
        return self._places.place(incident) if self._places is not None else None

    def _look_up_decisions(self) -> None:
        """A person may have acknowledged or cancelled the open incident in another process."""
        now = time.monotonic()
        if now - self._looked_up >= TICK_S:
            self._looked_up = now
            self.look_up_decision(self._fusion)

    def _watch_senses(self) -> None:
        """A sense that stays unwell is told of: whoever relies on the station must know that it is deaf or blind."""
        now = time.monotonic()
        if not (self._live and self._start) or now - self._watched < TICK_S:
            return
        self._watched = now
        unwell = {text.partition(":")[0]: text for text in self.view.troubles()}
        self._unwell = {sense: self._unwell.get(sense, now) for sense in unwell}
        for sense, since in self._unwell.items():
            if now - since >= UNWELL_S:
                self._dispatch.trouble(sense, unwell[sense])

    def _tell(self, incident: Incident, *, here: bool) -> None:
        """Tell of a transition, as far as it may be seen."""
        hidden = self._dispatch.is_hidden(incident)
        self.view.moved(incident, hidden=hidden, here=here)
        if not hidden:
            self._on_transition(incident)
