"""Commands around the station: first settings, the service, and what to send along when asking for help with it."""

import json
import sys
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safety_monitor.commands.conventions import (
    TROUBLE,
    ConfigOption,
    JsonOption,
    fail,
    settings_or_fail,
    silence_native_libraries,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from safety_monitor.config.escalation import Contact
    from safety_monitor.operating.first_run import Answers
    from safety_monitor.operating.first_signal import Signal

SIREN_S = 2.0
LISTEN_S = 5.0


def add_service_commands(app: typer.Typer) -> None:
    """Add these commands to the others."""
    app.command("init")(init)
    app.command("install-service")(install_service)
    app.command("uninstall-service")(uninstall_service)
    app.command("support-bundle")(support_bundle)
    app.command("licences")(list_licences)


def init(
    config: Annotated[Path, typer.Option("--config", help="Where to write the settings.")] = Path("station.toml"),
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take the options and else the defaults.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace settings that are there; the old ones are kept beside them.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="What the station is called.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Where it stands, for whoever comes: street, floor, room.")
    ] = None,
    camera: Annotated[str | None, typer.Option(help="What it sees with, or off.")] = None,
    mic: Annotated[str | None, typer.Option(help="What it hears with, or off.")] = None,
    volume: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Loudness of the siren, 0 to 1.")] = None,
    contact: Annotated[
        list[str] | None,
        typer.Option(help="Somebody who is told, such as anna:sms=+491713920031,call=+491713920031; repeatable."),
    ] = None,
) -> None:
    """Make the first settings: finds devices, measures the room's noise, tries the siren, takes contacts."""
    from safety_monitor.config import SettingsError
    from safety_monitor.operating.first_run import Answers, ContactError, read_contact, write_settings

    if not yes and not sys.stdin.isatty():
        fail("run it in a terminal, or with --yes and options")
    if config.exists() and not overwrite:
        if yes:
            fail(f"{config}: is there already; --overwrite replaces it and keeps the old one")
        if not typer.confirm(f"{config} is there already. Replace it? The old one is kept."):
            raise typer.Exit(TROUBLE)
    try:
        contacts = tuple(read_contact(each) for each in contact or ())
    except ContactError as error:
        fail(error)
    answers = Answers(name, camera, mic, volume, contacts, address)
    try:
        answers = answers if yes else _ask(answers)
        before = write_settings(config, answers.text())
    except SettingsError as error:
        fail(error)
    print(f"\nwritten: {config}" + (f"; the one before is {before}" if before else ""))
    if answers.contacts:
        print(
            "The people you named are told through Twilio. Set SAFETY_MONITOR_TWILIO__ACCOUNT_SID, …__AUTH_TOKEN and\n"
            "…__NUMBER in .env (docs/channels.md): without them the station does not start, so that nobody relies on\n"
            "messages that cannot be sent. Then try safety-monitor test-alert."
        )
    print(
        "Next: safety-monitor doctor, then safety-monitor run. Every other setting is explained in the file.\n"
        "E-mail and other services: docs/channels.md. A PIN for calling off and disarming: safety-monitor pin-hash."
    )


def _ask(known: "Answers") -> "Answers":
    """What the person at the terminal says; what the command line said already is not asked again."""
    from audio.blocks import SoundError
    from audio.microphone import list_devices
    from gesture.capture import list_cameras
    from safety_monitor.config import Settings
    from safety_monitor.operating.first_signal import first_picture, first_sound

    silence_native_libraries(Settings())
    if known.name is None:
        known = replace(known, name=typer.prompt("What is the station called, in messages", default="station"))
    if known.address is None:
        question = "Where does it stand, for whoever comes: street, floor, room (empty: not told)"
        known = replace(known, address=typer.prompt(question, default="", show_default=False))
    if known.camera is None:
        cameras = [camera.name for camera in list_cameras()]
        known = replace(known, camera=_choose("camera", cameras, first_picture))
    if known.microphone is None:
        try:
            found = [device.name for device in sorted(list_devices(), key=lambda device: not device.default)]
        except SoundError as error:
            typer.echo(str(error))
            found = []
        known = replace(known, microphone=_choose("microphone", found, first_sound))
    if known.microphone != "off":
        while typer.confirm(f"Listen to the room for {LISTEN_S:g} s, as it usually is?", default=True):
            if _listen(known.microphone or ""):
                break
    known = _try_siren(known)
    contacts = list(known.contacts)
    while (contact := _ask_contact([contact.name for contact in contacts])) is not None:
        contacts.append(contact)
    return replace(known, contacts=tuple(contacts))


