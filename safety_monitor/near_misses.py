"""What came near an alarm and was none, and why. Pure: no thread, no clock, no I/O."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from safety_monitor.fusion import FusionRules

NEAR = 0.30
"""A probability from here on that leads to no incident is a near miss."""
NEAR_OVER_S = 3.0
"""A near miss is over when nothing came near for so long."""
NEAR_KEPT = 20


@dataclass(frozen=True, slots=True)
class NearMiss:
    """Something came near an alarm.

    Attributes:
        at: UTC, when it was strongest.
        label: what was noticed.
        probability: its highest.
        reason: why there was no alarm, for people.
    """

    at: datetime
    label: str
    probability: float
    reason: str


@dataclass(slots=True)
class _Near:
    """Something that is near an alarm now."""

    peak: float
    at: datetime
    last: float
    confirmed: bool
    armed: bool


@dataclass(slots=True)
class NearMisses:
    """Follows what is noticed, and keeps the newest near misses; times are those of a clock that is never set back."""

    _near: dict[str, _Near] = field(default_factory=dict)
    _misses: deque[NearMiss] = field(default_factory=lambda: deque(maxlen=NEAR_KEPT))
    _alarmed: bool = False
    """Whether an incident that happened here is open and more than pending, seen or not."""

    @property
    def misses(self) -> tuple[NearMiss, ...]:
        """Newest first."""
        return tuple(reversed(self._misses))

    def noticed(self, label: str, probability: float, now: float, at: datetime, *, armed: bool) -> None:
        """Something was noticed.

        Args:
            label: what.
            probability: of it.
            now: on the clock.
            at: the same, UTC.
            armed: whether the station is.
        """
        if probability < NEAR:
            return
        near = self._near.setdefault(label, _Near(0.0, at, now, self._alarmed, armed))
        near.last = now
        if probability > near.peak:
            near.peak, near.at, near.armed = probability, at, armed

    def alarmed(self, alarmed: bool) -> None:
        """There is an alarm from now on, to which what is near belongs; or there is none any more."""
        self._alarmed = alarmed
        if alarmed:
            for near in self._near.values():
                near.confirmed = True

    def settle(self, now: float, rules: FusionRules) -> None:
        """What nothing came near for a while is over: a near miss, unless there was an alarm."""
        for label, near in list(self._near.items()):
            if now - near.last < NEAR_OVER_S:
                continue
            del self._near[label]
            if not near.confirmed:
                reason = why_no_alarm(near.peak, rules, armed=near.armed)
                self._misses.append(NearMiss(near.at, label, near.peak, reason))


def why_no_alarm(peak: float, rules: FusionRules, *, armed: bool) -> str:
    """Why something that came near an alarm was none, with the numbers.

    Args:
        peak: its highest probability.
        rules: of fusion.
        armed: whether the station was, then.
    """
    if not armed:
        return "the station was disarmed"
    if peak < rules.weak:
        return f"{peak:.2f} is below {rules.weak:.2f}, from where on evidence counts"
    if peak < rules.threshold:
        return (
            f"{peak:.2f} is below the threshold {rules.threshold:.2f}, "
            f"and the other sense gave too little within {rules.window_s:g} s"
        )
    return f"{peak:.2f} belongs to an incident that was called off less than {rules.cool_down_s:g} s before"
