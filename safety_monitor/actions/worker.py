"""A process of its own for what may hang: the station's side (`Worker`) and the process's side (`serve`).

They speak in lines of JSON over the process's standard input and output. The station sends `{"request": …}`; the
process answers `{"ended": true}` when it has done it, or `{"failed": "why"}`. Meanwhile the station may send
`{"told": …}`, which is not answered, and is of no account to a process that is doing nothing. When its input ends,
because the station is gone in whatever way, the process ends itself and all it started.
"""

import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

log = logging.getLogger(__name__)

Request = Mapping[str, Any]
KILL_S = 2.0
"""A process that is not gone so long after it was killed hangs in a driver, and is left behind."""
SETTLED_S = 5.0
"""A process that lived this long and then died is started anew at once, not only when it is needed."""


class WorkError(Exception):
    """A request was not carried out; the text is one line that says why."""


class Interrupted(Exception):  # noqa: N818  # not an error: it was asked for
    """A request was broken off with `Worker.interrupt`."""


@dataclass(slots=True)
class _Process:
    popen: subprocess.Popen[str]
    born: float = field(default_factory=time.monotonic)
    answers: "queue.Queue[Request | None]" = field(default_factory=queue.Queue)
    """What it answers; None once it has died."""


class Worker:
    """Starts a process at once, so that it is ready when needed, and anew when it hangs or dies.

    One thread asks; `tell`, `interrupt` and `close` may be called from any.

    Args:
        module: what the process runs, as after `python -m`; it calls `serve`.
        arguments: what stands behind it on the command line.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._module = module
        self._arguments = arguments
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._asked = False
        self._interrupted = False
        self._closed = False
        self._process = self._start()

    @property
    def pid(self) -> int:
        """Number of the process that runs now."""
        return self._process.popen.pid

    def ask(self, request: Callable[[], Request], limit_s: float) -> None:
        """Have a request carried out, and wait for it.

        A process that dies over it gets it once more when it has been started anew.

        Args:
            request: gives the request when it is sent; see `tell` for why.
            limit_s: longest time for it.

        Raises:
            WorkError: it failed, or was not done within `limit_s`; then the process is started anew.
            Interrupted: it was broken off, or the worker is closed.
        """
        deadline = time.monotonic() + limit_s
        with self._lock:
            if self._closed:
                raise Interrupted
            self._asked, self._interrupted = True, False
        try:
            for last in (False, True):
                process = self._running()
                self._send(process, "request", request)
                if self._interrupted:  # in the very moment: what was ended then may have been the process before this
                    self._replace(process)
                    raise Interrupted
                try:
                    if self._wait(process, deadline):
                        return
                except queue.Empty:
                    self._replace(process)
                    reason = f"was not done within {limit_s:g} s; its process was ended and started anew"
                    raise WorkError(reason) from None
                if self._interrupted or self._closed:
                    raise Interrupted
                if last:
                    break
                log.warning("%s: the process died; starting it anew", self._module)
            raise WorkError(f"the process died (exit status {process.popen.poll()})")
        except OSError as error:
            raise WorkError(f"the process cannot be started ({error})") from None
        finally:
            with self._lock:
                self._asked = False

    def tell(self, told: Callable[[], Request]) -> None:
        """Tell the process something while it carries out a request; nothing happens if it does none.

        What is told and what is asked are made up while they are sent, one after the other: what is told after a
        change either reaches the process behind the request, or the request knew of the change.
        """
        self._send(self._process, "told", told)

    def interrupt(self) -> None:
        """Break off what is being carried out, by ending the process; it is started anew at once."""
        with self._lock:
            if not self._asked:
                return
            self._interrupted = True
        self._replace(self._process)

    def close(self) -> None:
        """End the process for good."""
        with self._lock:
            self._closed = True
        _kill(self._process)

    def _start(self) -> _Process:
        # The package is found again where this one was, from whatever folder the station was started.
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        popen = subprocess.Popen(
            [sys.executable, "-m", self._module, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,
        )
        process = _Process(popen)
        threading.Thread(target=self._listen, args=(process,), name=f"listen-{popen.pid}", daemon=True).start()
        return process

    def _listen(self, process: _Process) -> None:
        """Pass on what a process answers until it is gone."""
        assert process.popen.stdout is not None  # noqa: S101  # it was made with a pipe
        for line in process.popen.stdout:
            with suppress(ValueError):
                process.answers.put(json.loads(line))
        process.popen.wait()
        process.answers.put(None)
        if time.monotonic() - process.born >= SETTLED_S:
            self._replace(process)

    def _running(self) -> _Process:
        """The process, alive."""
        process = self._process
        return self._replace(process) if process.popen.poll() is not None else process

    def _replace(self, process: _Process) -> _Process:
        """End a process and start another in its place, unless that has happened already."""
        _kill(process)
        with self._lock:
            if self._process is process and not self._closed:
                self._process = self._start()
            return self._process

    def _send(self, process: _Process, kind: str, content: Callable[[], Request]) -> None:
        assert process.popen.stdin is not None  # noqa: S101  # it was made with a pipe
        with self._sending, suppress(OSError, ValueError):  # it has just died: `_wait` will see it
            process.popen.stdin.write(json.dumps({kind: content()}) + "\n")
            process.popen.stdin.flush()

    @staticmethod
    def _wait(process: _Process, deadline: float) -> bool:
        """Wait for the end of a request; False if the process died."""
        while (answer := process.answers.get(timeout=max(deadline - time.monotonic(), 0.0))) is not None:
            if "failed" in answer:
                raise WorkError(str(answer["failed"]))
            if "ended" in answer:
                return True
        return False


def _kill(process: _Process) -> None:
    """End a process and all it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.popen.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.popen.wait(KILL_S)


def serve(
    carry_out: Callable[[Request, "queue.Queue[Request]"], None], clear_up: Callable[[], None] = lambda: None
) -> NoReturn:
    """The process's side: carry out requests until the input ends.

    Standard output belongs to the answers alone: whatever else is printed goes to standard error.

    Args:
        carry_out: does one request; raises `WorkError` if it cannot. The queue brings what is told meanwhile.
        clear_up: called when the station is gone.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    requests: queue.Queue[tuple[Request, queue.Queue[Request]]] = queue.Queue()

    def listen() -> None:
        told: queue.Queue[Request] = queue.Queue()
        for line in sys.stdin:
            content = json.loads(line)
            if "request" in content:
                told = queue.Queue()
                requests.put((content["request"], told))
            else:
                told.put(content["told"])
        clear_up()
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(0)

    threading.Thread(target=listen, name="listen", daemon=True).start()
    while True:
        request, told = requests.get()
        try:
            carry_out(request, told)
            answer: dict[str, Any] = {"ended": True}
        except WorkError as error:
            answer = {"failed": str(error)}
        except Exception as error:  # whatever a driver raises is told in one line, and the process lives on
            answer = {"failed": " ".join(f"{type(error).__name__}: {error}".split())}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
