"""What an error says, in one line and without the secrets that it may quote."""

from collections.abc import Iterable
from urllib.parse import quote, quote_plus

LONGEST = 300
"""Characters that are kept of an error's text."""


def one_line(error: object, secrets: Iterable[str] = ()) -> str:
    """The text of an error: one line, not too long, every secret replaced by "***", also where it is URL-encoded."""
    text = " ".join(str(error).split()) or type(error).__name__
    written = {form for secret in secrets for form in (secret, quote(secret, safe=""), quote_plus(secret)) if form}
    for form in sorted(written, key=len, reverse=True):
        text = text.replace(form, "***")
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
