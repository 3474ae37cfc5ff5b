"""What must not stand in a log or leave the machine: secrets of the settings, and who the contacts are."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import BaseModel, SecretStr

from safety_monitor.config import Settings
from safety_monitor.config.escalation import Contact
from safety_monitor.config.web import WebToken, WebUser

MASK = "***"
LEAST = 4
"""Characters; what is shorter is no secret, and masking it would tear words apart."""
LEAST_PART = 8
"""Characters of a part of an address that may be a key."""
NUMBER = re.compile(r"(?<![\w.:-])\+[1-9]\d{6,14}(?!\d)")
"""A telephone number as our settings and Twilio write them."""

MAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")


class Redaction:
    """Masks the secrets of the settings in texts; with `people`, also names and numbers of contacts.

    Args:
        settings: whose secrets must not be told.
        people: whether the names of contacts, users and tokens, and all telephone numbers and mail addresses, are
            masked as well.
    """

    def __init__(self, settings: Settings, *, people: bool = False) -> None:
        words = {word for secret in secrets_of(settings) for word in _forms(secret) if len(word) >= LEAST}
        patterns = [re.escape(word) for word in sorted(words, key=len, reverse=True)]
        if people:
            names = {
                value.name
                for value in _values(settings, keep_models=True)
                if isinstance(value, (Contact, WebUser, WebToken))
            } | settings.messages.keys()
            patterns += [rf"\b{re.escape(name)}\b" for name in sorted(names, key=len, reverse=True)]
            patterns += [NUMBER.pattern, MAIL.pattern]
        self._wanted = re.compile("|".join(patterns)) if patterns else None

    def __call__(self, text: str) -> str:
        """The text with `MASK` in their places."""
        return self._wanted.sub(MASK, text) if self._wanted else text


def secrets_of(settings: Settings) -> list[str]:
    """Every secret that the settings hold."""
    return [value.get_secret_value() for value in _values(settings) if isinstance(value, SecretStr)]


def _values(value: Any, *, keep_models: bool = False) -> Iterator[Any]:
    if isinstance(value, BaseModel):
        if keep_models:
            yield value
        value = dict(value)
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        for each in value:
            yield from _values(each, keep_models=keep_models)
    else:
        yield value


def _forms(secret: str) -> Iterator[str]:
    """The secret itself and, of an address, the password and what may be a key, as written and as meant."""
    yield secret
    if "://" not in secret:
        return
    try:
        parts = urlsplit(secret)
    except ValueError:
        return
    user_and_password = parts.netloc.rpartition("@")[0]
    password = user_and_password.partition(":")[2]
    pieces = [*parts.path.split("/"), *(value for _, value in parse_qsl(parts.query))]
    if "." not in parts.netloc and "@" not in parts.netloc:
        pieces.append(parts.netloc)  # some services have their token where the host stands
    for word in (password, *(piece for piece in pieces if len(piece) >= LEAST_PART)):
        yield word
        yield unquote(word)
