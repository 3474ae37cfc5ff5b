"""The part of the first settings about people: who is told, with what, and who may call an alarm off.

Nothing is written here: the answers are, at the end and all together.
"""

from collections.abc import Callable, Collection, Mapping
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
    server_of,
    sign_in,
)
from safety_monitor.actions.message import Message, trial_message
from safety_monitor.actions.twilio import API, Account, Twilio
from safety_monitor.commands.conventions import fail, read_settings
from safety_monitor.commands.outbox import tried
from safety_monitor.config import PREFIX, SettingsError
from safety_monitor.config.escalation import Contact
from safety_monitor.config.sources import set_outside
from safety_monitor.dispatch.channels import outward_channels
from safety_monitor.dispatch.places import make_places
from safety_monitor.escalation import Nature
from safety_monitor.incident import notice
from safety_monitor.operating.first_run import (
    Answers,
    ContactError,
    account_sid,
    contact_of,
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


def ask_contacts(known: Answers) -> Answers:
    """The answers with the contacts, with what they are told, and with the PIN."""
    outside = set_outside()
    addresses: dict[str, str] = outside.get("messages", {})
    people = [_Person(contact) for contact in known.contacts]
    typer.echo(
        "\nWhom shall the station tell of an emergency? By SMS, call, e-mail, or an app:\n"
        "for the free app ntfy make up a topic that nobody guesses, such as shop-k7m2x9q4,\n"
        "subscribe to it in the app, and give ntfys://shop-k7m2x9q4 here. Other apps:\n"
        "docs/channels.md."
    )
    while (person := _ask_person([each.contact.name for each in people], addresses)) is not None:
        people.append(person)
    contacts = tuple(each.contact for each in people)
    secrets: dict[str, str | None] = {}
    channels, held = dict(known.channels), False
    if any(each.sms or each.call or each.whatsapp for each in contacts):
        account = {**channels.get("twilio", {}), **outside.get("twilio", {})}
        if not _keeps_twilio(account):
            given = _ask_twilio(str(account.get("api_url", API)))
            held = given is None
            if given is not None:
                secrets |= given
                channels.pop("twilio", None)
    mailbox = _ask_mailbox() if any(each.mail for each in people) else None
    for each in people:
        secrets |= _addresses(each, mailbox, {*addresses, *(other.name for other in contacts)}, addresses)
    secrets |= _ask_pins(set_already="pin_hash" in outside.get("acknowledge", {}))
    return replace(known, contacts=contacts, channels=channels, held=held, secrets=secrets)


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


def _ask_person(taken: Collection[str], addresses: Mapping[str, str]) -> _Person | None:
    """Somebody who can be told, besides those whose names are taken; None when there are no more."""
    typer.echo()
    question = "Short name of somebody else (Enter: nobody)" if taken else "Short name, such as anna (Enter: nobody)"
    name = _asked(question, lambda text: short_name(text, taken))
    if name is None:
        return None
    while True:
        numbers = _ask_number()
        keeps = name in addresses and typer.confirm(f"  .env has an address for {name} already. Keep it?", default=True)
        mail, service = ("", "") if keeps else _ask_addresses()
        if numbers or mail or service or keeps:
            contact = contact_of(name, **numbers) if numbers else Contact(name=name)
            return _Person(contact, mail, service, keeps)
        typer.echo(f"  {name} could not be told by anything: give at least one of these.")


def _ask_number() -> dict[str, str]:
    number = _asked("  Telephone number, such as +49 171 3920031 (Enter: none)", phone_number)
    if number is None:
        return {}
    told_by = _asked("  Tell by sms, call or both", lambda text: _one_of(TOLD_BY, text), default="both")
    return dict.fromkeys(TOLD_BY[told_by or "both"], number)


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


def _ask_twilio(api_url: str) -> dict[str, str | None] | None:
    """What sends SMS and makes calls, tried; None where that is put off."""
    typer.echo(
        "\nSMS and calls go out through Twilio, a service that charges for each. Make an\n"
        "account at https://www.twilio.com and buy a number there; its start page shows\n"
        "what is asked now. Enter alone puts it off."
    )
    while True:
        sid = _asked("  Account SID, begins with AC", account_sid)
        secret = sid and _asked("  Auth Token (not shown while you type or paste)", token, hidden=True)
        number = secret and _asked("  The number that Twilio gave you, such as +15005550006", phone_number)
        if not sid or not secret or not number:
            _put_off(NO_TWILIO)
            return None
        channel = Twilio("sms", "nobody", number, Account(sid, secret, number=number, api_url=api_url))
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


def _ask_mailbox() -> Mailbox | None:
    """What e-mails come from, tried; None where that is put off."""
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


def _addresses(
    person: _Person, mailbox: Mailbox | None, taken: Collection[str], before: Mapping[str, str]
) -> dict[str, str | None]:
    """The entries of `.env` that reach somebody; the first way bears their name, a second one that of its service.

    Those that are not kept go, second ones as well: nobody is to be told by what they have taken back.
    """
    name = person.contact.name
    ways = [mailbox.to(person.mail)] if person.mail and mailbox else []
    ways += [person.service] if person.service else []
    old: set[str] = set()
    if name in before and not person.keeps:
        old = {each for each, address in before.items() if each in (name, _second(name, address))}
    second = _second(name, person.service)
    while second in taken and second not in old:
        second += "_2"
    entries: dict[str, str | None] = {**dict.fromkeys(old), **dict(zip((name, second), ways, strict=False))}
    return {f"{PREFIX}MESSAGES__{each.upper()}": value for each, value in entries.items()}


def _second(name: str, address: str) -> str:
    """What a second way to somebody is called."""
    return f"{name}_{''.join(each for each in address.partition(':')[0].lower() if each.isalnum())}"


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


def offer_test(config: Path, answers: Answers) -> None:
    """Say who will be told; send everybody a test if that is wanted, and say what came of each."""
    settings = read_settings(config)
    try:
        channels = outward_channels(settings, None)
        place = make_places(settings).place(notice("test"))
    except SettingsError as error:
        fail(error)
    try:
        told = {each.name: each for each in channels if nature_of(each) is Nature.MESSAGE}
        if not told:
            typer.echo(
                "\nWARNING: NOBODY ELSEWHERE WILL BE TOLD of an emergency; there are only siren and voice. Start\n"
                "safety-monitor init again to name somebody, with something that reaches them."
            )
            return
        typer.echo(f"\nTold of an emergency – {', '.join(map(texts.channel, told))}.")
        if silent := [each.name for each in answers.contacts if not any(_reaches(name, each.name) for name in told)]:
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


def _reaches(channel: str, name: str) -> bool:
    member = channel.partition(":")[2]
    return member == name or member.startswith(f"{name}_")
