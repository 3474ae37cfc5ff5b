"""What is looked at again and again: senses, workers, speed, disk, journal and machine; the supervisor judges it."""

import logging
import threading
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field

from media.heartbeat import Heartbeats
from media.in_time import in_time
from media.lasting import failed, failing
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.journal.file import JournalDamagedError, JournalError
from safety_monitor.journal.incidents import Journal
from safety_monitor.live import LiveView, trouble_of
from safety_monitor.supervision.selfwatch import SLEPT_S, asleep, disk, figures, growth
from safety_monitor.supervision.supervisor import Ill, Supervisor
from safety_monitor.supervision.workload import EFFORTS, Workload
from safety_monitor.trouble import Phase, Trouble

log = logging.getLogger(__name__)

SENSES_S, LOOK_S, PROBE_S, CHECK_S, DOUBT_S, WARM_UP_S = 0.25, 5.0, 45.0, 86_400.0, 60.0, 600.0
"""How often the senses are looked at, and the rest; how often it is tried whether the journal can be written, and all
of it is read, at the most where there is doubt; and when the station has settled."""
START_S = 30.0
"""A sense that has not been opened for so long is in trouble."""
HANGS_S = 30.0
"""A live sense that says nothing for so long, and that did not break, has its source closed and opened again."""
TOO_LATE_S = 3.0
"""Decisions that come later than this, though as little as possible is judged, are a trouble."""
PROBE_LIMIT_S = 15.0
"""How long trying the journal may take; then its disk hangs."""
HUNG = "hangs: nobody looks any more whether all of the station works; start it anew"
UNFORESEEN = "failed in an unforeseen way; see the log, and report it"
CHECKS_LIMIT_S, RESCUE_LIMIT_S = 60.0, 600.0
"""Longest times between two heartbeats, and while a journal is rescued."""


@dataclass(slots=True, kw_only=True, eq=False)
class HealthChecks:
    """Notices what is wrong with all the threads, and with the machine.

    Args:
        senses: that are turned on.
        view: knows when each was heard of last.
        supervisor: told what is wrong with which part.
        workload: knows how late decisions come; told to judge less.
        hearts: of every thread.
        journal: probed, read and rescued.
        dispatch: tells of what is over already.
        doubt: see `Ageing.doubt`.
        forgotten: see `Station.forgotten`.

    Attributes:
        journal_failed: whether something could not be written to the journal since it was tried last.
    """

    senses: Container[str]
    view: LiveView
    supervisor: Supervisor
    workload: Workload
    hearts: Heartbeats
    journal: Journal
    dispatch: Dispatch
    doubt: Callable[[], str] = lambda: ""
    forgotten: Callable[[], str] = lambda: ""
    journal_failed: bool = field(default=False, init=False)
    _damage: JournalDamagedError | None = field(default=None, init=False)
    """What reading all of the journal has found."""

    def run(self, over: threading.Event) -> None:
        """Check until all is over; the life of a thread."""
        look_at = probe_at = 0.0
        checked_at = float("-inf")
        begun = time.monotonic()
        slept_s = asleep()
        first = None
        reader = threading.Thread()
        while not over.wait(SENSES_S):
            self.hearts.begin("supervisor", CHECKS_LIMIT_S)
            now = time.monotonic()
            try:
                self._check_senses(now - begun)
                if now >= look_at:
                    look_at = now + LOOK_S
                    self._check_workload()
                    stale = [each for each in self.hearts.stale() if each.name not in self.senses]
                    self.supervisor.check("workers", Ill("; ".join(map(str, stale))) if stale else None)
                    unwell = ", ".join(failing())
                    self.supervisor.check("threads", Ill(f"{unwell}: {UNFORESEEN}") if unwell else None)
                    self.supervisor.check("disk", disk(self.journal.path.parent))
                    doubt = self.doubt()
                    self.supervisor.check("clock", Ill(doubt) if doubt else None)
                    forgotten = self.forgotten()
                    self.supervisor.check("armed", Ill(forgotten) if forgotten else None)
                    if hasattr(time, "tzset"):  # the machine may have been given another time zone
                        time.tzset()
                    if first is None and now - begun >= WARM_UP_S:
                        first = figures()
                    for about, ill in growth(first, figures()).items() if first else ():
                        self.supervisor.check(about, ill)
                    if not self.journal.path.exists() or self.supervisor.phase("journal") is not Phase.HEALTHY:
                        probe_at = now
                    if now >= probe_at or self.journal_failed:
                        self.journal_failed = False
                        probe_at = now + PROBE_S
                        self.supervisor.check("journal", self._probe())
                    check_s = DOUBT_S if self.journal.file.doubted else CHECK_S
                    if now >= checked_at + check_s and not reader.is_alive():
                        checked_at = now
                        reader = threading.Thread(target=self._read_journal, name="read-journal", daemon=True)
                        reader.start()
                    before_s, slept_s = slept_s, asleep()
                    if slept_s - before_s > SLEPT_S:
                        text = f"machine: slept for {slept_s - before_s:.0f} s; nothing was watched. Forbid it to sleep"
                        log.error("%s", text)
                        self.dispatch.trouble("machine", text)
            except Exception:  # whoever watches must not end
                failed("supervisor", "goes on")
        self.hearts.end("supervisor")

    def board(self) -> list[Trouble]:
        """What the supervisor says is wrong; also that nothing is looked at any more, if so: the rest is old then."""
        hung = [each for each in self.hearts.stale() if each.name == "supervisor"]
        return [
            *self.supervisor.troubles(),
            *(Trouble(each.name, Phase.STALLED, HUNG, note=False, for_s=each.quiet_s) for each in hung),
        ]

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
            self._damage, self.journal_failed = error, True
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
            self.dispatch.disk_hangs()
            return Ill(f"{self.journal.path}: the disk has not answered for {PROBE_LIMIT_S:.0f} s")
        except JournalDamagedError as error:
            log.error("%s", error)
            self.hearts.begin("supervisor", RESCUE_LIMIT_S)
            try:
                text = f"journal: {self.journal.file.rescue()}"
            except JournalError as failure:
                return Ill(str(failure))
            log.error("%s", text)
            self.dispatch.trouble("journal", text)
        except JournalError as error:
            return Ill(str(error))
        return Ill(self.journal.file.stands_in) if self.journal.file.stands_in else None
