"""The wizard: driven in a pseudo terminal as a person would, and by scripts without one."""

import os
import re
import signal
import subprocess
import tomllib
from collections.abc import Callable
from functools import partial
from io import StringIO
from pathlib import Path

import pexpect
import pytest
from argon2 import PasswordHasher
from filelock import FileLock
from typer.testing import CliRunner

from safety_monitor.cli import app
from safety_monitor.config import Settings, SettingsError
from safety_monitor.config.page import template
from safety_monitor.config.sources import load_settings
from safety_monitor.journal.file import LOCK_NAME
from safety_monitor.operating.earlier import earlier_settings
from safety_monitor.operating.first_run import (
    EVERYWHERE,
    Answers,
    ContactError,
    account_sid,
    contact_of,
    mail_address,
    phone_number,
    read_contact,
    service_address,
    short_name,
    token,
)
from safety_monitor.people.decision import hash_of
from safety_monitor.web.access import hash_password
from tests.servers.certificate import make_certificate
from tests.servers.hook import hook
from tests.servers.mail import mail_server
from tests.servers.twilio import SID, TOKEN, fake_twilio
from tests.sound_server import SoundServer
from tests.system.command import PROGRAM, environment, safety_monitor

QUICK = ("--name", "shop", "--address", "Main Street 1", "--camera", "off", "--mic", "off")
"""Nothing is asked but about people."""
NO_MORE = (("PIN, 4", ""), ("Ping address", ""), ("this network, too", ""))
"""The last questions, with Enter alone."""
SENDER = "+15005550001"
PIN, DURESS = "47110815", "08154711"
WORD = "planted page word"
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


def ends(child: "pexpect.spawn[str]", status: int = 0) -> None:
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == status


def test_a_person_with_a_microphone_and_a_loudspeaker(tmp_path: Path, sound_system: SoundServer) -> None:
    child = terminal(tmp_path, **(sound_system.environment | {"SDL_AUDIODRIVER": "pulseaudio"}))
    with sound_system.recorder() as recorder:
        say(child, ("station called", 61 * "x"))
        child.expect_exact("at most 60 characters")
        say(child, ("station called", "front shop"), ("Where does it stand", "2nd floor"))
        say(child, ("The camera", "banana"), ("all the same", ""), ("The camera", " Off "))
        child.expect_exact("  1  ")
        say(child, ("Which microphone", "9"))
        child.expect_exact("no sound device has that number")
        say(child, ("all the same", "n"), ("Which microphone", ""), ("Listen to the room", "y"))
        child.expect_exact("is the microphone muted")  # the room of the test is perfectly silent
        say(child, ("Listen to the room", "n"), ("Sound the siren", "y"))
        child.expect_exact("siren sounded for 2 s")
        recorder.wait_for(lambda samples: bool(abs(samples).max() > 0.1))
        say(child, ("heard well", "n"), ("Loudness", "2"), ("Loudness", "0,5"), ("Sound the siren", "n"))
        say(child, ("Short name", "anna"), ("Telephone", "0151"))
        child.expect_exact("lacks the country")
        say(child, ("Telephone", "+49 171"))
        child.expect_exact("is no whole telephone number")
        say(child, ("Telephone", "+49 171 3920031"), ("sms, call or both", "sms"), ("E-mail", ""), ("an app", ""))
        say(child, *(("somebody else", name) for name in ("anna", "Anna M", "")))
        say(child, ("Account SID", ""))
        child.expect_exact("NO SMS AND NO CALL GOES OUT")
        say(child, *NO_MORE)
        child.expect_exact("written: station.toml")
        child.expect_exact("NOBODY ELSEWHERE WILL BE TOLD")
        ends(child)
    settings = load_settings(tmp_path / "station.toml", environ={})
    assert (settings.station.name, settings.camera.source, settings.alarm.volume) == ("front shop", "off", 0.5)
    assert settings.microphone.source not in ("", "off")
    assert settings.place.address == "2nd floor"
    assert [each.name for each in settings.contacts] == ["anna"]
    assert settings.contacts[0].sms is None, "the station would not start"
    text = (tmp_path / "station.toml").read_text()
    assert '# sms = "+491713920031"' in text
    assert not (tmp_path / ".env").exists()
    assert "# Combined probability that confirms an incident; " in text


