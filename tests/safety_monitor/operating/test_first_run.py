"""The wizard: driven in a pseudo terminal as a person would, and by scripts without one."""

import signal
import tomllib
from functools import partial
from pathlib import Path

import pexpect
import pytest
from typer.testing import CliRunner

from audio.blocks import SoundError
from audio.detector import SoundReading
from safety_monitor.cli import app
from safety_monitor.config import Settings
from safety_monitor.config.sources import load_settings
from safety_monitor.operating.first_run import Answers, ContactError, contact_of, read_contact, room_of
from tests.sound_server import SoundServer
from tests.system.command import PROGRAM, environment, safety_monitor

NO_SOUND = {"PULSE_SERVER": "unix:/nonexistent", "SDL_AUDIODRIVER": "pulseaudio"}


def terminal(home: Path, *arguments: str, **variables: str) -> "pexpect.spawn[str]":
    home.mkdir(parents=True, exist_ok=True)
    return pexpect.spawn(
        str(PROGRAM),
        ["init", *arguments],
        env=environment(home, **variables),
        cwd=str(home),
        encoding="utf-8",
        timeout=60,
        dimensions=(50, 200),
        # A suite that runs in the background has Ctrl-C turned off, and would hand that down.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def say(child: "pexpect.spawn[str]", *talk: tuple[str, str]) -> None:
    for asked, answer in talk:
        child.expect_exact(asked)
        child.sendline(answer)


def test_a_person_with_a_microphone_and_a_loudspeaker(tmp_path: Path, sound_system: SoundServer) -> None:
    child = terminal(tmp_path, **(sound_system.environment | {"SDL_AUDIODRIVER": "pulseaudio"}))
    with sound_system.recorder() as recorder:
        say(child, ("station called", "front shop"), ("Where does it stand", "2nd floor"))
        say(child, ("The camera", "banana"), ("all the same", ""), ("The camera", "off"))
        child.expect_exact("  1  ")
        say(child, ("Which microphone", "9"))
        child.expect_exact("no sound device has that number")
        say(child, ("all the same", "n"), ("Which microphone", ""), ("Listen to the room", "y"))
        child.expect_exact("is the microphone muted")  # the room of the test is perfectly silent
        say(child, ("Listen to the room", "n"), ("Sound the siren", "y"))
        child.expect_exact("siren sounded for 2 s")
        recorder.wait_for(lambda samples: bool(abs(samples).max() > 0.1))
        say(child, ("heard well", "n"), ("Loudness", "2"), ("Loudness", "0,5"), ("Sound the siren", "n"))
        say(child, ("somebody to tell", "anna"), ("SMS", "0151"), ("called", ""))
        child.expect_exact("a number is written +<country><number>")
        say(child, ("somebody to tell", "anna"), ("SMS", "+49 171 3920031"), ("called", ""))
        say(child, *(("somebody else to tell", name) for name in ("anna", "Anna M", "")))
        child.expect_exact("written: station.toml")
        child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    settings = load_settings(tmp_path / "station.toml", environ={})
    assert (settings.station.name, settings.camera.source, settings.alarm.volume) == ("front shop", "off", 0.5)
    assert settings.microphone.source not in ("", "off")
    assert settings.place.address == "2nd floor"
    assert [(each.name, each.sms, each.call) for each in settings.contacts] == [("anna", "+491713920031", None)]
    text = (tmp_path / "station.toml").read_text()
    assert "# Combined probability that confirms an incident." in text


def test_a_person_without_devices_gets_settings_too_and_the_old_ones_are_kept(tmp_path: Path) -> None:
    old = tmp_path / "station.toml"
    old.write_text("# mine\n")
    child = terminal(tmp_path, **NO_SOUND)
    say(child, ("Replace it", "y"), ("station called", ""), ("Where does it stand", ""))
    child.expect_exact("No camera was found")
    say(child, ("The camera", ""))
    child.expect_exact("No microphone was found")
    say(child, ("The microphone", "demo"), ("Listen to the room", "y"))
    child.expect_exact("well suited")
    say(child, ("Sound the siren", "y"))
    child.expect_exact("no sound device can be opened")
    say(child, ("Sound the siren", "n"), ("somebody to tell", ""))
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert load_settings(old, environ={}).microphone.source == "demo"
    assert (tmp_path / "station.toml.bak").read_text() == "# mine\n"


@pytest.mark.parametrize("leave", ["n\r", "\x03"])
def test_whoever_leaves_changes_nothing(leave: str, tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text("# mine\n")
    child = terminal(tmp_path, **NO_SOUND)
    child.expect_exact("Replace it")
    # On a busy machine the question stands there before anybody reads the answer, and a key may be lost.
    for _ in range(5):
        child.send(leave)
        if child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=15) == 0:
            break
    child.close()
    assert child.exitstatus == 1
    assert [each.name for each in tmp_path.iterdir()] == ["station.toml"]
    assert (tmp_path / "station.toml").read_text() == "# mine\n"


def test_a_script_asks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--name", "hall", "--camera", "demo", "--mic", "demo", "--volume", "0.3"]
    contacts = ["--contact", "anna:sms=+491713920031,call=+49 171 3920031", "--contact", "ben:whatsapp=+15005550006"]
    result = safety_monitor(tmp_path, "init", "--yes", *options, *contacts)
    assert (result.status, result.stderr) == (0, "")
    assert "SAFETY_MONITOR_TWILIO__ACCOUNT_SID" in result.stdout
    settings = load_settings(tmp_path / "station.toml", environ={})
    assert (settings.station.name, settings.camera.source, settings.microphone.source) == ("hall", "demo", "demo")
    assert [each.name for each in settings.contacts] == ["anna", "ben"]

    monkeypatch.chdir(tmp_path)
    again = CliRunner().invoke(app, ["init", "--yes"])
    assert again.exit_code == 2
    assert "station.toml: is there already; --overwrite" in again.stderr
    assert CliRunner().invoke(app, ["init", "--yes", "--overwrite"]).exit_code == 0
    assert load_settings(tmp_path / "station.toml", environ={}).model_dump() == Settings().model_dump()
    assert "hall" in (tmp_path / "station.toml.bak").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "run it in a terminal, or with --yes and options"),
        (["--yes", "--contact", "anna"], "anna: needs a number: sms, call, whatsapp"),
        (["--yes", "--contact", "anna:fax=+491713920031"], "anna: unknown 'fax'"),
        (["--yes", "--config", "missing.toml/station.toml"], "missing.toml/station.toml: cannot be written"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "missing.toml").touch()
    result = CliRunner().invoke(app, ["init", *arguments])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert message in line


