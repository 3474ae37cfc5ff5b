"""The commands that README and docs print: each is one that the program knows, and most are run as they stand there."""

import json
import queue
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from audio.blocks import SAMPLE_RATE
from safety_monitor.actions.evidence import EvidenceStore
from safety_monitor.cli import app
from safety_monitor.delivery import DeliveryState, Result
from safety_monitor.demo.scene import sound
from safety_monitor.escalation import Nature, Planned, delivery_key
from safety_monitor.journal.incidents import Journal
from safety_monitor.people.decision import hash_of
from tests.alarms import SCREAM
from tests.recordings import tone, write_media
from tests.servers import mosquitto
from tests.servers.mail import mail_server
from tests.servers.program import free_port
from tests.servers.twilio import SID, TOKEN, fake_twilio
from tests.stream_server import endless_sound, stream_server
from tests.system.command import LIMIT_S, environment, running

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PIN = "4711"
ELSEWHERE = {"collect", "train", "evaluate", "compare", "plot", "data", "labels", "init", "run", "pin-hash"}
ELSEWHERE |= {"models use", "models rollback", "models check"}
"""They need a camera, a room, a corpus, a terminal or minutes; tests of their own run them."""
SETTINGS = f"""
[[contacts]]
name = "anna"
sms = "+15005550006"
[twilio]
account_sid = "{SID}"
number = "+15005550001"
[mqtt]
host = "127.0.0.1"
username = "{mosquitto.USER}"
commands = ["acknowledge", "cancel", "arm", "disarm"]
[alarm]
enabled = false
[speech]
enabled = false
[limits]
cool_down_s = 0
most = 1000
"""


def printed(page: Path) -> list[str]:
    """The lines of a page's blocks of code, those that are continued as one."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    fenced = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    indented = re.findall(r"^(?: {3})? {4}(\S.*)$", text, re.M)
    return [line.strip() for block in fenced for line in block.splitlines()] + indented


def commands(*programs: str) -> list[str]:
    """The commands of all pages that begin with one of these programs."""
    lines = [line for page in PAGES for line in printed(page)]
    return [line for line in lines if line.removeprefix(".venv/bin/").split(" ")[0] in programs]


def words_of(command: str) -> list[str]:
    """What stands behind the program's name; without comments, and without where the output goes."""
    return shlex.split(command.split(" >> ")[0], comments=True)[1:]


def inline() -> list[str]:
    """The commands that stand in running text."""
    found = re.findall(r"`(?:\.venv/bin/)?(safety-monitor [^`]*)`", "".join(page.read_text() for page in PAGES))
    return [command.replace("...", "") for command in found]


def objection(command: str) -> str:
    """What the program's parser has against a command; empty if nothing."""
    known: Any = get_command(app)
    name: str | None = "safety-monitor"
    context, words = None, words_of(command)
    try:
        while True:
            context = known.make_context(name, words, parent=context)
            rest = [*context._protected_args, *context.args]
            if not isinstance(known, TyperGroup) or not rest:
                return " ".join(rest)
            name, known, words = known.resolve_command(context, rest)
    except Exception as error:  # a command that is only named stands without what it takes
        return "" if "MissingParameter" in type(error).__name__ else str(error)


def test_every_command_and_its_options_are_known() -> None:
    as_root = [line.removeprefix("sudo ") for line in commands("sudo") if "safety-monitor " in line]
    found = {command: objection(command) for command in [*commands("safety-monitor"), *as_root, *inline()]}
    assert len(found) > 70
    assert {command: text for command, text in found.items() if text} == {}
    assert objection("safety-monitor incidents --jsn")
    assert objection("safety-monitor incident")


@dataclass
class World:
    """A station that runs, and what the commands are about.

    Attributes:
        home: of the station.
        port: of its pages.
        broker: that it is shown on.
        journal: of the station.
        variables: that it runs with, PIN and all.
    """

    home: Path
    port: str
    broker: mosquitto.Mosquitto
    journal: Journal
    variables: dict[str, str]
    numbers: Iterator[int] = field(default_factory=lambda: count(0x0B4AD0E6))

    def incident(self) -> tuple[str, str]:
        """A new incident with evidence, and the key of a message about it that failed."""
        incident = replace(SCREAM, id=f"{next(self.numbers):08x}-6f0e-4c5e-8a43-000000000001")
        key = delivery_key(incident.id, "sms:anna", "alarm")
        self.journal.record(incident, [Planned(key, "sms:anna", Nature.MESSAGE, "alarm", after_s=3600.0)])
        self.journal.outbox.finish([Result(key, 1, DeliveryState.FAILED, "no credit")])
        store = EvidenceStore(self.home, keep_days=1.0, most_bytes=10**9)
        assert store.save(incident.id, "sound.flac", b"sound")
        return incident.id, key

    def filled_in(self, command: str) -> str:
        """A command about an incident of its own, with what a reader puts in."""
        incident, key = self.incident()
        for words, instead in {
            "0b4ad0e6…:sms:anna:alarm": key,
            "0b4ad0e6": incident[:8],
            "/ID": f"/{incident}",
            "KEY OF A DELIVERY": key,
            '"pin": "…"': f'"pin": "{PIN}"',
            "127.0.0.1:8080": f"127.0.0.1:{self.port}",
            "-h homeassistant.local": f"-h 127.0.0.1 -p {self.broker.port}",
            "-P …": f"-P {mosquitto.PASSWORD}",
            "--channel mysql": "--channel mqtt",
            "<station id>": (self.home / "station-id").read_text().strip() if "<station id>" in command else "",
        }.items():
            command = command.replace(words, instead)
        return command


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home, folder, port, stop = (
        tmp_path_factory.mktemp("home"),
        tmp_path_factory.mktemp("broker"),
        str(free_port()),
        threading.Event(),
    )
    (home / "station.toml").write_text(SETTINGS, encoding="utf-8")
    write_media(home / "recording.mp3", sound=tone(SAMPLE_RATE))
    with (
        mosquitto.mosquitto(folder) as broker,
        fake_twilio() as twilio,
        mail_server() as mails,
        stream_server(endless_sound(sound(), stop), "audio/wav", "/sound.wav") as microphone,
    ):
        twilio.becomes = {"Messages": "delivered"}
        variables = {
            "TWILIO__AUTH_TOKEN": TOKEN,
            "TWILIO__API_URL": twilio.url,
            "MESSAGES__MAIL": mails.url,
            "MQTT__PORT": str(broker.port),
            "MQTT__PASSWORD": mosquitto.PASSWORD,
            "ACKNOWLEDGE__PIN_HASH": hash_of(PIN),
            "CAMERA__SOURCE": "off",
            "MICROPHONE__SOURCE": microphone,
        }
        named = {f"SAFETY_MONITOR_{name}": value for name, value in variables.items()}
        with running(home, environ=environment(home), SAFETY_MONITOR_WEB__PORT=port, **named) as station:
            station.wait_for(lambda station: any(" pages: " in line for line in station.log))
            journal = Journal(home)
            yield World(home, port, broker, journal, named)
            journal.close()
            stop.set()