def test_a_person_without_devices_gets_settings_too_and_the_file_before_is_kept(tmp_path: Path) -> None:
    old = tmp_path / "station.toml"
    old.write_text("# mine\n")
    child = terminal(tmp_path, **NO_SOUND)
    say(child, ("station called", ""), ("Where does it stand", ""))
    child.expect_exact("No camera was found")
    say(child, ("The camera", ""))
    child.expect_exact("No microphone was found")
    say(child, ("The microphone", "demo"), ("Listen to the room", "y"))
    child.expect_exact("well suited")
    say(child, ("Sound the siren", "y"))
    child.expect_exact("no sound device can be opened")
    say(
        child,
        ("Sound the siren", "n"),
        ("Short name", ""),
        ("PIN, 4", ""),
        ("Ping address", ""),
        ("this network, too", ""),
    )
    ends(child)
    assert load_settings(old, environ={}).microphone.source == "demo"
    assert old.read_text().startswith("# mine\n")
    assert (tmp_path / "station.toml.bak").read_text() == "# mine\n"


OLD_ENV = """\
# keep this line
SAFETY_MONITOR_MQTT__PASSWORD=planted-broker-password
SAFETY_MONITOR_MESSAGES__BEN='json://127.0.0.1:9/old'
SAFETY_MONITOR_MESSAGES__BEN_JSON='json://127.0.0.1:9/old-too'
"""


def test_people_are_told_by_what_was_said_and_secrets_stand_in_their_own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(OLD_ENV)
    (tmp_path / "station.toml").write_text('[mqtt]\nhost = "127.0.0.1"\nport = 9\n')
    with mail_server() as mails, fake_twilio() as twilio, hook() as posts:
        twilio.becomes = {"Messages": "delivered", "Calls": "completed"}
        child = terminal(tmp_path, *QUICK, SAFETY_MONITOR_TWILIO__API_URL=twilio.url, **NO_SOUND)
        child.logfile_read = seen = StringIO()
        app_address = posts.url.replace("http://", "json://")
        say(child, ("Sound the siren", "n"), ("Short name", "Anna"))
        say(child, ("Telephone", "0049 (0)171 3920031"), ("sms, call or both", "fax"), ("sms, call or both", ""))
        say(child, ("E-mail", "banana"), ("E-mail", "anna@example.org"), ("an app", "banana"), ("an app", app_address))
        say(child, ("somebody else", "ben"), ("Telephone", ""), ("Keep it", "n"), ("E-mail", ""), ("an app", ""))
        child.expect_exact("ben could not be told by anything")
        say(child, ("Telephone", ""), ("Keep it", "n"), ("E-mail", "ben@example.org"), ("an app", ""))
        say(child, ("somebody else", ""))
        say(child, ("Account SID", "AC12"), ("Account SID", SID), ("Auth Token", "wrong-token"), ("number", SENDER))
        child.expect_exact("account or token is wrong")
        say(child, ("What now", ""), ("Account SID", SID), ("Auth Token", TOKEN), ("number", SENDER))
        say(child, ("mails come from", "shop@example.org"), ("Mail server", "127.0.0.1:1"), ("User name", ""))
        say(child, ("Password", "planted-mail-password"))
        child.expect_exact("Connection refused")
        say(child, ("What now", ""), ("mails come from", ""), ("Mail server", f"127.0.0.1:{mails.port}"))
        say(child, ("User name", ""), ("Password", ""))
        say(child, ("PIN, 4", "123"), ("PIN, 4", PIN), ("once more", "4712"), ("PIN, 4", PIN), ("once more", PIN))
        say(child, ("Duress PIN (", PIN), ("Duress PIN (", DURESS), ("once more", DURESS))
        say(child, ("Ping address", "banana"), ("Ping address", "http://127.0.0.1:1/planted-ping"), ("What now", ""))
        say(child, ("Ping address", f"{posts.url}planted-ping"), ("What now", "use"))
        say(child, ("this network, too", "y"), ("sign in with", "the owner"), ("sign in with", ""))
        say(child, ("Password, 8", "short"), ("Password, 8", WORD), ("once more", WORD), ("test message", ""))
        ends(child)
    told = seen.getvalue()
    for line in ("arrived  SMS to anna", "arrived  Call to anna", "sent     Message: anna ", "sent     Message: ben"):
        assert line in told
    assert "sent     Message: anna_json" in told
    assert (len(twilio.messages), len(twilio.calls), len(posts.posts), len(mails.subjects)) == (1, 1, 1, 2)
    text, secrets = (tmp_path / "station.toml").read_text(), (tmp_path / ".env").read_text()
    assert "web.users: owner" in told
    for secret in (TOKEN, "planted-mail-password", PIN, DURESS, WORD, "argon2"):
        assert secret not in told
    for secret in (TOKEN, "planted-mail-password", PIN, DURESS, WORD):
        assert secret not in text
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert secrets.startswith("# keep this line\nSAFETY_MONITOR_MQTT__PASSWORD=planted-broker-password\n")
    assert "/old" not in secrets
    assert f"SUPERVISION__PING_URL='{posts.url}planted-ping'" in secrets
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environ={})
    assert (settings.mqtt and settings.mqtt.host, settings.twilio and settings.twilio.number) == ("127.0.0.1", SENDER)
    (owner,) = settings.web.users
    assert (settings.web.host, owner.name, owner.role) == (EVERYWHERE, "owner", "admin")
    assert PasswordHasher().verify(owner.password_hash, WORD)
    decided = settings.acknowledge
    for pin, kept in ((PIN, decided.pin_hash), (DURESS, decided.duress_pin_hash)):
        assert kept is not None
        assert PasswordHasher().verify(kept.get_secret_value(), pin)


