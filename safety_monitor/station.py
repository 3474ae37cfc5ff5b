"""The station: a thread a sense, one that decides, one a channel, one that supervises. It starts and ends them."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from media.in_time import in_time
from safety_monitor.actions.message import Place
from safety_monitor.actions.place import Places
from safety_monitor.actions.recorder import Recorder
from safety_monitor.answers import Answers
from safety_monitor.dispatch import Dispatch
from safety_monitor.fusion import Fusion, FusionRules
from safety_monitor.heartbeat import Heartbeats
from safety_monitor.incident import MAY_FOLLOW, Incident, Moment, Sense, State
from safety_monitor.journal import Journal
from safety_monitor.journal_file import JournalDamagedError, JournalError
from safety_monitor.live import LiveView, trouble_of
from safety_monitor.schedule import Schedule
from safety_monitor.selfwatch import SLEPT_S, asleep, disk, figures, growth
from safety_monitor.supervisor import Ill, Phase, Supervisor
from safety_monitor.timeline import TimeLine
from safety_monitor.workload import EFFORTS, Workload

log = logging.getLogger(__name__)

TICK_S = 0.25
"""How often time passes for fusion, and decisions of people are looked up, when no moment arrives."""
LOOK_S, PROBE_S, CHECK_S, WARM_UP_S = 5.0, 45.0, 86_400.0, 600.0
"""How often the station looks at itself, tries whether its journal can be written and reads all of it, and when it has
settled."""
START_S = 30.0
"""A sense that has not been opened for so long is in trouble."""
HANGS_S = 30.0
"""A live sense that says nothing for so long, and that did not break, has its source closed and opened again."""
TOO_LATE_S = 3.0
"""Decisions that come later than this, though as little as possible is judged, are a trouble."""
RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Waits before a live source that broke is opened again; the last one repeats."""
END_S = 10.0
"""How long a sense may take to end; then it is left behind."""
PROBE_LIMIT_S = 15.0
"""How long trying the journal may take; then its disk hangs."""
DECIDE_LIMIT_S, SENSE_LIMIT_S, LOAD_LIMIT_S, HUNG_LIMIT_S, RESCUE_LIMIT_S = 60.0, 60.0, 300.0, 300.0, 600.0
"""Longest times between two heartbeats: of threads that decide or supervise, of one that senses, of one that loads, of
one whose driver hangs (a new start may help, but ends what works still), and of one that rescues a journal."""


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
        schedule: when it is armed, and how sure it must be; None: always, and as `rules` say.
        local_time: now, where the station stands.
        hearts: where every thread says that it still works; None: those of this station alone.
        places: knows where incidents happened; None: nobody does.
        supervisor: decides what is wrong with which part; None: one with the usual rules.
        workload: measures how late decisions come.
        patient: whether a live source that cannot be opened at the start is waited for, and does not end the run.
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
        schedule: Schedule | None = None,
        local_time: Callable[[], datetime] = datetime.now,
        places: Places | None = None,
        supervisor: Supervisor | None = None,
        workload: Workload | None = None,
        patient: bool = False,
    ) -> None:
        self._load = load
        self.hearts = hearts or Heartbeats()
        self._places = places
        self.at_end: list[Callable[[], None]] = []
        """Called when the run is over, while incidents can still be followed."""
        self.supervisor = supervisor or Supervisor()
        self.workload = workload or Workload()
        self._patient = patient
        self._recorder = recorder
        self._fusion = Fusion(rules, new_id=lambda: str(uuid.uuid4()))
        self.journal = journal
        self._dispatch = dispatch
        self.starting_again = False
        self._rules = rules
        self._schedule = schedule or Schedule()
        self._local_time = local_time
        self._armed_by_hours = True
        self._on_transition = on_transition
        self._source = source
        self._live = live
        self.view = view or LiveView(rules, tuple(load))
        self._disarmed = threading.Event()
        self._line = TimeLine(load, live=live)
        self._stop, self._over = threading.Event(), threading.Event()
        self._start = 0.0
        self._loaded = threading.Barrier(len(load), action=self._set_start)
        self._running: dict[Sense, RunningSense] = {}
        self._lock = threading.Lock()
        self._summary = Summary()
        self._answers = Answers()
        self._looked_up = 0.0
        self._journal_failed = False
        """Whether something could not be written to the journal since it was tried last."""
        self._damage: JournalDamagedError | None = None
        """What reading all of the journal has found."""
        self._waited_for: set[Sense] = set()
        """Senses that a patient station begins without."""
        self._restarting: set[Sense] = set()
        """Senses whose source is being opened anew because the supervisor asked for it."""
        self.view.board = self.supervisor.troubles
        self.supervisor.restart = self._restart
        self.supervisor.tell = dispatch.trouble
        self.supervisor.over = dispatch.trouble_over

    def stop(self) -> None:
        """End the run soon; may be called from a signal handler."""
        self._stop.set()

    @property
    def ending(self) -> bool:
        """Whether the run is over, or will be soon."""
        return self._stop.is_set()

    def restart(self) -> None:
        """The same, and have whoever runs it start it again."""
        self.starting_again = True
        self.stop()

    def follow_rules(self, rules: FusionRules, schedule: Schedule) -> None:
        """Decide by other numbers and hours from now on; may be called from any thread."""
        self._rules, self._schedule = rules, schedule
        self._keep_schedule()

    @property
    def dispatch(self) -> Dispatch:
        """What delivers."""
        return self._dispatch

    @property
    def well(self) -> bool:
        """Whether every thread works and nothing is wrong."""
        return not self.hearts.stale() and not self.view.troubles()

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
        if self._live:
            threads.append(threading.Thread(target=self._supervise, name="supervisor", daemon=True))
        for thread in threads:
            thread.start()
        try:
            self._decide()
        finally:
            self.hearts.end("decide")
            self._over.set()
            self._loaded.abort()
            self._line.close()
            self._end(threads)
        self._follow(self._fusion.finish())
        for ending in self.at_end:
            ending()
        if self._recorder:
            self._recorder.close()
        self._dispatch.close()
        self._summary.watched_s = self._fusion.now_s
        return self._summary

    def _end(self, threads: Sequence[threading.Thread]) -> None:
        """Close every source and wait for every thread, but for no driver that hangs."""
        with self._lock:
            open_sources = list(self._running.values())
        for running in open_sources:
            try:
                running.close()
            except Exception:  # the other sources are to be closed, too
                log.exception("%s: does not close", running.name)
        end_by = time.monotonic() + END_S
        for thread in threads:
            thread.join(max(end_by - time.monotonic(), 0.0))
            if thread.is_alive():
                log.error("%s: does not end; left behind", thread.name)

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
            self._ended(sense, str(error), str(error))
        except threading.BrokenBarrierError:
            pass
        except Exception:
            log.exception("%s: ended in an unforeseen way", sense)
            text = "ended in an unforeseen way; see the log"
            self._ended(sense, text, f"{sense}: {text}")
        finally:
            self.hearts.end(sense)
            self._line.end(sense)
            if sense not in self._running:
                self._loaded.abort()

    def _ended(self, sense: Sense, why: str, trouble: str) -> None:
        """A sense has ended and will not go on."""
        if sense not in self._running and not self._stop.is_set():
            self._summary.started = False  # it never began: a station that only seems to watch helps nobody
            self._stop.set()
        self.view.broke(sense, why)
        self._trouble(trouble)

    def _keep_sensing(self, ready: ReadySense) -> None:
        """Sense until the source ends; a live one that breaks is opened again."""
        running: RunningSense | None = None
        failures, hung = 0, False
        while not self._stop.is_set():
            try:
                running = ready.open(self._start)
                if not hung:
                    self.hearts.begin(ready.sense, SENSE_LIMIT_S)
                self._opened(ready.sense, running)
                for moment in running.moments:
                    if self._stop.is_set():
                        return
                    if hung:
                        self.hearts.begin(ready.sense, SENSE_LIMIT_S)
                    failures, hung = 0, False
                    self.hearts.beat(ready.sense)
                    self._line.put(moment)
                if not running.live:
                    return
                if ready.sense not in self._restarting:
                    raise SenseError(f"{running.name}: ended")
            except Exception as failure:  # one sense that fails never ends the other, nor itself
                if self._stop.is_set():
                    return
                if running is None and self._patient and ready.live:
                    self._begin_without(ready.sense)
                elif running is None or not running.live:
                    raise
                if isinstance(failure, SenseError):
                    error = failure
                else:
                    log.exception("%s: failed in an unforeseen way", ready.sense)
                    error = SenseError("failed in an unforeseen way; see the log", hung=True)
                if running is not None:
                    running.close()
                self.view.broke(ready.sense, str(error))
                wait_s = RETRY_S[min(failures, len(RETRY_S) - 1)]
                failures += 1
                log.warning("%s; trying again in %g s", error, wait_s)
                if not error.hung:
                    self.hearts.begin(ready.sense, SENSE_LIMIT_S)
                elif not hung:
                    self.hearts.begin(ready.sense, HUNG_LIMIT_S)
                hung = error.hung
                self._stop.wait(wait_s)
            finally:
                self._restarting.discard(ready.sense)

    def _opened(self, sense: Sense, running: RunningSense) -> None:
        with self._lock:
            first = sense not in self._running
            self._running[sense] = running
            armed = first and self._running.keys() | self._waited_for == self._load.keys()
        log.info("%s: %s", sense, running.name)
        self.supervisor.opened(sense)
        self.view.opened(sense, running.name, running.live)
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

    def _restart(self, sense: Sense) -> None:
        """Have the source of a sense opened anew; it is said to have ended, and its thread opens it again."""
        with self._lock:
            running = self._running.get(sense)
        if running is not None and not self._stop.is_set():
            log.warning("%s: opening %s anew", sense, running.name)
            self._restarting.add(sense)
            running.close()

    def _trouble(self, text: str) -> None:
        log.error("%s", text)
        with self._lock:
            self._summary.troubles.append(text)

    def _decide(self) -> None:
        """Take moments in the order of time and let fusion judge them, until all is over."""
        self.hearts.begin("decide", DECIDE_LIMIT_S)
        while not self._stop.is_set() and not self._line.over:
            self.hearts.beat("decide")
            self._keep_schedule()
            moment = self._line.take(TICK_S)
            if moment is not None:
                self.view.judged(moment)
                if self._live:
                    self.workload.decided(moment.sense, time.monotonic() - self._start - moment.at_s)
                self._follow(self._fusion.judge(moment) if self.armed else self._fusion.advance(moment.at_s))
            elif self._live and self._start:
                self._follow(self._fusion.advance(time.monotonic() - self._start))
            self._look_up_decisions()

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
        if place is not None and place.position is not None and self._places is not None:
            self._places.report(incident.id, *place.position, place.accuracy_m)
        try:
            self._dispatch.follow(incident, source, place)
        except JournalError as error:  # a full disk must not stop an alarm
            self._journal_failed = True
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
        if state not in MAY_FOLLOW[incident.state]:  # the same; or the journal could not be written and is behind
            return None
        decided = fusion.follow(incident.id, state)
        if decided is not None:
            self._dispatch.decided(decided, hush=not self._answers.others_wait(decided))
            self._tell(decided, here=fusion is self._fusion)
        return decided

    def place_of(self, incident: Incident) -> Place | None:
        """Where an incident happened, as far as that is known by now."""
        return self._places.place(incident) if self._places is not None else None

    def _keep_schedule(self) -> None:
        """Arm, disarm and set the threshold as the hours ask for; a recording has none of its own."""
        at = self._local_time()
        if self._live:
            armed = self._schedule.armed_at(at)
            if armed != self._armed_by_hours:
                self._armed_by_hours = armed
                self.arm(armed)
        threshold = self._schedule.threshold_at(at, self._rules.threshold) if self._live else self._rules.threshold
        rules = replace(self._rules, threshold=threshold)
        if rules != self._fusion.rules:
            self._fusion.rules = self.view.rules = rules

    def _look_up_decisions(self) -> None:
        """A person may have acknowledged or cancelled the open incident, or one that is over, in another process."""
        now = time.monotonic()
        if now - self._looked_up >= TICK_S:
            self._looked_up = now
            self.look_up_decision(self._fusion)
            with suppress(JournalError):
                for decided in self._answers.late(self.journal.decisions):
                    self._dispatch.decided(decided, hush=not self._answers.others_wait(decided))
                    self._tell(decided, here=False)
            for incident in self._answers.faded():
                self.view.moved(incident, here=False)

    def _supervise(self) -> None:
        """The life of the thread that notices what is wrong with all the others, and with the machine."""
        look_at = probe_at = check_at = 0.0
        begun = time.monotonic()
        slept_s = asleep()
        first = None
        while not self._over.wait(TICK_S):
            self.hearts.begin("supervisor", DECIDE_LIMIT_S)
            now = time.monotonic()
            try:
                self._check_senses(now - begun)
                if now >= look_at:
                    look_at = now + LOOK_S
                    self._check_workload()
                    stale = [each for each in self.hearts.stale() if each.name not in self._load]
                    self.supervisor.check("workers", Ill("; ".join(map(str, stale))) if stale else None)
                    self.supervisor.check("disk", disk(self.journal.path.parent))
                    if first is None and now - begun >= WARM_UP_S:
                        first = figures()
                    for about, ill in growth(first, figures()).items() if first else ():
                        self.supervisor.check(about, ill)
                    if not self.journal.path.exists() or self.supervisor.phase("journal") is not Phase.HEALTHY:
                        probe_at = now
                    if now >= probe_at or self._journal_failed:
                        self._journal_failed = False
                        probe_at = now + PROBE_S
                        self.supervisor.check("journal", self._probe())
                    if now >= check_at:
                        check_at = now + CHECK_S
                        threading.Thread(target=self._read_journal, name="read-journal", daemon=True).start()
                    before_s, slept_s = slept_s, asleep()
                    if slept_s - before_s > SLEPT_S:
                        text = f"machine: slept for {slept_s - before_s:.0f} s; nothing was watched. Forbid it to sleep"
                        log.error("%s", text)
                        self._dispatch.trouble("machine", text)
            except Exception:  # whoever watches must not end
                log.exception("supervision failed in an unforeseen way")
        self.hearts.end("supervisor")

    def _check_senses(self, run_s: float) -> None:
        now = self.view.clock()
        for sense, health in self.view.health().items():
            if not health.name and run_s < START_S:
                continue
            trouble = trouble_of(sense, health, now - health.last)
            text = trouble.removeprefix(f"{sense}: ")
            # A source that broke is opened again by its own thread; one that still says nothing hangs.
            hangs = not health.trouble and now - health.last > HANGS_S
            ill = Ill(text, restart=hangs) if text else self.supervisor.signal_ill(sense, health.name)
            if health.live or not health.name:
                self.supervisor.check(sense, ill)

    def _check_workload(self) -> None:
        before = self.workload.load.level
        level = self.workload.adapt().level
        lags = self.workload.lags()
        if level != before:
            text = "decisions come %.1f s late: judging at most %g pictures a second and one of %d windows of sound"
            log.warning(text, max(lags.values(), default=0.0), EFFORTS[level].fps, EFFORTS[level].every)
        late = [f"{sense} {lag_s:.1f} s" for sense, lag_s in lags.items() if lag_s > TOO_LATE_S]
        too_slow = late and level == len(EFFORTS) - 1
        text = f"decisions come late ({', '.join(late)}): this machine is too slow or too busy"
        self.supervisor.check("speed", Ill(text) if too_slow else None)

    def _read_journal(self) -> None:
        """Read all of the journal, which may take minutes, to see whether it is damaged."""
        try:
            self.journal.file.check()
        except JournalDamagedError as error:
            self._damage = error
        except JournalError:
            pass  # probing will say so

    def _probe(self) -> Ill | None:
        """Whether the journal can be used; a damaged one is rescued."""
        try:
            in_time("probe-journal", self.journal.file.probe, PROBE_LIMIT_S, lambda tried: None)
            damage, self._damage = self._damage, None
            if damage is not None:
                raise damage
        except TimeoutError:
            return Ill(f"{self.journal.path}: the disk has not answered for {PROBE_LIMIT_S:.0f} s")
        except JournalDamagedError as error:
            log.error("%s", error)
            self.hearts.begin("supervisor", RESCUE_LIMIT_S)
            try:
                text = f"journal: {self.journal.file.rescue()}"
            except JournalError as failure:
                return Ill(str(failure))
            log.error("%s", text)
            self._dispatch.trouble("journal", text)
        except JournalError as error:
            return Ill(str(error))
        return Ill(self.journal.file.stands_in) if self.journal.file.stands_in else None

    def _tell(self, incident: Incident, *, here: bool) -> None:
        """Tell of a transition, as far as it may be seen."""
        hidden = self._dispatch.is_hidden(incident)
        if not hidden:
            self._answers.moved(incident)
        self.view.moved(incident, hidden=hidden, here=here)
        if not hidden:
            self._on_transition(incident)
