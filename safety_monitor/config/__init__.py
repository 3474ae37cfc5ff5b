"""Every setting, with its default, its limits and its meaning; `sources` reads them.

An unknown key anywhere is an error: a setting that is accepted and never does anything is worse than none. The tables
of one area are a module each; here is what they make together.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platformdirs import user_data_path
from pydantic import Field, PrivateAttr, SecretStr, field_validator, model_validator

from safety_monitor.config.channels import (
    Alarm,
    FirebaseSettings,
    MongoDBSettings,
    MQTTSettings,
    MySQLSettings,
    Speech,
    TwilioSettings,
    WebhookSettings,
)
from safety_monitor.config.detection import (
    Camera,
    Emergency,
    FusionSettings,
    Hearing,
    Microphone,
    Seeing,
    TrainingSettings,
)
from safety_monitor.config.escalation import (
    CHANNEL_WORDS,
    Acknowledge,
    Contact,
    LimitsSettings,
    OutboxSettings,
    PolicySettings,
)
from safety_monitor.config.mistakes import of_line
from safety_monitor.config.section import Section, ShortName
from safety_monitor.config.station import (
    EvidenceSettings,
    LogSettings,
    PlaceSettings,
    ScheduleSettings,
    Station,
    Supervision,
)
from safety_monitor.config.web import Web

FILE_NAME = "station.toml"
PREFIX = "SAFETY_MONITOR_"


class SettingsError(Exception):
    """Settings that cannot be used; the text is one line that names the key and where it stands.

    Args:
        text: that line.
        key: the path of the key, where it is known.
    """

    def __init__(self, text: str, key: tuple[str | int, ...] = ()) -> None:
        super().__init__(text)
        self.key = key


class Settings(Section):
    """All settings of a station."""

    home: Path = Field(default_factory=lambda: user_data_path("safety-monitor", appauthor=False))
    """Folder for everything the station writes; by default the user's data folder."""
    log: LogSettings = LogSettings()
    station: Station = Station()
    camera: Camera = Camera()
    microphone: Microphone = Microphone()
    hearing: Hearing = Hearing()
    seeing: Seeing = Seeing()
    emergency: Emergency = Emergency()
    fusion: FusionSettings = FusionSettings()
    alarm: Alarm = Alarm()
    speech: Speech = Speech()
    contacts: tuple[Contact, ...] = ()
    policies: tuple[PolicySettings, ...] = ()
    acknowledge: Acknowledge = Acknowledge()
    outbox: OutboxSettings = OutboxSettings()
    limits: LimitsSettings = LimitsSettings()
    mysql: MySQLSettings | None = None
    twilio: TwilioSettings | None = None
    web: Web = Web()
    messages: dict[ShortName, SecretStr] = {}  # noqa: RUF012  # pydantic copies it
    """E-mail and other services: an Apprise address each, in SAFETY_MONITOR_MESSAGES__<NAME>."""
    webhook: WebhookSettings | None = None
    mqtt: MQTTSettings | None = None
    mongodb: MongoDBSettings | None = None
    firebase: FirebaseSettings | None = None
    place: PlaceSettings = PlaceSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    supervision: Supervision = Supervision()
    schedule: ScheduleSettings = ScheduleSettings()
    training: TrainingSettings = TrainingSettings()

    _places: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def models_folder(self) -> Path:
        """Models of the user's own, one folder each."""
        return self.home / "models"

    @property
    def models_named(self) -> dict[str, str]:
        """For each task the model that does it: its name, or the path of its folder."""
        return {"scream": self.hearing.model, "signs": self.seeing.signs, "motions": self.seeing.motions}

    @property
    def thresholds(self) -> dict[str, float]:
        """What an emergency must reach, at whatever hour, by the key that says so."""
        hours = enumerate(self.schedule.thresholds)
        return {"fusion.threshold": self.fusion.threshold} | {
            f"schedule.thresholds.{number}.threshold": each.threshold for number, each in hours
        }

    @property
    def gestures_folder(self) -> Path:
        """What was collected, see `gesture.collection`."""
        return self.home / "gestures"

    @property
    def feedback_folder(self) -> Path:
        """Recordings that people marked, see `safety_monitor.learning.feedback`."""
        return self.home / "data" / "feedback"

    @field_validator("contacts")
    @classmethod
    def _names(cls, contacts: tuple[Contact, ...]) -> tuple[Contact, ...]:
        seen = {*CHANNEL_WORDS}
        for contact in contacts:
            if contact.name.lower() in seen:
                taken = "means something else" if contact.name.lower() in CHANNEL_WORDS else "stands there twice"
                raise ValueError(f"the name {contact.name} {taken}; choose another")
            seen.add(contact.name.lower())
        return contacts

    def named(self, mistake: str) -> SettingsError:
        """A mistake that was found after reading, with the file or variable where its key stands.

        Args:
            mistake: one line that begins with the key, such as "contacts: anna …".
        """
        return SettingsError(f"{place_of(mistake.partition(':')[0], self._places)}: {of_line(mistake)}")

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        if self.web.public_url and self.twilio and not self.twilio.signing_secret:
            raise ValueError(
                "twilio.signing_token: is needed beside key_sid and web.public_url; it is the account's own"
            )
        if any(not self.fusion.weak <= hours.threshold for hours in self.schedule.thresholds):
            raise ValueError(f"schedule.thresholds: a threshold is below fusion.weak, which is {self.fusion.weak:g}")
        if self.mqtt and "cancel" in self.mqtt.commands and self.acknowledge.pin_hash is None:
            raise ValueError("mqtt.commands: cancel needs acknowledge.pin_hash")
        for number, policy in enumerate(self.policies):
            if missing := sorted(set(policy.evidence or ()) - self.evidence.kinds):
                raise ValueError(f"policies.{number}.evidence: [evidence] keeps no {missing[0]}")
        return self

    @model_validator(mode="before")
    @classmethod
    def _older_names(cls, values: Any) -> Any:
        """A settings file of an earlier version still starts the station: log_level is log.level."""
        if not isinstance(values, dict) or "log_level" not in values:
            return values
        log = values.get("log", {})
        if not isinstance(log, dict) or "level" in log:  # which of them counts is not to be guessed
            raise ValueError("log_level: is log.level now; take out log_level")
        return {key: value for key, value in values.items() if key != "log_level"} | {
            "log": {"level": values["log_level"]} | log
        }


def place_of(key: str, places: Mapping[str, str]) -> str:
    """Where a key stands, or as much of it as stands anywhere."""
    while key and key not in places:
        key = key.rpartition(".")[0]
    return places.get(key, "settings")
