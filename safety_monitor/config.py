"""Every setting, with its default, its limits and its meaning; `settings_sources` reads them.

An unknown key anywhere is an error: a setting that is accepted and never does anything is worse than none.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import SplitResult, urlsplit

from platformdirs import user_data_path
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    field_validator,
    model_validator,
)

from gesture.pace import SLOWEST_FPS
from safety_monitor.fusion import FusionRules

FILE_NAME = "station.toml"
PREFIX = "SAFETY_MONITOR_"

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]


def _split(address: str) -> SplitResult:
    """The parts of an address; what is wrong with it is said without repeating it."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise ValueError("is not an address: host or port is malformed") from None
    return parts


def _phone_number(text: str) -> str:
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", text):
        raise ValueError("is not a telephone number: write + country number, digits only, such as +15005550006")
    return text


def _web_address(text: str) -> str:
    parts = _split(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", text):
        raise ValueError("is not an address that begins with http:// or https://")
    return text


PhoneNumber = Annotated[str, AfterValidator(_phone_number)]
"""E.164."""
WebAddress = Annotated[str, AfterValidator(_web_address)]
"""With host, and without spaces."""
ShortName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
"""Letters, digits, - and _: part of the name of a channel."""


CHANNEL_WORDS = frozenset(
    {"all", "any", "both", "trouble", "alarm", "speech", "sms", "whatsapp", "call", "messages", "webhook"}
    | {"mysql", "mongodb", "firebase", "mqtt"}
)
"""Words of policies that no contact can be called."""


class SettingsError(Exception):
    """Settings that cannot be used; the text is one line that names the key and where it stands.

    Args:
        text: that line.
        key: the path of the key, where it is known.
    """

    def __init__(self, text: str, key: tuple[str | int, ...] = ()) -> None:
        super().__init__(text)
        self.key = key


class Section(BaseModel):
    """A table of `station.toml`. The text under each key is its documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Camera(Section):
    """What the station sees with."""

    source: str = ""
    """Device number or name, file, picture folder, http or rtsp address, "demo" or "off"; empty: first camera."""
    fps: Annotated[float, Field(gt=0.0, le=240.0)] | None = None
    """Pictures a second of a folder of pictures."""


class Microphone(Section):
    """What the station hears with."""

    source: str = ""
    """Device number or name, file, http or rtsp address, "demo" or "off"; empty: the default microphone."""
    deaf_tail_s: Annotated[float, Field(ge=0.0, le=10.0)] = 0.5
    """The microphone is ignored while the station's own alarm or voice sounds, and for this long after it."""


class Hearing(Section):
    """How sound is judged."""

    model: str = "scream"
    """Name of the scream model, or the path of its folder."""


class Seeing(Section):
    """How hands are judged."""

    hands: Annotated[int, Field(ge=1, le=4)] = 2
    """Most hands judged at the same time."""
    hand_model: Path | None = None
    """MediaPipe's hand_landmarker.task; none: the one that the set-up put together."""
    signs: str = "signs"
    """Name of the model for static signs, or the path of its folder."""
    motions: str = "motions"
    """Name of the model for movements, or the path of its folder."""
    help_sign_repeats: Annotated[int, Field(ge=1, le=3)] = 1
    """How often the Signal for Help must be made within 12 s; 2 for places with much hand movement."""
    idle_after_s: Seconds | None = None
    """The scene is idle when no hand was seen for so long; unset: never. Spares the processor."""
    idle_fps: Annotated[float, Field(ge=SLOWEST_FPS, le=240.0)] = SLOWEST_FPS
    """Looks a second at an idle scene; at 8 a hand is noticed within 0.3 s."""


class EmergencyGesture(Section):
    """One gesture that means "Emergency": exactly one of sign, movement and sequence."""

    sign: str | None = None
    """A static sign, held for `held_s`."""
    movement: str | None = None
    """A movement, kept up for `held_s`."""
    sequence: str | None = None
    """A sequence of signs; known: "signal_for_help"."""
    held_s: Annotated[float, Field(ge=0.0, le=60.0)] = 1.0
    """How long a sign or movement must last; a sequence has its own timing."""

    @model_validator(mode="after")
    def _one_of_three(self) -> "EmergencyGesture":
        named = [name for name in (self.sign, self.movement, self.sequence) if name is not None]
        if len(named) != 1:
            raise ValueError("needs exactly one of sign, movement and sequence")
        if self.sequence not in (None, "signal_for_help"):
            raise ValueError(f"unknown sequence '{self.sequence}'; known: signal_for_help")
        return self

    @property
    def label(self) -> str:
        """The name that incidents carry."""
        return self.sign or self.movement or self.sequence or ""


class Emergency(Section):
    """Which gestures mean "Emergency"."""

    gestures: tuple[EmergencyGesture, ...] = (EmergencyGesture(sequence="signal_for_help"),)
    """Each a table [[emergency.gestures]]."""


class FusionSettings(Section):
    """When readings become an incident."""

    threshold: Probability = 0.80
    """Combined probability that confirms an incident."""
    weak: Probability = 0.50
    """Probability below which evidence does not count at all."""
    window_s: Seconds = 3.0
    """How far apart evidence of sound and hand may be to count together."""
    pending_s: Seconds = 4.0
    """How long something noticed waits to be confirmed before it is dropped."""
    cool_down_s: Seconds = 30.0
    """An incident closes after this long without evidence; until then everything belongs to it."""
    longest_s: Seconds = 600.0
    """An incident closes after this long in any case."""

    @model_validator(mode="after")
    def _consistent(self) -> "FusionSettings":
        self.rules  # noqa: B018  # raises ValueError
        return self

    @property
    def rules(self) -> FusionRules:
        """The same numbers as fusion takes them."""
        return FusionRules(**self.model_dump())


class Alarm(Section):
    """The siren."""

    enabled: bool = True
    """Whether it sounds at all."""
    volume: Probability = 1.0
    """Loudness, 0 to 1."""
    duration_s: Seconds = 10.0
    """How long it sounds for one incident."""


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
    limit_s: Seconds = 15.0
    """Longest time for one announcement; a voice that hangs is ended and started anew."""


class Station(Section):
    """What the station is called."""

    name: str = "station"
    """Said and written in messages."""


class Contact(Section):
    """A person who is told."""

    name: ShortName
    """Short name: letters, digits, - and _; the channels are called after it, such as "sms:anna". An address of
    [messages] under the same name reaches this person, too."""
    sms: PhoneNumber | None = None
    """Number that gets an SMS, written +<country><number>."""
    whatsapp: PhoneNumber | None = None
    """Number that gets a WhatsApp message."""
    call: PhoneNumber | None = None
    """Number that is called."""


class PolicyStep(Section):
    """Actions that are taken together."""

    after_s: Annotated[float, Field(ge=0.0, le=86_400.0)] = 0.0
    """How long after the incident was confirmed; a later step is dropped once somebody acknowledged or cancelled."""
    actions: Annotated[tuple[str, ...], Field(min_length=1)] = ("all",)
    """Channels by name; "sms" stands for every sms:…, "anna" for every …:anna, "all" for every channel that is on."""


class PolicySettings(Section):
    """What is done about which incidents; the first policy that fits is taken."""

    name: str
    """For people."""
    triggers: Annotated[tuple[str, ...], Field(min_length=1)] = ("any",)
    """"scream", the name of an emergency gesture, "both" (sound and hand together), "trouble" or "any"."""
    silent: bool = False
    """No alarm, no voice, nothing on the screen: for signs made by people who must not be noticed."""
    steps: Annotated[tuple[PolicyStep, ...], Field(min_length=1)] = (PolicyStep(),)
    """Each a table [[policies.steps]]."""
    fallback: tuple[str, ...] = ()
    """Channels to try when one of the steps failed, or has not got through for `outbox.fallback_after_s`."""
    evidence: tuple[Literal["sound", "picture", "clip"], ...] | None = None
    """What is kept of an incident and sent along, of what [evidence] keeps at all; unset: all of that; []: nothing."""


HASH = r"^\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{22,}$"
"""A whole argon2id hash: one that a shell or a program for containers has taken a $ out of lets nobody in."""


class Acknowledge(Section):
    """Who may call off an incident."""

    pin_hash: SecretStr | None = None
    """Hash of the PIN that cancelling asks for, made with `safety-monitor pin-hash`; unset: anybody may cancel."""
    duress_pin_hash: SecretStr | None = None
    """Hash of the PIN that only looks as if it cancelled, and tells the contacts that help is needed all the same."""
    pin_to_acknowledge: bool = False
    """Whether acknowledging asks for the PIN, too."""

    @model_validator(mode="after")
    def _hashes(self) -> "Acknowledge":
        for name, value in (("pin_hash", self.pin_hash), ("duress_pin_hash", self.duress_pin_hash)):
            if value is not None and not re.match(HASH, value.get_secret_value()):
                raise ValueError(f"{name} is not a whole hash; make one with `safety-monitor pin-hash`")
        if self.duress_pin_hash is not None and self.pin_hash is None:
            raise ValueError("duress_pin_hash needs pin_hash")
        return self


ClockTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""HH:MM."""


class LimitsSettings(Section):
    """How much a person is told; what is held back comes together as one message. Under duress nothing waits."""

    cool_down_s: Annotated[float, Field(ge=0.0, le=86_400.0)] = 30.0
    """Shortest time between two messages to one contact; about the same, other channels need not wait."""
    most: Annotated[int, Field(ge=1, le=1000)] = 12
    """Most messages to one contact within `within_s`; what comes on several channels counts once."""
    within_s: Seconds = 3600.0
    """See `most`."""
    quiet_from: ClockTime | None = None
    """Local time, HH:MM, from which messages are held back; unset: never."""
    quiet_until: ClockTime | None = None
    """Local time, HH:MM, at which what was held back is told."""
    quiet_channels: tuple[str, ...] = ()
    """Channels that keep the quiet hours, by name, group ("sms"), contact ("anna") or "all"."""

    @model_validator(mode="after")
    def _quiet_hours(self) -> "LimitsSettings":
        if len({self.quiet_from is None, self.quiet_until is None, not self.quiet_channels}) > 1:
            raise ValueError("quiet_from, quiet_until and quiet_channels belong together")
        return self


class OutboxSettings(Section):
    """How long and how often deliveries are tried."""

    first_wait_s: Seconds = 2.0
    """Wait after the first attempt that failed; it doubles from attempt to attempt, give or take a quarter."""
    longest_wait_s: Seconds = 300.0
    """Longest wait between two attempts."""
    fallback_after_s: Seconds = 60.0
    """A policy's fallback channels are tried when a message has not got through for this long."""
    give_up_messages_s: Annotated[float, Field(gt=0.0)] = 86_400.0
    """A message that has not got through for this long has failed."""
    give_up_records_s: Annotated[float, Field(gt=0.0)] = 2_592_000.0
    """A record for a database that has not got through for this long has failed."""
    follow_s: Annotated[float, Field(gt=0.0)] = 3_600.0
    """How long a message that was handed over is followed, to see whether it arrives."""


class MySQLSettings(Section):
    """The record of every incident in a MySQL database; on when its address is set."""

    url: SecretStr
    """mysql+mysqlconnector://user:password@host/database; characters such as @ in the password are written %40."""

    @field_validator("url")
    @classmethod
    def _address(cls, url: SecretStr) -> SecretStr:
        parts = _split(url.get_secret_value())
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


Role = Literal["viewer", "operator", "admin"]


class WebUser(Section):
    """A person who may open the pages."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@-]{1,64}$")]
    """For signing in."""
    role: Role = "viewer"
    """viewer: sees all; operator: also acknowledges, cancels, arms, analyses; admin: everything."""
    password_hash: Annotated[str, Field(pattern=HASH)]
    """Made with `safety-monitor password-hash`."""


class WebToken(Section):
    """A program that may use the REST API."""

    name: str
    """For people."""
    role: Role = "viewer"
    """As for persons."""
    token_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Made with `safety-monitor web-token`."""


class Web(Section):
    """The pages and the REST API."""

    host: str = "127.0.0.1"
    """Address to serve on; any other than this machine's own needs [[web.users]]."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """Port to serve on; 0: no pages."""
    public_url: Annotated[str, Field(pattern=r"^(https?://[^/\s?#]+)?$")] = ""
    """Address under which others reach the pages; for links in messages, and for the key pressed in a call."""
    users: tuple[WebUser, ...] = ()
    """Each a table [[web.users]]; none: whoever is at this machine may do everything."""
    tokens: tuple[WebToken, ...] = ()
    """Each a table [[web.tokens]]."""
    certificate: Path | None = None
    """PEM file; with one the pages are served over HTTPS, which browsers ask for before they give a microphone."""
    key: Path | None = None
    """PEM file with the certificate's private key."""
    upload_mb: Annotated[float, Field(gt=0.0, le=4096.0)] = 100.0
    """Largest recording that may be uploaded."""
    analysis_limit_s: Seconds = 120.0
    """Longest time for judging an upload."""
    map_tiles: Annotated[str, Field(pattern=r"^(https?://[^\s;,'\"]+\{z\}[^\s;,'\"]*)?$")] = (
        "https://tile.openstreetmap.org/{z}/{x}/{y}.png"
    )
    """Where an incident's map comes from; nothing else on the pages is from the internet. Empty: no map."""
    map_credit: str = "© OpenStreetMap contributors"
    """Whose map it is; stands in its corner."""

    @model_validator(mode="after")
    def _consistent(self) -> "Web":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        names = [user.name for user in self.users]
        if len(set(names)) < len(names):
            raise ValueError("users: a name stands there twice")
        return self


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
    """What whoever may write on the broker can have the station do; cancel takes the PIN."""


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


class PlaceSettings(Section):
    """Where the station stands, for messages and records."""

    latitude: Annotated[float, Field(ge=-90.0, le=90.0)] | None = None
    """Degrees, WGS 84."""
    longitude: Annotated[float, Field(ge=-180.0, le=180.0)] | None = None
    """Degrees, WGS 84."""
    accuracy_m: Annotated[float, Field(gt=0.0)] | None = None
    """How exact that is, metres."""
    address: str = ""
    """For people; floor and room help most."""
    ip_lookup_url: WebAddress | Literal[""] = ""
    """Page that tells as JSON where its visitor is, asked at start when no position is set; empty: nobody is asked."""
    geocoder: str = ""
    """Service that makes addresses of positions, as geopy names it, such as "nominatim"; empty: nobody is asked."""
    geocoder_domain: str = ""
    """A server of that service of one's own."""
    geocoder_key: SecretStr | None = None
    """Where the service asks for one."""

    @model_validator(mode="after")
    def _both(self) -> "PlaceSettings":
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude belong together")
        return self


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)


