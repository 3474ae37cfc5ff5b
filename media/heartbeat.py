"""Whether everything that has to go on is going on.

Each worker says regularly that it still works. `Heartbeats.stale` names those that do not: whoever keeps a watchdog fed
(systemd, a dead man's switch) feeds it only while nobody is named.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stale:
    """A worker that has not been heard of for too long.

    Attributes:
        name: of the worker.
        quiet_s: since its last beat.
    """

    name: str
    quiet_s: float

    def __str__(self) -> str:
        return f"{self.name}: hangs, has not been heard of for {self.quiet_s:.0f} s"


class Heartbeats:
    """The hearts of all workers of a station; may be used from any thread.

    A machine that sleeps makes nobody stale: the clock stands still meanwhile.

    Args:
        clock: seconds, never set back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._hearts: dict[str, tuple[float, float]] = {}
        """Name -> last beat, longest time between two."""

    def begin(self, name: str, limit_s: float) -> None:
        """From now on `name` has to beat at least every `limit_s` seconds; this is its first beat.

        Called again it changes the limit, as before something that may take longer.
        """
        with self._lock:
            self._hearts[name] = (self._clock(), limit_s)

    def beat(self, name: str) -> None:
        """`name` still works; of no account if nobody waits for it."""
        with self._lock:
            if name in self._hearts:
                self._hearts[name] = (self._clock(), self._hearts[name][1])

    def end(self, name: str) -> None:
        """Nobody waits for `name` any more."""
        with self._lock:
            self._hearts.pop(name, None)

    def ages(self) -> Mapping[str, float]:
        """Seconds since the last beat of each."""
        now = self._clock()
        with self._lock:
            return {name: now - last for name, (last, _) in self._hearts.items()}

    def stale(self) -> tuple[Stale, ...]:
        """Those that took too long, worst first; empty while all is well."""
        now = self._clock()
        with self._lock:
            late = [Stale(name, now - last) for name, (last, limit_s) in self._hearts.items() if now - last > limit_s]
        return tuple(sorted(late, key=lambda each: each.quiet_s, reverse=True))
