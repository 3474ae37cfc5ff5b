"""A channel that cannot be made now, such as one whose certificate is gone: what it is to deliver waits.

A station that stood on a wall and worked must not end at its next start because one way out of several is missing.
"""

import threading
from collections.abc import Callable
from typing import Any

from safety_monitor.actions.channel import Channel, attend_of
from safety_monitor.actions.message import Message
from safety_monitor.actions.outcome import Outcome


class Absent:
    """Stands in for a channel, and is that channel as soon as it can be made.

    Args:
        name: of the channel.
        make: makes it; raises one of `errors` where it cannot.
        record: whether it keeps a record.
        apart: whether it is given each incident by itself.
        errors: what `make` may raise; the text says why.
        why: it cannot be made now, one line.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Channel],
        *,
        record: bool = False,
        apart: bool = False,
        errors: tuple[type[Exception], ...],
        why: str,
    ) -> None:
        self.name = name
        self.why = why
        self.record = record
        self.apart = apart
        self._make = make
        self._errors = errors
        self._made: Channel | None = None
        self._panel: Any = None
        self._lock = threading.Lock()

    def deliver(self, message: Message) -> Outcome:
        """Deliver on the channel, if it can be made by now."""
        return self._with(lambda channel: channel.deliver(message))

    def check(self) -> Outcome:
        """Whether the channel can be made, and works."""
        return self._with(lambda channel: channel.check())

    def attend(self, panel: Any) -> None:
        """Have the channel show the station as a whole, if it does that, as soon as it can be made."""
        with self._lock:
            self._panel = panel
            self._show()

    def close(self) -> None:
        """Give back what there is."""
        if self._made is not None:
            self._made.close()

    def _with(self, use: Callable[[Channel], Outcome]) -> Outcome:
        if self._made is None:
            try:
                made = self._make()
            except self._errors as error:
                return Outcome(ok=False, detail=str(error), again=True)
            with self._lock:
                if self._made is None:
                    self._made = made
                    self._show()
                else:  # by a check, meanwhile
                    made.close()
        return use(self._made)

    def _show(self) -> None:
        if self._made is not None and self._panel is not None and (attend := attend_of(self._made)) is not None:
            attend(self._panel)
