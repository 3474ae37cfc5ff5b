"""When the station itself makes sound: its own siren and voice would pass for screams."""

import threading
import time
from dataclasses import dataclass, field

REMEMBERED_S = 120.0
"""How long ended sounds are remembered; no block of a microphone is judged so late."""


@dataclass(slots=True)
class _Sounding:
    source: str
    begun: float
    ended: float | None = None


@dataclass(slots=True)
class OwnSound:
    """When the station's own sounds were to be heard; may be used from any thread.

    Args:
        tail_s: how long a sound is still to be heard after it ended, in buffers and in the room.
    """

    tail_s: float = 0.5
    _soundings: list[_Sounding] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, source: str) -> None:
        """A sound begins now; `source` may sound several times over, and ends as often."""
        now = time.monotonic()
        with self._lock:
            self._soundings = [s for s in self._soundings if s.ended is None or now - s.ended < REMEMBERED_S]
            self._soundings.append(_Sounding(source, now))

    def end(self, source: str) -> None:
        """The sound that `source` began first is over; without one that sounds, nothing happens."""
        now = time.monotonic()
        with self._lock:
            for sounding in self._soundings:
                if sounding.source == source and sounding.ended is None:
                    sounding.ended = now
                    return

    def deaf_at(self, at: float) -> bool:
        """Whether a sound of the station, or its tail, was to be heard at a moment of `time.monotonic()`."""
        with self._lock:
            return any(s.begun <= at and (s.ended is None or at <= s.ended + self.tail_s) for s in self._soundings)
