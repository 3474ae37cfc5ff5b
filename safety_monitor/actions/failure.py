"""What an error says, in one line and without the secrets that it may quote."""

import re
import socket
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from safety_monitor.control_characters import harmless

LONGEST = 300
"""Characters that are kept of an error's text."""


def one_line(error: object, secrets: Iterable[str] = ()) -> str:
    """The text of an error: one line, not too long, every secret replaced by "***", also where it is URL-encoded."""
    said = harmless(" ".join(str(error).split()))
    text = re.sub(r"\[Errno -?\d+\] ", "", said) or type(error).__name__
    written = {form for secret in secrets for form in (secret, quote(secret, safe=""), quote_plus(secret)) if form}
    for form in sorted(written, key=len, reverse=True):
        text = text.replace(form, "***")
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def cause_of(error: BaseException) -> str:
    """The innermost reason: the layers above it only name objects and addresses."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "no such server was found; a typing mistake, or no network?"
    return str(getattr(error, "strerror", None) or f"{type(error).__name__}: {error}")
