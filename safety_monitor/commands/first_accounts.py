"""The accounts that messages go out with, asked for and tried: Twilio for SMS and calls, a mailbox for e-mail."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

import typer

from safety_monitor.actions.mailbox import (
    PORTS,
    SSL_PORT,
    Mailbox,
    MailError,
    known_server,
    mailbox_of,
    server_of,
    sign_in,
    with_password,
)
from safety_monitor.actions.messages import Messages
from safety_monitor.actions.twilio import API, Account, Twilio
from safety_monitor.config import PREFIX
from safety_monitor.operating.first_run import (
    ContactError,
    account_sid,
    mail_address,
    page_address,
    phone_number,
    token,
)
from safety_monitor.people.decision import PinError
from safety_monitor.supervision.dead_man import unreachable

T = TypeVar("T")

NO_TWILIO = "NO SMS AND NO CALL GOES OUT without an account.\n  The numbers stand in the settings, but switched off."
NO_MAIL_FROM_HERE = "NO E-MAIL GOES OUT from this mailbox."
NO_MAIL = "NO E-MAIL GOES OUT, and the addresses are not kept."


def asked(question: str, read: Callable[[str], T], *, default: str = "", hidden: bool = False) -> T | None:
    """An answer, asked for until it is one; None for none."""
    while True:
        text = str(typer.prompt(question, default=default, show_default=bool(default), hide_input=hidden))
        if not text.strip():
            return None
        try:
            return read(text if hidden else text.strip())
        except (ContactError, MailError, PinError) as error:
            typer.echo(f"  {error}")


def typed_twice(secret: str) -> str:
    """A secret that was not shown while it was typed, once it was typed again.

    Raises:
        ContactError: it was another one.
    """
    if typer.prompt("  once more", default="", show_default=False, hide_input=True) != secret:
        raise ContactError("that was not the same twice")
    return secret


def is_whole(account: Mapping[str, Any]) -> bool:
    """Whether something can be sent with what is set of a Twilio account."""
    sends = any(account.get(each) for each in ("number", "messaging_service_sid", "whatsapp_number"))
    return bool(sends and account.get("account_sid") and account.get("auth_token"))


def keeps_twilio(account: Mapping[str, Any]) -> bool:
    """Whether there is a whole account already, and it is to be used."""
    return is_whole(account) and typer.confirm(
        f"\nThe Twilio account {account['account_sid']} is set already. Use it?", default=True
    )


def ask_twilio(before: Mapping[str, Any]) -> dict[str, str | None] | None:
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
        sid = asked("  Account SID, begins with AC", account_sid, default=known["account_sid"])
        secret = sid and asked("  Auth Token (not shown while you type or paste)", token, hidden=True)
        number = secret and asked(
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


def ask_mailbox(addresses: Iterable[str]) -> Mailbox | None:
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
        sender = asked("  Address that the mails come from", mail_address, default=sender) or ""
        shown = host and (f"{host}:{port}" if port else host)
        default = shown or known_server(sender)
        server = asked("  Mail server for sending", server_of, default=default) if sender else None
        if server is None:
            _put_off(NO_MAIL)
            return None
        host, port = server
        user = asked("  User name", str, default=user or sender) or ""
        password = asked("  Password (not shown while you type; Enter: none)", str, hidden=True) or ""
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


def renewed_passwords(addresses: Mapping[str, str]) -> dict[str, str]:
    """Those of these addresses whose mail server refuses the password by now, with one that it takes.

    Args:
        addresses: of Apprise, by name.
    """
    names: dict[Mailbox, list[str]] = {}
    for name, address in addresses.items():
        if (mailbox := mailbox_of(address)) is not None and mailbox.user:
            names.setdefault(mailbox, []).append(name)
    renewed: dict[str, str] = {}
    for mailbox, its in names.items():
        typer.echo(f"\nE-mails to {', '.join(its)} are sent from {mailbox.sender}. Trying to sign in …")
        if (password := _password_now(addresses[its[0]])) is not None:
            given = {name: with_password(addresses[name], password) for name in its}
            renewed |= {name: address for name, address in given.items() if address is not None}
    return renewed


def _password_now(address: str) -> str | None:
    """What a mail server takes instead of the password in an address; None where that is as it was, or put off."""
    password = None
    while True:
        outcome = Messages("tried", address).check()
        typer.echo(f"  {outcome.detail}")
        if outcome.ok or outcome.again:
            return password
        password = asked("  Its password now (not shown while you type; Enter: put off)", str, hidden=True)
        other = password and with_password(address, password)
        if not other:
            _put_off(NO_MAIL_FROM_HERE)
            return None
        address = other


def ask_watcher(*, set_already: bool) -> dict[str, str | None]:
    """The entry of `.env` for who notices that the station has fallen silent."""
    variable = f"{PREFIX}SUPERVISION__PING_URL"
    if set_already and typer.confirm(
        "\nA service is told already while all is well, and notices when it ceases. Keep that?", default=True
    ):
        return {}
    typer.echo(
        "\nA station without power or network tells nobody. A service such as https://healthchecks.io\n"
        "notices that it hears nothing of it any more, and tells you: make a check there, for every\n"
        "minute, and give its ping address here. Enter alone: nobody notices."
    )
    while (url := asked("  Ping address (Enter: none)", page_address)) is not None:
        wrong = unreachable(url)
        typer.echo(f"  It cannot be reached: {wrong}." if wrong else "  It answers.")
        then = _what_then() if wrong else "use"
        if then != "again":
            return {variable: url} if then == "use" else {}
    return {variable: None} if set_already else {}


def _what_then() -> str:
    """What is to be done about something that could not be tried with success: again, use, skip."""
    question = "  What now: again, use (it all the same), skip"
    return asked(question, lambda text: one_of(("again", "use", "skip"), text), default="again") or "again"


def one_of(known: Collection[str], text: str) -> str:
    """The word that an answer is, in small letters.

    Raises:
        ContactError: it is none of those known.
    """
    if text.lower() not in known:
        raise ContactError(f"'{text}' is none of: {', '.join(known)}")
    return text.lower()


def _put_off(what: str) -> None:
    typer.echo(f"  Put off: {what}\n  Start this again when you have it, or see docs/channels.md.")