class ArmedHours(Section):
    """Hours in which the station is armed."""

    days: Annotated[tuple[Day, ...], Field(min_length=1)] = DAYS
    """Days on which they begin."""
    begin: ClockTime
    """Local time, HH:MM."""
    end: ClockTime
    """Local time, HH:MM; where it is not after `begin` it is that of the next day."""


class ThresholdHours(ArmedHours):
    """Hours in which the station must be more or less sure than at other times."""

    threshold: Probability
    """In place of `fusion.threshold`."""


class ScheduleSettings(Section):
    """When a station with live sources is armed, and how sure it must be."""

    armed: tuple[ArmedHours, ...] = ()
    """Each a table [[schedule.armed]]; none: always. Who arms or disarms by hand is obeyed until the next such time."""
    thresholds: tuple[ThresholdHours, ...] = ()
    """Each a table [[schedule.thresholds]]; the first that fits counts."""


class TrainingSettings(Section):
    """How gestures are trained on this station."""

    passes: Annotated[int, Field(ge=1, le=200)] = 18
    """Passes over the examples; fewer take less time, and learn less."""


class EvidenceSettings(Section):
    """Sound and picture of an incident, kept on the station."""

    enabled: bool = True
    """Whether any are kept at all."""
    sound: bool = True
    """Whether sound is kept."""
    picture: Literal["clip", "snapshot", "off"] = "clip"
    """A clip and a single picture, only the single picture, or none."""
    before_s: Annotated[float, Field(gt=0.0, le=120.0)] = 10.0
    """Seconds from before the trigger."""
    after_s: Annotated[float, Field(gt=0.0, le=120.0)] = 10.0
    """Seconds after it."""
    days: Annotated[float, Field(gt=0.0, le=3650.0)] = 30.0
    """How long they are kept."""
    gigabytes: Annotated[float, Field(gt=0.0, le=100_000.0)] = 5.0
    """How much of them; beyond that the oldest go first. Protected ones stay."""

    @property
    def kinds(self) -> frozenset[str]:
        """What is kept at all, of sound, picture and clip."""
        kept = {"sound": self.sound, "picture": self.picture != "off", "clip": self.picture == "clip"}
        return frozenset(kind for kind, is_kept in kept.items() if is_kept and self.enabled)


