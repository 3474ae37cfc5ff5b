"""The ways out that the settings turn on. Each brings its library with it, and only if it is on."""

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from models.extras import installing
from safety_monitor.actions.absent import Absent
from safety_monitor.actions.alarm import Alarm
from safety_monitor.actions.channel import Channel
from safety_monitor.actions.failure import one_line
from safety_monitor.actions.own_sound import OwnSound
from safety_monitor.actions.speech import Speech
from safety_monitor.config import Settings, SettingsError
from safety_monitor.config.channels import (
    FirebaseSettings,
    MongoDBSettings,
    MQTTSettings,
    MySQLSettings,
    WebhookSettings,
)
from safety_monitor.config.escalation import Contact
from safety_monitor.config.section import PhoneNumber
from safety_monitor.identity import Identity, identity
from safety_monitor.journal.entry import Entry
from safety_monitor.journal.file import JournalError
from safety_monitor.journal.incidents import Journal

if TYPE_CHECKING:
    from safety_monitor.actions.twilio import Account, Medium

log = logging.getLogger(__name__)


FAILURES = (SettingsError, OSError, ImportError)
"""What making a channel raises."""
Making = tuple[str, Mapping[str, bool], Callable[[], Channel]]
"""Name of a channel, what is so of it before it is made, and what makes it."""
RECORD, APART, NOTHING = {"record": True}, {"apart": True}, dict[str, bool]()


def make_channels(
    settings: Settings, own_sound: OwnSound, journal: Journal | None = None, *, patient: bool = False
) -> list[Channel]:
    """The ways out that the settings turn on.

    Args:
        settings: whose sections turn them on.
        own_sound: told when siren and voice sound.
        journal: from which records are made; None if the channels are only to be checked.
        patient: see `outward_channels`.

    Raises:
        SettingsError: a channel cannot be made as the settings ask for.
    """
    outward = outward_channels(settings, journal, patient=patient)
    channels: list[Channel] = []
    alarm: Alarm | None = None
    if settings.alarm.enabled:
        alarm = Alarm(own_sound, volume=settings.alarm.volume, duration_s=settings.alarm.duration_s)
        channels.append(alarm)
    if settings.speech.enabled:
        speech = settings.speech
        channels.append(
            Speech(
                own_sound,
                text=speech.text,
                rate=speech.rate,
                limit_s=speech.limit_s,
                answered=speech.answered,
                hush=alarm.hush if alarm else lambda hushed: None,
            )
        )
    return [*channels, *outward]


def outward_channels(settings: Settings, journal: Journal | None, *, patient: bool = False) -> list[Channel]:
    """The channels that speak to the world outside.

    Args:
        settings: whose sections turn them on.
        journal: from which records are made; None if the channels are only to be checked.
        patient: whether one that cannot be made is waited for, see `Absent`.

    Raises:
        SettingsError: something is missing that a setting needs; what was made before is closed.
    """
    made: list[Channel] = []
    try:
        for name, traits, make in (*_records(settings, journal), *_messages(settings)):
            try:
                made.append(make())
            except FAILURES as error:
                if not patient:
                    raise
                made.append(Absent(name, make, **traits, errors=FAILURES, why=str(error)))
    except FAILURES as error:
        for channel in made:
            channel.close()
        raise settings.named(str(error)) from None
    return made


def _records(settings: Settings, journal: Journal | None) -> Iterator[Making]:
    """For programs: databases and hooks."""
    entry_of, threshold = _entries(journal), settings.fusion.threshold

    def station() -> Identity:
        return identity(settings.home, settings.station.name)

    if mysql := settings.mysql:
        yield "mysql", RECORD, lambda: _mysql(mysql, station(), entry_of)
    if mongodb := settings.mongodb:
        yield "mongodb", RECORD, lambda: _mongodb(mongodb, station(), entry_of, threshold)
    if firebase := settings.firebase:
        yield "firebase", RECORD, lambda: _firebase(firebase, station(), entry_of, threshold)
    if mqtt := settings.mqtt:
        pin = settings.acknowledge.pin_hash is not None
        yield "mqtt", RECORD, lambda: _mqtt(mqtt, station(), pin_to_disarm=pin, visit=journal is None)
    if webhook := settings.webhook:
        yield "webhook", APART, lambda: _webhook(webhook, station())


def _mysql(given: MySQLSettings, station: Identity, entry_of: Callable[[str], Entry]) -> Channel:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of every part of itself that it loads
    from safety_monitor.actions.mysql import MySQL

    return MySQL(given.url.get_secret_value(), station=station, entry_of=entry_of)


def _mqtt(given: MQTTSettings, station: Identity, *, pin_to_disarm: bool, visit: bool) -> Channel:
    from safety_monitor.actions.mqtt import MQTT, Broker

    broker = Broker(
        host=given.host,
        port=given.port or (8883 if given.tls else 1883),
        username=given.username,
        password=given.password.get_secret_value() if given.password else "",
        tls=given.tls,
        ca_file=given.ca_file,
        prefix=given.prefix,
        discovery_prefix=given.discovery_prefix,
    )
    return MQTT(broker, station=station, commands=given.commands, pin_to_disarm=pin_to_disarm, visit=visit)


