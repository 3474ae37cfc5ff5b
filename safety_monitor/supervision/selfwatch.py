"""The station looks at itself: memory, threads, open files, free disk, and whether its machine slept."""

import os
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safety_monitor.actions.evidence import LEAST_FREE
from safety_monitor.supervision.supervisor import Ill

SLEPT_S = 5.0
"""A machine whose clocks went apart by more than this slept."""
GROWN_MEMORY = 500_000_000
GROWN_THREADS = 40
GROWN_FILES = 200
"""Beyond what there was once everything had been used: more is a leak."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the process takes; None where the system does not say.

    Attributes:
        memory: resident, in bytes.
        threads: of Python.
        files: open ones, sockets among them.
    """

    memory: int | None
    threads: int
    files: int | None


def figures() -> Figures:
    """What this process takes now."""
    try:
        memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        files = len(os.listdir("/proc/self/fd"))
    except (OSError, ValueError, IndexError):
        return Figures(None, threading.active_count(), None)
    return Figures(memory, threading.active_count(), files)


def growth(first: Figures, now: Figures) -> Mapping[str, Ill | None]:
    """By part, what has grown too much.

    Args:
        first: once everything had been used.
        now: later.
    """
    return {
        "memory": _grown(first.memory, now.memory, GROWN_MEMORY, 1e6, " MB"),
        "number of threads": _grown(first.threads, now.threads, GROWN_THREADS),
        "open files": _grown(first.files, now.files, GROWN_FILES),
    }


def _grown(first: int | None, now: int | None, most: int, unit: float = 1.0, name: str = "") -> Ill | None:
    if first is None or now is None or now - first <= most:
        return None
    return Ill(f"grew from {first / unit:.0f} to {now / unit:.0f}{name}; start the station anew")


def disk(home: Path) -> Ill | None:
    """Whether there is room where the station writes."""
    try:
        free = shutil.disk_usage(home).free
    except OSError as error:
        return Ill(f"{home}: {error.strerror}")
    if free < LEAST_FREE:
        return Ill(f"only {free / 1e6:.0f} MB are free in {home}; make room")
    return None


def asleep() -> float:
    """Seconds that the machine has slept since it was started; 0 where the system does not say."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
