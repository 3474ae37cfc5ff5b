"""The part of the first settings about people: who is told, with what, and who may call an alarm off.

Nothing is written here: the answers are, at the end and all together.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import typer

from safety_monitor.actions.channel import Channel, is_aloud, nature_of
from safety_monitor.actions.mailbox import (
    PORTS,
    SSL_PORT,
    Mailbox,
    MailError,
    known_server,
    mailbox_of,
    server_of,
    sign_in,
)
from safety_monitor.actions.message import Message, trial_message
from safety_monitor.actions.twilio import API, Account, Twilio
from safety_monitor.commands.conventions import fail, read_settings
from safety_monitor.commands.outbox import tried
from safety_monitor.config import PREFIX, SettingsError
from safety_monitor.config.escalation import Contact
from safety_monitor.dispatch.channels import outward_channels
from safety_monitor.dispatch.places import make_places
from safety_monitor.dispatch.policies import contacts_of, mistakes_of
from safety_monitor.escalation import Nature, person_of
from safety_monitor.incident import notice
from safety_monitor.operating.earlier import CONTACT_KEYS, Earlier, named_in
from safety_monitor.operating.first_run import (
    Answers,
    ContactError,
    account_sid,
    mail_address,
    phone_number,
    service_address,
    short_name,
    token,
)
from safety_monitor.people.decision import PinError, hash_of
from safety_monitor.web import texts

T = TypeVar("T")

NO_TWILIO = "NO SMS AND NO CALL GOES OUT without an account.\n  The numbers stand in the settings, but switched off."
NO_MAIL = "NO E-MAIL GOES OUT, and the addresses are not kept."
TOLD_BY = {"sms": ("sms",), "call": ("call",), "both": ("sms", "call")}


@dataclass(frozen=True, slots=True)
class _Person:
    """Somebody who is told.

    Attributes:
        contact: with the telephone numbers.
        mail: e-mail address; empty: none.
        service: Apprise address of another way; empty: none.
        keeps: whether an address of `.env` stays.
    """

    contact: Contact
    mail: str = ""
    service: str = ""
    keeps: bool = False


def ask_contacts(known: Answers, earlier: Earlier, named: Sequence[str]) -> Answers:
    """The answers with the contacts, with what they are told, and with the PIN.

    Args:
        known: the answers so far.
        earlier: what is set already.
        named: contacts of the command line, of whom nothing is asked.
    """
    there = known.contacts if known.contacts is not None else _contacts_of(earlier)
    addresses = _Addresses(earlier.addresses, frozenset(contact.name.lower() for contact in there))
    people: list[_Person] = []
    secrets: dict[str, str | None] = {}
    for contact in there:
        kept = _Person(contact, keeps=True) if contact.name in named else _ask_again(contact, addresses, earlier)
        if kept is not None:
            people.append(kept)
        else:
            secrets |= addresses.entries(contact.name, ())
    if not there:
        typer.echo(
            "\nWhom shall the station tell of an emergency? By SMS, call, e-mail, or an app:\n"
            "for the free app ntfy make up a topic that nobody guesses, such as shop-k7m2x9q4,\n"
            "subscribe to it in the app, and give ntfys://shop-k7m2x9q4 here. Other apps:\n"
            "docs/channels.md."
        )
    while (person := _ask_person([each.contact.name for each in people], addresses)) is not None:
        people.append(person)
    contacts = tuple(each.contact for each in people)
    addresses = replace(addresses, contacts=frozenset(contact.name.lower() for contact in contacts))
    held = in_env = False
    if any(each.sms or each.call or each.whatsapp for each in contacts) and not _keeps_twilio(earlier.account):
        given = _ask_twilio(earlier.account)
        held, in_env = given is None, given is not None
        secrets |= given or {}
    mailbox = _ask_mailbox(earlier.addresses.values()) if any(each.mail for each in people) else None
    for each in people:
        ways = [mailbox.to(each.mail)] if each.mail and mailbox else []
        ways += [each.service] if each.service else []
        if not each.keeps and (ways or not each.mail):  # else the new address is put off, and the old one stays
            secrets |= addresses.entries(each.contact.name, ways)
    secrets |= _ask_pins(set_already=earlier.has_pin)
    return replace(known, contacts=contacts, account_in_env=in_env, held=held, secrets=secrets)


def _contacts_of(earlier: Earlier) -> tuple[Contact, ...]:
    return tuple(Contact(**each) for each in earlier.values.get("contacts", ()))


def _ask_again(contact: Contact, addresses: "_Addresses", earlier: Earlier) -> _Person | None:
    """What becomes of somebody who is told already: as before, told otherwise, or None: not told any more."""
    ways = [f"{way} {number}" for way in CONTACT_KEYS if (number := getattr(contact, way))]
    ways += [f"{texts.channel(f'messages:{name}')} (kept in .env)" for name in addresses.of(contact.name)]
    typer.echo(f"\n{contact.name} is told by: {', '.join(ways) or 'nothing yet'}")
    while True:
        question = f"  What of {contact.name}: keep, change, remove"
        then = _asked(question, lambda text: _one_of(("keep", "change", "remove"), text), default="keep")
        if then == "change":
            return _ask_ways(contact, addresses)
        if then != "remove":
            return _Person(contact, keeps=True)
        if (where := named_in(earlier.values, contact.name)) is None:
            return None
        typer.echo(f"  {where}: {contact.name} stands there; name somebody else there first, in the file")


def _asked(question: str, read: Callable[[str], T], *, default: str = "", hidden: bool = False) -> T | None:
    """An answer, asked for until it is one; None for none."""
    while True:
        text = str(typer.prompt(question, default=default, show_default=bool(default), hide_input=hidden))
        if not text.strip():
            return None
        try:
            return read(text if hidden else text.strip())
        except (ContactError, MailError, PinError) as error:
            typer.echo(f"  {error}")


def _ask_person(taken: Collection[str], addresses: "_Addresses") -> _Person | None:
    """Somebody who can be told, besides those whose names are taken; None when there are no more."""
    typer.echo()
    question = "Short name of somebody else (Enter: nobody)" if taken else "Short name, such as anna (Enter: nobody)"
    name = _asked(question, lambda text: short_name(text, taken))
    return None if name is None else _ask_ways(Contact(name=name), addresses)


def _ask_ways(before: Contact, addresses: "_Addresses") -> _Person:
    """By what somebody is told; Enter keeps what is there."""
    there = addresses.of(before.name)
    while True:
        contact = _ask_number(before)
        keeps = bool(there) and typer.confirm(
            f"  .env has an address for {before.name} already. Keep it?", default=True
        )
        mail, service = ("", "") if keeps else _ask_addresses()
        if contact.sms or contact.call or contact.whatsapp or mail or service or keeps:
            return _Person(contact, mail, service, keeps)
        typer.echo(f"  {before.name} could not be told by anything: give at least one of these.")


def _ask_number(before: Contact) -> Contact:
    """The contact with the number, or numbers, of an answer."""
    numbers = {way: number for way in TOLD_BY["both"] if (number := getattr(before, way))}
    if len(set(numbers.values())) > 1:
        told = " and ".join(f"{way} {number}" for way, number in numbers.items())
        if typer.confirm(f"  Keep {told}?", default=True):
            return before
    question = "  Telephone number, such as +49 171 3920031 (Enter: none)"
    if numbers:
        question = "  Telephone number (-: none)"
    default = next(iter(numbers.values()), "")
    number = _asked(question, lambda text: "" if text == "-" else phone_number(text), default=default)
    if not number:
        return before.model_copy(update={"sms": None, "call": None})
    now = next((word for word, ways in TOLD_BY.items() if set(ways) == numbers.keys()), "both")
    told_by = _asked("  Tell by sms, call or both", lambda text: _one_of(TOLD_BY, text), default=now)
    given = {way: number if way in TOLD_BY[told_by or now] else None for way in TOLD_BY["both"]}
    return before.model_copy(update=given)


def _ask_addresses() -> tuple[str, str]:
    mail = _asked("  E-mail address (Enter: none)", mail_address)
    service = _asked("  Address of an app, such as ntfys://shop-k7m2x9q4 (Enter: none)", service_address)
    return mail or "", service or ""


def _keeps_twilio(account: Mapping[str, Any]) -> bool:
    """Whether there is a whole account already, and it is to be used."""
    sends = account.get("number") or account.get("messaging_service_sid")
    if not (sends and account.get("account_sid") and account.get("auth_token")):
        return False
    return typer.confirm(f"\nThe Twilio account {account['account_sid']} is set already. Use it?", default=True)


def _ask_twilio(before: Mapping[str, Any]) -> dict[str, str | None] | None:
    """What sends SMS and makes calls, tried; None where that is put off.

    Args:
        before: what is set of an account already.
    """
    typer.echo(
        "\nSMS and calls go out through Twilio, a service that charges for each. Make an\n"
        "account at https://www.twilio.com and buy a number there; its start page shows\n"
        "what is asked now. Enter alone puts it off."
    )
    known = {key: str(before.get(key) or "") for key in ("account_sid", "number")}
    while True:
        sid = _asked("  Account SID, begins with AC", account_sid, default=known["account_sid"])
        secret = sid and _asked("  Auth Token (not shown while you type or paste)", token, hidden=True)
        number = secret and _asked(
            "  The number that Twilio gave you, such as +15005550006", phone_number, default=known["number"]
        )
        if not sid or not secret or not number:
            _put_off(NO_TWILIO)
            return None
        account = Account(sid, secret, number=number, api_url=str(before.get("api_url", API)))
        channel = Twilio("sms", "nobody", number, account)
        try:
            outcome = channel.check()
        finally:
            channel.close()
        typer.echo(f"  {outcome.detail}")
        then = "use" if outcome.ok else _what_then()
        if then == "skip":
            _put_off(NO_TWILIO)
            return None
        if then == "use":
            given = {"ACCOUNT_SID": sid, "AUTH_TOKEN": secret, "NUMBER": number, "KEY_SID": None, "SIGNING_TOKEN": None}
            return {f"{PREFIX}TWILIO__{name}": value for name, value in given.items()}


def _ask_mailbox(addresses: Iterable[str]) -> Mailbox | None:
    """What e-mails come from, tried; None where that is put off.

    Args:
        addresses: of Apprise, that are set already: one of them may be of a mailbox.
    """
    before = next(filter(None, map(mailbox_of, addresses)), None)
    if before and typer.confirm(f"\nE-mails are sent from {before.sender} already. These, too?", default=True):
        return before
    typer.echo(
        "\nE-mails are sent from a mailbox of yours, as a mail program does it. The help of\n"
        'your mail provider says how: look for "SMTP" or "outgoing mail". Gmail and others\n'
        "want an app password, which you make in their settings. Enter alone puts it off."
    )
    sender = host = user = ""
    port: int | None = None
    while True:
        sender = _asked("  Address that the mails come from", mail_address, default=sender) or ""
        shown = host and (f"{host}:{port}" if port else host)
        default = shown or known_server(sender)
        server = _asked("  Mail server for sending", server_of, default=default) if sender else None
        if server is None:
            _put_off(NO_MAIL)
            return None
        host, port = server
        user = _asked("  User name", str, default=user or sender) or ""
        password = _asked("  Password (not shown while you type; Enter: none)", str, hidden=True) or ""
        user = user if password else ""
        typer.echo("  Trying to sign in …")
        try:
            mailbox = sign_in(sender, host, port, user, password)
            wrong = f"{host} has no encryption: others on the way could read the password." if mailbox.bare else ""
        except MailError as error:
            mailbox = Mailbox(sender, host, port or PORTS[0], user, password, "ssl" if port == SSL_PORT else "starttls")
            wrong = str(error)
        typer.echo(f"  {wrong or f'{host} lets the station send.'}")
        then = _what_then() if wrong else "use"
        if then != "again":
            if then == "skip":
                _put_off(NO_MAIL)
            return mailbox if then == "use" else None


def _what_then() -> str:
    """What is to be done about something that could not be tried with success: again, use, skip."""
    question = "  What now: again, use (it all the same), skip"
    return _asked(question, lambda text: _one_of(("again", "use", "skip"), text), default="again") or "again"


def _one_of(known: Collection[str], text: str) -> str:
    if text.lower() not in known:
        raise ContactError(f"'{text}' is none of: {', '.join(known)}")
    return text.lower()


def _put_off(what: str) -> None:
    typer.echo(f"  Put off: {what}\n  Start safety-monitor init again when you have it, or see docs/channels.md.")


@dataclass(frozen=True, slots=True)
class _Addresses:
    """The Apprise addresses that are set already.

    Attributes:
        there: by name.
        contacts: names of all, in small letters.
    """

    there: Mapping[str, str]
    contacts: frozenset[str]

    def of(self, name: str) -> list[str]:
        """The names of those that reach somebody."""
        return [each for each in self.there if self._reaches(each, name)]

    def entries(self, name: str, ways: Sequence[str]) -> dict[str, str | None]:
        """The entries of `.env` so that these addresses, and no others, reach somebody.

        The first bears their name, a second one that of its service as well. All others go: nobody is to be told by
        what they have taken back.
        """
        names = [name]
        for number, way in enumerate(ways[1:], start=2):
            service = "".join(each for each in way.partition(":")[0].lower() if each.isalnum())
            # There may be a contact anna_json, too.
            names.append(next(each for each in (f"{name}_{service}", f"{name}_{number}") if self._reaches(each, name)))
        entries: dict[str, str | None] = {**dict.fromkeys(self.of(name)), **dict(zip(names, ways, strict=False))}
        return {f"{PREFIX}MESSAGES__{each.upper()}": value for each, value in entries.items()}

    def _reaches(self, address: str, name: str) -> bool:
        return person_of(f"messages:{address}", self.contacts | {name.lower()}) == name.lower()


def _ask_pins(*, set_already: bool) -> dict[str, str | None]:
    """The entries of `.env` for the PINs."""
    names = [f"{PREFIX}ACKNOWLEDGE__{word}PIN_HASH" for word in ("", "DURESS_")]
    if set_already and not typer.confirm("\nA PIN is set already. Set another one?", default=False):
        return {}
    typer.echo("\nWith a PIN only those who know it can call an alarm off, or switch the station off.")
    pin = _ask_pin("PIN, 4 characters or more (not shown; Enter: none)")
    if pin is None:
        return {}
    typer.echo(
        "A duress PIN is for somebody who is being forced to stop an alarm: it seems to end,\n"
        "but everybody is told that help is needed."
    )
    duress = _ask_pin("Duress PIN (not shown; Enter: none)", other_than=pin)
    return {name: each and hash_of(each) for name, each in zip(names, (pin, duress), strict=True)}


def _ask_pin(question: str, other_than: str = "") -> str | None:
    def read(pin: str) -> str:
        hash_of(pin)
        if pin == other_than:
            raise PinError("it must be another one than the PIN")
        if typer.prompt("  once more", default="", show_default=False, hide_input=True) != pin:
            raise PinError("that was not the same twice")
        return pin

    return _asked(f"  {question}", read, hidden=True)


def offer_test(config: Path) -> None:
    """Say who will be told; send everybody a test if that is wanted, and say what came of each."""
    settings = read_settings(config)
    try:
        channels = outward_channels(settings, None)
        place = make_places(settings).place(notice("test"))
    except SettingsError as error:
        fail(error)
    try:
        for mistake in mistakes_of(settings, channels):
            typer.echo(f"\nWARNING: the station will not start: {settings.named(mistake)}")
        told = {each.name: each for each in channels if nature_of(each) is Nature.MESSAGE}
        if not told:
            typer.echo(
                "\nWARNING: NOBODY ELSEWHERE WILL BE TOLD of an emergency; there are only siren and voice. Start\n"
                "safety-monitor init again to name somebody, with something that reaches them."
            )
            return
        typer.echo(f"\nTold of an emergency – {', '.join(map(texts.channel, told))}.")
        contacts = contacts_of(settings)
        reached = {person_of(name, contacts) for name in told}
        if silent := [each.name for each in settings.contacts if each.name.lower() not in reached]:
            typer.echo(f"WARNING: nothing reaches {', '.join(silent)} yet.")
        if not typer.confirm("Send each of them a test message now?", default=True):
            return

        def message(channel: Channel) -> Message:
            return trial_message(settings.station.name, channel.name, place, aloud=is_aloud(channel))

        typer.echo("Sending; an answer may take a minute …")
        well = True
        for name, outcome in tried(list(told.values()), message):
            well = well and outcome.ok
            word = "arrived" if outcome.delivered else "sent" if outcome.ok else "FAILED"
            typer.echo(f"  {word:<8} {texts.channel(name)} – {outcome.detail}")
        typer.echo("Ask everybody whether they got it.")
        if not well:
            typer.echo("What FAILED reaches nobody: see docs/channels.md, then try safety-monitor test-alert.")
    finally:
        for each in channels:
            each.close()
