"""The part of the first settings about the pages: whether other devices than the station itself may open them."""

from collections.abc import Sequence
from dataclasses import replace

import typer
from pydantic import ValidationError

from safety_monitor.commands.first_accounts import asked, typed_twice
from safety_monitor.config.web import Web, WebUser
from safety_monitor.operating.earlier import Earlier
from safety_monitor.operating.first_run import Answers, ContactError
from safety_monitor.operating.serving import network_address
from safety_monitor.web.access import hash_password

SHORTEST = 8
"""Characters of a password."""


def ask_pages(known: Answers, earlier: Earlier) -> Answers:
    """The answers with somebody who may sign in, where that is wanted; where there are some, with another password.

    Args:
        known: the answers so far.
        earlier: what is set already.
    """
    web = earlier.values.get("web", {})
    if web.get("port") == 0:
        return known
    if users := web.get("users"):
        return _ask_another_password(known, [each["name"] for each in users])
    typer.echo(
        "\nIts pages show what it hears, sees and has noticed; there an alarm is taken on or called off.\n"
        "They open on this machine only, unless somebody signs in: then also at its own screen."
    )
    if not typer.confirm("Open them on a phone and other devices of this network, too?", default=False):
        return known
    name = asked("  Name to sign in with", _user_name, default="owner")
    password = _ask_password()
    if not name or not password:
        typer.echo("  Put off: the pages open on this machine only.")
        return known
    port = web.get("port", Web().port)
    typer.echo(
        f"  They will be at http://{network_address()}:{port}. The password crosses the network as it is:\n"
        "  docs/pages.md says how to encrypt that, and how to let others in."
    )
    return replace(known, user=WebUser(name=name, role="admin", password_hash=hash_password(password)))


def _ask_another_password(known: Answers, names: Sequence[str]) -> Answers:
    """The answers with a password in place of one that somebody has forgotten: on the pages nobody can set it then."""
    typer.echo(f"\nOn the pages sign in: {', '.join(names)}.")
    if not typer.confirm("Set another password for one of them?", default=False):
        return known

    def one(text: str) -> str:
        if text not in names:
            raise ContactError(f"'{text}' is none of: {', '.join(names)}")
        return text

    name = asked("  Whose", one, default=names[0] if len(names) == 1 else "")
    password = name and _ask_password()
    if not name or not password:
        typer.echo("  Put off: the passwords stay as they are.")
        return known
    return replace(known, user=WebUser(name=name, password_hash=hash_password(password)))


def _ask_password() -> str | None:
    return asked(f"  Password, {SHORTEST} characters or more (not shown)", _password, hidden=True)


def _user_name(text: str) -> str:
    try:
        return WebUser(name=text, password_hash=hash_password("")).name
    except ValidationError:
        raise ContactError("a name is of letters, digits and any of . _ @ -") from None


def _password(text: str) -> str:
    if len(text) < SHORTEST:
        raise ContactError(f"it must have at least {SHORTEST} characters")
    return typed_twice(text)
