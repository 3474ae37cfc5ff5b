"""Judges one recording that came from outside, in a process of its own with limits on what it may use.

Settings come in on stdin as JSON, the result goes out on stdout as JSON. What a damaged or hostile file does to a
decoder ends with this process, and not with the station.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from safety_monitor.config import Settings

MEMORY_BYTES = 2 << 30
"""Most private memory."""
WRITTEN_BYTES = 1 << 20
"""Most that it may write into a file."""
PROGRESS = "progress "
"""Begins a line of its output that tells how far it is."""
WAITING = 4
"""Most recordings that wait for their turn or are judged."""
T = TypeVar("T")
DRAWING = "spectrogram.png"
COLUMNS = 1200
SECTIONS = {"home", "camera", "hearing", "seeing", "emergency", "fusion"}
"""Settings that judging needs; no others are handed over."""


class AnalysisError(Exception):
    """A recording could not be judged; the text is one line that says why."""


class BusyError(Exception):
    """Too many recordings are waiting; the text is one line that says so."""


class Analyses:
    """Judges recordings, one at a time, in a thread of its own: those that wait take none from whoever decides.

    Args:
        settings: of the station.
        limit_s: longest time for one.
    """

    def __init__(self, settings: Settings, limit_s: float) -> None:
        self._settings = settings.model_dump_json(include=SECTIONS)
        self._limit_s = limit_s
        self._thread = ThreadPoolExecutor(1, "analysis")
        self._waiting = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._closed = False

    async def in_turn(self, work: Callable[[], T]) -> T:
        """What comes of work that ends with `judge`, as soon as it is its turn; to be called from one event loop.

        Raises:
            BusyError: too many wait already.
        """
        if self._waiting >= WAITING:
            raise BusyError("too many recordings are waiting; try again later")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1

    def judge(self, file: Path, progress: Callable[[float], None] = lambda share: None) -> tuple[dict[str, Any], bytes]:
        """What `safety-monitor analyze --json` says of a file; blocks until it is done, see `in_turn`.

        Args:
            file: to be judged.
            progress: told how much of the work is done, 0..1, as far as that is known.

        Returns:
            The result, and the spectrogram of its sound as a PNG file; empty if it has none.

        Raises:
            AnalysisError: it takes too long or too much memory, or the decoder crashed.
        """
        with tempfile.TemporaryDirectory(prefix="safety-monitor-") as folder:
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
            late = threading.Event()

            def end() -> None:
                late.set()
                process.kill()

            limit = threading.Timer(self._limit_s, end)
            limit.start()
            output = ""
            try:
                with suppress(BrokenPipeError):  # it has ended already; what it said tells why
                    process.stdin.write(self._settings)  # type: ignore[union-attr]
                    process.stdin.close()  # type: ignore[union-attr]
                for line in process.stdout:  # type: ignore[union-attr]
                    if line.startswith(PROGRESS):
                        progress(float(line.removeprefix(PROGRESS)))
                    else:
                        output = line
                process.wait()
            finally:
                limit.cancel()
                process.kill()
                process.wait()
                with self._lock:
                    self._process = None
            if late.is_set():
                raise AnalysisError(f"judging it takes longer than {self._limit_s:g} s")
            drawing = Path(folder, DRAWING)
            picture = drawing.read_bytes() if drawing.exists() else b""
        try:
            result: dict[str, Any] = json.loads(output)
        except ValueError:
            raise AnalysisError("it cannot be decoded, or needs more memory than it may have") from None
        return result, picture

    def close(self) -> None:
        """End what is being done."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
        self._thread.shutdown(wait=False, cancel_futures=True)


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


def draw(file: Path) -> None:
    """Leave the spectrogram of a recording in the current folder; none of one that cannot be read to its end."""
    from audio.blocks import SoundError
    from audio.capture import open_sound
    from audio.spectrogram import spectrogram
    from safety_monitor.web.picture import drawn

    try:
        levels = spectrogram((block.samples for block in open_sound(str(file), fast=True)), COLUMNS)
        if len(levels):
            Path(DRAWING).write_bytes(drawn(levels))
    except (SoundError, MemoryError, OSError):  # the judgement counts without it
        return


def main() -> None:
    """One file: judge it."""
    from safety_monitor.analysis import Analyst
    from safety_monitor.sensing import SenseError

    told = 0.0

    def progress(share: float) -> None:
        nonlocal told
        if share >= told + 0.01:
            told = share
            print(f"{PROGRESS}{share:.2f}", flush=True)

    settings = Settings.model_validate_json(sys.stdin.read())
    limit(MEMORY_BYTES, 3600)
    with Analyst(settings, progress) as analyst:
        try:
            result = analyst.analyze(Path(sys.argv[1]))
            if result.get("segments"):
                draw(Path(sys.argv[1]))
        except SenseError as error:
            result = {"error": str(error)}
        except MemoryError:
            result = {"error": "it needs more memory than it may have"}
    print("\n" + json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
