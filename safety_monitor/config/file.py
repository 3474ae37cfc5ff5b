"""The settings file of a running station: read, changed and written again without hurting it.

Nothing is written that the next start would refuse. The file is replaced in one step, so that a power cut leaves the
old one or the new one, and the one before lies beside it as `station.toml.bak`.
"""

import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.atomic_file import write_whole
from safety_monitor.config import Settings, SettingsError
from safety_monitor.config.sources import checked, read_file, set_outside
from safety_monitor.config.text import TextError, changed

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
                text = changed(before.text, values)
            except TextError as error:
                raise SettingsError(f"{self.path}: {error}") from None
            replace_file(self.path, text)
        return settings


def replace_file(path: Path, text: str) -> Path | None:
    """Put a text in place of a settings file in one step.

    Returns:
        Where the file before is now; None if there was none.

    Raises:
        SettingsError: it cannot be written.
    """
    place = path.resolve()
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        backup = place.with_name(place.name + BACKUP) if place.exists() else None
        if backup:
            backup.unlink(missing_ok=True)  # root may have left it there, where this user may only take it away
            shutil.copy2(place, backup)
        write_whole(place, text.encode())
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written: {error.strerror or error}") from None
    return backup
