"""A real broker shows what the station knows, and that it is there; commands reach the station."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from safety_monitor.actions import mqtt
from safety_monitor.actions.mqtt import MQTT, Broker, Order, RefusedError
from safety_monitor.delivery import Job, Turn
from safety_monitor.dispatch.composing import Composer
from safety_monitor.escalation import Kind, delivery_key
from safety_monitor.identity import Identity
from safety_monitor.incident import State, notice
from tests.alarms import SCREAM as INCIDENT
from tests.alarms import alarm
from tests.servers.mosquitto import PASSWORD, USER, Mosquitto, mosquitto
from tests.servers.odd_broker import odd_broker
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[3]
ANSWER_S = 60.0
STATION = Identity("22222222-0000-0000-0000-000000000002", "kiosk")
TOPIC = f"safety-monitor/{STATION.id}"
MESSAGE = alarm("mqtt")


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stations look at their panel and for a broker that is away more often than is worth while in a corridor."""
    monkeypatch.setattr(mqtt, "LOOK_S", 0.05)
    monkeypatch.setattr(mqtt, "WAIT_S", (0.1, 0.1))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as broker:
        yield broker


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


def test_what_a_broker_that_was_away_learns_late_hides_no_newer_incident(home: Home, station: MQTT) -> None:
    shown = replace(MESSAGE, opened_at=datetime.now(UTC))
    earlier = replace(INCIDENT, id="11111111-0000-0000-0000-000000000009", state=State.CLOSED)
    late = replace(shown, incident=earlier, opened_at=shown.opened_at - timedelta(hours=1))
    for message in (shown, late, replace(shown, incident=replace(INCIDENT, state=State.ACKNOWLEDGED))):
        assert station.deliver(message).ok
    assert [json.loads(home.wait_for(f"{TOPIC}/state"))["state"] for _ in range(2)] == ["confirmed", "acknowledged"]


def test_a_test_does_not_look_like_an_emergency(home: Home, station: MQTT) -> None:
    assert station.deliver(replace(MESSAGE, kind="test")).ok
    assert json.loads(home.wait_for(f"{TOPIC}/incidents"))["kind"] == "test"
    assert station.deliver(replace(MESSAGE, incident=replace(INCIDENT, state=State.CLOSED))).ok
    assert json.loads(home.wait_for(f"{TOPIC}/state"))["state"] == "closed"


def test_what_was_called_off_late_looks_the_same_where_somebody_was_forced_to(home: Home, station: MQTT) -> None:
    called_off = replace(INCIDENT, state=State.CANCELLED, reason="by a person")
    kinds: tuple[Kind, ...] = ("update", "duress")
    for kind in kinds:
        key, began = delivery_key(INCIDENT.id, "mqtt", kind), MESSAGE.opened_at
        job = Job(key, 1, "mqtt", kind, Turn.FRESH, 0, 0.0, None, "", (), kind == "duress", called_off, str(began))
        composer = Composer("kiosk", "https://kiosk.example.org")
        assert station.deliver(composer.message(job, station, help_called=True, now=began.timestamp() + 1200.0)).ok
    shown = [home.wait_for(f"{TOPIC}/incidents") for _ in kinds]
    assert "20 minutes ago" in shown[0]
    assert shown[1] == shown[0]


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
    assert station.deliver(replace(forced, incident=notice("disarmed under duress"))).ok  # nothing at all of this one
    assert station.deliver(MESSAGE).ok
    assert json.loads(home.wait_for(f"{TOPIC}/incidents"))["kind"] == "alarm"


@dataclass
class Panel:
    """A station that is shown and commanded."""

    armed: bool = True
    troubles: dict[str, str] = field(default_factory=lambda: {"audio": "", "gesture": "gesture: camera: dark"})
    orders: "queue.Queue[Order]" = field(default_factory=queue.Queue)

    def health(self) -> dict[str, str]:
        return self.troubles

    def carry_out(self, order: Order) -> str:
        self.orders.put(order)
        if order.incident == "breaks":
            raise RuntimeError("in an unforeseen way")
        if order.pin == "wrong":
            raise RefusedError("the PIN is wrong")
        return f"{order.command} done"


def attended(broker: Mosquitto, panel: Panel, *commands: str, pin: bool = False) -> MQTT:
    out = MQTT(address(broker), station=STATION, commands=commands, pin_to_disarm=pin)
    out.attend(panel)
    assert out.check().ok
    return out