def _webhook(given: WebhookSettings, station: Identity) -> Channel:
    from safety_monitor.actions.webhook import Webhook

    return Webhook(given.url, given.secret.get_secret_value(), station=station)


def _mongodb(given: MongoDBSettings, station: Identity, entry_of: Callable[[str], Entry], threshold: float) -> Channel:
    try:
        from safety_monitor.actions.mongodb import MongoDB
    except ModuleNotFoundError:
        raise SettingsError(f"mongodb: needs the package pymongo: {installing('mongodb')}") from None
    try:
        return MongoDB(
            given.url.get_secret_value(),
            database=given.database,
            collection=given.collection,
            station=station,
            entry_of=entry_of,
            threshold=threshold,
        )
    except ValueError as error:
        raise SettingsError(f"mongodb.url: {error}") from None


def _firebase(
    given: FirebaseSettings, station: Identity, entry_of: Callable[[str], Entry], threshold: float
) -> Channel:
    try:
        from safety_monitor.actions.firebase import Firebase
    except ModuleNotFoundError:
        raise SettingsError(f"firebase: needs the package firebase-admin: {installing('firebase')}") from None
    if given.credentials_file is None and given.url.startswith("https://"):
        raise SettingsError("firebase.credentials_file: the JSON file of a service account is needed")
    try:
        return Firebase(
            given.url,
            credentials_file=given.credentials_file,
            path=given.path,
            station=station,
            entry_of=entry_of,
            threshold=threshold,
        )
    except (ValueError, OSError) as error:
        raise SettingsError(f"firebase: {one_line(error)}") from None


def _messages(settings: Settings) -> Iterator[Making]:
    """For people."""
    yield from _twilio(settings)
    for name, url in settings.messages.items():
        yield f"messages:{name}", NOTHING, partial(_message, name, url.get_secret_value())


def _message(name: str, url: str) -> Channel:
    from safety_monitor.actions.messages import Messages

    try:
        return Messages(name, url)
    except ValueError as error:
        raise SettingsError(f"messages.{name}: {error}") from None


def _twilio(settings: Settings) -> Iterator[Making]:
    """One channel for every contact and medium."""
    asked: list[tuple[Medium, str, str]] = [
        (medium, contact.name, number)
        for contact in settings.contacts
        for medium, number in _numbers(contact)
        if number is not None
    ]
    if not asked:
        return
    given = settings.twilio
    if given is None:
        medium, name, _ = asked[0]
        raise SettingsError(f"contacts: {name} has a number for {medium}, which needs [twilio]")
    from safety_monitor.actions.twilio import Account

    sender = {
        "sms": bool(given.number or given.messaging_service_sid),
        "whatsapp": bool(given.whatsapp_number),
        "call": bool(given.number),
    }
    account = Account(
        sid=given.account_sid,
        token=given.auth_token.get_secret_value(),
        key_sid=given.key_sid,
        number=given.number or "",
        service_sid=given.messaging_service_sid,
        whatsapp_number=given.whatsapp_number or "",
        content_sid=given.whatsapp_content_sid,
        content_variables={str(place): text for place, text in enumerate(given.whatsapp_variables, start=1)},
        language=given.voice_language,
        public_url="" if settings.acknowledge.pin_to_acknowledge else settings.web.public_url,
        api_url=given.api_url,
    )
    for medium, name, number in asked:
        if not sender[medium]:
            key = "whatsapp_number" if medium == "whatsapp" else "number"
            raise SettingsError(f"contacts: {name} has a number for {medium}, which needs twilio.{key}")
        yield f"{medium}:{name}", NOTHING, partial(_to_somebody, medium, name, number, account)


def _to_somebody(medium: "Medium", name: str, number: str, account: "Account") -> Channel:
    from safety_monitor.actions.twilio import Twilio

    own = account.whatsapp_number if medium == "whatsapp" else "" if account.service_sid else account.number
    if number == own:  # Twilio refuses every message: https://www.twilio.com/docs/api/errors/21266
        raise SettingsError(f"contacts: {name} has the station's own number for {medium}, which nobody answers")
    return Twilio(medium, name, number, account)


def _numbers(contact: Contact) -> "tuple[tuple[Medium, PhoneNumber | None], ...]":
    return (("sms", contact.sms), ("whatsapp", contact.whatsapp), ("call", contact.call))


def _entries(journal: Journal | None) -> Callable[[str], Entry]:
    """What the journal holds of an incident, also what must not be seen where the station stands."""

    def entry_of(incident_id: str) -> Entry:
        if journal is None:
            raise JournalError("no journal is open")
        return journal.show(incident_id, covert=True)

    return entry_of
