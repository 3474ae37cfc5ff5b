"""The station: a thread a sense, one that decides, one a channel, one that supervises. It starts and ends them."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from media.heartbeat import Heartbeats
from media.lasting import failed, lasting
from safety_monitor.actions.place import Places
from safety_monitor.actions.recorder import Recorder
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.fusion import Fusion, FusionRules
from safety_monitor.incident import MAY_FOLLOW, Incident, State
from safety_monitor.journal.file import JournalError
from safety_monitor.journal.incidents import Journal
from safety_monitor.journal.search import unanswered_incidents
from safety_monitor.live import LiveView
from safety_monitor.people.decision import Decisions
from safety_monitor.people.decision_lookup import DecisionLookup, open_id
from safety_monitor.people.unanswered import MOST_WAIT, WAITS_S, Unanswered
from safety_monitor.place import Place
from safety_monitor.schedule import Schedule
from safety_monitor.sensing import Inputs, Sensing
from safety_monitor.supervision.health_checks import HealthChecks
from safety_monitor.supervision.rounds import go_round
from safety_monitor.supervision.supervisor import Supervisor
from safety_monitor.supervision.workload import Workload
from safety_monitor.timeline import TimeLine

log = logging.getLogger(__name__)

TICK_S = 0.25
"""How often time passes for fusion, and decisions of people are looked up, when no moment arrives."""
END_S = 10.0
"""How long a sense may take to end; then it is left behind."""
DECIDE_LIMIT_S = 60.0
"""Longest time between two heartbeats of the thread that decides."""
FORGOTTEN_S = 86_400.0
"""Whoever disarms a station by hand for longer than this may have forgotten it."""
MOST_FAILURES = 20
"""A thread that decides that fails so often without a break will not get well: the run ends, to be started anew."""


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
        inputs: what it hears and sees with.
        rules: of fusion.
        journal: where incidents become durable.
        dispatch: what is done about them.
        on_transition: told of every transition, after the journal.
        view: told of everything that may be shown.
        recorder: keeps sound and pictures of confirmed incidents; None: nobody does.
        schedule: when it is armed, and how sure it must be; None: always, and as `rules` say.
        local_time: now, where the station stands.
        hearts: where every thread says that it still works; None: those of this station alone.
        places: knows where incidents happened; None: nobody does.
        supervisor: decides what is wrong with which part; None: one with the usual rules.
        workload: measures how late decisions come.
        decisions: takes what persons decide, whichever way they come; None: there is no PIN.
    """

    def __init__(
        self,
        inputs: Inputs,
        *,
        rules: FusionRules,
        journal: Journal,
        dispatch: Dispatch,
        on_transition: Callable[[Incident], None],
        view: LiveView | None = None,
        recorder: Recorder | None = None,
        hearts: Heartbeats | None = None,
        schedule: Schedule | None = None,
        local_time: Callable[[], datetime] = datetime.now,
        places: Places | None = None,
        supervisor: Supervisor | None = None,
        workload: Workload | None = None,
        decisions: Decisions | None = None,
    ) -> None:
        self.decisions = decisions or Decisions(journal)
        self.hearts = hearts or Heartbeats()
        self._places = places
        self.at_end: list[Callable[[], None]] = []
        """Called when the run is over, while incidents can still be followed."""
        self.supervisor = supervisor or Supervisor()
        self.workload = workload or Workload()
        self._recorder = recorder
        self._fusion = Fusion(rules, new_id=lambda: str(uuid.uuid4()))
        self.journal = journal
        self.dispatch = dispatch
        self.starting_again = False
        self._rules = rules
        self._schedule = schedule or Schedule()
        self._local_time = local_time
        self._armed_by_hours = True
        self._on_transition = on_transition
        self._inputs = inputs
        self.view = view or LiveView(rules, tuple(inputs.load))
        self._disarmed = threading.Event()
        self._disarmed_at = 0.0
        """`time.monotonic()` at which that was last."""
        self._arming = threading.Lock()
        """Held until the view knows: of two who switch at once it must not show the first."""
        self._line = TimeLine(inputs.load, live=inputs.live)
        self._stop, self._over = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._summary = Summary()
        self._unanswered = Unanswered()
        try:
            if left := journal.end_left_open():
                log.warning("%d incidents were left open by an earlier run, and are over", left)
        except JournalError as error:
            log.error("what an earlier run left open stays so until the next start: %s", error)
        try:
            self._unanswered.recall(unanswered_incidents(journal.file, WAITS_S, MOST_WAIT))
        except JournalError as error:  # probing it will say what is wrong
            log.error("it is not known who was left without an answer: %s", error)
        self._lookup = DecisionLookup(journal)
        self._looked_up = 0.0
        self._sensing = Sensing(
            inputs,
            line=self._line,
            view=self.view,
            supervisor=self.supervisor,
            hearts=self.hearts,
            stop=self._stop,
            trouble=self._trouble,
        )
        self._checks = HealthChecks(
            senses=inputs.load,
            view=self.view,
            supervisor=self.supervisor,
            workload=self.workload,
            hearts=self.hearts,
            journal=journal,
            dispatch=dispatch,
            doubt=lambda: recorder.ageing.doubt if recorder else "",
            forgotten=lambda: self.forgotten,
        )
        self.view.board = self._checks.board
        self.view.newest_unanswered = self._unanswered.newest
        self.supervisor.restart = self._sensing.restart
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
        """End the run soon, and have whoever runs it start it again."""
        self.starting_again = True
        self.stop()

    def follow_rules(self, rules: FusionRules, schedule: Schedule) -> None:
        """Decide by other numbers and hours from now on; may be called from any thread."""
        self._rules, self._schedule = rules, schedule
        self._keep_schedule()

    @property
    def well(self) -> bool:
        """Whether every thread works and nothing is wrong."""
        return not self.hearts.stale() and not self.view.troubles()

    @property
    def armed(self) -> bool:
        """Whether what is noticed can become an incident."""
        return not self._disarmed.is_set()

    @property
    def forgotten(self) -> str:
        """What is to be told where somebody disarmed it by hand long ago, one line; empty if nobody did."""
        disarmed_s = time.monotonic() - self._disarmed_at
        if self.armed or not self._armed_by_hours or disarmed_s < FORGOTTEN_S:
            return ""
        return f"disarmed by hand {disarmed_s / 3600.0:.0f} hours ago, and calls nobody; arm it again"

    def arm(self, armed: bool) -> None:
        """Arm or disarm; may be called from any thread.

        A disarmed station hears and sees, but opens and confirms no incident; one that is open goes on to its end. It
        starts armed.
        """
        with self._arming:
            if armed == self.armed:
                return
            if armed:
                self._disarmed.clear()
            else:
                self._disarmed_at = time.monotonic()
                self._disarmed.set()
            log.info("armed" if armed else "disarmed")
            self.view.switched(armed)

    def run(self) -> Summary:
        """Run until the inputs end or `stop` is called."""
        threads = self._sensing.threads
        if self._inputs.live:
            checks = threading.Thread(target=self._checks.run, args=(self._over,), name="supervisor", daemon=True)
            threads = [*threads, checks]
            lasting("rounds", lambda: go_round(self.dispatch, self.supervisor.check, self._over), self._over)
        for thread in threads:
            thread.start()
        try:
            self._decide()
        finally:
            self.hearts.end("decide")
            self._over.set()
            self._line.close()
            self._sensing.close()
            self._join(threads)
        try:
            self._follow(self._fusion.finish())
        except Exception:  # messages that are due are still to be sent
            failed("decide", "what is open is not closed")
        for ending in self.at_end:
            ending()
        if self._recorder:
            self._recorder.close()
        self._lookup.close()
        self.dispatch.close()
        self._summary.watched_s, self._summary.started = self._fusion.now_s, self._sensing.started
        return self._summary

    @staticmethod
    def _join(threads: Sequence[threading.Thread]) -> None:
        """Wait for every thread, but for no driver that hangs."""
        end_by = time.monotonic() + END_S
        for thread in threads:
            thread.join(max(end_by - time.monotonic(), 0.0))
            if thread.is_alive():
                log.error("%s: does not end; left behind", thread.name)

    def _trouble(self, text: str) -> None:
        log.error("%s", text)
        with self._lock:
            self._summary.troubles.append(text)

    def _decide(self) -> None:
        """Take moments in the order of time and let fusion judge them, until all is over."""
        self.hearts.begin("decide", DECIDE_LIMIT_S)
        failures = 0
        while not self._stop.is_set() and not self._line.over:
            self.hearts.beat("decide")
            try:
                self._keep_schedule()
                self._decide_next()
                self._look_up_decisions()
                failures = 0
            except Exception:  # what cannot be judged once must not end the watching
                failures += 1
                failed("decide", "goes on" if failures < MOST_FAILURES else "ends")
                if failures >= MOST_FAILURES:
                    self._trouble("decide: fails again and again; the run ends, see the log")
                    self.stop()

    def _decide_next(self) -> None:
        moment = self._line.take(TICK_S)
        if moment is not None:
            self.view.judged(moment)
            if self._inputs.live:
                lag_s = time.monotonic() - self._sensing.start_s - moment.at_s
                self.workload.decided(moment.sense, lag_s - moment.late_s)
            self._follow(self._fusion.judge(moment) if self.armed else self._fusion.advance(moment.at_s))
        elif self._inputs.live and self._sensing.start_s:
            self._follow(self._fusion.advance(time.monotonic() - self._sensing.start_s))

    def _follow(self, transitions: list[Incident]) -> None:
        """Make each transition durable, then act on it."""
        for incident in transitions:
            self.follow(incident, self._inputs.source, recorder=self._recorder)

    def follow(
        self, incident: Incident, source: str, place: Place | None = None, recorder: Recorder | None = None
    ) -> None:
        """Make a transition durable, then act on it; called from any thread, for what is heard elsewhere, too.

        What fails in that in an unforeseen way is named, and not raised: the next transition may be the emergency.

        Args:
            incident: as it is from now on.
            source: what heard or saw it.
            place: where it happened, if that is not where the station stands.
            recorder: keeps what was heard and seen of it; None: nobody does.
        """
        try:
            if recorder and incident.state is State.CONFIRMED:
                recorder.begin(incident)  # returns at once; first, so that messages find its picture
        except Exception:
            failed("recorder", f"evidence of {incident.id} is lost")
        try:
            self._act_on(incident, source, place)
        except Exception:
            failed("decide", f"{incident.id} is {incident.state} all the same")

    def _act_on(self, incident: Incident, source: str, place: Place | None) -> None:
        if place is not None and place.position is not None and self._places is not None:
            self._places.report(incident.id, *place.position, place.accuracy_m)
        try:
            self.dispatch.follow(incident, source, place)
        except JournalError as error:  # a full disk must not stop an alarm
            self._checks.journal_failed = True
            self._trouble(str(error))
        self._tell(incident, here=source == self._inputs.source)
        if incident.state is State.CONFIRMED and not self.dispatch.is_hidden(incident):
            self._summary.confirmed.append(incident)

    def follow_decision(self, fusion: Fusion, state: State | None) -> Incident | None:
        """Follow what a person has decided about the open incident of a fusion, in another thread or process.

        Args:
            fusion: whose.
            state: where it stands in the journal; None: that is not known.

        Returns:
            The incident as decided; None if nobody has decided anything.
        """
        incident = fusion.incident
        if incident is None or state is None:
            return None
        if state not in MAY_FOLLOW[incident.state]:  # the same; or the journal could not be written and is behind
            return None
        decided = fusion.follow(incident.id, state)
        if decided is not None:
            self._decided(decided, here=fusion is self._fusion)
        return decided

    def place_of(self, incident: Incident) -> Place | None:
        """Where an incident happened, as far as that is known by now."""
        return self._places.place(incident) if self._places is not None else None

    def _keep_schedule(self) -> None:
        """Arm, disarm and set the threshold as the hours ask for; a recording has none of its own."""
        rules = self._rules
        if self._inputs.live:
            at = self._local_time()
            armed = self._schedule.armed_at(at)
            if armed != self._armed_by_hours:
                self._armed_by_hours = armed
                self.arm(armed)
            rules = replace(rules, threshold=self._schedule.threshold_at(at, rules.threshold))
        if rules != self._fusion.rules:
            self._fusion.rules = self.view.rules = rules

    def _look_up_decisions(self) -> None:
        """A person may have acknowledged or cancelled the open incident, or one that is over, in another process."""
        now = time.monotonic()
        if now - self._looked_up >= TICK_S:
            self._looked_up = now
            found = self._lookup.ask(open_id(self._fusion), self._unanswered.waiting())
            self.follow_decision(self._fusion, found.open_state)
            for decided in self._unanswered.late(found.closed):
                self._decided(decided, here=False)
            for incident in self._unanswered.faded():
                self.view.moved(incident, here=False)

    def _decided(self, incident: Incident, *, here: bool) -> None:
        """Act on what a person has decided."""
        self._unanswered.moved(incident)  # first: two may be answered at once, each in a thread of its own
        self.dispatch.decided(incident, hush=not self._unanswered.others_wait(incident))
        self._tell(incident, here=here)

    def _tell(self, incident: Incident, *, here: bool) -> None:
        """Tell of a transition, as far as it may be seen."""
        hidden = self.dispatch.is_hidden(incident)
        if not hidden:
            self._unanswered.moved(incident)
        self.view.moved(incident, hidden=hidden, here=here)
        if not hidden:
            self._on_transition(incident)
