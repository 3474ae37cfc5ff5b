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
from safety_monitor.supervision.selfwatch import SLEPT_S, Figures, asleep, disk, figures, growth
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
    _probe_at: float = field(default=0.0, init=False)
    _read_at: float = field(default=float("-inf"), init=False)
    """`time.monotonic()` at which the journal is to be tried next, and at which reading all of it began last."""
    _reader: threading.Thread = field(default_factory=threading.Thread, init=False)
    _settled: Figures | None = field(default=None, init=False)
    """What the station used once it had settled; None before."""
    _slept_s: float = field(default=0.0, init=False)
    """How long the machine had slept when that was looked at last."""

    def run(self, over: threading.Event) -> None:
        """Check until all is over; the life of a thread."""
        begun = time.monotonic()
        look_at = begun
        self._slept_s = asleep()
        while not over.wait(SENSES_S):
            self.hearts.begin("supervisor", CHECKS_LIMIT_S)
            now = time.monotonic()
            try:
                self._check_senses(now - begun)
                if now >= look_at:
                    look_at = now + LOOK_S
                    if hasattr(time, "tzset"):  # the machine may have been given another time zone
                        time.tzset()
                    self._check_workload()
                    self._check_parts()
                    self._check_growth(now - begun)
                    self._check_journal(now)
                    self._check_sleep()
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

    def _check_parts(self) -> None:
        stale = [each for each in self.hearts.stale() if each.name not in self.senses]
        self._check("workers", "; ".join(map(str, stale)))
        unwell = ", ".join(failing())
        self._check("threads", f"{unwell}: {UNFORESEEN}" if unwell else "")
        self.supervisor.check("disk", disk(self.journal.path.parent))
        self._check("clock", self.doubt())
        self._check("armed", self.forgotten())

    def _check(self, about: str, text: str) -> None:
        """Tell the supervisor what is wrong with a part, one line; empty: nothing."""
        self.supervisor.check(about, Ill(text) if text else None)

    def _check_growth(self, run_s: float) -> None:
        """See whether memory, threads or files become more than there were once the station had settled."""
        if self._settled is None and run_s >= WARM_UP_S:
            self._settled = figures()
        for about, ill in growth(self._settled, figures()).items() if self._settled else ():
            self.supervisor.check(about, ill)

    def _check_journal(self, now: float) -> None:
        if (
            now >= self._probe_at
            or self.journal_failed
            or not self.journal.path.exists()
            or self.supervisor.phase("journal") is not Phase.HEALTHY
        ):
            self.journal_failed = False
            self._probe_at = now + PROBE_S
            self.supervisor.check("journal", self._probe())
        check_s = DOUBT_S if self.journal.file.doubted else CHECK_S
        if now >= self._read_at + check_s and not self._reader.is_alive():
            self._read_at = now
            self._reader = threading.Thread(target=self._read_journal, name="read-journal", daemon=True)
            self._reader.start()

    def _check_sleep(self) -> None:
        before_s, self._slept_s = self._slept_s, asleep()
        if self._slept_s - before_s > SLEPT_S:
            text = f"machine: slept for {self._slept_s - before_s:.0f} s; nothing was watched. Forbid it to sleep"
            log.error("%s", text)
            self.dispatch.trouble("machine", text)

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
            in_time("probe-journal", self.journal.file.probe, PROBE_LIMIT_S)
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
