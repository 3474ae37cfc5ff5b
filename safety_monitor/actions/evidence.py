"""Evidence files: kept in a folder for every incident, for some days and gigabytes, protected ones for good.

A file is there whole or not at all. Nothing here raises into the path of an alarm: a full disk costs the evidence, and
is told.
"""

import logging
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.atomic_file import UNFINISHED, write_whole

log = logging.getLogger(__name__)

FOLDER = "evidence"
PROTECTED = ".protected"
HANDS = "hands.csv"
"""Where the joints of hands were: for a training, and no use to a person."""
ABANDONED_S = 3600.0
"""An unfinished file that old belongs to nobody any more."""
LEAST_FREE = 200_000_000
"""Bytes that stay free on the disk: the journal needs them more. Below, no evidence is kept, and that is a trouble."""
DAY_S = 86_400.0
BELIEVED = ".believed"
"""Its time of change is the newest time of day that was believed."""
FIRST_EVER = 1_735_689_600.0
"""2025 began: no evidence is older. A clock without a battery begins at a time before that."""

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,99}")


class EvidenceError(Exception):
    """Evidence cannot be read, or whether it stays cannot be changed; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The evidence of one incident.

    Attributes:
        incident_id: whose it is.
        bytes: of all its files.
        at: when the newest was written; seconds since 1970.
        protected: whether it stays.
    """

    incident_id: str
    bytes: int
    at: float
    protected: bool


class EvidenceStore:
    """The folder `evidence` in the station's home; may be used from any thread and process.

    Args:
        home: of the station.
        keep_days: how long evidence is kept.
        most_bytes: how much of it; beyond that the oldest goes first.
        clock: seconds since 1970.
    """

    def __init__(
        self, home: Path, *, keep_days: float, most_bytes: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = home / FOLDER
        self._keep_s = keep_days * DAY_S
        self._most_bytes = most_bytes
        self._clock = clock
        self._unseen: set[str] = set()
        """Folders of which it was said that they cannot be looked at."""

    def save(self, incident_id: str, name: str, data: bytes) -> Path | None:
        """Keep a file, in place of an older one of the same name; None if that failed, which is logged.

        Raises:
            ValueError: the id or the name could lead out of the folder.
        """
        path = self._of(incident_id) / _checked(_NAME, name)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if shutil.disk_usage(path.parent).free - len(data) < LEAST_FREE:
                raise OSError("the disk is full")
            write_whole(path, data)
        except OSError as error:
            log.error("evidence of %s is lost: %s: %s", incident_id, name, error.strerror or error)
            return None
        return path

    def files(self, incident_id: str) -> tuple[Path, ...]:
        """The whole files of an incident, by name.

        Raises:
            OSError: its folder cannot be read.
        """
        if not _ID.fullmatch(incident_id):  # it stands in a damaged journal, and was never saved under
            return ()
        try:
            found = list(self._of(incident_id).iterdir())
        except FileNotFoundError:
            return ()
        return tuple(sorted(path for path in found if path.name != PROTECTED and path.suffix != UNFINISHED))

    def for_people(self, incident_id: str) -> tuple[Path, ...]:
        """What of an incident goes with messages, by name.

        Raises:
            OSError: its folder cannot be read.
        """
        return tuple(path for path in self.files(incident_id) if path.name != HANDS)

    def protect(self, incident_id: str, protected: bool = True) -> tuple[Path, ...]:
        """Keep the evidence of an incident for good, or not any more.

        Returns:
            Its files.

        Raises:
            EvidenceError: there is none, or the disk refuses.
        """
        try:
            if not (files := self.files(incident_id)):
                raise EvidenceError(f"there is no evidence of {incident_id}: none was kept, or it is gone")
            mark = self._of(incident_id) / PROTECTED
            if protected:
                mark.touch(mode=0o600)
            else:
                mark.unlink(missing_ok=True)
        except OSError as error:
            raise EvidenceError(f"the evidence of {incident_id} cannot be changed: {error.strerror or error}") from None
        return files

    def is_protected(self, incident_id: str) -> bool:
        """Whether the evidence of an incident stays."""
        return bool(_ID.fullmatch(incident_id)) and (self._of(incident_id) / PROTECTED).exists()

    def forget(self, incident_id: str) -> None:
        """Delete all evidence of an incident, protected or not."""
        shutil.rmtree(self._of(incident_id), ignore_errors=True)

    def kept(self) -> list[Kept]:
        """What there is, the oldest first; what a system or a person put beside it, as lost+found, is left alone."""
        found = []
        for folder in self._folder.glob("*/"):
            if not _ID.fullmatch(folder.name):
                continue
            try:
                found.append(self._look(folder))
            except OSError as error:  # root's, of a run that was none of the service: it must not keep all else here
                if folder.name not in self._unseen:
                    self._unseen.add(folder.name)
                    log.error("%s: evidence stays that cannot be looked at: %s", folder, error.strerror)
        return sorted(found, key=lambda kept: kept.at)

    def _look(self, folder: Path) -> Kept:
        """What a folder holds; what was never finished in it goes.

        Raises:
            OSError: it cannot be read.
        """
        sizes: list[int] = []
        times: list[float] = []
        for path in folder.iterdir():
            try:
                status = path.stat()
            except FileNotFoundError:  # it was finished or deleted meanwhile
                continue
            if path.suffix == UNFINISHED and self._clock() - status.st_mtime > ABANDONED_S:
                path.unlink(missing_ok=True)
                continue
            sizes.append(status.st_size)
            if path.name != PROTECTED:
                times.append(status.st_mtime)
        # Of a folder into which a full disk let nothing be written its own time counts: it is not of 1970.
        at = max(times) if times else folder.stat().st_mtime
        return Kept(folder.name, sum(sizes), at, (folder / PROTECTED).exists())

    def believe(self, now: float) -> None:
        """Remember that it is so late; what was written at a time that cannot be counts from now on.

        Raises:
            OSError: the disk refuses.
        """
        if not self._folder.is_dir():
            return
        for kept in self.kept():
            if not FIRST_EVER <= kept.at <= now + DAY_S:
                for path in self.files(kept.incident_id):
                    os.utime(path, (now, now))
        mark = self._folder / BELIEVED
        mark.touch(mode=0o600)
        os.utime(mark, (now, now))

    def believed_at(self) -> float | None:
        """The newest time of day that was believed; None if none ever was."""
        try:
            return (self._folder / BELIEVED).stat().st_mtime
        except OSError:
            return None

    def overdue(self) -> list[str]:
        """The incidents whose evidence is too old."""
        now = self._clock()
        return [each.incident_id for each in self.kept() if not each.protected and now - each.at > self._keep_s]

    def tidy(self, *, by_age: bool = True) -> list[str]:
        """Delete what is too old, and the oldest of what is too much, but nothing that is protected.

        Args:
            by_age: whether what is too old goes; see `ageing`.

        Returns:
            The incidents whose evidence was deleted.
        """
        overdue = self.overdue() if by_age else []
        kept = self.kept()
        total = sum(each.bytes for each in kept)
        gone = []
        for each in kept:
            if not each.protected and (total > self._most_bytes or each.incident_id in overdue):
                self.forget(each.incident_id)
                total -= each.bytes
                gone.append(each.incident_id)
        if total > self._most_bytes:
            log.warning("protected evidence alone takes %.1f GB, more than evidence.gigabytes", total / 1e9)
        return gone

    def _of(self, incident_id: str) -> Path:
        return self._folder / _checked(_ID, incident_id)


def _checked(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text) or text.endswith(UNFINISHED):
        raise ValueError(f"'{text}' cannot be the name of evidence")
    return text
