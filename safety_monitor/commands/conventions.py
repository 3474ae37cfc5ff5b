"""What commands share: the settings they begin with, the journal they open, and the one line in which they end.

Heavy parts are imported by the command that needs them: `--help` must not wait for a database.
"""

import faulthandler
import logging
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from models.extras import installing
from safety_monitor.config import Settings, SettingsError
from safety_monitor.config.sources import load_settings
from safety_monitor.operating.logs import set_up_log

if TYPE_CHECKING:
    from safety_monitor.journal.incidents import Journal

WRONG_INPUT = 2
"""Exit status when nothing could be started."""
TROUBLE = 1
"""Exit status when it ran, but not all went well."""

ConfigOption = Annotated[Path | None, typer.Option("--config", help="Settings file; default: station.toml.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, to stdout.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="May be shortened while it is unique.")]


def fail(text: object, status: int = WRONG_INPUT) -> NoReturn:
    """One line on stderr, and the exit status."""
    complain(text)
    raise typer.Exit(status)


def complain(text: object) -> None:
    """One line on stderr; of what the system refused the file and the reason."""
    if isinstance(text, OSError) and text.strerror:
        text = f"{text.filename}: {text.strerror}" if text.filename else text.strerror
    say(f"safety-monitor: {text}")


def say(line: str) -> None:
    """A line for whoever watches, on stderr."""
    typer.echo(f"{_wipe()}{line}", err=True)


def say_for_now(line: str = "") -> None:
    """A line on stderr that the next one takes the place of, or nothing; where no terminal is, none is drawn."""
    if sys.stderr.isatty():
        typer.echo(f"{_wipe()}{line[: _columns() - 1]}", err=True, nl=False)


def _wipe() -> str:
    return f"\r{' ' * (_columns() - 1)}\r" if sys.stderr.isatty() else ""


def _columns() -> int:
    return shutil.get_terminal_size().columns


def lists(context: typer.Context) -> bool:
    """Whether a group of commands was called without one, and lists; its options mean nothing to any other command."""
    behind, given = context.invoked_subcommand, given_options(context)
    if behind and given:
        fail(f"{' and '.join(given)} must stand behind {behind}")
    return behind is None


def given_options(context: typer.Context) -> list[str]:
    """Options that the command line gives."""
    sources = {option.opts[0]: context.get_parameter_source(option.name or "") for option in context.command.params}
    return [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]


def fail_without(error: ModuleNotFoundError, doing: str = "training") -> NoReturn:
    """The line for somebody who has not installed the packages that training takes."""
    fail(f"{error.name} is missing: {doing} needs the extra packages; {installing('train')}")


def read_settings(config: Path | None) -> Settings:
    """The checked settings."""
    try:
        return load_settings(config)
    except SettingsError as error:
        fail(error)


def settings_or_fail(config: Path | None, **overrides: dict[str, Any]) -> Settings:
    """The checked settings, with what the command line says on top, and the log they ask for."""
    settings = read_settings(config)
    changes = {
        section: getattr(settings, section).model_copy(
            update={key: value for key, value in values.items() if value is not None}
        )
        for section, values in overrides.items()
    }
    try:
        set_up_log(settings)
    except SettingsError as error:
        fail(error)
    return settings.model_copy(update=changes)


def with_journal(config: Path | None, use: Callable[["Journal"], Any]) -> Any:
    """Call `use` with the open journal."""
    from safety_monitor.journal.file import JournalError
    from safety_monitor.journal.incidents import Journal

    settings = settings_or_fail(config)
    tell_of_service(settings)
    try:
        journal = Journal(settings.home)
        try:
            return use(journal)
        finally:
            journal.close()
    except JournalError as error:
        fail(error)


def tell_of_service(settings: Settings) -> None:
    """Say so where a service runs here, and this does not look at it: who takes one for the other trusts it wrongly."""
    from safety_monitor.operating import service

    if service.UNIT.exists() and settings.home != service.HOME:
        say(
            f"safety-monitor: this looks at {settings.home}, not at the service that runs here; "
            f"for that: sudo {service.program()} --service …"
        )


def given_line() -> str:
    """The first line of standard input, for a script that gives a PIN or a password."""
    try:
        line = sys.stdin.readline().rstrip("\r\n")
        line.encode()
    except UnicodeError:
        fail("what stands on standard input is no text (UTF-8)")
    return line


def _writes_to_standard_error() -> bool:
    try:
        return sys.stderr.fileno() == 2
    except (OSError, ValueError, AttributeError):  # somebody put something else in its place
        return False


def end_within(limit_s: float) -> None:
    """End the process after so many seconds, whatever hangs in it, and say where; called again it begins anew."""
    with suppress(OSError, ValueError):  # without standard error there is nobody to tell
        faulthandler.dump_traceback_later(limit_s, exit=True, file=sys.stderr)


def silence_native_libraries(settings: Settings) -> None:
    """Keep what MediaPipe, ALSA and others print past Python off the terminal; log level debug shows it.

    They write to file descriptor 2. Python's own stderr moves to a copy of it, and theirs leads nowhere. Where Python
    writes elsewhere already, nothing is changed.
    """
    if settings.log.level == "debug" or not _writes_to_standard_error():
        return
    before = sys.stderr
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is before:
            handler.setStream(sys.stderr)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
