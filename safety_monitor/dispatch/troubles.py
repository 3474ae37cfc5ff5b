"""Of which troubles people are told now: of one with each part of the station once an hour at most.

A part that fails again within the hour is told of when that is over, unless it works again by then: whoever was told
that it works again must not believe that for months. What was told before a restart counts, too.
"""

import threading
import time
from collections.abc import Callable, Iterable

from safety_monitor.actions.message import OVER

TROUBLE_EVERY_S = 3600.0
"""Troubles with one part of the station are told of this often at most."""


class Troubles:
    """Remembers what people were told; may be used from several threads.

    Args:
        recent: what they were told within the last hour, the oldest first: how many seconds ago, and the text.
        clock: seconds, never set back.
    """

    def __init__(self, recent: Iterable[tuple[float, str]] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before = [(clock() - ago_s, text) for ago_s, text in recent]
        """Told by an earlier run."""
        self._told: dict[str, float] = {}
        """When people were told of a trouble last, for each part."""
        self._waiting: dict[str, str] = {}
        """What they are told of each part as soon as they may be."""
        self._not_over: set[str] = set()
        """Parts of which they were told that they failed, and not yet that they work again."""
        self._lock = threading.Lock()

    def fails(self, about: str, text: str) -> bool:
        """A part has failed: whether to tell that now; else `due` gives it in its time."""
        with self._lock:
            if self._clock() - self._last(about) < TROUBLE_EVERY_S:
                self._waiting[about] = text
                return False
            self._is_told(about)
            return True

    def works(self, about: str) -> bool:
        """A part works again: whether to tell that, because people believe that it does not."""
        with self._lock:
            self._last(about)
            self._waiting.pop(about, None)
            believed_broken = about in self._not_over
            self._not_over.discard(about)
            return believed_broken

    def told_s(self, about: str) -> float:
        """How many seconds ago people were told of a part last, as far as that is known."""
        with self._lock:
            return self._clock() - self._last(about)

    def due(self) -> list[str]:
        """What had to wait and is to be told now, a text for each part."""
        with self._lock:
            now = self._clock()
            due = {about: text for about, text in self._waiting.items() if now - self._told[about] >= TROUBLE_EVERY_S}
            for about in due:
                self._is_told(about)
        return list(due.values())

    def _is_told(self, about: str) -> None:
        self._told[about] = self._clock()
        self._waiting.pop(about, None)
        self._not_over.add(about)

    def _last(self, about: str) -> float:
        """When people were told of a part last."""
        if about not in self._told:
            earlier = [(at, text) for at, text in self._before if _is_about(text.removeprefix(OVER), about)]
            failed = [at for at, text in earlier if not text.startswith(OVER)]
            self._told[about] = max(failed, default=float("-inf"))
            if earlier and not earlier[-1][1].startswith(OVER):
                self._not_over.add(about)
        return self._told[about]


def _is_about(text: str, about: str) -> bool:
    """Whether a text tells of a part, such as "audio: …" of audio and "sms:anna failed: …" of sms:anna."""
    return text.startswith(about) and text[len(about) :].startswith((": ", " failed: "))
