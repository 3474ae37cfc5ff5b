"""Judges one recording that came from outside, in a process of its own with limits on what it may use.

Settings come in on stdin as JSON, the result goes out on stdout as JSON. What a damaged or hostile file does to a
decoder ends with this process, and not with the station.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from safety_monitor.config import Settings

MEMORY_BYTES = 2 << 30
"""Most private memory."""
WRITTEN_BYTES = 1 << 20
"""Most that it may write into a file."""
SECTIONS = {"home", "camera", "hearing", "seeing", "emergency", "fusion"}
"""Settings that judging needs; no others are handed over."""


class AnalysisError(Exception):
    """A recording could not be judged; the text is one line that says why."""


class Analyses:
    """Judges recordings, one at a time.

    Args:
        settings: of the station.
        limit_s: longest time for one.
    """

    def __init__(self, settings: Settings, limit_s: float) -> None:
        self._settings = settings.model_dump_json(include=SECTIONS)
        self._limit_s = limit_s
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._closed = False

    def judge(self, file: Path) -> dict[str, Any]:
        """What `safety-monitor analyze --json` says of a file; blocks until it is its turn, and until it is done.

        Raises:
            AnalysisError: it takes too long or too much memory, or the decoder crashed.
        """
        with self._turn, tempfile.TemporaryDirectory(prefix="safety-monitor-") as folder:
            with self._lock:
                if self._closed:
                    raise AnalysisError("the station is ending")
                self._process = process = subprocess.Popen(
                    [sys.executable, "-m", "safety_monitor.web.analysis_process", str(file)],
                    cwd=folder,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            try:
                output, _ = process.communicate(self._settings, timeout=self._limit_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise AnalysisError(f"judging it takes longer than {self._limit_s:g} s") from None
            finally:
                with self._lock:
                    self._process = None
        try:
            result: dict[str, Any] = json.loads(output.splitlines()[-1])
        except (IndexError, ValueError):
            raise AnalysisError("it cannot be decoded, or needs more memory than it may have") from None
        return result

    def close(self) -> None:
        """End what is being done."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()


def limit(memory: int, seconds: int) -> None:
    """Bind this process to so much private memory and processor time; if memory is short it is the first to go."""
    for kind, most in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, WRITTEN_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    os.nice(10)
    with suppress(OSError):  # Linux only
        Path("/proc/self/oom_score_adj").write_text("1000")


def main() -> None:
    """One file: judge it."""
    from safety_monitor.analysis import Analyst
    from safety_monitor.station import SenseError

    settings = Settings.model_validate_json(sys.stdin.read())
    limit(MEMORY_BYTES, 3600)
    with Analyst(settings) as analyst:
        try:
            result = analyst.analyze(Path(sys.argv[1]))
        except SenseError as error:
            result = {"error": str(error)}
        except MemoryError:
            result = {"error": "it needs more memory than it may have"}
    print("\n" + json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