def test_the_rest_commands_do_what_they_say(world: World) -> None:
    told = {}
    for command in commands("curl"):
        shell = f"{world.filled_in(command)} -sS -o /dev/null -w '%{{http_code}}'"
        done = subprocess.run(["bash", "-c", shell], cwd=world.home, capture_output=True, text=True, check=False)
        told[command] = f"{done.stdout}{done.stderr}"
    assert len(told) > 15
    (health,) = (told.pop(command) for command in list(told) if "/health" in command)
    assert health in ("200", "503")  # as it is
    assert told == dict.fromkeys(told, "200")


def test_the_command_lines_do_what_they_say(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world.home)
    monkeypatch.setenv("SAFETY_MONITOR_HOME", str(world.home))
    for name, value in world.variables.items():
        monkeypatch.setenv(name, value)
    told = {}
    for command in commands("safety-monitor"):
        words = words_of(world.filled_in(command))
        if words[0] not in ELSEWHERE and " ".join(words[:2]) not in ELSEWHERE:
            asked = [] if words[1:2] != ["cancel"] else ["--pin-stdin"]  # in a terminal it asks for it by itself
            done = CliRunner().invoke(app, [*words, *asked], input=f"{PIN}\n" * 2)
            told[command] = f"{done.exit_code} {done.output[-300:] if done.exit_code else ''}".strip()
    assert len(told) > 20
    assert {command: text for command, text in told.items() if text != "0"} == {}


def test_the_broker_s_commands_do_what_they_say(world: World) -> None:
    answers: queue.Queue[str] = queue.Queue()
    (publish, subscribe) = (given(world, program) for program in ("mosquitto_pub", "mosquitto_sub"))
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(subscribe["-u"], subscribe["-P"])
    client.on_connect = lambda client, *_: client.subscribe(subscribe["-t"], 1)
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda _c, _u, got: answers.put(got.payload.decode()) if got.topic.endswith("/answer") else None
    client.connect(subscribe["-h"], int(subscribe["-p"]))
    client.loop_start()
    assert subscribed.wait(LIMIT_S)
    client.publish(publish["-t"], publish["-m"], 1)
    answer = json.loads(answers.get(timeout=LIMIT_S))
    client.loop_stop()
    assert answer == {"command": "cancel", "ok": True, "detail": answer["detail"]}


def given(world: World, program: str) -> dict[str, str]:
    """The options of the one command of a program that the docs print."""
    (command,) = commands(program)
    words = [word for word in words_of(world.filled_in(command)) if word != "-v"]
    return dict(zip(words[::2], words[1::2], strict=True))


def test_a_backup_is_restored_as_told(tmp_path: Path) -> None:
    if shutil.which("sqlite3") is None:
        pytest.skip("not installed: sqlite3")
    lines = [line for line in printed(ROOT / "docs" / "operating.md") if "/backup" in line or "journal.sqlite" in line]
    home, settings = tmp_path / "var" / "lib" / "safety-monitor", tmp_path / "etc" / "safety-monitor"
    settings.mkdir(parents=True)
    (settings / "station.toml").write_text("# mine")
    journal = Journal(home)  # open, as the station that runs has it
    journal.record(SCREAM)
    store = EvidenceStore(home, keep_days=1.0, most_bytes=10**9)
    store.save(SCREAM.id, "sound.flac", b"sound")
    (home / "models" / "mine").mkdir(parents=True)
    # The user of a service that is not installed here owns nothing.
    script = re.sub(r"chown (-R )?safety-monitor:", "touch", "\n".join(["set -eu", *lines]))
    script = re.sub(r"(?<=[ '\"=])/(?=var/|etc/|backup)", f"{tmp_path}/", script)
    backup, restore = script.split("\nrm -f")
    subprocess.run(["bash", "-c", backup], check=True)
    journal.close()
    for folder in (home, settings):
        shutil.rmtree(folder)
        folder.mkdir()
    subprocess.run(["bash", "-c", f"set -eu\nrm -f{restore}"], check=True)
    journal = Journal(home)
    assert [entry.incident for entry in journal.list()] == [SCREAM]
    journal.close()
    assert [path.name for path in store.files(SCREAM.id)] == ["sound.flac"]
    assert (home / "models" / "mine").is_dir()
    assert (settings / "station.toml").read_text() == "# mine"
