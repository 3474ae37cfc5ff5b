"""The station on an MQTT broker, for home automation: it is found by Home Assistant and says whether it is there.

Below `<prefix>/<station id>/` stand, kept by the broker: `availability` ("online", or "offline" by last will when the
station is gone without a word), `state` (JSON: what the newest incident is now), `armed` ("ON" or "OFF") and
`health/<part>` (JSON: whether there is a problem with a sense, and which). `incidents` gets every change as JSON, not
kept. `command` takes what the settings allow, as a word such as "acknowledge" or as JSON with "command", "pin" and
"incident"; what came of it is told on `answer`. A command that the broker had kept is old, and ignored.

What stands on a broker may be seen on a screen beside the station. An incident that was called off by somebody who is
being forced looks here as any other that was called off.
"""

import json
import logging
import ssl
import sys
import threading
import time
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from queue import Full, Queue
from typing import Any, Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from media.lasting import failed, lasting
from safety_monitor.actions.document import document
from safety_monitor.actions.failure import one_line
from safety_monitor.actions.home_assistant import HomeAssistant
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
MOST_ORDERS = 20
REFUSED_S = 0.1
"""Shortest time from an answer that refuses to the next one: more of them would leave no room for incidents."""
OLD_S = 30.0
"""A command that had to wait for longer is not carried out any more: whoever sent it has done something else since."""
COMMANDS = ("acknowledge", "cancel", "arm", "disarm")


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
        self._panel: Panel | None = None
        self._shown: dict[str, str] = {}
        """Topic -> what the broker shows of the panel, since it was connected."""
        self._newest: Message | None = None
        """Of the newest incident that the broker shows."""
        self._orders: Queue[tuple[float, bytes] | None] = Queue(MOST_ORDERS)
        """What was sent as commands, and when it came."""
        self._crowded = False
        """Whether it was said that too many wait, and they still do."""
        self._closed = threading.Event()
        self._visit = visit
        self._answer_s = answer_s
        self._connected = threading.Event()
        self._why_not = "does not answer"
        self._topic = f"{broker.prefix}/{station.id}"
        self._home = HomeAssistant(broker.discovery_prefix, self._topic, station, self._commands, pin_to_disarm)
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
        threading.Thread(target=self._keep_showing, name="mqtt-panel", daemon=True).start()
        # A thread of its own: a command may wait for a disk that hangs, and the next emergency must not.
        lasting("mqtt-commands", self._keep_obeying, self._closed)

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
                if topic == "state" and (message.kind in ("test", "trouble") or self._is_old(message)):
                    continue
                body = json.dumps(content, ensure_ascii=False)
                sent = self._client.publish(f"{self._topic}/{topic}", body, AT_LEAST_ONCE, retain=kept)
                sent.wait_for_publish(self._answer_s)
                if not sent.is_published():
                    return self._failed(f"did not confirm within {self._answer_s:g} s")
                if topic == "state":
                    self._newest = message
        except (RuntimeError, ValueError) as error:  # the connection broke, or too much waits
            return self._failed(str(error))
        return Outcome(ok=True, detail=f"{self._broker.host} shows {incident.state}", delivered=True)

    def _is_old(self, message: Message) -> bool:
        """Whether what it tells of, such as that it is over, would hide a newer incident that is shown already."""
        newest = self._newest
        if newest is None or newest.incident.id == message.incident.id:
            return False
        return message.opened_at < newest.opened_at <= datetime.now(UTC)  # the clock may have been wrong, and set back

    def check(self) -> Outcome:
        """Whether the broker lets the station in."""
        if self._connected.wait(CONNECT_S):
            return Outcome(ok=True, detail=f"connected to {self._broker.host}:{self._broker.port}")
        return self._failed(self._why_not)

    def close(self) -> None:
        """Say goodbye and disconnect."""
        self._closed.set()
        with suppress(Full):
            self._orders.put_nowait(None)
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
            for topic, config in self._home.station().items():
                client.publish(topic, json.dumps(config), AT_LEAST_ONCE, retain=True)
            self._say_online()
            self._shown = {}
            # Not yet connected: what is sent before the broker has confirmed this would be lost. Commands that come
            # before the station attends wait for that.
            client.subscribe([(f"{self._topic}/{topic}", AT_LEAST_ONCE) for topic in ("availability", "command")])

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
        try:
            topic = message.topic
        except UnicodeDecodeError:  # of a broken broker; what is raised here ends paho's thread for good
            return
        if topic.endswith("/availability"):
            gone = message.payload != b"online" and not self._closed.is_set()
            if gone:  # another process of this station went, but this one is here
                self._say_online()
        elif message.retain:
            log.warning("mqtt: the broker had kept a command; it is old, and ignored")
        else:
            try:
                self._orders.put_nowait((time.monotonic(), bytes(message.payload[: LONGEST_ORDER + 1])))
            except Full:
                if not self._crowded:
                    self._crowded = True
                    self._answer("", "too many commands wait; what comes now is left out", done=False)

    def _keep_obeying(self) -> None:
        """The life of a thread: commands are carried out, one after the other."""
        while (order := self._orders.get()) is not None and not self._closed.is_set():
            if not self._obey(*order):
                self._closed.wait(REFUSED_S)
            self._crowded = self._crowded and not self._orders.empty()

    def _obey(self, came_at: float, payload: bytes) -> bool:
        """Carry out an order, and tell what came of it. What was sent is not logged: it may hold a PIN."""
        command, done = "", False
        try:
            if time.monotonic() - came_at > OLD_S:
                raise RefusedError("the station could not do it in time; send it again if it is still wanted")
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
        except Exception:  # the next one is to be carried out
            log.exception("mqtt: the command failed in an unforeseen way")
            detail = "failed in an unforeseen way"
        self._answer(command, detail, done=done)
        return done

    def _answer(self, command: str, detail: str, *, done: bool) -> None:
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
                failed("mqtt-panel", "the station is not shown")

    def _show(self, panel: Panel) -> None:
        shown = {f"{self._topic}/armed": "ON" if panel.armed else "OFF"}
        health = panel.health()
        for part, trouble in health.items():
            told = {"problem": "ON" if trouble else "OFF", "detail": trouble}
            shown[f"{self._topic}/health/{part}"] = json.dumps(told, ensure_ascii=False)
        shown |= {topic: json.dumps(entity) if entity else "" for topic, entity in self._home.panel(health).items()}
        for topic, body in shown.items():
            if self._shown.get(topic) != body:
                self._client.publish(topic, body, AT_LEAST_ONCE, retain=True)
        self._shown |= shown

    def _say_online(self) -> None:
        self._client.publish(f"{self._topic}/availability", "online", AT_LEAST_ONCE, retain=True)

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
    incident, opened_at = message.incident, message.opened_at
    text = written("update", incident, message.station, opened_at, message.place, ago_s=message.ago_s)
    return replace(message, kind="update", text=text, key=message.key.replace(":duress", ":update"))