def _choose(what: str, names: list[str], look: "Callable[[str], Signal]") -> str:
    """A source that works: a device by name (its number may change), an address, or off."""
    from audio.blocks import SoundError
    from gesture.capture import CameraError
    from safety_monitor.senses import DEMO, OFF

    if not names:
        typer.echo(f"No {what} was found. Plug one in and start again, or name another source.")
    for number, name in enumerate(names, start=1):
        typer.echo(f"  {number}  {name}")
    asked = (
        f"Which {what}: number, http or rtsp address, or off" if names else f"The {what}: http or rtsp address, or off"
    )
    while (answer := str(typer.prompt(asked, default="1" if names else OFF))) not in (OFF, DEMO):
        source = names[int(answer) - 1] if answer.isdigit() and 1 <= int(answer) <= len(names) else answer
        try:
            signal = look(source)
        except (SoundError, CameraError) as error:
            typer.echo(str(error))
            if typer.confirm("Use it all the same?", default=False):
                return source
        else:
            typer.echo(f"  {signal.source}" + (f": {signal.doubt}" if signal.doubt else ""))
            return source
    return answer


def _listen(microphone: str) -> bool:
    """Measure the room and say what it means; whether that went well enough to go on."""
    from audio.blocks import SoundError
    from safety_monitor.config import Settings
    from safety_monitor.operating.first_run import listen
    from safety_monitor.senses import load_scream_classifier

    try:
        room = listen(microphone, load_scream_classifier(Settings()), LISTEN_S)
    except SoundError as error:
        typer.echo(str(error))
        return False
    typer.echo(
        f"The room: {-room.level_dbfs:.0f} dB below full scale at the median, {-room.loudest_dbfs:.0f} at the loudest; "
        f"highest scream probability {room.scream:.2f}: {room.advice()}"
    )
    return room.good


def _try_siren(known: "Answers") -> "Answers":
    """Sound the siren until it is as loud as it shall be."""
    from safety_monitor.actions.alarm import Alarm
    from safety_monitor.actions.own_sound import OwnSound

    while typer.confirm(f"Sound the siren for {SIREN_S:g} s now? It is loud.", default=True):
        alarm = Alarm(OwnSound(), volume=1.0 if known.volume is None else known.volume)
        try:
            outcome = alarm.sound(SIREN_S)
        finally:
            alarm.close()
        typer.echo(outcome.detail)
        if not outcome.ok:
            typer.echo("Check that a loudspeaker is connected and chosen as the output, and try again.")
        elif typer.confirm("Was it to be heard well?", default=True):
            break
        else:
            typer.echo("Turn up the loudspeaker and the system's volume first; the setting only turns the siren down.")
            known = replace(known, volume=typer.prompt("Loudness, 0 to 1", default=1.0, value_proc=_share))
    return known


def _share(text: str) -> float:
    with suppress(ValueError):
        if 0.0 <= (value := float(text.replace(",", "."))) <= 1.0:
            return value
    raise typer.BadParameter(f"'{text}' is not between 0 and 1")


def _ask_contact(taken: "Sequence[str]") -> "Contact | None":
    """A person who is told, besides those whose names are taken; None when there are no more."""
    from safety_monitor.operating.first_run import ContactError, check_name, contact_of

    whom = "somebody else" if taken else "somebody"
    while name := str(typer.prompt(f"Short name of {whom} to tell (empty: nobody)", default="", show_default=False)):
        try:
            check_name(name, taken)
            sms, call = (
                str(typer.prompt(f"  {what} (empty: none)", default="", show_default=False))
                for what in ("number for SMS, such as +491713920031", "number to be called")
            )
            return contact_of(name, sms=sms, call=call)
        except ContactError as error:
            typer.echo(str(error))
    return None


def install_service(
    config: ConfigOption = None,
    show: Annotated[bool, typer.Option("--print", help="Only show the unit.")] = False,
    no_start: Annotated[bool, typer.Option("--no-start", help="Put it in place, but do not start it.")] = False,
    root: Annotated[Path, typer.Option(help="Folder that holds another system; nothing is started there.")] = Path("/"),
) -> None:
    """Let systemd run the station, now and whenever the machine starts; takes the rights of root."""
    from safety_monitor.operating import service

    if show:
        print(service.unit(service.program()), end="")
        return
    found = next((path for path in (config, Path("station.toml")) if path is not None and path.is_file()), None)
    if config is not None or found is not None:
        settings_or_fail(config)
    try:
        for line in service.install(service.program(), found, service.Place(root.absolute()), start=not no_start):
            print(line)
    except (service.ServiceError, OSError) as error:
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
