"""The program: its commands, those in `commands/` included, and how it ends. A command imports heavy parts itself."""

import errno
import io
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from safety_monitor.commands.access import add_access_commands
from safety_monitor.commands.conventions import (
    TROUBLE,
    WRONG_INPUT,
    ConfigOption,
    JsonOption,
    complain,
    end_within,
    fail,
    settings_or_fail,
    silence_native_libraries,
    tell_of_service,
)
from safety_monitor.commands.first_run import init
from safety_monitor.commands.gestures import app as gesture_commands
from safety_monitor.commands.hearing import add_hearing_commands
from safety_monitor.commands.incidents import incident_line, incidents
from safety_monitor.commands.measuring import add_measuring_commands
from safety_monitor.commands.models import models
from safety_monitor.commands.outbox import add_outbox_commands
from safety_monitor.commands.service import add_service_commands, as_service
from safety_monitor.commands.training import evaluate_app, train_app
from safety_monitor.config import Settings, SettingsError
from safety_monitor.incident import Incident, incident_json

app = typer.Typer(
    name="safety-monitor",
    help="Hears screams, sees an emergency hand gesture, and gets help.",
    epilog="Begin with init, which makes the first settings; then doctor, test-alert, run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(incidents, name="incidents")
app.add_typer(gesture_commands)
app.add_typer(train_app, name="train")
app.add_typer(evaluate_app, name="evaluate")


@app.callback()
def begin(
    service: Annotated[
        bool,
        typer.Option("--service", help="Do it as the service that runs here: by its settings, secrets and journal."),
    ] = False,
) -> None:
    """Hears screams, sees an emergency hand gesture, and gets help."""
    if service:
        as_service()


END_LIMIT_S = 55.0
"""A station that was told to end is gone by then, even if something hangs that has no time limit of its own."""


@app.command()
def run(
    camera: Annotated[
        str | None,
        typer.Option(help="Device number or name, file, picture folder, http or rtsp address, demo or off."),
    ] = None,
    mic: Annotated[
        str | None, typer.Option(help="Device number or name, file, http or rtsp address, demo or off.")
    ] = None,
    config: ConfigOption = None,
    fps: Annotated[float | None, typer.Option(min=0.1, max=240.0, help="Pictures a second of a folder.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Play recordings as fast as possible.")] = False,
    demo_without_devices: Annotated[
        bool, typer.Option("--demo-without-devices", help="Play the demo scene when there is no camera or microphone.")
    ] = False,
    no_web: Annotated[bool, typer.Option("--no-web", help="Serve no pages, as with --fast.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Watch and listen until the inputs end or Ctrl-C."""
    from media.lasting import notice_all
    from safety_monitor.operating.restart import start_again
    from safety_monitor.running import make_station
    from safety_monitor.sources import NothingToWatchError, choose_sources
    from safety_monitor.supervision.systemd import notify, told_to_systemd

    settings = settings_or_fail(config, camera={"source": camera, "fps": fps}, microphone={"source": mic})
    silence_native_libraries(settings)
    notice_all()
    try:
        settings = choose_sources(settings, demo_without_devices=demo_without_devices)
    except NothingToWatchError as error:
        fail(error)

    # A recording played fast is over before anybody could look.
    web = None if no_web or fast or not settings.web.port else web_server(settings, config)

    def tell(incident: Incident) -> None:
        print(json.dumps(incident_json(incident)) if as_json else incident_line(incident), flush=True)

    try:
        station = make_station(settings, fast=fast, on_transition=tell)
    except SettingsError as error:
        fail(error)
    if web is not None:
        web.start(station)

    def stop() -> None:
        end_within(END_LIMIT_S)
        notify("STOPPING=1")
        station.stop()

    stop_on_signals(stop)
    try:
        with told_to_systemd(station.view, station.hearts.stale), dead_mans_switch(settings, station):
            summary = station.run()
    finally:
        end_within(END_LIMIT_S)
        if web is not None:
            web.close()
    if station.starting_again:
        start_again()
    if not summary.started:
        raise typer.Exit(WRONG_INPUT)
    typer.echo(
        f"watched {summary.watched_s:.1f} s, {len(summary.confirmed)} confirmed"
        + "".join(f"\n  {incident_line(incident)}" for incident in summary.confirmed),
        err=True,
    )
    if summary.troubles:
        raise typer.Exit(TROUBLE)


def dead_mans_switch(settings: Settings, station: Any) -> AbstractContextManager[None]:
    """What tells somebody else while all is well, if that is set."""
    given = settings.supervision
    if given.ping_url is None:
        return nullcontext()
    from safety_monitor.supervision.dead_man import pinging

    return pinging(given.ping_url.get_secret_value(), given.ping_every_s, lambda: station.well)


def web_server(settings: Settings, config: Path | None) -> Any:
    """What will serve pages and API of a station in the background."""
    from safety_monitor.operating.serving import WebError
    from safety_monitor.sources import is_patient
    from safety_monitor.web.server import WebServer

    try:
        return WebServer(settings, config, patient=is_patient(settings))
    except WebError as error:
        fail(error)


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Ctrl-C and SIGTERM end cleanly; a second one at once."""

    def handle(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)


@app.command()
def analyze(
    files: Annotated[list[str], typer.Argument(help="Recordings or pictures.", show_default=False)],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge recordings: sound, video or both, and pictures."""
    from media.container import display_name, is_address
    from safety_monitor.analysis import Analyst, describe
    from safety_monitor.sensing import SenseError

    settings = settings_or_fail(config)
    if address := next(filter(is_address, files), None):
        fail(f"{display_name(address)}: is an address; run --mic or --camera listens to it, analyze takes files")
    silence_native_libraries(settings)
    failed = False
    with Analyst(settings) as analyst:
        for file in files:
            try:
                result = analyst.analyze(Path(file))
            except SenseError as error:
                fail(error)
            failed = failed or "error" in result
            print(json.dumps(result) if as_json else describe(result), flush=True)
    if failed:
        raise typer.Exit(TROUBLE)


@app.command()
def doctor(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check every part that a run needs; exit status 1 when something is missing."""
    from safety_monitor.operating.doctor import examine

    settings = settings_or_fail(config)
    tell_of_service(settings)
    silence_native_libraries(settings)
    findings = examine(settings)
    for finding in findings:
        print(json.dumps(asdict(finding)) if as_json else finding.line)
    wrong = [finding.part for finding in findings if finding.needed and not finding.ok]
    if not as_json:
        print(f"\nTo be mended first: {', '.join(wrong)}" if wrong else "\nNothing is missing that a run needs.")
    if wrong:
        raise typer.Exit(TROUBLE)


@app.command()
def settings() -> None:
    """Print a station.toml with every setting, its default and its meaning."""
    from safety_monitor.config.page import template

    print(template())


add_hearing_commands(app)
add_measuring_commands(app)
add_access_commands(app)
add_outbox_commands(app)
app.add_typer(models, name="models")
app.command("init")(init)
add_service_commands(app)


def main() -> None:
    """The console script."""
    open_what_was_closed()
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # As standard error does: what a terminal cannot show, such as a file's name from elsewhere, must end nothing.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            status = app(standalone_mode=False)
        finally:
            sys.stdout.flush()
    except TyperException as error:
        sys.exit(misused(error))
    except typer.Abort:
        complain("stopped")
        sys.exit(TROUBLE)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(TROUBLE)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        complain(error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is not tried again
        sys.exit(TROUBLE)
    sys.exit(status or 0)


def open_what_was_closed() -> None:
    """Let nothing come of what is written where the caller has closed standard output, and the like.

    Else the next file that is opened, such as the journal, stands in its place, and gets what libraries write there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The lowest number that is free, so that it stays taken as long as the program lives.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def misused(error: TyperException) -> int:
    """Say in one line what is wrong with a command line, or print the help where there is nothing on it.

    Returns:
        The exit status.
    """
    message = error.format_message()
    if "\n" in message:
        typer.echo(message, err=True)
        return error.exit_code
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "safety-monitor"
    message = message.removesuffix(".").replace("Value error, ", "").replace("Input should be", "must be")
    complain(f"{message}; see {command} --help")
    return error.exit_code
