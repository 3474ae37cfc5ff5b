"""Characters that are no text: others' words, such as those of a server, get into the log and onto terminals."""

import re

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What would end a line or command a terminal."""


def harmless(text: str) -> str:
    """The text with a "�" in place of each of them."""
    return CONTROL.sub("�", text)
