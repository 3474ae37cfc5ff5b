"""Mistakes in settings, in words for people who know neither this program's parts nor those it is made of."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
BY_NAME = "messages"
"""The table whose entries have names of the user's choosing, which may be digits."""
WORDS = {
    "missing": "is missing",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "literal_error": "must be {expected}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    # A pattern tells most people nothing.
    "string_pattern_mismatch": "is not written as it must be; `safety-monitor settings` says how",
    **dict.fromkeys(("float_parsing", "float_type", "finite_number"), "must be a number"),
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float", "int_parsing_size"), "must be a whole number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "must be true or false"),
    **dict.fromkeys(("string_type", "path_type"), "must be a text, in quotation marks"),
    **dict.fromkeys(("tuple_type", "list_type", "frozen_set_type", "set_type"), "must be a list, in square brackets"),
    **dict.fromkeys(("model_type", "dict_type", "model_attributes_type"), "must be a table of keys"),
}
"""What pydantic finds wrong -> how it is told."""


def in_words(key: Sequence[str | int]) -> str:
    """A key for people: "contacts, the first: sms" for the number of the first contact."""
    told = ""
    for part in key:
        if isinstance(part, int):
            told += f", the {ORDINALS[part]}" if part < len(ORDINALS) else f", number {part + 1}"
        else:
            told += f"{': ' if ', ' in told else '.' if told else ''}{part}"
    return told


def of_error(error: ErrorDetails) -> tuple[str, str]:
    """The key of a mistake that pydantic found, with dots, and the mistake in words. The value is not repeated.

    Args:
        error: without its input, which may be a secret.
    """
    parts = [part for part in error["loc"] if not str(part).startswith(("function-", "literal["))]
    key = ".".join(map(str, parts))
    if error["type"] == "extra_forbidden":
        listed = in_words(parts[:-1]) if any(isinstance(part, int) for part in parts) else ""
        return key, f"{listed}: unknown key '{parts[-1]}'" if listed else f"unknown key '{key}'"
    known: Mapping[str, Any] = error.get("ctx", {})
    message = error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if (words := WORDS.get(error["type"])) is not None:
        message = words.format(**{name: _written(value) for name, value in known.items()})
    if not parts:
        return message.partition(":")[0], of_line(message)
    return key, f"{in_words(parts)}: {message}"


def of_line(mistake: str) -> str:
    """A mistake in words that begins with its key, such as "policies.0.triggers: unknown 'x'"."""
    key, colon, message = mistake.partition(": ")
    parts = key.split(".")
    if not colon or " " in key or not any(part.isdecimal() for part in parts) or parts[0] == BY_NAME:
        return mistake
    return f"{in_words([int(part) if part.isdecimal() else part for part in parts])}: {message}"


def _written(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)
