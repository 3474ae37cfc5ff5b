"""Moments of the senses on their way to fusion, handed out in the order of time.

Files have their own time: the next moment is handed out only when every sense has reached it, so that a recorded
scene gives the same incidents every time and at any speed. Live senses do not wait for each other: what has arrived
is handed out, and a sense that fusion cannot keep up with loses its oldest moments.
"""

import threading
from collections import deque
from collections.abc import Iterable

from safety_monitor.incident import Moment, Sense

CAPACITY = 256


class TimeLine:
    """A bounded meeting place of the threads that sense and the one that decides.

    Args:
        senses: those that will put moments here, each until it calls `end`.
        live: whether time goes on by itself.
    """

    def __init__(self, senses: Iterable[Sense], *, live: bool) -> None:
        self._live = live
        # Only what is live may be lost: a full queue lets its oldest go.
        self._waiting = {sense: deque[Moment](maxlen=CAPACITY if live else None) for sense in senses}
        self._ended: set[Sense] = set()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, moment: Moment) -> None:
        """Add a sense's next moment; with files this waits while the other sense is far behind."""
        with self._changed:
            waiting = self._waiting[moment.sense]
            if not self._live:
                self._changed.wait_for(lambda: len(waiting) < CAPACITY or self._closed)
            if not self._closed:
                waiting.append(moment)
                self._changed.notify_all()

    def end(self, sense: Sense) -> None:
        """This sense has nothing more to say."""
        with self._changed:
            self._ended.add(sense)
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody takes moments any more: let go of those who wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Moment | None:
        """The next moment in time, or None when there is none within `timeout_s` or all senses have ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready() or self._over(), timeout_s)
            if not self._ready():
                return None
            candidates = (waiting for waiting in self._waiting.values() if waiting)
            earliest = min(candidates, key=lambda waiting: (waiting[0].at_s, waiting[0].sense))
            moment = earliest.popleft()
            self._changed.notify_all()
            return moment

    @property
    def over(self) -> bool:
        """Whether every sense has ended and every moment has been taken."""
        with self._changed:
            return self._over()

    def _over(self) -> bool:
        return self._ended >= self._waiting.keys() and not any(self._waiting.values())

    def _ready(self) -> bool:
        if self._live:
            return any(self._waiting.values())
        return any(self._waiting.values()) and all(
            waiting or sense in self._ended for sense, waiting in self._waiting.items()
        )
