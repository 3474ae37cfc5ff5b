"""Files that are kept in memory: they can be written where every disk is full, or cannot be written."""

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108  # not a known name in it
ROOM = 2 << 20
"""Bytes that have to be free there: 45 seconds of speech, or a young journal."""


def memory_folder() -> Path | None:
    """Where such files can be; None: nowhere on this machine, or there is no room."""
    try:
        free = shutil.disk_usage(MEMORY).free
    except OSError:  # other systems have none
        return None
    return MEMORY if free >= ROOM and os.access(MEMORY, os.W_OK | os.X_OK) else None
