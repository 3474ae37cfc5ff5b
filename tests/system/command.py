"""Runs the installed command as a user would."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
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
    return {**kept, **cache, "SAFETY_MONITOR_HOME": str(home), **variables}


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
