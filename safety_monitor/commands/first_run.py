"""The command that makes the first settings, and changes them, by asking whoever sets the station up."""

import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safety_monitor.commands.conventions import complain, fail, silence_native_libraries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from safety_monitor.operating.earlier import Earlier
    from safety_monitor.operating.first_run import Answers
    from safety_monitor.operating.first_signal import Signal

SIREN_S = 2.0
LISTEN_S = 5.0


def init(
    config: Annotated[
        Path | None, typer.Option("--config", help="Where to write the settings; default: station.toml.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take the options and else the defaults.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin anew, whatever the file says; it is kept beside the new one.")
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
    """Make the first settings, or change them: finds devices, measures the room, tries the siren, asks whom to tell."""
    from safety_monitor.commands.first_contacts import offer_test
    from safety_monitor.config import FILE_NAME, SettingsError
    from safety_monitor.config.secret_file import env_file
    from safety_monitor.config.sources import CONFIG_VARIABLE, home_of
    from safety_monitor.operating import service
    from safety_monitor.operating.beside import station_runs
    from safety_monitor.operating.earlier import changes, earlier_settings
    from safety_monitor.operating.first_run import Answers, ContactError, read_contact, with_others, write_settings

    if not yes and not sys.stdin.isatty():
        fail("run it in a terminal, or with --yes and options")
    config = config or Path(os.environ.get(CONFIG_VARIABLE) or FILE_NAME)
    of_service = config.absolute() == service.SETTINGS
    if service.UNIT.exists() and not of_service:
        complain(
            f"the service that runs here goes by {service.SETTINGS}, which this leaves as it is; to change that:\n"
            f"  {service.command_line('init', service.SETTINGS)}"
        )
    try:
        contacts = tuple(read_contact(each) for each in contact or ())
    except ContactError as error:
        fail(error)
    try:
        earlier = earlier_settings(config, anew=overwrite)
    except SettingsError as error:
        fail(f"{error}; mend that, or begin anew with --overwrite" if config.is_file() and not overwrite else error)
    answers = Answers(name, camera, mic, volume, with_others(contacts, earlier.values), address)
    try:
        answers = answers if yes else _ask(answers, config, earlier, [each.name for each in contacts])
        values = answers.values(earlier.values)
        changed = list(changes(earlier.values, values, answers.secrets))
        before = None
        if changed or not earlier.text:
            text = earlier.text_with(values, held=answers.held)
            before = write_settings(config, text, answers.secrets)
    except SettingsError as error:
        fail(error)
    if earlier.text:
        print("\nChanged:" if changed else f"\nNothing is changed; {config} stays as it is.")
        print("".join(f"  {line}\n" for line in changed), end="")
    if changed or not earlier.text:
        print(f"\nwritten: {config}" + (f"; the one before is {before}" if before else ""))
    if answers.secrets:
        who = "the service" if of_service else "you"
        print(f"written: {env_file()}, with what is secret; only {who} can read it, and nobody else should")
    for variable in answers.secrets.keys() & os.environ.keys():
        print(f"WARNING: {variable} is set in the environment, which counts more than {env_file()}")
    if not yes:
        offer_test(config)
    elif contacts:
        print(
            "The people you named are told through Twilio. Set SAFETY_MONITOR_TWILIO__ACCOUNT_SID, …__AUTH_TOKEN and\n"
            f"…__NUMBER in {env_file()} (docs/channels.md): without them the station does not start, so that nobody\n"
            f"relies on messages that cannot be sent. Then try {service.command_line('test-alert', config)}."
        )
    if of_service:
        return
    if changed and station_runs(home_of(earlier.values)):
        print("\nThe station that runs goes by this from its next start on.")
    doctor, run = (service.command_line(each, config) for each in ("doctor", "run"))
    print(f"\nNext: {doctor}, then {run}.\nEvery other setting is explained in the file.")
    if yes:
        pin_hash = service.command_line("pin-hash", config)
        print(f"E-mail and other services: docs/channels.md. A PIN for calling off: {pin_hash}")


def _ask(known: "Answers", config: Path, earlier: "Earlier", named: "Sequence[str]") -> "Answers":
    """What the person at the terminal says; what the command line said already is not asked again.

    Args:
        known: what it said.
        config: the settings file.
        earlier: what that says: Enter keeps it.
        named: contacts of the command line.
    """
    from audio.blocks import SoundError
    from audio.microphone import list_devices
    from gesture.capture import list_cameras
    from safety_monitor.commands.first_contacts import ask_contacts
    from safety_monitor.commands.first_pages import ask_pages
    from safety_monitor.config import Settings
    from safety_monitor.config.sources import home_of
    from safety_monitor.operating.beside import HEARD, station_runs
    from safety_monitor.operating.first_run import check_place, check_text
    from safety_monitor.operating.first_signal import first_picture, first_sound

    check_place(config)
    check_text(config, earlier.text_with(known.values(earlier.values), held=False))
    silence_native_libraries(Settings())
    running = station_runs(home_of(earlier.values))
    if earlier.text:
        typer.echo(
            f"{config} is there already. What it says stands in brackets: Enter alone keeps it. What is not asked\n"
            "for stays as it is. Nothing is written before the end."
        )
    if known.name is None:
        before = earlier.value("station", "name") or "station"
        name = typer.prompt("What is the station called, in messages", default=before, value_proc=_name)
        known = replace(known, name=None if name == before else name)
    if known.address is None:
        known = replace(known, address=_ask_address(earlier.value("place", "address") or ""))
    if known.camera is None:
        cameras = [camera.name for camera in list_cameras()]
        known = replace(
            known, camera=_choose("camera", cameras, first_picture, earlier.value("camera", "source"), running)
        )
    if known.microphone is None:
        try:
            found = [device.name for device in sorted(list_devices(), key=lambda device: not device.default)]
        except SoundError as error:
            typer.echo(str(error))
            found = []
        chosen = _choose("microphone", found, first_sound, earlier.value("microphone", "source"), running)
        known = replace(known, microphone=chosen)
    if known.microphone != "off" and not running:
        while typer.confirm(f"Listen to the room for {LISTEN_S:g} s, as it usually is?", default=True):
            if _listen(known.microphone or ""):
                break
    if earlier.value("alarm", "enabled") is False:
        pass
    elif running:
        typer.echo(f"The siren is {HEARD}. Its page Settings tries it.")
    else:
        known = _try_siren(known, earlier.value("alarm", "volume"))
    return ask_pages(ask_contacts(known, earlier, named), earlier)


def _ask_address(before: str) -> str | None:
    """Where the station stands; None: as before."""
    question = "Where does it stand, for whoever comes: street, floor, room"
    hint = "(-: not told)" if before else "(empty: not told)"
    answer = str(typer.prompt(f"{question} {hint}", default=before, show_default=bool(before))).strip()
    return None if answer == before else "" if answer == "-" else answer


def _choose(what: str, names: list[str], look: "Callable[[str], Signal]", before: str | None, running: bool) -> str:
    """A source that works: a device by name (its number may change), an address, or off.

    Args:
        what: it is for.
        names: of the devices that there are.
        look: tries a source.
        before: the source of before; None or empty: none was named.
        running: whether a station runs, which has it in use.
    """
    from audio.blocks import SoundError
    from gesture.capture import CameraError
    from media.container import display_name, is_address
    from safety_monitor.senses import DEMO, OFF

    if not names:
        typer.echo(f"No {what} was found. Plug one in and start again, or name another source.")
    for number, name in enumerate(names, start=1):
        typer.echo(f"  {number}  {name}")
    asked = (
        f"Which {what}: number, http or rtsp address, or off" if names else f"The {what}: http or rtsp address, or off"
    )
    default = before or ("1" if names else OFF)
    asked += f" [{display_name(default) if is_address(default) else default}]"  # not the password in an address
    while True:
        answer = str(typer.prompt(asked, default=default, show_default=False)).strip()
        if answer.lower() in (OFF, DEMO):
            return answer.lower()
        source = names[int(answer) - 1] if answer.isdigit() and 1 <= int(answer) <= len(names) else answer
        if running and source == before:
            typer.echo("  kept; the station that runs uses it")
            return source
        try:
            signal = look(source)
        except (SoundError, CameraError) as error:
            typer.echo(str(error))
            if typer.confirm("Use it all the same?", default=False):
                return source
        else:
            typer.echo(f"  {signal.source}" + (f": {signal.doubt}" if signal.doubt else ""))
            return source


def _listen(microphone: str) -> bool:
    """Measure the room and say what it means; whether that went well enough to go on."""
    from audio.blocks import SoundError
    from safety_monitor.config import Settings
    from safety_monitor.operating.room import listen
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


def _try_siren(known: "Answers", before: float | None) -> "Answers":
    """Sound the siren until it is as loud as it shall be; `before` is how loud it was, None where that is not set."""
    from safety_monitor.actions.alarm import Alarm
    from safety_monitor.actions.own_sound import OwnSound

    while typer.confirm(f"Sound the siren for {SIREN_S:g} s now? It is loud.", default=True):
        volume = next((each for each in (known.volume, before) if each is not None), 1.0)
        alarm = Alarm(OwnSound(), volume=volume)
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
            known = replace(known, volume=typer.prompt("Loudness, 0 to 1", default=volume, value_proc=_share))
    return known


def _name(text: str) -> str:
    from safety_monitor.operating.first_run import station_name

    try:
        return station_name(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _share(text: str) -> float:
    with suppress(ValueError):
        if 0.0 <= (value := float(text.replace(",", "."))) <= 1.0:
            return value
    raise typer.BadParameter(f"'{text}' is not between 0 and 1")
