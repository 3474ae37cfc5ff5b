"""The station on an MQTT broker, for home automation: it is found by Home Assistant and says whether it is there.

Below `<prefix>/<station id>/` stand, kept by the broker: `availability` ("online", or "offline" by last will when the
station is gone without a word), `state` (JSON: what the newest incident is now), `armed` ("ON" or "OFF") and
`health/<part>` (JSON: whether there is a problem with a sense, and which). `incidents` gets every change as JSON, not
kept. `command` takes what the settings allow, as a word such as "acknowledge" or as JSON with "command", "pin" and
"incident"; what came of it is told on `answer`. A command that the broker had kept is old, and ignored.

What stands on a broker may be seen on a screen beside the station. An incident that was called off by somebody who is
being forced looks here as any other that was called off.

Reference: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

import json
import logging
import ssl
import sys
import threading
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from safety_monitor.actions.document import document
from safety_monitor.actions.failure import one_line
from safety_monitor.actions.message import Message, written
from safety_monitor.actions.outcome import Outcome
from safety_monitor.identity import Identity

log = logging.getLogger(__name__)

CONNECT_S, ANSWER_S = 5.0, 10.0
KEEP_ALIVE_S = 30
"""The broker says "offline" one and a half times as long after the station was last heard."""
WAIT_S = (1, 30)
"""Shortest and longest wait before the broker is called again."""
AT_LEAST_ONCE = 1
MOST_WAITING = 100
LOOK_S = 1.0
"""How often it is looked whether something has changed on the panel."""
LONGEST_ORDER = 500
COMMANDS = ("acknowledge", "cancel", "arm", "disarm")
BUTTONS = ("acknowledge",)
"""Commands that Home Assistant shows a button for; cancelling takes a PIN, and arming has a switch."""


NAMES = {"audio": "Hearing", "gesture": "Seeing"}
"""How parts are called in Home Assistant; any other by its own name."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody on the broker asks for.

    Attributes:
        command: such as "acknowledge".
        incident: its id; empty: the newest that waits for it.
        pin: where the station asks for one.
    """

    command: str
    incident: str = ""
    pin: str = field(default="", repr=False)


class RefusedError(Exception):
    """An order is not carried out; the text is one line that says why."""


class Panel(Protocol):
    """The running station, as far as a broker shows and commands it."""

    @property
    def armed(self) -> bool:
        """Whether what is noticed can become an incident."""

    def health(self) -> Mapping[str, str]:
        """What is wrong with each part, one line; empty if nothing is."""

    def carry_out(self, order: Order) -> str:
        """Do what is asked for, and say in one line what was done; raises `RefusedError`."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is.

    Attributes:
        host: name or address.
        port: 1883, or 8883 with TLS.
        username: empty: none.
        password: empty: none.
        tls: whether the connection is encrypted.
        ca_file: certificates to trust; None: those of the system.
        prefix: of all topics.
        discovery_prefix: Home Assistant's; empty: it is not told.
    """

    host: str
    port: int = 1883
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: Path | None = None
    prefix: str = "safety-monitor"
    discovery_prefix: str = "homeassistant"


class MQTT:
    """The channel that shows a broker what the station knows.

    It connects at once and stays connected, in a thread of its own.

    Args:
        broker: where and how.
        station: who is there.
        commands: those that are carried out, once there is a station to do it (`attend`).
        pin_to_disarm: whether disarming takes a PIN.
        visit: only to see whether the broker lets the station in: nothing is shown, and a station that is connected
            stays so.

    Raises:
        OSError: `ca_file` cannot be read.
    """

    name = "mqtt"
    record = True

    def __init__(
        self,
        broker: Broker,
        *,
        station: Identity,
        commands: Collection[str] = (),
        pin_to_disarm: bool = False,
        visit: bool = False,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._broker = broker
        self._station = station
        self._commands = tuple(commands)
        self._pin_to_disarm = pin_to_disarm
        self._panel: Panel | None = None
        self._shown: dict[str, str] = {}
        """Topic -> what the broker shows of the panel, since it was connected."""
        self._closed = threading.Event()
        self._visit = visit
        self._answer_s = answer_s
        self._connected = threading.Event()
        self._why_not = "does not answer"
        self._topic = f"{broker.prefix}/{station.id}"
        # A name of its own for every process: a test beside a running station must not throw that out.
        client_id = f"safety-monitor-{uuid.uuid4()}"
        self._client = client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        client.connect_timeout = CONNECT_S
        client.reconnect_delay_set(*WAIT_S)
        client.max_queued_messages_set(MOST_WAITING)
        if broker.username:
            client.username_pw_set(broker.username, broker.password or None)
        if broker.tls:
            client.tls_set_context(ssl.create_default_context(cafile=broker.ca_file))
        if not visit:
            client.will_set(f"{self._topic}/availability", "offline", AT_LEAST_ONCE, retain=True)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.connect_async(broker.host, broker.port, KEEP_ALIVE_S)
        client.loop_start()

    def attend(self, panel: Panel) -> None:
        """From now on show a running station, and take commands for it."""
        self._panel = panel
        if self._client.is_connected():
            self._subscribe()
        threading.Thread(target=self._keep_showing, name="mqtt-panel", daemon=True).start()

    def deliver(self, message: Message) -> Outcome:
        """Show what the incident is now; done when the broker has confirmed it."""
        if message.kind == "duress" and not message.incident.evidence:  # somebody was forced to disarm it
            return Outcome(ok=True, detail="nothing of it is shown", delivered=True)
        message = _discreet(message)
        incident = message.incident
        told = document(message, self._station)
        shown = {
            name: told[name] for name in ("incident", "kind", "state", "labels", "confidence", "opened_at", "place")
        }
        if not self._connected.wait(CONNECT_S):
            return self._failed(self._why_not)
        try:
            for topic, content, kept in (("state", shown, True), ("incidents", told, False)):
                if topic == "state" and message.kind in ("test", "trouble"):
                    continue
                body = json.dumps(content, ensure_ascii=False)
                sent = self._client.publish(f"{self._topic}/{topic}", body, AT_LEAST_ONCE, retain=kept)
                sent.wait_for_publish(self._answer_s)
                if not sent.is_published():
                    return self._failed(f"did not confirm within {self._answer_s:g} s")
        except (RuntimeError, ValueError) as error:  # the connection broke, or too much waits
            return self._failed(str(error))
        return Outcome(ok=True, detail=f"{self._broker.host} shows {incident.state}", delivered=True)

    def check(self) -> Outcome:
        """Whether the broker lets the station in."""
        if self._connected.wait(CONNECT_S):
            return Outcome(ok=True, detail=f"connected to {self._broker.host}:{self._broker.port}")
        return self._failed(self._why_not)

    def interrupt(self) -> None:
        """Nothing lasts here that could be broken off."""

    def close(self) -> None:
        """Say goodbye and disconnect."""
        self._closed.set()
        if self._client.is_connected() and not self._visit:
            try:
                gone = self._client.publish(f"{self._topic}/availability", "offline", AT_LEAST_ONCE, retain=True)
                gone.wait_for_publish(self._answer_s)
            except (RuntimeError, ValueError):
                log.debug("mqtt: gone without a word")
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: paho.Client, _user: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._why_not = f"refuses the station: {reason}"
            return
        if self._visit:
            self._connected.set()
        else:
            for topic, config in self.discovery().items():
                client.publish(topic, json.dumps(config), AT_LEAST_ONCE, retain=True)
            self._say_online()
            self._shown = {}
            # Not yet connected: what is sent before the broker has confirmed this would be lost.
            self._subscribe()

    def _subscribe(self) -> None:
        topics = ["availability", "command"] if self._panel else ["availability"]
        self._client.subscribe([(f"{self._topic}/{topic}", AT_LEAST_ONCE) for topic in topics])

    def _on_subscribe(self, _client: paho.Client, _user: Any, _number: int, reasons: Any, _properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            log.warning("mqtt: the broker does not let the station read below %s", self._topic)
        self._connected.set()

    def _on_connect_fail(self, _client: paho.Client, _user: Any) -> None:
        error = sys.exc_info()[1]
        self._why_not = f"cannot be reached: {error}" if error else "cannot be reached"

    def _on_disconnect(self, _client: paho.Client, _user: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if self._connected.is_set():
            self._why_not = f"ended the connection: {reason}"
        self._connected.clear()

    def _on_message(self, _client: paho.Client, _user: Any, message: paho.MQTTMessage) -> None:
        if message.topic.endswith("/availability"):
            gone = message.payload != b"online" and not self._closed.is_set()
            if gone:  # another process of this station went, but this one is here
                self._say_online()
        elif message.retain:
            log.warning("mqtt: the broker had kept a command; it is old, and ignored")
        else:
            self._obey(bytes(message.payload))

    def _obey(self, payload: bytes) -> None:
        """Carry out an order, and tell what came of it. What was sent is not logged: it may hold a PIN."""
        command, done = "", False
        try:
            order = order_of(payload)
            if order.command not in COMMANDS:
                raise RefusedError(f"unknown command; known are {', '.join(COMMANDS)}")
            command = order.command
            if command not in self._commands or self._panel is None:
                raise RefusedError("mqtt.commands does not allow it")
            detail = self._panel.carry_out(order)
            done = True
        except RefusedError as error:
            detail = str(error)
        except Exception:  # the thread that keeps the connection must live on
            log.exception("mqtt: the command failed in an unforeseen way")
            detail = "failed in an unforeseen way"
        log.log(logging.INFO if done else logging.WARNING, "mqtt: %s: %s", command or "a command", detail)
        told = json.dumps({"command": command, "ok": done, "detail": detail}, ensure_ascii=False)
        self._client.publish(f"{self._topic}/answer", told, AT_LEAST_ONCE)

    def _keep_showing(self) -> None:
        """The life of a thread: what has changed on the panel is shown."""
        while not self._closed.wait(LOOK_S):
            try:
                if self._connected.is_set() and self._panel is not None:
                    self._show(self._panel)
            except Exception:
                log.exception("mqtt: the station cannot be shown")

    def _show(self, panel: Panel) -> None:
        shown = {f"{self._topic}/armed": "ON" if panel.armed else "OFF"}
        found = {"armed": self._armed_part()}
        for kind in {"binary_sensor", "switch", "alarm_control_panel"} - {found["armed"][0]}:
            if at := self._discovery_topic(kind, "armed"):
                shown[at] = ""  # what it was with other settings is taken back
        for part, trouble in panel.health().items():
            topic = f"{self._topic}/health/{part}"
            shown[topic] = json.dumps({"problem": "ON" if trouble else "OFF", "detail": trouble}, ensure_ascii=False)
            found[f"health_{part}"] = self._health_part(part, topic)
        for name, (kind, config) in found.items():
            if (at := self._discovery_topic(kind, name)) and at not in self._shown:
                shown[at] = json.dumps(self._entity(name, config))
        for topic, body in shown.items():
            if self._shown.get(topic) != body:
                self._client.publish(topic, body, AT_LEAST_ONCE, retain=True)
        self._shown |= shown

    def _say_online(self) -> None:
        self._client.publish(f"{self._topic}/availability", "online", AT_LEAST_ONCE, retain=True)

    def discovery(self) -> dict[str, dict[str, Any]]:
        """Topic -> what Home Assistant is told, so that it shows the station without being set up."""
        if not self._broker.discovery_prefix:
            return {}
        emergency = {
            "name": "Emergency",
            "device_class": "safety",
            "state_topic": f"{self._topic}/state",
            "value_template": "{{ 'ON' if value_json.state in ('confirmed', 'acknowledged') else 'OFF' }}",
            "json_attributes_topic": f"{self._topic}/state",
        }
        incident = {
            "name": "Incident",
            "icon": "mdi:alarm-light",
            "state_topic": f"{self._topic}/state",
            "value_template": "{{ value_json.state }}",
        }
        parts = [("binary_sensor", "emergency", emergency), ("sensor", "incident", incident)]
        for word in BUTTONS:
            if word in self._commands:
                button = {"name": word.capitalize(), "command_topic": f"{self._topic}/command", "payload_press": word}
                parts.append(("button", word, button))
        return {self._discovery_topic(kind, name): self._entity(name, part) for kind, name, part in parts}

    def _armed_part(self) -> tuple[str, dict[str, Any]]:
        """A switch where both commands are taken, or what asks for the PIN where one is set."""
        part: dict[str, Any] = {"name": "Armed", "icon": "mdi:shield", "state_topic": f"{self._topic}/armed"}
        if not {"arm", "disarm"} <= set(self._commands):
            return "binary_sensor", part
        if self._pin_to_disarm:
            return "alarm_control_panel", part | {
                "value_template": "{{ 'armed_away' if value == 'ON' else 'disarmed' }}",
                "supported_features": ["arm_away"],
                "code": "REMOTE_CODE_TEXT",  # Home Assistant knows none; it asks, and sends it along
                "code_arm_required": False,
                "command_topic": f"{self._topic}/command",
                "command_template": "{{ {'command': action, 'pin': code or ''} | to_json }}",
                "payload_arm_away": "arm",
                "payload_disarm": "disarm",
            }
        command = {"command_topic": f"{self._topic}/command", "payload_on": "arm", "payload_off": "disarm"}
        return "switch", part | command | {"state_on": "ON", "state_off": "OFF"}

    @staticmethod
    def _health_part(part: str, topic: str) -> tuple[str, dict[str, Any]]:
        return "binary_sensor", {
            "name": NAMES.get(part, part.capitalize()),
            "device_class": "problem",
            "entity_category": "diagnostic",
            "state_topic": topic,
            "value_template": "{{ value_json.problem }}",
            "json_attributes_topic": topic,
        }

    def _discovery_topic(self, kind: str, name: str) -> str:
        """Empty where Home Assistant is told nothing."""
        prefix = self._broker.discovery_prefix
        return f"{prefix}/{kind}/{self._node}/{name}/config" if prefix else ""

    def _entity(self, name: str, part: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **part,
            "availability_topic": f"{self._topic}/availability",
            "device": {"identifiers": [self._node], "name": self._station.name, "model": "safety-monitor"},
            "unique_id": f"{self._node}_{name}",
        }

    @property
    def _node(self) -> str:
        return f"safety_monitor_{self._station.id}"

    def _failed(self, why: str) -> Outcome:
        where = f"{self._broker.host}:{self._broker.port}"
        detail = one_line(f"{where} {why}", (self._broker.password,))
        return Outcome(ok=False, detail=detail, again=True)


def order_of(payload: bytes) -> Order:
    """What somebody asks for: a word, or JSON.

    Raises:
        RefusedError: it is neither.
    """
    text = payload[:LONGEST_ORDER].decode("utf-8", "replace").strip()
    if not text.startswith("{"):
        return Order(text.lower())
    try:
        given = json.loads(text)
    except ValueError:
        raise RefusedError("it is not JSON") from None
    values = {name: given.get(name, "") for name in ("command", "incident", "pin")}
    if set(given) - set(values) or not all(isinstance(value, str) for value in values.values()):
        raise RefusedError("takes command, incident and pin, each a text")
    return Order(values["command"].lower(), values["incident"], values["pin"])


def _discreet(message: Message) -> Message:
    """Nothing that shows that somebody is being forced."""
    if message.kind != "duress":
        return message
    text = written("update", message.incident, message.station, message.opened_at, message.place)
    return replace(message, kind="update", text=text, key=message.key.replace(":duress", ":update"))
