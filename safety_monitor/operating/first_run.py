"""The first settings of a station: what people answer, and what comes of it in `station.toml` and `.env`."""

import os
import re
import tomllib
from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from safety_monitor.actions.messages import Messages
from safety_monitor.config import SettingsError
from safety_monitor.config.escalation import CHANNEL_WORDS, Contact
from safety_monitor.config.file import replace_file
from safety_monitor.config.secret_file import env_file, secrets_put
from safety_monitor.config.section import PhoneNumber, ShortName, web_address
from safety_monitor.config.sources import checked
from safety_monitor.config.station import Station
from safety_monitor.config.web import Web, WebUser
from safety_monitor.operating.earlier import CONTACT_KEYS
from safety_monitor.operating.serving import LOCAL

ACCOUNT_KEYS = ("account_sid", "key_sid", "number")
"""What `init` asks of Twilio and puts into `.env`."""
EVERYWHERE = "0.0.0.0"  # noqa: S104  # with a user, and because somebody wants it
"""The address that pages are served on for other machines."""


class ContactError(Exception):
    """A contact that cannot be used; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What is said of a station; what is None stays as it is.

    Attributes:
        name: of the station.
        camera: source, as in the settings.
        microphone: source, as in the settings.
        volume: of the siren, 0..1.
        contacts: everybody who is told; None: those of before.
        address: where the station stands, for them; empty: that is not told.
        user: somebody who may sign in on the pages, which other machines may open from now on; of one who may already
            only the password is another one.
        account_in_env: whether `.env` holds the Twilio account from now on, and the file need not.
        held: whether the contacts' numbers stand there commented out, because nothing reaches them yet.
        secrets: what goes into `.env`: name of a variable -> its value, None to take it out.
    """

    name: str | None = None
    camera: str | None = None
    microphone: str | None = None
    volume: float | None = None
    contacts: tuple[Contact, ...] | None = None
    address: str | None = None
    user: WebUser | None = None
    account_in_env: bool = False
    held: bool = False
    secrets: Mapping[str, str | None] = field(default_factory=dict, repr=False)

    def values(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the settings file.

        Args:
            before: those that stand there.
        """
        given: dict[tuple[str, str], Any] = {
            ("station", "name"): self.name,
            ("camera", "source"): self.camera,
            ("microphone", "source"): self.microphone,
            ("alarm", "volume"): self.volume,
            ("place", "address"): self.address,
        }
        values = deepcopy(dict(before))
        for (section, key), value in given.items():
            if value == "" and key == "address":
                values.get(section, {}).pop(key, None)
            elif value is not None:
                values.setdefault(section, {})[key] = value
        if self.account_in_env and "twilio" in values:
            left = {key: value for key, value in values["twilio"].items() if key not in ACCOUNT_KEYS}
            values = {**values, "twilio": left} if left else {k: v for k, v in values.items() if k != "twilio"}
        if self.user is not None:
            web = values.setdefault("web", {})
            users = {each["name"]: each for each in web.get("users", ())}
            if there := users.get(self.user.name):
                there["password_hash"] = self.user.password_hash
            else:
                web["users"] = [*users.values(), self.user.model_dump()]
                if web.get("host", Web().host) in LOCAL:
                    web["host"] = EVERYWHERE
        if self.contacts is not None:
            values.pop("contacts", None)
            if self.contacts:
                values["contacts"] = [contact.model_dump(exclude_none=True) for contact in self.contacts]
        return values


def contact_of(name: str, **numbers: str) -> Contact:
    """A contact with at least one number.

    Raises:
        ContactError: the name or a number is malformed, or there is none.
    """
    given = {key: number for key, number in numbers.items() if number}
    if unknown := given.keys() - set(CONTACT_KEYS):
        raise ContactError(f"{name}: unknown '{min(unknown)}'; known: {', '.join(CONTACT_KEYS)}")
    if not given:
        raise ContactError(f"{name}: needs a number: {', '.join(CONTACT_KEYS)}")
    check_name(name, ())
    try:
        return Contact(name=name, **given)
    except ValidationError:
        raise ContactError(f"{name}: a number is written +<country><number>, such as +491713920031") from None


def phone_number(text: str) -> str:
    """A telephone number as the settings have it.

    Raises:
        ContactError: it is none, or lacks the country.
    """
    try:
        return str(TypeAdapter(PhoneNumber).validate_python(text))
    except ValidationError:
        wrong = "is no whole telephone number" if text.startswith(("+", "00")) else "lacks the country"
        raise ContactError(f"'{text}' {wrong}: write it such as +49 171 3920031, not 0171 3920031") from None


def short_name(text: str, taken: Collection[str]) -> str:
    """The name of a contact, in small letters, that can be part of the name of a variable, too.

    Raises:
        ContactError: it cannot.
    """
    name = text.lower()
    if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", name):
        raise ContactError(f"'{text}' is not a short name: letters a to z and digits, such as anna")
    check_name(name, taken)
    return name


def station_name(text: str) -> str:
    """What a station is called.

    Raises:
        ValueError: it cannot be called so; the text is one line.
    """
    try:
        return Station(name=text).name
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def mail_address(text: str) -> str:
    """An e-mail address.

    Raises:
        ContactError: it is none.
    """
    if not re.fullmatch(r"[^@\s'\"<>,;:]+@[^@\s'\"<>,;:]+\.[^@\s'\"<>,;:.]+", text):
        raise ContactError(f"'{text}' is not an e-mail address, such as anna@example.org")
    return text


def service_address(text: str) -> str:
    """An address of Apprise, with what quotes mean something to written as in any address.

    Raises:
        ContactError: Apprise does not understand it, or it would reach nobody.
    """
    for each in "'\"\\$` ":
        text = text.replace(each, quote(each))
    try:
        Messages("tried", text)
    except ValueError as error:
        raise ContactError(f"that {error}; one of ntfy is written ntfys://shop-k7m2x9q4") from None
    return text


def page_address(text: str) -> str:
    """An address of a page, with what quotes mean something to written as in any address.

    Raises:
        ContactError: it is none.
    """
    try:
        return web_address("".join(quote(each) if each in "'\"\\$`" else each for each in text))
    except ValueError as error:
        raise ContactError(f"that {error}") from None


def account_sid(text: str) -> str:
    """The SID of a Twilio account.

    Raises:
        ContactError: it is none.
    """
    if not re.fullmatch(r"AC[0-9a-fA-F]{32}", text):
        raise ContactError("an Account SID is AC and 32 digits and letters a to f; copy it whole")
    return text


def token(text: str) -> str:
    """The token of a Twilio account, without blanks around it.

    Raises:
        ContactError: it cannot be one.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{8,}", text.strip()):
        raise ContactError("that is no Auth Token: it is one word of letters and digits; copy it whole")
    return text.strip()


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


def contacts_in(values: Mapping[str, Any]) -> tuple[Contact, ...]:
    """The contacts of the values of a settings file."""
    return tuple(Contact(**each) for each in values.get("contacts", ()))


def with_others(contacts: Collection[Contact], values: Mapping[str, Any]) -> tuple[Contact, ...] | None:
    """Contacts in place of those in a settings file that are called alike, with all others of it; None for none.

    Args:
        contacts: given anew.
        values: of the file.
    """
    if not contacts:
        return None
    given = {contact.name: contact for contact in contacts}
    kept = [given.pop(each.name, each) for each in contacts_in(values)]
    return (*kept, *(contact for contact in contacts if contact.name in given))


def write_settings(path: Path, text: str, secrets: Mapping[str, str | None] | None = None) -> Path | None:
    """Put a settings file in place, checked first; one that is there already is kept beside it.

    Args:
        path: of the file.
        text: all of it.
        secrets: what goes into `.env`, see `secrets_put`; both files are written, or none.

    Returns:
        Where the one before is now; None if there was none.

    Raises:
        SettingsError: a start would refuse the text, or it cannot be written.
    """
    with secrets_put(secrets or {}):
        check_text(path, text)
        return replace_file(path, text)


def check_place(path: Path) -> None:
    """See whether a settings file, and `.env`, can be written: better known before a talk than after it.

    Raises:
        SettingsError: they cannot.
    """
    for file in (path, env_file()):
        folder = file.absolute().parent
        if folder.is_dir() and not os.access(folder, os.W_OK):
            raise SettingsError(f"{folder}: cannot be written by this user; start it in another folder")


def check_text(path: Path, text: str) -> None:
    """See whether a settings file could hold a text.

    Raises:
        SettingsError: a start would refuse it.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        line = text.splitlines()[text.count("\n", 0, error.start)]
        raise SettingsError(f"{path}: {line} has bytes that are no text in UTF-8; name it otherwise") from None
    checked(tomllib.loads(text), path, environ={})
