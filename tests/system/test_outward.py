"""The whole station with real servers around it: everybody is told once, also when a server is down at first."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from safety_monitor.journal.incidents import Journal
from tests.recordings import write_scene
from tests.servers import mariadb, mosquitto
from tests.servers.hook import hook
from tests.servers.mail import Mails, mail_server
from tests.servers.mariadb import MariaDB
from tests.servers.program import free_port
from tests.servers.twilio import SID, TOKEN, FakeTwilio, fake_twilio
from tests.system.command import LIMIT_S, Result, environment, running, safety_monitor

SETTINGS = """
[[contacts]]
name = "anna"
sms = "+15005550006"
call = "+15005550006"

[place]
latitude = 52.520008
longitude = 13.404954
address = "2nd floor"

[alarm]
enabled = false

[speech]
enabled = false
"""
SECRETS = ("planted", mariadb.PASSWORD)
A_SCREAM, THE_SIGNAL_FOR_HELP = (4.0, 8.0), (38.2, 45.6)
"""Where the demo scene has them, in seconds."""


@dataclass
class World:
    """All servers, and the variables that lead to them."""

    database: MariaDB
    twilio: FakeTwilio
    mails: Mails
    variables: dict[str, str]

    def rows(self) -> list[dict[str, Any]]:
        """What stands in the database."""
        with self.database.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text("SELECT * FROM incidents")).mappings()]


def account(twilio: FakeTwilio) -> dict[str, str]:
    """The settings that lead to Twilio."""
    return {
        "TWILIO__ACCOUNT_SID": SID,
        "TWILIO__AUTH_TOKEN": TOKEN,
        "TWILIO__NUMBER": "+15005550001",
        "TWILIO__API_URL": twilio.url,
    }


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        broker, database = stack.enter_context(mosquitto.mosquitto(tmp_path)), stack.enter_context(mariadb.mariadb())
        database.start()
        mails = stack.enter_context(mail_server())
        twilio, receiver = stack.enter_context(fake_twilio()), stack.enter_context(hook())
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "station.toml").write_text(SETTINGS, encoding="utf-8")
        variables = {
            "MYSQL__URL": database.url,
            **account(twilio),
            "MESSAGES__MAIL": mails.url,
            "MESSAGES__OFFICE": f"{receiver.url.replace('http://', 'json://anna:planted-word@')}planted-path",
            "WEBHOOK__URL": f"{receiver.url}planted-path",
            "WEBHOOK__SECRET": "planted-secret",
            "MQTT__HOST": "127.0.0.1",
            "MQTT__PORT": str(broker.port),
            "MQTT__USERNAME": mosquitto.USER,
            "MQTT__PASSWORD": mosquitto.PASSWORD,
            "LIMITS__COOL_DOWN_S": "0",
        }
        yield World(database, twilio, mails, {f"SAFETY_MONITOR_{name}": value for name, value in variables.items()})


def told(home: Path, *results: Result) -> str:
    """All that commands printed, and all that they wrote."""
    written = [path.read_bytes().decode("latin-1") for path in home.rglob("*") if path.is_file()]
    return "".join([*(result.stdout + result.stderr for result in results), *written])


def test_everybody_is_told_once_and_the_database_when_it_is_back(world: World, tmp_path: Path) -> None:
    home = tmp_path / "home"
    world.database.stop()
    world.twilio.becomes = {"Messages": "delivered", "Calls": "completed"}
    scene = write_scene(tmp_path / "scene.mp4", A_SCREAM, THE_SIGNAL_FOR_HELP)
    watch = ("run", "--camera", scene, "--mic", scene, "--fast", "--json")
    more = {"SAFETY_MONITOR_LOG_LEVEL": "debug", "SAFETY_MONITOR_FUSION__COOL_DOWN_S": "2"}
    run = safety_monitor(home, *watch, **more, **world.variables)
    confirmed = {line["incident"] for line in run.objects if line["state"] == "confirmed"}
    at = {line["incident"]: line["at_s"] for line in run.objects if line["state"] == "confirmed"}
    assert len(confirmed) == 2, run.stderr
    marks = [re.findall(r"Ref [0-9a-f]{10}", sent["body"]) for sent in world.twilio.messages]
    assert len(marks) == len({mark for (mark,) in marks}) == len(confirmed)
    assert len(world.twilio.calls) == len(confirmed)
    assert sum("EMERGENCY" in subject for subject in world.mails.subjects) == len(confirmed)
    assert all("2nd floor" in sent["body"] for sent in world.twilio.messages)
    assert "picture.jpg" in world.mails.files
    kept = {path.name for incident in confirmed for path in (home / "evidence" / incident).iterdir()}
    assert kept == {"picture.jpg", "sound.flac", "clip.mp4", "hands.csv"}
    world.database.start()
    retry = safety_monitor(home, "outbox", "retry", "--json", **world.variables)
    assert retry.status == 0, retry.stdout + retry.stderr
    rows = world.rows()
    assert {row["id"] for row in rows} == confirmed
    assert {row["state"] for row in rows} == {"closed"}
    assert {row["address"] for row in rows} == {"2nd floor"}
    assert len(world.twilio.messages) == len(confirmed)
    entries = safety_monitor(home, "incidents", "list", "--json", **world.variables).objects
    alarms = {
        (entry["incident"], each["channel"]): each["state"]
        for entry in entries
        for each in entry["deliveries"]
        if each["kind"] == "alarm"
    }
    for incident in confirmed:
        assert alarms[incident, "mysql"] == alarms[incident, "mqtt"] == "delivered"
        assert alarms[incident, "messages:mail"] == "sent"
    first = min(confirmed, key=lambda incident: at[incident])
    assert alarms[first, "sms:anna"] == alarms[first, "call:anna"] == "delivered"
    found = told(home, run, retry)
    assert [secret for secret in SECRETS if secret in found] == []


def test_a_test_goes_through_every_channel(world: World, tmp_path: Path) -> None:
    home = tmp_path / "home"
    examined = safety_monitor(home, "doctor", "--json", **world.variables)
    channels = {"mysql", "mqtt", "webhook", "sms:anna", "call:anna", "messages:mail", "messages:office"}
    well = {finding["part"]: finding["ok"] for finding in examined.objects}
    assert {name: well[name] for name in channels} == dict.fromkeys(channels, True)
    assert (world.twilio.messages, world.twilio.calls, world.mails.subjects) == ([], [], [])
    tested = safety_monitor(home, "test-alert", "--json", "--channel", "mysql", **world.variables)
    assert [(line["channel"], line["delivered"]) for line in tested.objects] == [("mysql", True)]
    assert [row["test"] for row in world.rows()] == [1]
    mail = safety_monitor(home, "test-alert", "--channel", "messages", **world.variables)
    assert mail.status == 0
    assert [subject for subject in world.mails.subjects if subject.startswith("Test")]
    refused = [
        safety_monitor(home, "test-alert", "--channel", "fax", **world.variables),
        safety_monitor(home, "--help"),
    ]
    found = told(home, examined, tested, mail, *refused)
    assert [secret for secret in SECRETS if secret in found] == []


def command_lines() -> Iterator[bytes]:
    """What every process on this machine was started with."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_bytes()


def test_whoever_is_called_takes_it_on_with_a_key(tmp_path: Path) -> None:
    home, port = tmp_path / "home", str(free_port())
    home.mkdir()
    (home / "station.toml").write_text(SETTINGS, encoding="utf-8")
    with fake_twilio() as twilio:
        twilio.pressed = "1"
        variables = {"WEB__PORT": port, "WEB__PUBLIC_URL": f"http://127.0.0.1:{port}", **account(twilio)}
        named = {f"SAFETY_MONITOR_{name}": value for name, value in variables.items()}
        with running(home, "--mic", "demo", "--camera", "off", environ=environment(home), **named) as station:
            taken_on = station.wait_for_state("acknowledged")
            assert not [line for line in command_lines() if TOKEN.encode() in line]
            assert "You have taken it on" in twilio.answers.get(timeout=LIMIT_S)
            assert station.stop() in (0, 1)
    assert taken_on["labels"] == ["scream"]
    (step,) = [step for step in Journal(home).show(taken_on["incident"]).transitions if step.by == "person"]
    assert step.reason == "key pressed in the call to anna"
