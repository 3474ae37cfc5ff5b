"""The log: text for people or a line of JSON for each entry, to standard error or to a file that does not grow."""

import json
import logging
import sys
import time
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler

from safety_monitor.config import Settings, SettingsError
from safety_monitor.config.station import LogSettings
from safety_monitor.control_characters import CONTROL
from safety_monitor.operating.redaction import Redaction

OURS = ("safety_monitor", "audio", "gesture", "media", "models")
"""Packages whose level the settings set; libraries are heard from warnings on, or from infos on when debugging."""
MOST, WITHIN_S = 20, 60.0
"""So many entries of one library are written within so long, unless somebody debugs."""


class LogFormatter(logging.Formatter):
    """Makes the lines; what is secret in the settings is masked, also where a library wrote it.

    Args:
        redaction: that masks.
        as_json: a JSON object a line, `at` in UTC (ISO 8601); else text with the local time of day.
        dated: whether text has the date, too.
    """

    def __init__(self, redaction: Redaction, *, as_json: bool, dated: bool = False) -> None:
        day = "%Y-%m-%d %H:%M:%S" if dated else "%H:%M:%S"
        super().__init__("%(asctime)s %(levelname)s %(message)s", datefmt=day)
        self._redaction = redaction
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """One entry; text has further lines, indented, where there is a traceback, JSON never has."""
        if not self._as_json:
            first, *more = self._redaction(super().format(record)).split("\n")
            return "\n  ".join([first, *map(_written_out, more)])
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "module": record.name,
            "thread": record.threadName,
            "message": self._redaction(record.getMessage()),
        }
        if record.exc_info:
            entry["exception"] = self._redaction(self.formatException(record.exc_info))
        return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(entry, ensure_ascii=False))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """The first line."""
        return _written_out(super().formatMessage(record))


class Measured(logging.Filter):
    """Leaves out what a library says beyond `MOST`: whoever has it complain, as by nonsense over a web socket, must not
    have all else rotated away."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, tuple[float, int]] = {}
        """By library, since when it is counted, and how much that was."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether an entry is written."""
        library = record.name.partition(".")[0]
        if library in OURS:
            return True
        now = time.monotonic()
        since, said = self._said.get(library, (now, 0))
        since, said = (since, said + 1) if now - since < WITHIN_S else (now, 1)
        self._said[library] = since, said
        if said == MOST + 1:
            logging.getLogger(__name__).warning("%s says too much: for up to %g s it is left out", library, WITHIN_S)
        return said <= MOST


def _written_out(line: str) -> str:
    """A line with what is in `CONTROL` written out, as `\\n`."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), line)


def set_up_log(settings: Settings) -> None:
    """Let everything that is logged from now on go where the settings say.

    A service whose file cannot be written, because its disk has failed, logs to standard error: it must watch.

    Raises:
        SettingsError: the file cannot be written.
    """
    log, lost = settings.log, ""
    try:
        handler = _handler(log)
    except SettingsError as error:
        from safety_monitor.supervision.systemd import is_service  # here, because it takes long to import

        if not is_service():
            raise
        lost = str(error)
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogFormatter(Redaction(settings), as_json=log.format == "json", dated=log.file is not None))
    level = logging.getLevelNamesMapping()[log.level.upper()]
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    if level > logging.DEBUG:
        handler.addFilter(Measured())
    _tell_of_a_full_disk(handler)
    root.addHandler(handler)
    root.setLevel(logging.INFO if level < logging.INFO else max(level, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    if lost:
        logging.getLogger(__name__).error("%s; all goes to standard error", lost)


def check_log(log: LogSettings) -> None:
    """See whether a log could be written where the settings say.

    Raises:
        SettingsError: the file cannot be written.
    """
    _handler(log).close()


def _tell_of_a_full_disk(handler: logging.Handler) -> None:
    """Have what cannot be written to a file go to standard error, with one line that says so; not a traceback each."""
    if not isinstance(handler, logging.FileHandler):
        return
    told = False

    def instead(record: logging.LogRecord) -> None:
        nonlocal told
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            logging.Handler.handleError(handler, record)
            return
        if not told:
            print(f"log.file: {handler.baseFilename} cannot be written: {error.strerror}", file=sys.stderr)
            told = True
        print(handler.format(record), file=sys.stderr)

    handler.handleError = instead  # type: ignore[method-assign]


def _handler(log: LogSettings) -> logging.Handler:
    if log.file is None:
        return logging.StreamHandler(sys.stderr)
    most = round(log.megabytes * 2**20)
    try:
        log.file.parent.mkdir(parents=True, exist_ok=True)
        return RotatingFileHandler(log.file, maxBytes=most, backupCount=log.kept, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"log.file: {log.file} cannot be written: {error.strerror}") from None