@pytest.mark.parametrize(
    ("commands", "pin", "armed"),
    [
        (("acknowledge", "arm", "disarm"), False, "switch"),
        (("acknowledge", "arm", "disarm"), True, "alarm_control_panel"),
        ((), True, "binary_sensor"),
    ],
)
def test_home_assistant_finds_the_station_and_its_senses(
    home: Home, broker: Mosquitto, commands: tuple[str, ...], pin: bool, armed: str
) -> None:
    out = attended(broker, Panel(), *commands, pin=pin)
    node = f"safety_monitor_{STATION.id}"
    entities = {("binary_sensor", "emergency"), ("sensor", "incident"), (armed, "armed")}
    entities |= {("binary_sensor", "health_audio"), ("binary_sensor", "health_gesture")}
    entities |= {("button", "acknowledge")} if commands else set()
    found: dict[tuple[str, str], dict[str, Any]] = {}
    shown: dict[str, str] = {}
    while len(found) < len(entities) or len(shown) < 3:
        topic, body, _ = home.got.get(timeout=ANSWER_S)
        if topic.startswith("homeassistant/"):
            _, kind, at, name, last = topic.split("/")
            assert (at, last) == (node, "config")
            if body:
                found[kind, name] = json.loads(body)
        elif "/health/" in topic or topic.endswith("/armed"):
            shown[topic.removeprefix(f"{TOPIC}/")] = body
    out.close()
    assert found.keys() == entities
    for config in found.values():
        assert config["availability_topic"] == f"{TOPIC}/availability"
        assert config["device"]["name"] == "kiosk"
    assert len({config["unique_id"] for config in found.values()}) == len(entities)
    assert found["binary_sensor", "emergency"]["state_topic"] == f"{TOPIC}/state"
    assert found[armed, "armed"].get("command_topic") == (f"{TOPIC}/command" if commands else None)
    health = found["binary_sensor", "health_gesture"]
    assert (health["device_class"], health["state_topic"]) == ("problem", f"{TOPIC}/health/gesture")
    assert shown["armed"] == "ON"
    assert json.loads(shown["health/audio"]) == {"problem": "OFF", "detail": ""}
    assert json.loads(shown["health/gesture"]) == {"problem": "ON", "detail": "gesture: camera: dark"}


def test_a_change_is_shown_and_kept_and_shown_again_after_the_broker_was_away(home: Home, broker: Mosquitto) -> None:
    panel = Panel()
    out = attended(broker, panel)
    assert home.wait_for(f"{TOPIC}/armed") == "ON"
    panel.armed, panel.troubles = False, {"audio": "audio: microphone: unplugged"}
    assert home.wait_for(f"{TOPIC}/armed") == "OFF"
    assert "unplugged" in home.wait_for(f"{TOPIC}/health/audio", "ON")
    broker.stop()
    broker.start()  # it has forgotten what it had kept
    later = Home(broker)
    assert later.wait_for(f"{TOPIC}/armed") == "OFF"
    assert "unplugged" in later.wait_for(f"{TOPIC}/health/audio")
    out.close()
    later.client.disconnect()
    later.client.loop_stop()


@pytest.mark.parametrize(
    ("sent", "order", "ok", "detail"),
    [
        ("acknowledge", Order("acknowledge"), True, "acknowledge done"),
        (" DISARM ", Order("disarm"), True, "disarm done"),
        (
            '{"command": "cancel", "pin": "4711", "incident": "0b4a"}',
            Order("cancel", "0b4a", "4711"),
            True,
            "cancel done",
        ),
        ('{"command": "cancel", "pin": "wrong"}', Order("cancel", "", "wrong"), False, "the PIN is wrong"),
        (
            '{"command": "acknowledge", "incident": "breaks"}',
            Order("acknowledge", "breaks"),
            False,
            "failed in an unforeseen way",
        ),
        ("arm", None, False, "mqtt.commands does not allow it"),
        ("cancel planted-4711", None, False, "unknown command; known are acknowledge, cancel, arm, disarm"),
        ('{"command": 1}', None, False, "takes command, incident and pin, each a text"),
        ('{"command": "disarm", "planted": "4711"}', None, False, "takes command, incident and pin, each a text"),
        ('{"command": ', None, False, "it is not JSON"),
        ("", None, False, "unknown command"),
    ],
)
def test_what_is_allowed_is_done_and_all_is_answered(
    home: Home,
    broker: Mosquitto,
    caplog: pytest.LogCaptureFixture,
    sent: str,
    order: Order | None,
    ok: bool,
    detail: str,
) -> None:
    caplog.set_level("DEBUG")
    panel = Panel()
    out = attended(broker, panel, "acknowledge", "cancel", "disarm")
    home.send(sent)
    answer = json.loads(home.wait_for(f"{TOPIC}/answer"))
    out.close()
    assert (answer["ok"], answer["command"]) == (ok, order.command if order else answer["command"])
    assert answer["detail"].startswith(detail)
    assert ([] if panel.orders.empty() else [panel.orders.get()]) == ([order] if order else [])
    assert "4711" not in caplog.text + json.dumps(answer)


