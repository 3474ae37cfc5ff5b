"""Settings of the ways out: siren, voice, services and databases."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from safety_monitor.config.section import PhoneNumber, Probability, Section, WebAddress, parts_of

SPOKEN = ("{what}", "{station}", "{help}")
"""What is filled in where something is said."""


class Alarm(Section):
    """The siren."""

    enabled: bool = True
    """Whether it sounds at all."""
    volume: Probability = 1.0
    """Loudness, 0 to 1."""
    duration_s: Annotated[float, Field(ge=1.0, le=600.0)] = 10.0
    """How long it sounds for one incident; so long the station hears nothing else."""


class Speech(Section):
    """The spoken words."""

    enabled: bool = True
    """Whether anything is said."""
    text: str = "Emergency. {what}. {help}"
    """What is said; {what} becomes what was noticed, {station} the station's name, {help} "Help is being called." where
    that is so, and else nothing."""
    answered: str = "Somebody has answered."
    """What is said once somebody has taken it on; {station} becomes the station's name; empty: nothing."""
    rate: Annotated[int, Field(ge=60, le=400)] = 160
    """Words a minute."""
    limit_s: Annotated[float, Field(ge=5.0, le=120.0)] = 15.0
    """Longest time for one announcement, unless its words need more; a voice that hangs is ended and started anew."""

    @field_validator("text", "answered")
    @classmethod
    def _known(cls, text: str) -> str:
        if unknown := set(re.findall(r"{[^}]*}?", text)) - set(SPOKEN):
            raise ValueError(f"'{min(unknown)}' would be read out as it stands; known: {', '.join(SPOKEN)}")
        return text


class MySQLSettings(Section):
    """The record of every incident in a MySQL database; on when its address is set."""

    url: SecretStr
    """mysql+mysqlconnector://user:password@host/database; characters such as @ in the password are written %40."""

    @field_validator("url")
    @classmethod
    def _address(cls, url: SecretStr) -> SecretStr:
        parts = parts_of(url.get_secret_value())
        if parts.scheme != "mysql+mysqlconnector" or not parts.hostname or not parts.path.strip("/"):
            raise ValueError("needs the form mysql+mysqlconnector://user:password@host/database")
        return url


class TwilioSettings(Section):
    """SMS, WhatsApp messages and calls to the contacts; on when the account is set."""

    account_sid: Annotated[str, Field(pattern=r"^AC[0-9a-fA-F]{32}$")]
    """The account, AC…"""
    key_sid: Annotated[str, Field(pattern=r"^(SK[0-9a-fA-F]{32})?$")] = ""
    """An API key, SK…; then auth_token is its secret. Empty: the account's own token."""
    auth_token: SecretStr
    """The account's token, or the secret of the API key."""
    signing_token: SecretStr | None = None
    """The account's token, where auth_token is the secret of an API key: Twilio signs with it which key was pressed."""
    number: PhoneNumber | None = None
    """Number that messages and calls come from."""
    messaging_service_sid: Annotated[str, Field(pattern=r"^(MG[0-9a-fA-F]{32})?$")] = ""
    """A messaging service, MG…, that sends the SMS instead of the number."""
    whatsapp_number: PhoneNumber | None = None
    """Number that WhatsApp messages come from."""
    whatsapp_content_sid: Annotated[str, Field(pattern=r"^(HX[0-9a-fA-F]{32})?$")] = ""
    """The approved template, HX…; without one WhatsApp takes messages only within 24 hours after the contact wrote."""
    whatsapp_variables: tuple[str, ...] = ("{what}", "{station}", "{time}", "{place}", "{link}")
    """The template's variables 1, 2, …; known: {what}, {station}, {time}, {place}, {link}, {text}, {ref}."""
    whatsapp_free_text: bool = False
    """Whether WhatsApp messages may be sent without a template."""
    voice_language: str = "en-GB"
    """Language of the voice that reads a message in a call."""
    api_url: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] = "https://api.twilio.com"
    """Where Twilio is; another address is for trying out."""

    @model_validator(mode="after")
    def _template_or_free(self) -> "TwilioSettings":
        if self.whatsapp_number and not self.whatsapp_content_sid and not self.whatsapp_free_text:
            raise ValueError("whatsapp_number needs whatsapp_content_sid, or whatsapp_free_text = true")
        return self

    @property
    def signing_secret(self) -> str:
        """With what Twilio signs its requests; empty if that is not known."""
        token = self.signing_token if self.key_sid else self.auth_token
        return token.get_secret_value() if token else ""


class WebhookSettings(Section):
    """Every message as a signed post to an address; on when it is set."""

    url: WebAddress
    """Where to post."""
    secret: Annotated[SecretStr, Field(min_length=8)]
    """What the receiver knows, too, to check the signature."""


class MQTTSettings(Section):
    """The station on an MQTT broker, where Home Assistant finds it; on when the host is set."""

    host: Annotated[str, Field(min_length=1)]
    """Name or address of the broker."""
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """None: 1883, or 8883 with TLS."""
    username: str = ""
    """Empty: none."""
    password: SecretStr | None = None
    """Of that user."""
    tls: bool = False
    """Whether the connection is encrypted."""
    ca_file: Path | None = None
    """PEM file with the certificates to trust; none: those of the system."""
    prefix: Annotated[str, Field(pattern=r"^[^+#/]+(/[^+#/]+)*$")] = "safety-monitor"
    """Of all topics."""
    discovery_prefix: Annotated[str, Field(pattern=r"^([^+#/]+(/[^+#/]+)*)?$")] = "homeassistant"
    """Where Home Assistant looks for devices; empty: it is not told."""
    commands: tuple[Literal["acknowledge", "cancel", "arm", "disarm"], ...] = ("acknowledge",)
    """What those who may write on the broker can have it do; cancel takes the PIN, so does disarm where one is set."""

    @field_validator("commands", mode="before")
    @classmethod
    def _which(cls, given: Any) -> Any:
        """It was once true, for acknowledge alone, or false."""
        return {"true": ("acknowledge",), "false": ()}.get(str(given).lower(), given)


class MongoDBSettings(Section):
    """The record of every incident in MongoDB, a document each; on when its address is set."""

    url: SecretStr
    """mongodb://user:password@host or mongodb+srv://…"""
    database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,63}$")] = "safety"
    """Name of the database."""
    collection: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,120}$")] = "incidents"
    """Name of the collection."""


class FirebaseSettings(Section):
    """The record of every incident in a Firebase Realtime Database, a node each; on when its address is set."""

    url: WebAddress
    """The database, https://….firebaseio.com or https://….firebasedatabase.app."""
    credentials_file: Path | None = None
    """JSON of a service account; only an emulator (http://host:port?ns=name) needs none."""
    path: Annotated[str, Field(pattern=r"^[^.#$\[\]]+$")] = "incidents"
    """Where in the database the incidents stand."""
