"""A real broker shows what the station knows, and that it is there; commands reach the station."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from safety_monitor.actions.message import Message
from safety_monitor.actions.mqtt import MQTT, Broker
from safety_monitor.identity import Identity
from safety_monitor.incident import Evidence, Incident, Sense, State
from tests.servers.mosquitto import PASSWORD, USER, Mosquitto, missing_programs

ROOT = Path(__file__).resolve().parents[3]
ANSWER_S = 60.0
STATION = Identity("22222222-0000-0000-0000-000000000002", "kiosk")
TOPIC = f"safety-monitor/{STATION.id}"
INCIDENT = Incident(
    "11111111-0000-0000-0000-000000000001",
    State.CONFIRMED,
    13.5,
    0.97,
    (Evidence(Sense.AUDIO, "scream", 0.97, 13.5),),
    "scream 0.97",
)
MESSAGE = Message(
    key=f"{INCIDENT.id}:mqtt:alarm",
    kind="alarm",
    incident=INCIDENT,
    station="kiosk",
    opened_at=datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC),
    text="help",
    place=None,
    attachments=(),
    reference="",
)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: mosquitto)")
    server = Mosquitto(tmp_path)
    server.start()
    yield server
    server.stop()


class Home:
    """Somebody else on the broker, such as Home Assistant."""

    def __init__(self, broker: Mosquitto) -> None:
        self.got: queue.Queue[tuple[str, str, bool]] = queue.Queue()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.username_pw_set(USER, PASSWORD)
        subscribed = threading.Event()
        self.client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.on_message = lambda _c, _u, m: self.got.put((m.topic, m.payload.decode(), m.retain))
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        assert subscribed.wait(ANSWER_S)

    def wait_for(self, topic: str, containing: str = "") -> str:
        """The next message on a topic."""
        while True:
            found, body, _ = self.got.get(timeout=ANSWER_S)
            if found == topic and containing in body:
                return body

    def send(self, body: str, *, retain: bool = False) -> None:
        self.client.publish(f"{TOPIC}/command", body, 1, retain=retain).wait_for_publish(ANSWER_S)


@pytest.fixture
def home(broker: Mosquitto) -> Iterator[Home]:
    home = Home(broker)
    yield home
    home.client.disconnect()
    home.client.loop_stop()


def address(broker: Mosquitto, password: str = PASSWORD) -> Broker:
    return Broker("127.0.0.1", broker.port, USER, password)


@pytest.fixture
def station(broker: Mosquitto) -> Iterator[MQTT]:
    out = MQTT(address(broker), station=STATION)
    yield out
    out.close()


def test_an_incident_is_shown_and_kept(broker: Mosquitto, station: MQTT) -> None:
    outcome = station.deliver(MESSAGE)
    assert (outcome.ok, outcome.delivered) == (True, True)
    later = Home(broker)
    kept: dict[str, str] = {}
    while not {f"{TOPIC}/state", f"{TOPIC}/availability"} <= kept.keys():
        topic, body, _ = later.got.get(timeout=ANSWER_S)
        kept[topic] = body
    state = json.loads(kept[f"{TOPIC}/state"])
    assert (state["incident"], state["state"], state["labels"]) == (INCIDENT.id, "confirmed", ["scream"])
    assert kept[f"{TOPIC}/availability"] == "online"
    assert f"{TOPIC}/incidents" not in kept
    later.client.disconnect()
    later.client.loop_stop()


def test_every_change_is_told(home: Home, station: MQTT) -> None:
    for state in (State.CONFIRMED, State.ACKNOWLEDGED, State.CLOSED):
        assert station.deliver(replace(MESSAGE, incident=replace(INCIDENT, state=state))).ok
        assert json.loads(home.wait_for(f"{TOPIC}/incidents"))["state"] == state


def test_a_test_does_not_look_like_an_emergency(home: Home, station: MQTT) -> None:
    assert station.deliver(replace(MESSAGE, kind="test")).ok
    assert json.loads(home.wait_for(f"{TOPIC}/incidents"))["kind"] == "test"
    assert station.deliver(replace(MESSAGE, incident=replace(INCIDENT, state=State.CLOSED))).ok
    assert json.loads(home.wait_for(f"{TOPIC}/state"))["state"] == "closed"


def test_nothing_shows_that_somebody_is_forced(home: Home, station: MQTT) -> None:
    forced = replace(
        MESSAGE,
        kind="duress",
        key=f"{INCIDENT.id}:mqtt:duress",
        text="called off by somebody who is being FORCED",
        incident=replace(INCIDENT, state=State.CANCELLED),
    )
    assert station.deliver(forced).ok
    for topic in ("state", "incidents"):
        shown = home.wait_for(f"{TOPIC}/{topic}")
        assert '"state": "cancelled"' in shown
        assert "duress" not in shown.lower()
        assert "forced" not in shown.lower()


def test_home_assistant_finds_the_station(home: Home, broker: Mosquitto) -> None:
    out = MQTT(address(broker), station=STATION, commands={"acknowledge": lambda: None})
    node = f"safety_monitor_{STATION.id}"
    found = {
        kind: json.loads(home.wait_for(f"homeassistant/{kind}/{node}/{name}/config"))
        for kind, name in (("binary_sensor", "emergency"), ("sensor", "incident"), ("button", "acknowledge"))
    }
    for config in found.values():
        assert config["availability_topic"] == f"{TOPIC}/availability"
        assert config["device"]["name"] == "kiosk"
    assert found["binary_sensor"]["state_topic"] == f"{TOPIC}/state"
    assert found["button"]["command_topic"] == f"{TOPIC}/command"
    assert len({config["unique_id"] for config in found.values()}) == 3
    out.close()


def test_a_command_acknowledges_and_an_old_one_does_not(home: Home, broker: Mosquitto) -> None:
    done: queue.Queue[str] = queue.Queue()
    home.send("acknowledge", retain=True)
    out = MQTT(address(broker), station=STATION, commands={"acknowledge": lambda: done.put("acknowledged")})
    assert out.check().ok
    home.send("sing")
    home.send("acknowledge")
    assert done.get(timeout=ANSWER_S) == "acknowledged"
    out.close()
    assert done.empty()


def test_a_command_that_fails_does_not_end_the_connection(home: Home, broker: Mosquitto) -> None:
    asked: queue.Queue[str] = queue.Queue()

    def fail() -> None:
        asked.put("asked")
        raise RuntimeError("no such incident")

    out = MQTT(address(broker), station=STATION, commands={"acknowledge": fail})
    assert out.check().ok
    for _ in range(2):
        home.send("acknowledge")
        assert asked.get(timeout=ANSWER_S) == "asked"
    assert out.deliver(MESSAGE).ok
    out.close()


def test_a_station_that_stops_says_so(home: Home, broker: Mosquitto) -> None:
    out = MQTT(address(broker), station=STATION)
    assert home.wait_for(f"{TOPIC}/availability") == "online"
    out.close()
    assert home.wait_for(f"{TOPIC}/availability") == "offline"


def test_a_station_that_is_killed_is_offline(home: Home, broker: Mosquitto) -> None:
    program = f"""
