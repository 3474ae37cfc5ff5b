"""The station on an MQTT broker, for home automation: it is found by Home Assistant and says whether it is there.

Below `<prefix>/<station id>/` stand, kept by the broker: `availability` ("online", or "offline" by last will when the
station is gone without a word) and `state` (JSON: what the newest incident is now). `incidents` gets every change as
JSON, not kept. `command` takes words such as "acknowledge"; a word that the broker had kept is old, and ignored.

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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

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
        commands: a word -> what is called when somebody sends it, such as "acknowledge".
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
        commands: Mapping[str, Callable[[], None]] | None = None,
        visit: bool = False,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._broker = broker
        self._station = station
        self._commands = dict(commands or {})
        self._visit = visit
        self._answer_s = answer_s
        self._connected = threading.Event()
        self._why_not = "does not answer"
        self._topic = f"{broker.prefix}/{station.id}"
        self._closing = False
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

    def deliver(self, message: Message) -> Outcome:
        """Show what the incident is now; done when the broker has confirmed it."""
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
        self._closing = True
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
            # Not yet connected: what is sent before the broker has confirmed this would be lost.
            topics = ["availability", "command"] if self._commands else ["availability"]
            client.subscribe([(f"{self._topic}/{topic}", AT_LEAST_ONCE) for topic in topics])

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
        word = message.payload[:100].decode("utf-8", "replace").strip().lower()
        if message.topic.endswith("/availability"):
            if word != "online" and not self._closing:  # another process of this station went, but this one is here
                self._say_online()
        elif message.retain:
            log.warning("mqtt: the broker had kept the command '%s'; it is old, and ignored", word)
        elif word in self._commands:
            try:
                self._commands[word]()
            except Exception:  # the thread that keeps the connection must live on
                log.exception("mqtt: the command failed in an unforeseen way")
        else:
            log.warning("mqtt: unknown command '%s'", word)

    def _say_online(self) -> None:
        self._client.publish(f"{self._topic}/availability", "online", AT_LEAST_ONCE, retain=True)

    def discovery(self) -> dict[str, dict[str, Any]]:
        """Topic -> what Home Assistant is told, so that it shows the station without being set up."""
        if not self._broker.discovery_prefix:
            return {}
        node = f"safety_monitor_{self._station.id}"
        common: dict[str, Any] = {
            "availability_topic": f"{self._topic}/availability",
            "device": {"identifiers": [node], "name": self._station.name, "model": "safety-monitor"},
        }
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
        for word in self._commands:
            button = {"name": word.capitalize(), "command_topic": f"{self._topic}/command", "payload_press": word}
            parts.append(("button", word, button))
        return {
            f"{self._broker.discovery_prefix}/{kind}/{node}/{name}/config": {
                **part,
                **common,
                "unique_id": f"{node}_{name}",
            }
            for kind, name, part in parts
        }

    def _failed(self, why: str) -> Outcome:
        where = f"{self._broker.host}:{self._broker.port}"
        detail = one_line(f"{where} {why}", (self._broker.password,))
        return Outcome(ok=False, detail=detail, again=True)


def _discreet(message: Message) -> Message:
    """Nothing that shows that somebody is being forced."""
    if message.kind != "duress":
        return message
    text = written("update", message.incident, message.station, message.opened_at, message.place)
    return replace(message, kind="update", text=text, key=message.key.replace(":duress", ":update"))
