"""Runs the installed command as a user would."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("safety-monitor")
LIMIT_S = 300.0
"""A command that hangs ends the test rather than the day."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command did."""

    status: int
    stdout: str
    stderr: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Each line of stdout as JSON."""
        return [json.loads(line) for line in self.stdout.splitlines()]


def environment(home: Path, **variables: str) -> dict[str, str]:
    """The process's environment with a home of its own, without settings and without a sound device."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SAFETY_MONITOR_")}
    cache = {key: value for key, value in os.environ.items() if key == "SAFETY_MONITOR_CACHE"}
    return {**kept, **cache, "SAFETY_MONITOR_HOME": str(home), "SAFETY_MONITOR_WEB__PORT": "0", **variables}


def safety_monitor(home: Path, *arguments: str | Path, **variables: str) -> Result:
    """Run `safety-monitor` in `home`, which also becomes the folder that it writes to."""
    home.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [str(PROGRAM), *map(str, arguments)],
        env=environment(home, **variables),
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@dataclass(slots=True)
class Running:
    """A station in the background, and what it has said so far."""

    process: subprocess.Popen[str]
    transitions: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    _more: threading.Condition = field(default_factory=threading.Condition)
    _open: int = 2

    @property
    def confirmed(self) -> set[str]:
        """Ids of the incidents that it has said to be confirmed."""
        return {step["incident"] for step in list(self.transitions) if step["state"] == "confirmed"}

    def wait_for(self, said: Callable[["Running"], bool]) -> None:
        """Wait until `said` is true of what the station has printed.

        Raises:
            AssertionError: it ended, or `LIMIT_S` passed, before.
        """
        with self._more:
            self._more.wait_for(lambda: said(self) or not self._open, LIMIT_S)
            assert said(self), "\n".join([*map(str, self.transitions), *self.log])

    def wait_until_armed(self) -> None:
        """Wait until every source is open."""
        self.wait_for(lambda station: any(line.endswith(" armed") for line in station.log))

    def wait_for_state(self, state: str) -> dict[str, Any]:
        """Wait for the first transition into a state."""
        self.wait_for(lambda station: any(step["state"] == state for step in station.transitions))
        return next(step for step in self.transitions if step["state"] == state)

    def stop(self) -> int:
        """SIGTERM, and the exit status that follows."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LIMIT_S)

    def read(self, stream: Iterator[str], keep: Callable[[str], None]) -> None:
        """Keep every line of a stream."""
        for line in stream:
            with self._more:
                keep(line.rstrip("\n"))
                self._more.notify_all()
        with self._more:
            self._open -= 1
            self._more.notify_all()


@contextmanager
def running(home: Path, *arguments: str | Path, environ: Mapping[str, str], **variables: str) -> Iterator[Running]:
    """`safety-monitor run --json` in the background, ended with the block."""
    home.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [str(PROGRAM), "run", "--json", *map(str, arguments)],
        env={**environ, "SAFETY_MONITOR_HOME": str(home), "SAFETY_MONITOR_WEB__PORT": "0", **variables},
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        station = Running(process)
        assert process.stdout is not None
        assert process.stderr is not None
        keepers = [
            (process.stdout, lambda line: station.transitions.append(json.loads(line))),
            (process.stderr, station.log.append),
        ]
        for stream, keep in keepers:
            threading.Thread(target=station.read, args=(stream, keep), daemon=True).start()
        try:
            yield station
        except BaseException:
            print(*station.log, sep="\n")  # pytest shows it where a test has failed
            raise
        finally:
            process.kill()
