import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from safety_monitor.actions.worker import Interrupted, Worker, WorkError

PROCESS = """
import os, pathlib, sys, time
from safety_monitor.actions.worker import WorkError, serve

def carry_out(request, inbox):
    print("chatter that is no answer")
    if "touch" in request:
        pathlib.Path(request["touch"]).touch()
    if "refuse" in request:
        raise WorkError(request["refuse"])
    if "stumble" in request:
        raise ZeroDivisionError("two\\nlines")
    if "die_unless" in request and not os.path.exists(request["die_unless"]):
        pathlib.Path(request["die_unless"]).touch()
        os._exit(3)
    if "die" in request:
        os._exit(3)
    if "fifo" in request:
        open(request["fifo"], "w").close()
        told = inbox.get()
        pathlib.Path(told["touch"]).touch()

serve(carry_out)
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    (tmp_path / "process_under_test.py").write_text(PROCESS, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    worker = Worker("process_under_test")
    yield worker
    worker.close()


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """Opened by the process when it is in the middle of a request."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def wait_until_begun(fifo: Path) -> None:
    fifo.open().close()


def ask(worker: Worker, request: dict[str, str]) -> tuple[threading.Thread, list[Exception | None]]:
    """Ask from another thread; the list gets what came of it."""
    outcome: list[Exception | None] = []

    def run() -> None:
        try:
            worker.ask(lambda: request, 60.0)
            outcome.append(None)
        except (WorkError, Interrupted) as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def test_carries_out_request_after_request(worker: Worker, tmp_path: Path) -> None:
    first = worker.pid
    for name in ("a", "b"):
        worker.ask(partial(dict, touch=str(tmp_path / name)), 60.0)
        assert (tmp_path / name).exists()
    assert worker.pid == first


def test_tells_why_it_failed_and_goes_on(worker: Worker) -> None:
    with pytest.raises(WorkError, match=r"^no paint$"):
        worker.ask(lambda: {"refuse": "no paint"}, 60.0)
    with pytest.raises(WorkError, match=r"^ZeroDivisionError: two lines$"):
        worker.ask(lambda: {"stumble": "x"}, 60.0)
    worker.ask(dict, 60.0)


def test_a_hung_process_is_ended_and_started_anew(worker: Worker) -> None:
    worker.ask(dict, 60.0)
    hung = worker.pid
    os.kill(hung, signal.SIGSTOP)
    with pytest.raises(WorkError, match=r"not done within 0\.5 s"):
        worker.ask(dict, 0.5)
    assert worker.pid != hung
    with pytest.raises(ProcessLookupError):
        os.kill(hung, 0)
    worker.ask(dict, 60.0)


def test_a_process_that_dies_over_a_request_gets_it_again(worker: Worker, tmp_path: Path) -> None:
    first = worker.pid
    worker.ask(lambda: {"die_unless": str(tmp_path / "second time"), "touch": str(tmp_path / "done")}, 60.0)
    assert worker.pid != first
    assert (tmp_path / "done").exists()


def test_gives_up_on_a_request_that_kills_every_process(worker: Worker) -> None:
    with pytest.raises(WorkError, match=r"the process died \(exit status 3\)"):
        worker.ask(lambda: {"die": "now"}, 60.0)
    worker.ask(dict, 60.0)


def test_a_process_killed_while_idle_is_replaced(worker: Worker) -> None:
    worker.ask(dict, 60.0)
    os.kill(worker.pid, signal.SIGKILL)
    worker.ask(dict, 60.0)


def test_a_request_can_be_broken_off(worker: Worker, fifo: Path) -> None:
    thread, outcome = ask(worker, {"fifo": str(fifo)})
    wait_until_begun(fifo)
    worker.interrupt()
    thread.join()
    assert isinstance(outcome[0], Interrupted)
    worker.ask(dict, 60.0)


def test_what_is_broken_off_in_the_moment_in_which_it_begins_goes_to_no_other_process(worker: Worker) -> None:
    class Crossed(Worker):
        def _running(self) -> Any:
            self.interrupt()  # by another thread, between the asking and the look at the process
            return super()._running()

    crossed = Crossed("process_under_test")
    try:
        with pytest.raises(Interrupted):
            crossed.ask(dict, 60.0)
    finally:
        crossed.close()


def test_interrupting_nothing_changes_nothing(worker: Worker) -> None:
    worker.ask(dict, 60.0)
    first = worker.pid
    worker.interrupt()
    worker.ask(dict, 60.0)
    assert worker.pid == first


def test_can_be_told_something_meanwhile(worker: Worker, fifo: Path, tmp_path: Path) -> None:
    thread, outcome = ask(worker, {"fifo": str(fifo)})
    wait_until_begun(fifo)
    worker.tell(lambda: {"touch": str(tmp_path / "told")})
    thread.join()
    assert outcome == [None]
    assert (tmp_path / "told").exists()


def test_what_is_told_to_an_idle_process_is_of_no_account(worker: Worker, fifo: Path, tmp_path: Path) -> None:
    worker.tell(lambda: {"touch": str(tmp_path / "too early")})
    worker.ask(dict, 60.0)
    worker.tell(lambda: {"touch": str(tmp_path / "too early")})
    thread, _ = ask(worker, {"fifo": str(fifo)})
    wait_until_begun(fifo)
    worker.tell(lambda: {"touch": str(tmp_path / "in time")})
    thread.join()
    assert (tmp_path / "in time").exists()
    assert not (tmp_path / "too early").exists()


def test_closing_ends_what_is_carried_out(worker: Worker, fifo: Path) -> None:
    thread, outcome = ask(worker, {"fifo": str(fifo)})
    wait_until_begun(fifo)
    worker.close()
    thread.join(60)
    assert isinstance(outcome[0], Interrupted)
    with pytest.raises(Interrupted):
        worker.ask(dict, 60.0)


def test_the_process_ends_with_a_station_that_is_killed(worker: Worker) -> None:
    station = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from safety_monitor.actions.worker import Worker\n"
            "worker = Worker('process_under_test')\n"
            "worker.ask(lambda: {}, 60.0)\n"
            "print(worker.pid, flush=True)\n"
            "input()",
        ],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert station.stdout is not None
    handle = os.pidfd_open(int(station.stdout.readline()))
    station.kill()
    station.wait()
    assert select.select([handle], [], [], 60.0)[0], "the process outlives its station"
    os.close(handle)
