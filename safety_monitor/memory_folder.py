"""Files that are kept in memory: they can be written where every disk is full, or cannot be written."""

import os
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108  # not a known name in it


def memory_folder() -> Path | None:
    """Where such files can be; None: nowhere on this machine."""
    return MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK | os.X_OK) else None
