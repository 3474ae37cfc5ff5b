"""The file `.env` of secrets: entries put into it, all others left as they are, and handed on to the service."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from models.atomic_file import write_whole
from safety_monitor.config import PREFIX, SettingsError

SECRETS_VARIABLE = f"{PREFIX}SECRETS"
"""Names another file than `.env` in the current folder: that of the service."""
OF_THE_UNIT = frozenset({f"{PREFIX}HOME", f"{PREFIX}CACHE", SECRETS_VARIABLE})
"""Variables that a service has from its unit."""
MODE = 0o600


def env_file() -> Path:
    """Where the secrets stand."""
    return Path(os.environ.get(SECRETS_VARIABLE) or ".env")


def secrets_there() -> dict[str, str | None]:
    """What the file sets; nothing where it is not there. None is the value of a name that stands alone.

    Raises:
        SettingsError: it cannot be read, or a line of it is not a name and a value.
    """
    path = env_file()
    if path.is_dir():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not a text in UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            raise SettingsError(f"{path}: line {binding.original.line} is not written NAME=value, or lacks a quote")
    values = dotenv_values(stream=StringIO(text), interpolate=not os.environ.get(SECRETS_VARIABLE))
    if not os.environ.get(SECRETS_VARIABLE):
        return values
    return {name: value and re.sub(r"\\([$`])", r"\1", value) for name, value in values.items()}  # see `for_service`


@contextmanager
def secrets_put(entries: Mapping[str, str | None], path: Path | None = None) -> Iterator[None]:
    """Put entries into the file while what depends on them is written; if that fails, it is as it was before.

    Args:
        entries: name of a variable -> its value, without quotes, backslashes and line ends; None: to be taken out.
        path: the file; None: see `env_file`. Afterwards only its owner may read it.

    Raises:
        SettingsError: it cannot be read or written.
    """
    if not entries:
        yield
        return
    path = path or env_file()
    place = path.resolve()
    try:
        before = place.read_bytes() if place.exists() else None
        text = with_entries((before or b"").decode(), entries)
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not a text in UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        _write(place, text.encode())
        yield
    except BaseException as error:
        if before is None:
            place.unlink(missing_ok=True)
        elif place.read_bytes() != before:
            _write(place, before)
        if isinstance(error, OSError):
            raise SettingsError(f"{path}: cannot be written: {error.strerror or error}") from None
        raise


def _write(place: Path, data: bytes) -> None:
    if place.exists():
        place.chmod(MODE)  # before anything secret comes in
    write_whole(place, data, mode=MODE)


def with_entries(text: str, entries: Mapping[str, str | None]) -> str:
    """The text of the file with these entries: each in its old place, or at the end."""
    lines: list[str] = []
    left = {name: value for name, value in entries.items() if value is not None}
    for binding in parse_stream(StringIO(text)):
        name = (binding.key or "").upper()
        if name not in entries:
            lines.append(binding.original.string.rstrip("\n"))
        elif name in left:
            lines.append(_entry(name, left.pop(name)))
    lines += [_entry(name, value) for name, value in left.items()]
    return "".join(f"{line}\n" for line in lines)


def _entry(name: str, value: str) -> str:
    if unfit := set(value) & set("'\\\n\r"):
        raise SettingsError(f"{name}: a value with {min(unfit)!r} cannot be written; put it into the file by hand")
    return f"{name}='{value}'"


def for_service(values: Mapping[str, str | None]) -> str:
    """Our variables among these, as the file of the service has them: systemd and shells read them as well.

    Raises:
        SettingsError: systemd would ignore a name.
    """
    lines = []
    for name, value in values.items():
        if value is None or not name.upper().startswith(PREFIX) or name.upper() in OF_THE_UNIT:
            continue
        if not name.isidentifier():
            raise SettingsError(f".env: {name}: systemd takes only letters, digits and _ in a name; call it otherwise")
        quoted = "".join(f"\\{each}" if each in '"\\$`' else each for each in value)
        lines.append(f'{name}="{quoted}"\n')
    return "".join(lines)
