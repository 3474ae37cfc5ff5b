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
    """A telephone number without what people write into it: blanks, dashes, brackets, 00 for +."""
    number = re.sub(r"[ \-/().]", "", text.replace("(0)", ""))
    number = f"+{number[2:]}" if number.startswith("00") else number
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", number):
        raise ValueError("is not a telephone number with its country, such as +49 171 3920031 for 0171 3920031")
    return number


def _short_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise ValueError("is not a short name: letters, digits, - and _, such as anna")
    return text


def _clock_time(text: str) -> str:
    found = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", text.strip())
    if found is None:
        raise ValueError("is not a time of the day, such as 22:00")
    return f"{int(found[1]):02}:{found[2]}"


def web_address(text: str) -> str:
    """The address as it is; ValueError if it is none of a page."""
    parts = parts_of(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", text):
        raise ValueError("is not an address that begins with http:// or https://")
    return text


Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Threshold = Annotated[float, Field(gt=0.0, le=0.98)]
"""What an emergency must reach. The Signal for Help stays below 0.99 however clearly it is shown, and a scream by the
model that ships reaches no more than 0.9956: beyond that, one alone would never be an emergency."""
Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]
PhoneNumber = Annotated[str, AfterValidator(_phone_number)]
"""E.164."""
WebAddress = Annotated[str, AfterValidator(web_address)]
"""With host, and without spaces."""
ShortName = Annotated[str, AfterValidator(_short_name)]
"""Letters, digits, - and _: part of the name of a channel."""
ClockTime = Annotated[str, AfterValidator(_clock_time)]
"""HH:MM."""
HASH = r"^\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{22,}$"
"""A whole argon2id hash: one that a shell or a program for containers has taken a $ out of lets nobody in."""