@pytest.mark.parametrize("text", ["a b:sms=+491713920031", ":sms=+491713920031", "anna:sms=0151", "anna:sms="])
def test_a_contact_that_cannot_be_called_is_refused(text: str) -> None:
    with pytest.raises(ContactError):
        read_contact(text)


@pytest.mark.parametrize("name", ['front "shop"', "back\\slash", "Läden & Söhne", "# no comment", "two\nlines"])
def test_any_name_stands_in_the_file_as_it_was_said(name: str) -> None:
    contacts = (contact_of("anna", sms="+491713920031"), contact_of("ben", call="+15005550006"))
    written = tomllib.loads(Answers(name=name, contacts=contacts).text())
    assert written["station"]["name"] == name
    assert written["contacts"] == [
        {"name": "anna", "sms": "+491713920031"},
        {"name": "ben", "call": "+15005550006"},
    ]


@pytest.mark.parametrize(
    ("levels", "scream", "good", "advice"),
    [
        ([-60.0, -58.0, -40.0], 0.1, True, "well suited"),
        ([-120.0, -120.0], 0.0, False, "muted"),
        ([-12.0, -11.0, -60.0], 0.2, False, "gain"),
        ([-40.0, -30.0], 0.85, False, "raised the alarm"),
    ],
)
def test_what_a_room_means(levels: list[float], scream: float, good: bool, advice: str) -> None:
    room = room_of(SoundReading(0.0, 1.0, "ambient", {"scream": scream}, scream, level) for level in levels)
    assert room.good is good
    assert advice in room.advice()


def test_a_room_that_gives_nothing_is_an_error() -> None:
    with pytest.raises(SoundError):
        room_of([])
