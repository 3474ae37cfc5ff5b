"""What the tables of settings are made of: the kinds of values that stand in several of them."""

import re
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A table of `station.toml`. The text under each key is its documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def parts_of(address: str) -> SplitResult:
    """The parts of an address; what is wrong with it is said without repeating it."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise ValueError("is not an address: host or port is malformed") from None
    return parts


def _phone_number(text: str) -> str:
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", text):
        raise ValueError("is not a telephone number: write + country number, digits only, such as +15005550006")
    return text


def web_address(text: str) -> str:
    """The address as it is; ValueError if it is none of a page."""
    parts = parts_of(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", text):
        raise ValueError("is not an address that begins with http:// or https://")
    return text


Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]
PhoneNumber = Annotated[str, AfterValidator(_phone_number)]
"""E.164."""
WebAddress = Annotated[str, AfterValidator(web_address)]
"""With host, and without spaces."""
ShortName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
"""Letters, digits, - and _: part of the name of a channel."""
ClockTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""HH:MM."""
HASH = r"^\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{22,}$"
"""A whole argon2id hash: one that a shell or a program for containers has taken a $ out of lets nobody in."""
