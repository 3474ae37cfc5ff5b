"""Evidence goes when it is too old, by a time of day that has held.

A clock that jumps ahead (an empty battery, a wrong time server) would otherwise make all evidence too old at once, and
what is deleted is gone. So nothing goes for its age until the time of day has held for `HOLD_S` since it jumped, and it
is told what would go: time enough to put the clock right. That is also how long evidence may stay beyond its days,
unless the station never runs for so long.
Where a station was off for longer than `AWAY_S` it cannot know which it was, and waits alike. What is too much goes at
once, whatever the clock says.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime

from safety_monitor.actions.evidence import DAY_S, EvidenceStore

log = logging.getLogger(__name__)

JUMP_S = 3600.0
"""A clock that is set by less ages nothing that matters."""
AWAY_S = DAY_S
"""A station that was off for no longer comes back to a time of day that is believed."""
HOLD_S = 6 * 3600.0
SETTLED_S = 600.0
"""A machine whose clock stands still while it is off has asked the network for the time by then."""


def awake_or_not_s() -> float:
    """Seconds that nobody sets, and that go on while the machine sleeps where the system has such a clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Ageing:
    """Deletes evidence in its time; used by one thread.

    Args:
        store: of the evidence.
        clock: the time of day, seconds since 1970.
        elapsed: seconds, never set, of a clock that goes on while the machine sleeps.

    Attributes:
        withheld: what would go for its age if the time of day were believed, one line; empty if nothing would.
    """

    def __init__(
        self,
        store: EvidenceStore,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = awake_or_not_s,
    ) -> None:
        self._store = store
        self._clock, self._elapsed = clock, elapsed
        self._difference: float | None = None
        """Between the two clocks, at the last look."""
        self._held_since = float("-inf")
        self._begun = self._elapsed()
        self._believed: float | None = None
        """The newest time of day that was believed, as far as is known; read where the disk may be waited for."""
        self.withheld = ""

    @property
    def doubt(self) -> str:
        """What is wrong with the clock, one line; empty if nothing is. Waits for no disk."""
        now = self._clock()
        settled = self._elapsed() - self._begun >= SETTLED_S
        if not settled or self._believed is None or now >= self._believed - DAY_S:
            return self.withheld
        shown, believed = (datetime.fromtimestamp(each).strftime("%Y-%m-%d") for each in (now, self._believed))
        return (
            f"the clock says {shown}, and said {believed} before: set it, or hours and times are wrong, and encrypted "
            "messages fail"
        )

    def tidy(self) -> list[str]:
        """Delete what is too much, and what is too old if the time of day can be believed.

        Returns:
            The incidents whose evidence was deleted.
        """
        wait_s = self._wait_s()
        self._believed = self._store.believed_at()
        if wait_s <= 0.0:
            try:
                self._store.believe(self._clock())
            except OSError as error:  # a full disk; what goes now makes room
                log.error("the time of day cannot be remembered: %s", error.strerror or error)
        gone = self._store.tidy(by_age=wait_s <= 0.0)
        overdue = len(self._store.overdue()) if wait_s > 0.0 else 0
        self.withheld = ""
        if overdue:
            self.withheld = (
                f"the clock was set, or the station was off for days: evidence of {overdue} incidents would be too old "
                f"and is deleted in {wait_s / 3600.0:.0f} h; see whether the clock is right"
            )
            log.warning("%s", self.withheld)
        return gone

    def _wait_s(self) -> float:
        """For how long the time of day has still to hold; looks at the clocks."""
        now, elapsed = self._clock(), self._elapsed()
        if self._difference is None:
            believed = self._store.believed_at()
            jumped = believed is None or not -JUMP_S <= now - believed <= AWAY_S
        else:
            jumped = abs(now - elapsed - self._difference) > JUMP_S
        if jumped:
            self._held_since = elapsed
        self._difference = now - elapsed
        return self._held_since + HOLD_S - elapsed
