"""What hangs is seen, but for who waits for a disk that does."""

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from media.heartbeat import Heartbeats
from media.lasting import failed, failing
from safety_monitor.dispatch import delivering
from safety_monitor.dispatch.delivering import ATTEND, ATTEND_LIMIT_S, Dispatch
from safety_monitor.fusion import FusionRules
from safety_monitor.incident import Sense
from safety_monitor.journal.incidents import Journal
from safety_monitor.live import LiveView
from safety_monitor.supervision import health_checks, selfwatch
from safety_monitor.supervision.health_checks import HealthChecks
from safety_monitor.supervision.supervisor import Rules, Supervisor
from safety_monitor.supervision.workload import EFFORTS, Workload
from safety_monitor.trouble import Phase
from tests.clock import Clock
from tests.idle_station import idle_station
from tests.waiting import until

WAIT_S = 120.0


def test_a_hang_at_the_journal_is_seen_but_no_new_start_is_asked_for_while_the_disk_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(delivering, "LOOK_S", 0.01)
    monkeypatch.setattr(health_checks, "LOOK_S", 0.01)
    monkeypatch.setattr(health_checks, "PROBE_LIMIT_S", 0.1)
    now, ahead_s = 0.0, 0.0
    hearts, over = Heartbeats(lambda: now), threading.Event()
    journal = Journal(tmp_path, clock=lambda: time.time() + ahead_s, wait_s=WAIT_S)
    dispatch = Dispatch(journal, [], hearts=hearts)
    checks = HealthChecks(
        senses=(),
        view=LiveView(FusionRules(), []),
        supervisor=Supervisor(rules=Rules(steady_s=0.0)),
        workload=Workload(),
        hearts=hearts,
        journal=journal,
        dispatch=dispatch,
    )
    running = threading.Thread(target=checks.run, args=(over,), daemon=True)
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")  # it is waited for, as for a disk that hangs
        ahead_s = 3600.0
        until(lambda: "the clock was set" in caplog.text)  # which is written to the journal
        now += ATTEND_LIMIT_S + 1.0
        until(lambda: [stale.name for stale in hearts.stale()] == [ATTEND])
        running.start()
        until(lambda: not hearts.stale())
        now += ATTEND_LIMIT_S + 1.0
        until(lambda: not hearts.stale())
    until(lambda: checks.supervisor.phase("journal") is Phase.HEALTHY)
    now += ATTEND_LIMIT_S + 1.0
    until(lambda: not hearts.stale())  # it goes on by itself
    over.set()
    running.join(WAIT_S)
    dispatch.close()
    journal.close()


def checks_of(journal: Journal, dispatch: Dispatch) -> HealthChecks:
    """Those of a station without senses."""
    return HealthChecks(
        senses=(),
        view=LiveView(FusionRules(), []),
        supervisor=Supervisor(),
        workload=Workload(),
        hearts=Heartbeats(),
        journal=journal,
        dispatch=dispatch,
    )


class Rounds(threading.Event):
    """Set once it was asked so often."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self.left = rounds

    def wait(self, timeout: float | None = None) -> bool:
        self.left -= 1
        return self.left < 0


def test_a_thread_that_fails_stays_a_trouble_once_the_station_has_settled(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_checks, "WARM_UP_S", 0.0)
    dispatch = Dispatch(journal, [])
    checks = checks_of(journal, dispatch)
    try:
        raise OSError("in the thread that keeps evidence")
    except OSError:
        failed("recorder", "goes on")
    checks.run(Rounds(1))
    assert [trouble.line for trouble in checks.board()] == [f"threads: recorder: {health_checks.UNFORESEEN}"]
    dispatch.close()


def test_a_journal_that_cannot_be_written_is_a_trouble(tmp_path: Path) -> None:
    journal = Journal(tmp_path, wait_s=0.0)
    dispatch = Dispatch(journal, [])
    checks = checks_of(journal, dispatch)
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        checks.run(Rounds(1))
    (trouble,) = checks.board()
    assert trouble.line.startswith("journal: ")
    assert trouble.line.endswith("cannot be written: database is locked")
    dispatch.close()
    journal.close()


def test_whoever_watches_goes_on_after_a_look_that_fails_in_an_unforeseen_way(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_checks, "LOOK_S", 0.0)
    dispatch = Dispatch(journal, [])
    checks = checks_of(journal, dispatch)
    doubts = iter(["clock"])

    def doubt() -> str:
        return next(doubts)  # raises from the second look on

    checks.doubt = doubt
    checks.run(Rounds(3))
    assert failing() == ("supervisor",)
    assert [trouble.about for trouble in checks.board()] == ["clock", "threads"]
    dispatch.close()


@pytest.mark.parametrize(("lag_s", "told"), [(2.0, False), (4.0, True)])
def test_a_machine_that_is_too_slow_judges_less_and_is_a_trouble_where_that_is_not_enough(
    journal: Journal, lag_s: float, told: bool
) -> None:
    clock = Clock()
    dispatch = Dispatch(journal, [])
    checks = checks_of(journal, dispatch)
    checks.workload = Workload(clock=clock)
    found: list[tuple[int, bool]] = []
    while len(found) < 40:
        checks.workload.decided(Sense.AUDIO, lag_s)
        checks.run(Rounds(1))
        found.append((checks.workload.load.level, "speed" in [trouble.about for trouble in checks.board()]))
        clock.now += 1.0
    assert [level for level, _ in found] == sorted(level for level, _ in found)
    assert all(slow is (told and level == len(EFFORTS) - 1) for level, slow in found)
    assert found[-1][0] == len(EFFORTS) - 1
    dispatch.close()


def test_what_grows_once_the_station_has_settled_is_a_trouble(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_checks, "WARM_UP_S", 0.0)
    monkeypatch.setattr(selfwatch, "GROWN_THREADS", 5)
    dispatch = Dispatch(journal, [])
    checks = checks_of(journal, dispatch)
    over = threading.Event()
    for more in (0, 30):
        for _ in range(more):
            threading.Thread(target=over.wait, daemon=True).start()
        checks.run(Rounds(1))
        assert ("number of threads" in [trouble.about for trouble in checks.board()]) is bool(more)
    over.set()
    dispatch.close()


def test_a_station_at_which_nobody_looks_any_more_does_not_say_that_all_is_well(journal: Journal) -> None:
    dispatch = Dispatch(journal, [])
    station = idle_station(journal, dispatch)
    for sense in Sense:
        station.view.opened(sense, "recording", False)
    station.hearts.begin("supervisor", 60.0)
    assert (station.view.troubles(), station.well) == ([], True)
    station.hearts.begin("supervisor", 0.0)
    until(lambda: station.view.troubles() == [f"supervisor: {health_checks.HUNG}"])
    dispatch.close()
