"""Something that is wrong with a part of the station, for whoever looks; `supervision/` finds it."""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """How a part is."""

    HEALTHY = "healthy"
    STALLED = "stalled"
    """Something is wrong with it."""
    RECOVERING = "recovering"
    """It has been started anew, or seems well again; it is not yet relied on."""
    FAILED = "failed"
    """Something has been wrong for so long that people are told; it is still tried."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong.

    Attributes:
        about: the part.
        phase: how it is.
        text: one line for people, without the name of the part.
        note: whether it is only shown.
        for_s: how long it has been so.
    """

    about: str
    phase: Phase
    text: str
    note: bool
    for_s: float

    @property
    def line(self) -> str:
        """Part and text."""
        return f"{self.about}: {self.text}"
