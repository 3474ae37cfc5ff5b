"""What came of an action."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an action.

    Attributes:
        ok: whether it was done.
        detail: one line for people: what was done, or why it was not.
    """

    ok: bool
    detail: str