import sys
from safety_monitor.actions.mqtt import MQTT, Broker
from safety_monitor.identity import Identity
out = MQTT(Broker("127.0.0.1", {broker.port}, {USER!r}, {PASSWORD!r}), station=Identity({STATION.id!r}, "kiosk"))
sys.stdin.readline()
"""
    station = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE)
    assert home.wait_for(f"{TOPIC}/availability") == "online"
    station.kill()
    station.wait()
    assert home.wait_for(f"{TOPIC}/availability") == "offline"


def test_a_visit_leaves_the_connected_station_alone(home: Home, broker: Mosquitto, station: MQTT) -> None:
    assert home.wait_for(f"{TOPIC}/availability") == "online"
    visitor = MQTT(address(broker), station=STATION, visit=True)
    assert visitor.check().ok
    visitor.close()
    assert station.deliver(MESSAGE).ok
    told: list[Any] = []
    while not home.got.empty():
        told.append(home.got.get())
    assert not [body for topic, body, _ in told if topic == f"{TOPIC}/availability"]


def test_another_process_of_the_station_leaves_it_online(home: Home, broker: Mosquitto, station: MQTT) -> None:
    assert station.deliver(MESSAGE).ok
    test = MQTT(address(broker), station=STATION)
    assert test.deliver(replace(MESSAGE, kind="test")).ok
    test.close()
    assert home.wait_for(f"{TOPIC}/availability", "offline")
    assert home.wait_for(f"{TOPIC}/availability") == "online"
    assert station.deliver(MESSAGE).ok


def test_a_broker_that_goes_and_comes_back(broker: Mosquitto, station: MQTT) -> None:
    assert station.deliver(MESSAGE).ok
    broker.stop()
    down = station.deliver(MESSAGE)
    assert (down.ok, down.again) == (False, True)
    broker.start()
    while not (outcome := station.deliver(MESSAGE)).ok:
        assert outcome.again
    assert json.loads(Home(broker).wait_for(f"{TOPIC}/state"))["incident"] == INCIDENT.id


def test_a_broker_that_never_answers(broker: Mosquitto) -> None:
    out = MQTT(address(broker), station=STATION, answer_s=0.3)
    assert out.check().ok
    broker.freeze()
    outcome = out.deliver(MESSAGE)
    assert (outcome.ok, outcome.again) == (False, True)
    assert "did not confirm within 0.3 s" in outcome.detail
    broker.thaw()
    out.close()


def test_a_wrong_password_is_told_without_it(broker: Mosquitto, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    out = MQTT(address(broker, "another-planted-one"), station=STATION)
    outcome = out.deliver(MESSAGE)
    out.close()
    assert (outcome.ok, outcome.again) == (False, True)
    assert "refuses the station: Not authorized" in outcome.detail
    assert "planted" not in repr(outcome) + repr(address(broker)) + repr(out) + caplog.text
