"""A channel that does what a test tells it."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from safety_monitor.actions.message import Message
from safety_monitor.actions.outcome import Outcome

DONE = Outcome(ok=True, detail="done", delivered=True)
HANGS_S = 60.0
"""What hangs does so no longer: a test that fails must end."""


@dataclass
class Outlet:
    """A channel that does what it is told; the last outcome repeats."""

    name: str
    outcomes: Sequence[Outcome] = (DONE,)
    record: bool = False
    heard: bool = False
    answers: bool = False
    apart: bool = False
    hang: threading.Event | None = None
    messages: list[Message] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)

    def deliver(self, message: Message) -> Outcome:
        self.messages.append(message)
        self.begun.set()
        if self.hang is not None:
            self.hang.wait(HANGS_S)
        return self.outcomes[min(len(self.messages), len(self.outcomes)) - 1]

    def check(self) -> Outcome:
        return DONE

    def close(self) -> None:
        pass
