"""The first settings of a station: what the wizard finds out, and the `station.toml` that comes of it."""

import time
import tomllib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pydantic import TypeAdapter, ValidationError

from audio.blocks import SoundError
from audio.capture import SoundSource, open_sound
from audio.detector import OPERATING_POINT, ScreamDetector, ScreamModel, SoundReading
from safety_monitor.config.escalation import CHANNEL_WORDS, Contact
from safety_monitor.config.file import replace_file
from safety_monitor.config.page import template
from safety_monitor.config.section import ShortName
from safety_monitor.config.sources import checked
from safety_monitor.demo import open_demo_sound
from safety_monitor.senses import DEMO, hear

MUTE_DBFS, LOUD_DBFS = -85.0, -20.0
"""A room is never as quiet as the first, and a microphone that hears more than the second has no room for a scream."""
CONTACT_KEYS = ("sms", "call", "whatsapp")


class ContactError(Exception):
    """A contact that cannot be used; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What is known of a new station; what is None stays at its default.

    Attributes:
        name: of the station.
        camera: source, as in the settings.
        microphone: source, as in the settings.
        volume: of the siren, 0..1.
        contacts: who is told.
        address: where the station stands, for them.
    """

    name: str | None = None
    camera: str | None = None
    microphone: str | None = None
    volume: float | None = None
    contacts: tuple[Contact, ...] = ()
    address: str | None = None

    def text(self) -> str:
        """The commented `station.toml`."""
        sections: dict[str, Any] = {
            "station": {"name": self.name},
            "camera": {"source": self.camera},
            "microphone": {"source": self.microphone},
            "alarm": {"volume": self.volume},
            "place": {"address": self.address or None},
        }
        values: dict[str, Any] = {
            section: given
            for section, keys in sections.items()
            if (given := {key: value for key, value in keys.items() if value is not None})
        }
        values["contacts"] = [contact.model_dump(exclude_none=True) for contact in self.contacts]
        return template(values) + "\n"


def contact_of(name: str, **numbers: str) -> Contact:
    """A contact with at least one number, spaces and the like in numbers left out.

    Raises:
        ContactError: the name or a number is malformed, or there is none.
    """
    given = {key: "".join(each for each in number if each not in " -/()") for key, number in numbers.items() if number}
    if unknown := given.keys() - set(CONTACT_KEYS):
        raise ContactError(f"{name}: unknown '{min(unknown)}'; known: {', '.join(CONTACT_KEYS)}")
    if not given:
        raise ContactError(f"{name}: needs a number: {', '.join(CONTACT_KEYS)}")
    check_name(name, ())
    try:
        return Contact(name=name, **given)
    except ValidationError:
        raise ContactError(f"{name}: a number is written +<country><number>, such as +491713920031") from None


def check_name(name: str, taken: Collection[str]) -> None:
    """See whether a contact can be called so.

    Args:
        name: of the contact.
        taken: names of the others.

    Raises:
        ContactError: it cannot.
    """
    try:
        TypeAdapter(ShortName).validate_python(name)
    except ValidationError:
        raise ContactError(f"'{name}' is not a short name: letters, digits, - and _, such as anna") from None
    if name in taken or name in CHANNEL_WORDS:
        raise ContactError(f"{name} is taken already; choose another name")


def read_contact(text: str) -> Contact:
    """A contact as it is given on the command line: `anna:sms=+491713920031,call=+491713920031`.

    Raises:
        ContactError: it is malformed.
    """
    name, _, rest = text.partition(":")
    numbers = [each.partition("=") for each in rest.split(",")]
    return contact_of(name, **{key.strip(): number.strip() for key, _, number in numbers if key.strip()})


def write_settings(path: Path, text: str) -> Path | None:
    """Put a settings file in place, checked first; one that is there already is kept beside it.

    Returns:
        Where the one before is now; None if there was none.

    Raises:
        SettingsError: a start would refuse the text, or it cannot be written.
    """
    checked(tomllib.loads(text), path, environ={})
    return replace_file(path, text)


@dataclass(frozen=True, slots=True)
class Room:
    """How a room sounds to a microphone.

    Attributes:
        level_dbfs: median level.
        loudest_dbfs: of the loudest moment.
        scream: the highest persisted scream probability.
    """

    level_dbfs: float
    loudest_dbfs: float
    scream: float

    @property
    def good(self) -> bool:
        """Whether screams can be told from it."""
        return self.loudest_dbfs >= MUTE_DBFS and self.scream < OPERATING_POINT and self.level_dbfs <= LOUD_DBFS

    def advice(self) -> str:
        """What that means, one line."""
        if self.loudest_dbfs < MUTE_DBFS:
            return "that is silence, not a room: is the microphone muted, or the wrong one?"
        if self.scream >= OPERATING_POINT:
            return "what was to be heard just now would have raised the alarm: choose another place or microphone"
        if self.level_dbfs > LOUD_DBFS:
            return "that leaves no room for a scream: turn the microphone's gain down, or put it elsewhere"
        return "well suited"


def listen(source: str, model: ScreamModel, seconds: float) -> Room:
    """Listen to a room.

    Args:
        source: as in the settings.
        model: that tells screams.
        seconds: how long.

    Raises:
        SoundError: it cannot be heard.
    """
    opened = open_demo_sound(fast=False) if source == DEMO else open_sound(source or "default")
    try:
        return room_of(_for(opened, model, seconds))
    finally:
        opened.close()


def _for(source: SoundSource, model: ScreamModel, seconds: float) -> Iterator[SoundReading]:
    until = time.monotonic() + seconds
    for reading in hear(source, ScreamDetector(model)):
        yield reading
        if time.monotonic() >= until:
            return


def room_of(readings: Iterable[SoundReading]) -> Room:
    """What readings say of a room.

    Raises:
        SoundError: there are none.
    """
    found = list(readings)
    if not found:
        raise SoundError("nothing was to be heard at all")
    levels = [reading.level_dbfs for reading in found]
    return Room(median(levels), max(levels), max(reading.scream for reading in found))