def test_a_command_that_comes_while_the_station_starts_is_carried_out(home: Home, broker: Mosquitto) -> None:
    out = MQTT(address(broker), station=STATION, commands=("disarm",))
    assert out.check().ok
    home.send("disarm")
    out.attend(Panel())
    answer = json.loads(home.wait_for(f"{TOPIC}/answer"))
    out.close()
    assert (answer["command"], answer["ok"]) == ("disarm", True)


def test_a_command_that_waits_for_a_disk_keeps_no_incident_from_being_shown(
    home: Home, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, waits = threading.Event(), threading.Event()

    class Slow(Panel):
        def carry_out(self, order: Order) -> str:
            if order.incident == "hangs":
                waits.set()
                assert disk.wait(ANSWER_S)
            return super().carry_out(order)

    panel = Slow()
    out = attended(broker, panel, "acknowledge", "disarm")
    home.send('{"command": "acknowledge", "incident": "hangs"}')
    assert waits.wait(ANSWER_S)
    assert out.deliver(MESSAGE).ok
    assert json.loads(home.wait_for(f"{TOPIC}/incidents"))["state"] == "confirmed"
    for _ in range(mqtt.MOST_ORDERS + 50):  # answered once
        home.send("disarm")
    assert "too many commands wait" in home.wait_for(f"{TOPIC}/answer")
    monkeypatch.setattr(mqtt, "OLD_S", 0.0)
    disk.set()
    assert json.loads(home.wait_for(f"{TOPIC}/answer"))["ok"]
    assert "could not do it in time" in home.wait_for(f"{TOPIC}/answer")  # nobody waits for it any more
    out.close()
    assert [order.command for order in panel.orders.queue] == ["acknowledge"]


def test_an_old_command_is_not_carried_out(home: Home, broker: Mosquitto) -> None:
    panel = Panel()
    home.send("disarm", retain=True)
    out = attended(broker, panel, "acknowledge", "disarm")
    home.send("acknowledge")
    assert panel.orders.get(timeout=ANSWER_S).command == "acknowledge"
    out.close()
    assert panel.orders.empty()


def test_a_station_that_stops_says_so(home: Home, broker: Mosquitto) -> None:
    out = MQTT(address(broker), station=STATION)
    assert home.wait_for(f"{TOPIC}/availability") == "online"
    out.close()
    assert home.wait_for(f"{TOPIC}/availability") == "offline"


def test_a_station_that_is_killed_is_offline(home: Home, broker: Mosquitto) -> None:
    program = f"""
import sys
from safety_monitor.actions.mqtt import MQTT, Broker, Order, RefusedError
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


def test_a_broker_that_goes_and_comes_back(broker: Mosquitto, station: MQTT, monkeypatch: pytest.MonkeyPatch) -> None:
    assert station.deliver(MESSAGE).ok
    monkeypatch.setattr(mqtt, "CONNECT_S", 0.5)  # so long it waits for one that is away
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
    broker.program.freeze()
    outcome = out.deliver(MESSAGE)
    assert (outcome.ok, outcome.again) == (False, True)
    assert "did not confirm within 0.3 s" in outcome.detail
    broker.program.thaw()
    out.close()


def test_a_broker_that_sends_a_topic_that_is_no_text_is_shown_the_next_incident() -> None:
    with odd_broker(b"\x30\x05\x00\x02\xff\xfe!") as broker:
        out = MQTT(Broker("127.0.0.1", broker.port), station=STATION, answer_s=1.0)
        until(lambda: out.deliver(MESSAGE).ok)
        out.close()
    assert broker.connections == 1


def test_a_wrong_password_is_told_without_it(
    broker: Mosquitto, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("DEBUG")
    out = MQTT(address(broker, "another-planted-one"), station=STATION)
    monkeypatch.setattr(mqtt, "CONNECT_S", 0.2)  # so long it waits to be let in
    until(lambda: "refuses" in out.deliver(MESSAGE).detail)
    outcome = out.deliver(MESSAGE)
    out.close()
    assert (outcome.ok, outcome.again) == (False, True)
    assert "refuses the station: Not authorized" in outcome.detail
    assert "planted" not in repr(outcome) + repr(address(broker)) + repr(out) + caplog.text
