"""The command that makes the first settings, by asking whoever sets the station up."""

import os
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safety_monitor.commands.conventions import TROUBLE, fail, silence_native_libraries

if TYPE_CHECKING:
    from collections.abc import Callable

    from safety_monitor.operating.first_run import Answers
    from safety_monitor.operating.first_signal import Signal

SIREN_S = 2.0
LISTEN_S = 5.0


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
    """Make the first settings: finds devices, measures the room's noise, tries the siren, asks whom to tell."""
    from safety_monitor.commands.first_contacts import offer_test
    from safety_monitor.config import SettingsError
    from safety_monitor.operating.first_run import Answers, ContactError, read_contact, write_settings

    if not yes and not sys.stdin.isatty():
        fail("run it in a terminal, or with --yes and options")
    if config.exists() and not overwrite:
        if yes:
            fail(f"{config}: is there already; --overwrite replaces it and keeps the old one")
        if not typer.confirm(f"{config} is there already. Replace it? The old one is kept beside it."):
            raise typer.Exit(TROUBLE)
    try:
        contacts = tuple(read_contact(each) for each in contact or ())
    except ContactError as error:
        fail(error)
    answers = Answers(name, camera, mic, volume, contacts, address)
    try:
        answers = answers if yes else _ask(answers, config)
        before = write_settings(config, answers.text(), answers.secrets)
    except SettingsError as error:
        fail(error)
    print(f"\nwritten: {config}" + (f"; the one before is {before}" if before else ""))
    if answers.secrets:
        print("written: .env, with what is secret; only you can read it, and nobody else should")
    for variable in answers.secrets.keys() & os.environ.keys():
        print(f"WARNING: {variable} is set in the environment, which counts more than .env")
    if not yes:
        offer_test(config, answers)
    elif answers.contacts:
        print(
            "The people you named are told through Twilio. Set SAFETY_MONITOR_TWILIO__ACCOUNT_SID, …__AUTH_TOKEN and\n"
            "…__NUMBER in .env (docs/channels.md): without them the station does not start, so that nobody relies on\n"
            "messages that cannot be sent. Then try safety-monitor test-alert."
        )
    print("\nNext: safety-monitor doctor, then safety-monitor run. Every other setting is explained in the file.")
    if yes:
        print("E-mail and other services: docs/channels.md. A PIN for calling off: safety-monitor pin-hash.")


def _ask(known: "Answers", config: Path) -> "Answers":
    """What the person at the terminal says; what the command line said already is not asked again."""
    from audio.blocks import SoundError
    from audio.microphone import list_devices
    from gesture.capture import list_cameras
    from safety_monitor.commands.first_contacts import ask_contacts
    from safety_monitor.config import Settings
    from safety_monitor.operating.first_run import check_text, configured_channels
    from safety_monitor.operating.first_signal import first_picture, first_sound

    known = replace(known, channels=configured_channels(config))
    check_text(config, known.text())
    silence_native_libraries(Settings())
    if known.name is None:
        known = replace(
            known, name=typer.prompt("What is the station called, in messages", default="station", value_proc=_name)
        )
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
    return ask_contacts(_try_siren(known))


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