@pytest.mark.parametrize(
    ("settings", "env", "said"),
    [
        (f'[twilio]\naccount_sid = "{SID}"\n', "", ""),
        ('[mqtt]\nhost = "x"\n', "SAFETY_MONITOR_MQTT__PASSWORD=x\n", ""),
        ("not toml", "", "station.toml: cannot be read as TOML"),
        ("[alarm]\nloudness = 1\n", "", "station.toml: unknown key 'alarm.loudness'"),
        ("", "SAFETY_MONITOR_MQTT__PASSWORD=x\n", ".env: mqtt.host"),
        ("", f"SAFETY_MONITOR_TWILIO__AUTH_TOKEN={TOKEN}\n", ".env: twilio.account_sid"),
    ],
)
def test_what_would_be_refused_at_the_end_is_said_before_anything_is_asked(
    settings: str, env: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("station.toml").write_text(settings)
    Path(".env").write_text(env)
    if not said:
        earlier = earlier_settings(Path("station.toml"))
        assert ("mqtt" in earlier.values) == ("mqtt" in settings)
        assert earlier.account.get("account_sid") == (SID if "twilio" in settings else None)
    else:
        with pytest.raises(SettingsError, match=said):
            earlier_settings(Path("station.toml"))


def test_options_that_would_be_refused_are_told_of_before_anything_is_asked(tmp_path: Path) -> None:
    twice = ("--contact", "anna:sms=+491713920031") * 2
    for options, said in (
        (("--name", " "), "station.name: must not be empty"),
        (twice, "the name anna stands"),
    ):
        child = terminal(tmp_path, *options, **NO_SOUND)
        ends(child, 2)
        assert said in (child.before or "")


def test_a_folder_that_cannot_be_written_is_told_of_before_anything_is_asked(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    # Root may write everywhere, unless it gives that up.
    without = [f"--{which}=-dac_override" for which in ("bounding-set", "inh-caps")] if os.geteuid() == 0 else []
    variables = environment(tmp_path, **NO_SOUND)
    child = pexpect.spawn("setpriv", [*without, str(PROGRAM), "init"], env=variables, cwd=str(tmp_path), timeout=60)
    child.expect_exact("cannot be written by this user")
    ends(child, 2)


def test_what_is_set_already_is_kept_if_that_is_wanted(tmp_path: Path) -> None:
    before = (
        f"SAFETY_MONITOR_TWILIO__AUTH_TOKEN={TOKEN}\nSAFETY_MONITOR_MESSAGES__BEN=json://127.0.0.1:9/old\n"
        f"SAFETY_MONITOR_ACKNOWLEDGE__PIN_HASH='{hash_of(PIN)}'\n"
        "SAFETY_MONITOR_SUPERVISION__PING_URL=https://example.org/planted-ping\n"
    )
    (tmp_path / ".env").write_text(before)
    (tmp_path / "station.toml").write_text(f'[twilio]\naccount_sid = "{SID}"\nnumber = "{SENDER}"\n')
    child = terminal(tmp_path, *QUICK, **NO_SOUND)
    say(child, ("Sound the siren", "n"), ("Short name", "ben"), ("Telephone", "+491713920031"))
    say(child, ("sms, call or both", "sms"), ("Keep it", ""), ("somebody else", ""), (f"{SID} is set already", ""))
    say(child, ("A PIN is set already", ""), ("notices when it ceases", ""), ("this network, too", ""))
    child.expect_exact("SMS to ben, Message: ben")
    say(child, ("test message", "n"))
    ends(child)
    assert (tmp_path / ".env").read_text() == before


MINE = f"""\
# The front shop.
[station]
name = "front shop"  # as on the door

[camera]
source = "rtsp://viewer:planted-word@127.0.0.1:9/door"

[alarm]
enabled = false

[[contacts]]
name = "anna"
sms = "+491713920031"  # her own
call = "+491713920032"

# Lives next door.
[[contacts]]
name = "ben"

[[contacts]]
name = "carl"
# sms = "+491713920033"

[twilio]
account_sid = "{SID}"
number = "{SENDER}"
voice_language = "de-DE"

[[policies]]
name = "night"
[[policies.steps]]
actions = ["anna", "messages"]  # not Carl

[evidence]
days = 3.0
"""


def test_started_again_it_begins_with_what_is_there_and_leaves_all_else(tmp_path: Path) -> None:
    file, secrets = tmp_path / "station.toml", tmp_path / ".env"
    file.write_text(MINE)
    secrets.write_text(
        f"SAFETY_MONITOR_TWILIO__AUTH_TOKEN={TOKEN}\n"
        "SAFETY_MONITOR_MESSAGES__BEN='mailtos://shop:planted-mail@127.0.0.1:1?from=shop@example.org&to=ben@example.org'\n"
        "SAFETY_MONITOR_MESSAGES__BEN_JSON='json://127.0.0.1:9/planted-path'\n"
        "SAFETY_MONITOR_MESSAGES__CARL=json://127.0.0.1:9/carl\n"
    )
    child = terminal(tmp_path, "--camera", "off", **NO_SOUND)
    child.logfile_read = seen = StringIO()
    say(
        child,
        ("called, in messages [front shop]", ""),
        ("room (empty: not told)", "2nd floor"),
        ("The microphone", "off"),
    )
    child.expect_exact("anna is told by: sms +491713920031, call +491713920032")
    say(child, ("What of anna", "remove"))
    child.expect_exact("policies, the first: steps, the first: actions: anna stands there")
    say(child, ("What of anna", "change"), ("Keep sms", "n"), ("Telephone number (-: none) [+491713920031]", ""))
    say(child, ("sms, call or both [both]", "sms"), ("E-mail", "anna@example.org"), ("an app", ""))
    child.expect_exact("ben is told by: Message: ben (kept in .env), Message: ben_json (kept in .env)")
    say(child, ("What of ben", ""))
    child.expect_exact("carl is told by: sms +491713920033, Message: carl (kept in .env)")
    say(child, ("What of carl", "remove"), ("somebody else", ""), (f"{SID} is set already", ""))
    say(
        child,
        ("sent from shop@example.org already", ""),
        ("PIN, 4", ""),
        ("Ping address", ""),
        ("this network, too", ""),
    )
    child.expect_exact("Changed:")
    child.expect_exact("SMS to anna, Message: ben, Message: ben_json, Message: anna")
    say(child, ("test message", "n"))
    ends(child)
    told = seen.getvalue()
    assert "planted" not in told
    for line in (
        "camera.source: rtsp://127.0.0.1:9/door -> off",
        "place.address: not set -> 2nd floor",
        "contacts: anna: call: +491713920032 -> not set",
        "contacts: carl: taken out",
        "messages.anna in .env: new",
        "messages.carl in .env: taken out",
    ):
        assert f"  {line}\r\n" in told
    assert told.count("\r\n  ", told.index("Changed:"), told.index("written:")) == 7, "nothing else"
    after = (
        MINE.replace("rtsp://viewer:planted-word@127.0.0.1:9/door", "off")
        .replace('call = "+491713920032"\n', "")
        .replace('\n[[contacts]]\nname = "carl"\n# sms = "+491713920033"\n', "")
    )
    text = file.read_text()
    assert [line for line in after.splitlines() if line and line not in text.splitlines()] == []
    assert set(text.splitlines()) - set(after.splitlines()) == {"[microphone]", "[place]", 'address = "2nd floor"'}
    assert (tmp_path / "station.toml.bak").read_text() == MINE
    assert "CARL" not in secrets.read_text()
    assert "MESSAGES__ANNA='mailtos://shop:planted-mail@127.0.0.1:1?" in secrets.read_text()


def test_beside_a_running_station_nothing_is_taken_from_it_and_nothing_sounds(tmp_path: Path) -> None:
    before = '[camera]\nsource = "0"\n[microphone]\nsource = "http://user:planted@127.0.0.1:9/door"\n'
    (tmp_path / "station.toml").write_text(before)
    with FileLock(tmp_path / LOCK_NAME):
        child = terminal(tmp_path, "--name", "shop", "--address", "Main Street 1", **NO_SOUND)
        say(child, ("The camera", ""))
        child.expect_exact("kept; the station that runs uses it")
        say(child, ("microphone: http or rtsp address, or off [http://127.0.0.1:9/door]", ""))
        child.expect_exact("kept; the station that runs uses it")
        child.expect_exact("The siren is not sounded: the station that runs here would hear it")
        say(child, ("Short name", ""), *NO_MORE)
        child.expect_exact("goes by this from its next start on")
        ends(child)
    assert before in (tmp_path / "station.toml").read_text()


def test_whoever_has_forgotten_the_password_of_the_pages_gets_another_one(tmp_path: Path) -> None:
    file = tmp_path / "station.toml"
    users = [("vera", "viewer"), ("ada", "admin")]
    text = '[web]\nhost = "::1"\n'
    for name, role in users:
        text += (
            f'\n# {name}\n[[web.users]]\nname = "{name}"\nrole = "{role}"\npassword_hash = "{hash_password("old")}"\n'
        )
    file.write_text(text)
    child = terminal(tmp_path, *QUICK, **NO_SOUND)
    child.logfile_read = seen = StringIO()
    say(child, ("Sound the siren", "n"), ("Short name", ""), *NO_MORE[:2])
    say(child, ("another password", "y"), ("Whose", "owner"))
    child.expect_exact("'owner' is none of: vera, ada")
    say(child, ("Whose", "ada"), ("Password, 8", WORD), ("once more", WORD))
    child.expect_exact("web.users: another password of ada")
    ends(child)
    web = load_settings(file, environ={}).web
    assert (web.host, [(each.name, each.role) for each in web.users]) == ("::1", users)
    for user, password in zip(web.users, ("old", WORD), strict=True):
        assert PasswordHasher().verify(user.password_hash, password)
    assert "# vera" in file.read_text()
    assert WORD not in seen.getvalue()


def test_a_changed_mailbox_password_is_asked_for_once_and_changed_for_all(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with mail_server("new p@ss", certificate) as mails:
        sender = f"127.0.0.1:{mails.port}?from=shop@example.org&mode=starttls&name=Shop"
        other = "mailtos://other:kept@127.0.0.1:1?from=other@example.org&to=carl@example.org"
        (tmp_path / "station.toml").write_text('[[contacts]]\nname = "ben"\n[[contacts]]\nname = "carl"\n')
        (tmp_path / ".env").write_text(
            f"SAFETY_MONITOR_MESSAGES__BEN='mailtos://shop:planted-old@{sender}&to=ben@example.org'\n"
            f"SAFETY_MONITOR_MESSAGES__CHIEF='mailtos://shop:planted-old@{sender}&to=chief@example.org'\n"
            f"SAFETY_MONITOR_MESSAGES__CARL='{other}'\n"
        )
        child = terminal(tmp_path, *QUICK, SSL_CERT_FILE=str(certificate[0]), **NO_SOUND)
        say(child, ("Sound the siren", "n"), ("What of ben", ""), ("What of carl", ""), ("somebody else", ""))
        child.expect_exact("E-mails to ben, chief are sent from shop@example.org")
        child.expect_exact("refuses this user name and password")
        say(child, ("Its password now", "wrong"))
        child.expect_exact("refuses this user name and password")
        say(child, ("Its password now", "new p@ss"))
        child.expect_exact("127.0.0.1 lets the station in")
        child.expect_exact("E-mails to carl are sent from other@example.org")
        child.expect_exact("Connection refused")
        say(child, *NO_MORE)
        child.expect_exact("messages.ben in .env: another one")
        say(child, ("test message", "y"))
        ends(child)
        assert sorted(mails.recipients) == ["ben@example.org", "chief@example.org"]
    secrets = (tmp_path / ".env").read_text()
    assert "planted-old" not in secrets
    assert secrets.count("&name=Shop&to=") == 2
    assert f"CARL='{other}'" in secrets


@pytest.mark.parametrize(
    ("until", "leave"),
    [
        ((), "\x03"),
        ((("siren", "n"), ("Short name", ""), ("PIN, 4", PIN)), "\x03"),
        ((("siren", "n"), ("Short name", "anna"), ("Telephone", "")), "\x04"),
    ],
)
def test_whoever_leaves_changes_nothing(until: tuple[tuple[str, str], ...], leave: str, tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text("# mine\n")
    child = terminal(tmp_path, *QUICK, **NO_SOUND)
    say(child, *until)
    child.expect_exact("E-mail" if leave == "\x04" else "once more" if until else "siren")
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
    before = (tmp_path / "station.toml").read_text()
    assert "Nothing is changed" in CliRunner().invoke(app, ["init", "--yes", "--name", "hall"]).stdout
    assert ((tmp_path / "station.toml").read_text(), (tmp_path / "station.toml.bak").exists()) == (before, False)
    again = CliRunner().invoke(app, ["init", "--yes", "--volume", "0.4", "--contact", "ben:sms=+15005550007"])
    assert again.exit_code == 0
    for line in ("alarm.volume: 0.3 -> 0.4", "ben: sms: not set -> +15005550007", "ben: whatsapp: +15005550006 ->"):
        assert line in again.stdout
    settings = load_settings(tmp_path / "station.toml", environ={})
    assert (settings.station.name, [each.name for each in settings.contacts]) == ("hall", ["anna", "ben"])

    (tmp_path / "station.toml").write_text("[alarm\n")
    broken = CliRunner().invoke(app, ["init", "--yes"])
    assert broken.exit_code == 2
    assert "mend that, or begin anew with --overwrite" in broken.stderr
    (tmp_path / "station.toml").write_text(before)
    assert CliRunner().invoke(app, ["init", "--yes", "--overwrite"]).exit_code == 0
    assert load_settings(tmp_path / "station.toml", environ={}).model_dump() == Settings().model_dump()
    assert "hall" in (tmp_path / "station.toml.bak").read_text()


@pytest.mark.parametrize("path", [os.defpath, f"{PROGRAM.parent}:{os.defpath}"], ids=["by its path", "by its name"])
def test_a_shell_finds_what_it_says_to_do_next(path: str, tmp_path: Path) -> None:
    arguments = ("init", "--yes", *QUICK, "--contact", "anna:sms=+491713920031")
    told = safety_monitor(tmp_path, *arguments, PATH=path).stdout
    (program,) = {*re.findall(r"(?:Next:|try|off:|then) (\S+) (?:doctor|run|test-alert|pin-hash)\b", told)}
    assert (program == "safety-monitor") == (path != os.defpath)
    subprocess.run(["sh", "-c", f"command -v {program}"], env={"PATH": path}, check=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "run it in a terminal, or with --yes and options"),
        (["--yes", "--contact", "anna"], "anna: needs a number: sms, call, whatsapp"),
        (["--yes", "--contact", "anna:fax=+491713920031"], "anna: unknown 'fax'"),
        (["--yes", "--config", "missing.toml/station.toml"], "station.toml: cannot be read: Not a directory"),
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


@pytest.mark.parametrize(
    ("read", "text", "as_it_is_kept"),
    [
        (phone_number, "0049 (0)171 / 392-0031", "+491713920031"),
        (phone_number, "0171 3920031", None),
        (phone_number, "+49 anna", None),
        (short_name, "Anna", "anna"),
        (short_name, "Anna M", None),
        (short_name, "anna-m", None),
        (short_name, "a__b", None),
        (short_name, "all", None),
        (mail_address, "anna.m+shop@example.org", "anna.m+shop@example.org"),
        (mail_address, "anna@localhost", None),
        (mail_address, "a@example.org, b@example.org", None),
        (service_address, "json://127.0.0.1/shop's$topic", "json://127.0.0.1/shop%27s%24topic"),
        (service_address, "ntfys://", None),
        (service_address, "banana", None),
        (account_sid, "AC" + "0" * 31, None),
        (token, f" {TOKEN} ", TOKEN),
        (token, "two words", None),
    ],
)
def test_an_answer_is_taken_as_people_write_it_or_refused(
    read: Callable[..., str], text: str, as_it_is_kept: str | None
) -> None:
    asked = partial(read, text, ()) if read is short_name else partial(read, text)
    if as_it_is_kept is None:
        with pytest.raises(ContactError):
            asked()
    else:
        assert asked() == as_it_is_kept


@pytest.mark.parametrize("name", ['front "shop"', "back\\slash", "Läden & Söhne", "# no comment", "two\nlines"])
def test_any_name_stands_in_the_file_as_it_was_said(name: str) -> None:
    contacts = (contact_of("anna", sms="+491713920031"), contact_of("ben", call="+15005550006"))
    values = Answers(name=name, contacts=contacts).values({})
    written = tomllib.loads(template(values))
    assert written["station"]["name"] == name
    assert written["contacts"] == [
        {"name": "anna", "sms": "+491713920031"},
        {"name": "ben", "call": "+15005550006"},
    ]


@pytest.mark.parametrize("before", ["", "[camera]\nfps = 5\n"])
def test_a_name_from_elsewhere_that_is_no_text_is_refused_in_one_line(before: str, tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    if before:
        path.write_text(before)
    command = [os.fsencode(PROGRAM), b"init", b"--yes", b"--camera", b"caf\xe9.mp4"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    (line,) = done.stderr.splitlines()
    assert 'station.toml: source = "caf\\udce9.mp4" has bytes that are no text in UTF-8' in line
    assert (done.returncode, path.read_text() if before else path.exists()) == (2, before or False)