class LogSettings(Section):
    """What the station writes about itself."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """How much is written."""
    format: Literal["text", "json"] = "text"
    """Lines for people, or a JSON object a line for programs."""
    file: Path | None = None
    """Where to; none: standard error, which a service hands to the system's journal."""
    megabytes: Annotated[float, Field(ge=0.1, le=10_000.0)] = 10.0
    """Size at which the file is put aside and a fresh one begun."""
    kept: Annotated[int, Field(ge=1, le=100)] = 5
    """How many of those put aside are kept."""


FaultName = Literal[
    "silent", "stuck", "clipped", "wrong-rate", "frozen", "black", "overexposed", "covered", "blurred", "moved", "torn"
]


class Supervision(Section):
    """What the station notices about itself."""

    wait_for_devices: Literal["as-service", "always", "never"] = "as-service"
    """When a station begins without a camera or microphone that cannot be opened at its start, or a journal that cannot
    be written, and keeps trying: as a service of systemd, where nobody reads why it ended; always; or never. What it is
    to do without for good has to be "off" then."""
    shown_only: tuple[FaultName, ...] = ("black",)
    """Faults of sound and picture that are shown, but of which nobody is told; a room is dark every night."""
    ignored: tuple[FaultName, ...] = ()
    """Faults of sound and picture that are no matter here at all."""
    failed_after_s: Annotated[float, Field(ge=5.0, le=86_400.0)] = 30.0
    """How long a part of the station must have failed before the contacts are told."""
    ping_url: SecretStr | None = None
    """Page to ask for while all is well, such as a check of healthchecks.io: whoever runs it learns that it ceased."""
    ping_every_s: Annotated[float, Field(ge=10.0, le=86_400.0)] = 60.0
    """How often."""

    @field_validator("wait_for_devices", mode="before")
    @classmethod
    def _when(cls, given: Any) -> Any:
        """It was once true or false."""
        return {"true": "always", "false": "never"}.get(str(given).lower(), given)

    @field_validator("ping_url")
    @classmethod
    def _page(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            _web_address(url.get_secret_value())
        return url


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
    messages: dict[ShortName, SecretStr] = {}
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
    def gestures_folder(self) -> Path:
        """What was collected, see `gesture.collection`."""
        return self.home / "gestures"

    @property
    def feedback_folder(self) -> Path:
        """Recordings that people marked, see `safety_monitor.feedback`."""
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
        return SettingsError(f"{place_of(mistake, self._places)}: {mistake}")

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
        if isinstance(values, dict) and "log_level" in values and "log" not in values:
            return {key: value for key, value in values.items() if key != "log_level"} | {
                "log": {"level": values["log_level"]}
            }
        return values


def place_of(mistake: str, places: Mapping[str, str]) -> str:
    """Where the key stands that a mistake begins with, or as much of it as stands anywhere."""
    key = mistake.partition(":")[0]
    while key and key not in places:
        key = key.rpartition(".")[0]
    return places.get(key, "settings")
