"""What Home Assistant is told on a broker, so that it shows a station without being set up. Pure.

Reference: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from safety_monitor.identity import Identity

BUTTONS = ("acknowledge",)
"""Commands that Home Assistant shows a button for; cancelling takes a PIN, and arming has a switch."""
NAMES = {"audio": "Hearing", "gesture": "Seeing"}
"""How parts are called in Home Assistant; any other by its own name."""


@dataclass(frozen=True, slots=True)
class HomeAssistant:
    """Its entities for one station: discovery topic -> what stands there.

    Attributes:
        prefix: where it looks for devices; empty: it is told nothing.
        topic: of the station.
        identity: of the station.
        commands: those that the station carries out.
        pin_to_disarm: whether disarming takes a PIN.
    """

    prefix: str
    topic: str
    identity: Identity
    commands: Collection[str]
    pin_to_disarm: bool

    def station(self) -> dict[str, dict[str, Any]]:
        """What there always is: the newest incident, and buttons."""
        state = f"{self.topic}/state"
        emergency = {
            "name": "Emergency",
            "device_class": "safety",
            "state_topic": state,
            "value_template": "{{ 'ON' if value_json.state in ('confirmed', 'acknowledged') else 'OFF' }}",
            "json_attributes_topic": state,
        }
        incident = {
            "name": "Incident",
            "icon": "mdi:alarm-light",
            "state_topic": state,
            "value_template": "{{ value_json.state }}",
        }
        buttons = {
            ("button", word): {
                "name": word.capitalize(),
                "command_topic": f"{self.topic}/command",
                "payload_press": word,
            }
            for word in BUTTONS
            if word in self.commands
        }
        return self._entities({("binary_sensor", "emergency"): emergency, ("sensor", "incident"): incident} | buttons)

    def panel(self, parts: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What there is while a station runs: whether it is armed, and how its parts are.

        Args:
            parts: of the station.

        Returns:
            As said; an entity that is empty is taken back, because it was of another kind with other settings.
        """
        kind, armed = self._armed()
        health = {("binary_sensor", f"health_{part}"): self._health(part) for part in parts}
        others = {"binary_sensor", "switch", "alarm_control_panel"} - {kind}
        gone: dict[str, dict[str, Any]] = {self._at(other, "armed"): {} for other in others} if self.prefix else {}
        return gone | self._entities({(kind, "armed"): armed} | health)

    def _armed(self) -> tuple[str, dict[str, Any]]:
        """A switch where both commands are taken, or what asks for the PIN where one is set."""
        armed: dict[str, Any] = {"name": "Armed", "icon": "mdi:shield", "state_topic": f"{self.topic}/armed"}
        if not {"arm", "disarm"} <= set(self.commands):
            return "binary_sensor", armed
        if self.pin_to_disarm:
            return "alarm_control_panel", armed | {
                "value_template": "{{ 'armed_away' if value == 'ON' else 'disarmed' }}",
                "supported_features": ["arm_away"],
                "code": "REMOTE_CODE_TEXT",  # Home Assistant knows none; it asks, and sends it along
                "code_arm_required": False,
                "command_topic": f"{self.topic}/command",
                "command_template": "{{ {'command': action, 'pin': code or ''} | to_json }}",
                "payload_arm_away": "arm",
                "payload_disarm": "disarm",
            }
        command = {"command_topic": f"{self.topic}/command", "payload_on": "arm", "payload_off": "disarm"}
        return "switch", armed | command | {"state_on": "ON", "state_off": "OFF"}

    def _health(self, part: str) -> dict[str, Any]:
        topic = f"{self.topic}/health/{part}"
        return {
            "name": NAMES.get(part, part.capitalize()),
            "device_class": "problem",
            "entity_category": "diagnostic",
            "state_topic": topic,
            "value_template": "{{ value_json.problem }}",
            "json_attributes_topic": topic,
        }

    def _entities(self, described: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        if not self.prefix:
            return {}
        return {
            self._at(kind, name): {
                **entity,
                "availability_topic": f"{self.topic}/availability",
                "device": {"identifiers": [self._node], "name": self.identity.name, "model": "safety-monitor"},
                "unique_id": f"{self._node}_{name}",
            }
            for (kind, name), entity in described.items()
        }

    def _at(self, kind: str, name: str) -> str:
        return f"{self.prefix}/{kind}/{self._node}/{name}/config"

    @property
    def _node(self) -> str:
        return f"safety_monitor_{self.identity.id}"
