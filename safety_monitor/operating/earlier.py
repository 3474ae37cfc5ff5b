"""The settings that are there when `init` is started again: what it begins with, and what it has changed of them."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media.container import display_name, is_address
from safety_monitor.config import PREFIX, SettingsError
from safety_monitor.config.mistakes import in_words
from safety_monitor.config.page import template
from safety_monitor.config.secret_file import env_file, secrets_there
from safety_monitor.config.sources import checked, read_file, set_outside
from safety_monitor.config.text import TextError, changed

CONTACT_KEYS = ("sms", "call", "whatsapp")
_NUMBERS = "|".join(CONTACT_KEYS)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A settings file as it is before anything is asked.

    Attributes:
        text: all of it, with numbers that are held turned on; empty where there is no file.
        values: of that text, nested like it.
        account: what file, `.env` and environment say of Twilio, also where that is no whole account.
        addresses: Apprise addresses by name, as `.env` and the environment set them.
        has_pin: whether one is set.
        is_watched: whether somebody elsewhere learns when the station falls silent.
    """

    text: str
    values: Mapping[str, Any]
    account: Mapping[str, Any]
    addresses: Mapping[str, str]
    has_pin: bool
    is_watched: bool

    def value(self, section: str, key: str) -> Any:
        """What the file says; None where it says nothing."""
        return self.values.get(section, {}).get(key)

    def text_with(self, values: Mapping[str, Any], *, held: bool) -> str:
        """The text of the file with other values; all else in it stays as people wrote it.

        Args:
            values: all that is to stand there.
            held: whether the contacts' numbers are to stand there commented out, because nothing reaches them yet.

        Raises:
            SettingsError: the file is written in a way that cannot be changed.
        """
        try:
            text = changed(self.text, values) if self.text else template(values) + "\n"
        except TextError as error:
            raise SettingsError(str(error)) from None
        # A number that nothing reaches is no setting: the station would not start with it.
        return re.sub(rf'^({_NUMBERS}) = (?="\+)', r"# \1 = ", text, flags=re.MULTILINE) if held else text


def earlier_settings(path: Path, *, anew: bool = False) -> Earlier:
    """What is set already.

    Args:
        path: of the settings file, which need not be there.
        anew: whether nothing of it shall count.

    Raises:
        SettingsError: it cannot be read, or a start would refuse it, or what `.env` and the environment set: better
            known before a talk than after it.
    """
    text = ""
    if not anew:
        with suppress(FileNotFoundError):
            text = _turned_on(read_file(path)[0])
    values, outside = tomllib.loads(text), set_outside()
    account = {**values.get("twilio", {}), **outside.get("twilio", {})}
    try:
        checked(values, path, environ={})
    except SettingsError as error:
        if error.key[:1] != ("twilio",) or outside.get("twilio", {}).keys() - {"api_url"}:
            raise
        values.pop("twilio", None)  # its token is nowhere: the account is asked for anew
        checked(values, path, environ={})
    has_pin, is_watched = ("pin_hash" in outside.get("acknowledge", {})), ("ping_url" in outside.get("supervision", {}))
    return Earlier(text, values, account, outside.get("messages", {}), has_pin, is_watched)


def _turned_on(text: str) -> str:
    """The text with the numbers that were held."""
    lines = text.splitlines(keepends=True)
    in_contact = False
    for place, line in enumerate(lines):
        if re.match(r"\s*#?\s*\[", line):
            in_contact = re.match(r"\[\[contacts\]\]", line) is not None
        elif in_contact and re.match(rf'# ({_NUMBERS}) = "\+\d+"$', line):
            lines[place] = line.removeprefix("# ")
    turned_on = "".join(lines)
    try:
        tomllib.loads(turned_on)
    except tomllib.TOMLDecodeError:  # somebody has written another one beside it
        return text
    return turned_on


def changes(before: Mapping[str, Any], after: Mapping[str, Any], secrets: Mapping[str, str | None]) -> Iterator[str]:
    """What is different in the settings, a line each; of a secret only that it is.

    Args:
        before: values of the file.
        after: the same, later.
        secrets: what goes into `.env`, before it does: name of a variable -> its value, None to take it out.
    """
    for section in [*after, *(each for each in before if each not in after)]:
        old, new = before.get(section, {}), after.get(section, {})
        if section == "contacts":
            yield from _of_contacts(old or [], new or [])
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            for key in [*new, *(each for each in old if each not in new)]:
                if key == "users" and old.get(key) != new.get(key):
                    yield f"{section}.{key}: {_of_users(old.get(key, ()), new.get(key, ()))}"
                elif old.get(key) != new.get(key):
                    yield f"{section}.{key}: {_became(old.get(key), new.get(key))}"
    there = secrets_there()
    for variable, value in secrets.items():
        if value != there.get(variable):
            name = variable.removeprefix(PREFIX).lower().replace("__", ".")
            word = "taken out" if value is None else "another one" if variable in there else "new"
            yield f"{name} in {env_file().name}: {word}"


def named_in(values: Mapping[str, Any], name: str) -> str | None:
    """Where a settings file names a contact among whom it tells, in words; None: nowhere.

    Args:
        values: of the file.
        name: of the contact.
    """
    lists: list[tuple[tuple[str | int, ...], Any]] = [
        (("limits", "quiet_channels"), values.get("limits", {}).get("quiet_channels"))
    ]
    for number, policy in enumerate(values.get("policies", ())):
        lists.append((("policies", number, "fallback"), policy.get("fallback")))
        lists += [
            (("policies", number, "steps", place, "actions"), step.get("actions"))
            for place, step in enumerate(policy.get("steps", ()))
        ]
    named = (key for key, names in lists for each in names or () if name in each.split(":"))
    return next(map(in_words, named), None)


def _of_contacts(old: list[Mapping[str, Any]], new: list[Mapping[str, Any]]) -> Iterator[str]:
    earlier, later = ({each["name"]: each for each in people} for people in (old, new))
    for name in [*later, *(each for each in earlier if each not in later)]:
        if name not in earlier or name not in later:
            yield f"contacts: {name}: {'new' if name in later else 'taken out'}"
        for key in CONTACT_KEYS if name in earlier and name in later else ():
            if earlier[name].get(key) != later[name].get(key):
                yield f"contacts: {name}: {key}: {_became(earlier[name].get(key), later[name].get(key))}"


def _of_users(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> str:
    names = [each["name"] for each in new]
    if [each["name"] for each in old] != names:
        return ", ".join(names)
    return f"another password of {', '.join(each['name'] for each in new if each not in old)}"


def _became(old: Any, new: Any) -> str:
    return " -> ".join(map(_shown, (old, new)))


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    return display_name(value) if isinstance(value, str) and is_address(value) else str(value)
