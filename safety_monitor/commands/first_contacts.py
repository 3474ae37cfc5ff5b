"""The part of the first settings about people: who is told, with what, and who may call an alarm off.

Nothing is written here: the answers are, at the end and all together.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from safety_monitor.actions.channel import Channel, is_aloud, nature_of
from safety_monitor.actions.message import Message, trial_message
from safety_monitor.commands.conventions import fail, read_settings
from safety_monitor.commands.first_accounts import (
    ask_mailbox,
    ask_twilio,
    ask_watcher,
    asked,
    is_whole,
    keeps_twilio,
    one_of,
    renewed_passwords,
    typed_twice,
)
from safety_monitor.commands.outbox import tried
from safety_monitor.config import PREFIX, SettingsError
from safety_monitor.config.escalation import Contact
from safety_monitor.config.secret_file import env_file
from safety_monitor.dispatch.channels import outward_channels
from safety_monitor.dispatch.places import make_places
from safety_monitor.dispatch.policies import contact_names, mistakes_of, natures_of, unheard
from safety_monitor.escalation import Nature, person_of
from safety_monitor.incident import notice
from safety_monitor.operating import service
from safety_monitor.operating.earlier import CONTACT_KEYS, Earlier, named_in
from safety_monitor.operating.first_run import (
    Answers,
    contacts_in,
    mail_address,
    phone_number,
    service_address,
    short_name,
)
from safety_monitor.people.decision import PinError, hash_of
from safety_monitor.web import texts

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
    there = known.contacts if known.contacts is not None else contacts_in(earlier.values)
    addresses = _Addresses(earlier.addresses, contact_names(there))
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
    addresses = replace(addresses, contacts=contact_names(contacts))
    held = in_env = False
    if any(each.sms or each.call or each.whatsapp for each in contacts) and not keeps_twilio(earlier.account):
        given = ask_twilio(earlier.account)
        held, in_env = given is None, given is not None
        secrets |= given or {}
    stay = {name: each for name, each in earlier.addresses.items() if addresses.variable(name) not in secrets}
    stay |= (renewed := renewed_passwords(stay))
    secrets |= {addresses.variable(name): each for name, each in renewed.items()}
    mailbox = ask_mailbox(stay.values()) if any(each.mail for each in people) else None
    for each in people:
        ways = [mailbox.to(each.mail)] if each.mail and mailbox else []
        ways += [each.service] if each.service else []
        if not each.keeps and (ways or not each.mail):  # else the new address is put off, and the old one stays
            secrets |= addresses.entries(each.contact.name, ways)
    secrets |= _ask_pins(set_already=earlier.has_pin)
    secrets |= ask_watcher(set_already=earlier.is_watched)
    return replace(known, contacts=contacts, account_in_env=in_env, held=held, secrets=secrets)


def _ask_again(contact: Contact, addresses: "_Addresses", earlier: Earlier) -> _Person | None:
    """What becomes of somebody who is told already: as before, told otherwise, or None: not told any more."""
    off = "" if is_whole(earlier.account) else " (switched off)"
    ways = [f"{way} {number}{off}" for way in CONTACT_KEYS if (number := getattr(contact, way))]
    ways += [f"{texts.channel(f'messages:{name}')} (kept in {env_file().name})" for name in addresses.of(contact.name)]
    typer.echo(f"\n{contact.name} is told by: {', '.join(ways) or 'nothing yet'}")
    while True:
        question = f"  What of {contact.name}: keep, change, remove"
        then = asked(question, lambda text: one_of(("keep", "change", "remove"), text), default="keep")
        if then == "change":
            return _ask_ways(contact, addresses)
        if then != "remove":
            return _Person(contact, keeps=True)
        if (where := named_in(earlier.values, contact.name)) is None:
            typer.echo(
                f"  If {contact.name} knows the PIN, or signs in on the pages: set another one, below and in [web]."
            )
            return None
        typer.echo(f"  {where}: {contact.name} stands there; name somebody else there first, in the file")


def _ask_person(taken: Collection[str], addresses: "_Addresses") -> _Person | None:
    """Somebody who can be told, besides those whose names are taken; None when there are no more."""
    typer.echo()
    question = "Short name of somebody else (Enter: nobody)" if taken else "Short name, such as anna (Enter: nobody)"
    name = asked(question, lambda text: short_name(text, taken))
    return None if name is None else _ask_ways(Contact(name=name), addresses)


def _ask_ways(before: Contact, addresses: "_Addresses") -> _Person:
    """By what somebody is told; Enter keeps what is there."""
    there = addresses.of(before.name)
    while True:
        contact = _ask_number(before)
        keeps = bool(there) and typer.confirm(
            f"  {env_file().name} has an address for {before.name} already. Keep it?", default=True
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
    number = asked(question, lambda text: "" if text == "-" else phone_number(text), default=default)
    if not number:
        return before.model_copy(update={"sms": None, "call": None})
    now = next((word for word, ways in TOLD_BY.items() if set(ways) == numbers.keys()), "both")
    told_by = asked("  Tell by sms, call or both", lambda text: one_of(TOLD_BY, text), default=now)
    given = {way: number if way in TOLD_BY[told_by or now] else None for way in TOLD_BY["both"]}
    return before.model_copy(update=given)


def _ask_addresses() -> tuple[str, str]:
    mail = asked("  E-mail address (Enter: none)", mail_address)
    service = asked("  Address of an app, such as ntfys://shop-k7m2x9q4 (Enter: none)", service_address)
    return mail or "", service or ""


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
        return {self.variable(each): value for each, value in entries.items()}

    @staticmethod
    def variable(name: str) -> str:
        """The variable that sets an address."""
        return f"{PREFIX}MESSAGES__{name.upper()}"

    def _reaches(self, address: str, name: str) -> bool:
        return person_of(f"messages:{address}", self.contacts | {name.lower()}) == name.lower()


def _ask_pins(*, set_already: bool) -> dict[str, str | None]:
    """The entries of `.env` for the PINs."""
    names = [f"{PREFIX}ACKNOWLEDGE__{word}PIN_HASH" for word in ("", "DURESS_")]
    if set_already and not typer.confirm("\nA PIN is set already. Set another one?", default=False):
        return {}
    typer.echo("\nWith a PIN only those who know it can call an alarm off, or switch the station off.")
    none = "stays as it is" if set_already else "none"
    pin = _ask_pin(f"PIN, 4 characters or more (not shown; Enter: {none})")
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
        return typed_twice(pin)

    return asked(f"  {question}", read, hidden=True)


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
                "this again to name somebody, with something that reaches them."
            )
            return
        typer.echo(f"\nTold of an emergency – {', '.join(map(texts.channel, told))}.")
        for line in unheard(settings, natures_of(channels)):
            typer.echo(f"WARNING: {line}")
        contacts = contact_names(settings.contacts)
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
            again = service.command_line("test-alert", config)
            typer.echo(f"What FAILED reaches nobody: see docs/channels.md, then try {again}.")
    finally:
        for each in channels:
            each.close()
