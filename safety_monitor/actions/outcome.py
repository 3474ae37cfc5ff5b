"""What came of an action."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an action.

    Attributes:
        ok: whether it was done.
        detail: one line for people: what was done, or why it was not.
        again: it failed, but is worth another attempt.
        retry_after_s: how long the far end asks to wait before that.
        reference: what the far end calls it, to ask for it later.
        delivered: it is known to have arrived, not merely handed over.
    """

    ok: bool
    detail: str
    again: bool = False
    retry_after_s: float | None = None
    reference: str = ""
    delivered: bool = False
