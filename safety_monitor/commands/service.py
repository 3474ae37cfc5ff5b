"""Commands around the station: the service, and what to send along when asking for help with it."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from safety_monitor.commands.conventions import (
    ConfigOption,
    JsonOption,
    fail,
    settings_or_fail,
    silence_native_libraries,
)


def add_service_commands(app: typer.Typer) -> None:
    """Add these commands to the others."""
    app.command("install-service")(install_service)
    app.command("uninstall-service")(uninstall_service)
    app.command("support-bundle")(support_bundle)
    app.command("licences")(list_licences)


def as_service() -> NoReturn:
    """Have the command that stands behind --service done as the service does it; what `init` changed comes into use."""
    from safety_monitor.operating import service

    place = service.Place()
    arguments = sys.argv[1:]
    arguments.remove("--service")
    try:
        before = service.settings_changed_at(place)
        status = service.run_as_service(arguments, place)
        if status == 0 and service.settings_changed_at(place) != before and service.is_active():
            asked = "--yes" not in arguments and sys.stdin.isatty()
            if not asked or typer.confirm("Start the station anew now, so that it goes by this?", default=True):
                service.restart()
                doctor = service.command_line("doctor", service.SETTINGS)
                print(f"The station has been started anew; {doctor} shows how it is.")
            else:
                print("It goes by this from its next start on: sudo systemctl restart safety-monitor")
    except (service.ServiceError, OSError) as error:
        fail(error)
    raise typer.Exit(status)


def install_service(
    config: ConfigOption = None,
    show: Annotated[bool, typer.Option("--print", help="Only show the unit.")] = False,
    no_start: Annotated[bool, typer.Option("--no-start", help="Put it in place, but do not start it.")] = False,
    root: Annotated[Path, typer.Option(help="Folder that holds another system; nothing is started there.")] = Path("/"),
    replace: Annotated[
        bool, typer.Option("--replace", help="Take over settings and secrets from here, though the service has some.")
    ] = False,
) -> None:
    """Let systemd run the station, now and whenever the machine starts; takes the rights of root."""

    from safety_monitor.config import SettingsError
    from safety_monitor.config.secret_file import for_service, secrets_there
    from safety_monitor.operating import service

    if show:
        print(service.unit(service.program()), end="")
        return
    found = next((path for path in (config, Path("station.toml")) if path is not None and path.is_file()), None)
    place = service.Place(root.absolute())
    taken_over = replace or not place(service.SETTINGS).exists()  # else what stands here is of no account any more
    if taken_over and (config is not None or found is not None):
        settings_or_fail(config)
    try:
        secrets = for_service(secrets_there())
        done = service.install(service.program(), found, place, secrets=secrets, start=not no_start, replace=replace)
        for line in done:
            print(line)
    except (service.ServiceError, SettingsError, OSError) as error:
        fail(error)


def uninstall_service(
    root: Annotated[Path, typer.Option(help="Folder that holds another system.")] = Path("/"),
) -> None:
    """Stop the service and take it out; settings and what the station kept stay."""
    from safety_monitor.operating import service

    try:
        for line in service.uninstall(service.Place(root.absolute())):
            print(line)
    except (service.ServiceError, OSError) as error:
        fail(error)


def support_bundle(
    output: Annotated[Path | None, typer.Option(help="The zip to write; default: named after the moment.")] = None,
    config: ConfigOption = None,
) -> None:
    """Put together what helps to find out what is wrong: no recordings, no pictures, no secrets, no names."""
    from safety_monitor.operating.support import write_bundle

    settings = settings_or_fail(config)
    silence_native_libraries(settings)
    path = output or Path(f"safety-monitor-{datetime.now(UTC):%Y%m%d-%H%M%S}.zip")
    try:
        parts = write_bundle(settings, path)
    except FileExistsError:
        fail(f"{path}: is there already")
    except OSError as error:
        fail(f"{path}: cannot be written: {error.strerror}")
    print(f"{path}: {', '.join(parts)}")
    print("Look through it before you pass it on; it is meant to hold nothing that is private.")


def list_licences(
    everything: Annotated[
        bool, typer.Option("--all", help="Also what is installed for training, tests and extras.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """The licences of all packages that the station is made of, as their metadata states them."""
    from safety_monitor.operating.licences import licences

    for each in licences():
        if each.needed or everything:
            print(json.dumps(asdict(each)) if as_json else f"{each.package:<28} {each.version:<14} {each.licence}")
