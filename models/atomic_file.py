"""Files that are there whole or not at all, whatever interrupts their writing: a crash, a full disk, a power cut."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

UNFINISHED = ".part"
"""Ending of a file that is being written; after a crash one may stay behind."""


def write_whole(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put a file in place in one step, on the disk before this returns.

    Args:
        path: the file; its folder must be there.
        data: all that it is to hold.
        mode: permissions of a new file; one that is replaced keeps its own, and its owner.

    Raises:
        OSError: it cannot be written; what was there stays as it was.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=UNFINISHED)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            # Not by its name: whose folder it is may have put a link there, to a file that only root may open.
            os.fchmod(handle, mode)
            if path.exists():
                before = path.stat()
                with suppress(PermissionError):  # only root may give files away
                    os.fchown(handle, before.st_uid, before.st_gid)
                os.fchmod(handle, stat.S_IMODE(before.st_mode))
            os.fsync(handle)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    put_on_disk(path.parent)


def put_on_disk(path: Path) -> None:
    """Have a file, or which files a folder names, on the disk before this returns.

    Raises:
        OSError: the disk refuses.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
