"""Whether this process grows while something goes on in it for long: memory, threads, open files."""

import os
import threading
from collections.abc import Callable
from statistics import median

from benchmarks.machine import resident_mb

MOST = {"memory (MB)": 24.0, "threads": 4, "files": 6}
"""By how much the last quarter of a time may lie above the second."""


class Growth:
    """Measures this process from time to time, in a thread of its own.

    Args:
        queue: how much waits now.
        every_s: seconds between two measurements.
    """

    def __init__(self, queue: Callable[[], int], every_s: float) -> None:
        self._queue = queue
        self._every_s = every_s
        self._found: list[tuple[float, int, int, int]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._measure, name="growth", daemon=True)
        self._thread.start()

    def _measure(self) -> None:
        while not self._over.wait(self._every_s):
            threads = len(os.listdir("/proc/self/task"))
            self._found.append((resident_mb(), threads, len(os.listdir("/proc/self/fd")), self._queue()))

    def end(self) -> tuple[float, list[str], int]:
        """The memory at the end in MB, what grew, a line each, and the longest queue; nothing of too short a time."""
        self._over.set()
        self._thread.join()
        if len(self._found) < 4:
            return 0.0, [], 0
        quarter = len(self._found) // 4
        early, late = self._found[quarter : 2 * quarter], self._found[-quarter:]
        grown = []
        for index, (what, most) in enumerate(MOST.items()):
            before, after = (median(each[index] for each in some) for some in (early, late))
            if after - before > most:
                grown.append(f"{what}: {before:.0f} -> {after:.0f}")
        return late[-1][0], grown, max(each[3] for each in self._found)
