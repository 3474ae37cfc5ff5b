"""Commands for passwords, tokens and PINs: they print the lines to be set, which hold only a hash of the secret."""

import json
import sys
from typing import Annotated

import typer

from safety_monitor.commands.conventions import fail, given_line
from safety_monitor.config import Settings
from safety_monitor.config.web import Role


def add_access_commands(app: typer.Typer) -> None:
    """Add these commands to the others."""
    app.command("password-hash")(password_hash)
    app.command("web-token")(web_token)
    app.command("pin-hash")(pin_hash)


def password_hash(
    name: Annotated[str, typer.Option(help="Name to sign in with.")] = "admin",
    role: Annotated[Role, typer.Option(help="What they may do.")] = "admin",
) -> None:
    """Ask for a password, and print the lines for station.toml that let somebody sign in with it."""
    from safety_monitor.web.access import hash_password

    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    elif not (password := given_line()):
        fail("run it in a terminal: it asks for the password; a script gives it on standard input, as a line")
    lines = {"name": name, "role": role, "password_hash": hash_password(password)}
    print_table("web.users", lines)


def web_token(
    name: Annotated[str, typer.Argument(help="What the program is called.")],
    role: Annotated[Role, typer.Option(help="What they may do.")] = "viewer",
) -> None:
    """Make a token for a program that uses the REST API, and print the lines for station.toml that let it in."""
    from safety_monitor.web.access import new_token

    token, token_hash = new_token()
    print_table("web.tokens", {"name": name, "role": role, "token_hash": token_hash})
    typer.echo(f"token, shown only now: {token}", err=True)


def pin_hash(
    duress: Annotated[bool, typer.Option("--duress", help="For the duress PIN.")] = False,
    pin_stdin: Annotated[bool, typer.Option("--pin-stdin", help="Read the PIN from standard input.")] = False,
) -> None:
    """Ask for a PIN and print the line for .env that sets it; the PIN itself is kept nowhere."""
    from safety_monitor.people.decision import PinError, hash_of

    if pin_stdin:
        pin = given_line()
    elif sys.stdin.isatty():
        pin = typer.prompt("PIN", hide_input=True, confirmation_prompt=True)
    else:
        fail("run it in a terminal, or give the PIN on standard input with --pin-stdin")
    try:
        made = hash_of(pin)
    except PinError as error:
        fail(error)
    print(f"SAFETY_MONITOR_ACKNOWLEDGE__{'DURESS_' if duress else ''}PIN_HASH='{made}'")


def print_table(section: str, values: dict[str, str]) -> None:
    """A table of station.toml, checked as the settings check it."""
    try:
        Settings.model_validate({"web": {section.removeprefix("web."): [values]}})
    except ValueError:
        fail(f"'{values['name']}' is not a name")
    print(f"[[{section}]]")
    for key, value in values.items():
        print(f"{key} = {json.dumps(value)}")
