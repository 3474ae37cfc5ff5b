"""Whether a station runs on this machine: what is tried beside it must not take its devices, nor be heard by it."""

from pathlib import Path

from filelock import FileLock, Timeout

from safety_monitor.journal.file import LOCK_NAME
from safety_monitor.operating import service

HEARD = "not sounded: the station that runs here would hear it, and could take it for a scream"


def station_runs(home: Path) -> bool:
    """Whether one does, from this home or as the service."""
    return _holds(home) or service.is_active()


def _holds(home: Path) -> bool:
    lock = home / LOCK_NAME
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a disk that cannot be written, or a folder of somebody else
        return False
