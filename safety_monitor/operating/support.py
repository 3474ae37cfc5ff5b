"""What helps to find out what is wrong with a station, in one zip that may be passed on.

It holds no recordings, no pictures, no secrets, and no names or numbers of people: settings are told by a list of keys
that may be, everything else is only said to be set; and every text is masked once more on its way into the file.
"""

import http.client
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import zipfile
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from media.container import display_name, is_address
from models.card import ModelError
from models.registry import find
from safety_monitor.config import Settings
from safety_monitor.journal.file import JournalError
from safety_monitor.journal.incidents import Journal
from safety_monitor.operating.doctor import examine
from safety_monitor.operating.health_check import ask
from safety_monitor.operating.redaction import Redaction

LOG_LINES = 2000
HEALTH_LIMIT_S = 3.0
TOLD = (200, 503)
"""A station answers so that tells how it is: all is well, or something is wrong."""
JOURNALCTL_LIMIT_S = 20.0
SET = "(set)"
PLAIN_SECTIONS = frozenset({"log", "hearing", "seeing", "emergency", "fusion", "alarm", "limits", "outbox", "evidence"})
"""Sections of which every value may be told; of all others only which keys differ from their defaults."""
PLAIN_KEYS = frozenset({"camera.fps", "microphone.deaf_tail_s", "web.host", "web.port", "mqtt.port", "mqtt.tls"})
ADDRESS_PATH = re.compile(r"(\w+://[^/\s\"']+/)[^\s\"',;)]+")
"""Behind the host of an address there may be keys."""
SOURCES = frozenset({"camera.source", "microphone.source"})


def write_bundle(settings: Settings, path: Path) -> list[str]:
    """Write the zip; a part that cannot be had says so in its place.

    Returns:
        The names of its parts.

    Raises:
        OSError: it cannot be written.
    """
    mask = Redaction(settings, people=True)
    names = []
    with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in _parts(settings):
            told = mask(text).replace(str(Path.home()), "~")
            bundle.writestr(name, told if name.startswith("models/") else ADDRESS_PATH.sub(r"\1…", told))
            names.append(name)
    return names


def _parts(settings: Settings) -> Iterator[tuple[str, str]]:
    yield "versions.json", _json(versions())
    yield "settings.json", _json(told_settings(settings))
    yield "doctor.txt", "\n".join(finding.line for finding in examine(settings)) + "\n"
    yield "journal.json", _json(journal_counts(settings.home))
    yield "health.json", health(settings)
    yield "log.txt", "\n".join(log_lines(settings)) + "\n"
    for name in set(settings.models_named.values()):
        yield f"models/{Path(name).name}.md", _card(name, settings.models_folder)


def versions() -> dict[str, Any]:
    """The machine, and every package on it that may matter."""
    packages = {each.metadata["Name"]: each.version for each in importlib.metadata.distributions() if each.metadata}
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "packages": dict(sorted(packages.items(), key=lambda item: item[0].lower())),
    }


def told_settings(settings: Settings) -> dict[str, Any]:
    """The settings that are not at their defaults, as far as they may be told."""
    return dict(_told(settings, ""))


def _told(section: BaseModel, path: str) -> Iterator[tuple[str, Any]]:
    for name, value in section:
        key = f"{path}{name}"
        if value == type(section).model_fields[name].get_default(call_default_factory=True):
            continue
        plain = key.partition(".")[0] in PLAIN_SECTIONS
        if isinstance(value, BaseModel) and not plain:
            yield name, dict(_told(value, f"{key}."))
        elif plain or key in PLAIN_KEYS:
            yield name, value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        elif key in SOURCES:
            yield name, _source(value)
        elif isinstance(value, tuple | list | dict):
            yield name, f"{len(value)} entries"
        else:
            yield name, SET


def _source(source: str) -> str:
    """A source without credentials, and of a recording not even its name."""
    if is_address(source):
        return display_name(source)
    return "a recording" if Path(source).exists() else source


def journal_counts(home: Path) -> dict[str, Any]:
    """How many incidents and deliveries there are of each kind; nothing of what they are about."""
    try:
        journal = Journal(home)
        try:
            return {
                "bytes": journal.path.stat().st_size,
                "incidents": journal.count_by_state(),
                "deliveries": journal.outbox.count(),
            }
        finally:
            journal.close()
    except (JournalError, OSError) as error:
        return {"error": str(error)}


def health(settings: Settings) -> str:
    """What the running station says of itself, if there is one that may be asked."""
    if not settings.web.port:
        return _json({"error": "the station serves no pages"})
    try:
        status, text = ask(settings.web, HEALTH_LIMIT_S)
    except (OSError, http.client.HTTPException) as error:  # another program may be there
        why = str(error).strip() or type(error).__name__
        return _json({"error": f"no station answers on port {settings.web.port}: {why}"})
    return text if status in TOLD else _json({"error": f"answered {status}: {text}"})


def log_lines(settings: Settings) -> list[str]:
    """The newest lines of the log: of its file and the one put aside last, or of the service in the system journal."""
    if settings.log.file is not None:
        lines: deque[str] = deque(maxlen=LOG_LINES)
        try:
            for path in (settings.log.file.with_name(f"{settings.log.file.name}.1"), settings.log.file):
                if path == settings.log.file or path.exists():
                    with path.open(encoding="utf-8", errors="replace") as file:
                        lines += (line.rstrip("\n") for line in file)
        except OSError as error:
            lines.append(f"{settings.log.file}: cannot be read: {error.strerror}")
        return list(lines)
    if shutil.which("journalctl") is None:
        return ["there is no log file (log.file is not set), and no journalctl on this machine"]
    command = ["journalctl", "--unit=safety-monitor", "--no-pager", "--quiet", f"--lines={LOG_LINES}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=JOURNALCTL_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"journalctl: {error}"]
    return done.stdout.splitlines() or ["there is no log file (log.file is not set), and the journal has no lines"]


def _card(name: str, home: Path) -> str:
    try:
        return (find(name, home) / "card.md").read_text(encoding="utf-8", errors="replace")
    except (ModelError, OSError) as error:
        return str(error)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, default=str, ensure_ascii=False) + "\n"
