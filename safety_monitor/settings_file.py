"""The settings file of a running station: read, changed and written again without hurting it.

Nothing is written that the next start would refuse. The file is replaced in one step, so that a power cut leaves the
old one or the new one, and the one before lies beside it as `station.toml.bak`.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safety_monitor.config import Settings, SettingsError, checked, read_file, set_outside
from safety_monitor.settings_text import TextError, changed

BACKUP = ".bak"


@dataclass(frozen=True, slots=True)
class Written:
    """What stands in the file.

    Attributes:
        text: all of it; empty where there is no file.
        values: nested like the file.
    """

    text: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """One settings file; may be used from several threads.

    Attributes:
        path: where it is, or will be.
        check: raises `SettingsError` for settings that a start would refuse, beyond what the settings themselves say.
        environ: the environment; None: that of the process.
    """

    path: Path
    check: Callable[[Settings], None] = lambda settings: None
    environ: Mapping[str, str] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> Written:
        """What stands in it now.

        Raises:
            SettingsError: it cannot be read as TOML.
        """
        try:
            return Written(*read_file(self.path))
        except FileNotFoundError:
            return Written("", {})

    def outside(self) -> dict[str, Any]:
        """What `.env` and the environment set, and the file therefore cannot; secrets among it."""
        return set_outside(self.environ)

    def settings(self, values: dict[str, Any]) -> Settings:
        """The settings that a start would use if these values stood in the file.

        Raises:
            SettingsError: it would refuse them.
        """
        settings = checked(values, self.path, self.environ)
        self.check(settings)
        return settings

    def write(self, before: Written, values: dict[str, Any]) -> Settings:
        """Check values and put them into the file.

        Args:
            before: as it was read when the values were made of it.
            values: all that is to stand there.

        Returns:
            The settings that the next start will use.

        Raises:
            SettingsError: a start would refuse them, the file has been changed meanwhile, or it cannot be written.
        """
        settings = self.settings(values)
        with self._lock:
            if self.read().text != before.text:
                raise SettingsError(f"{self.path} has been changed meanwhile; load the page again")
            try:
                _replace(self.path.resolve(), changed(before.text, values))
            except TextError as error:
                raise SettingsError(f"{self.path}: {error}") from None
            except OSError as error:
                raise SettingsError(f"{self.path}: cannot be written: {error.strerror or error}") from None
        return settings


def _replace(path: Path, text: str) -> None:
    """Put a text in place of a file in one step; what was there becomes the backup."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, name)
            with suppress(PermissionError):  # only root may give files away
                os.chown(name, path.stat().st_uid, path.stat().st_gid)
            shutil.copy2(path, path.with_name(path.name + BACKUP))
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
