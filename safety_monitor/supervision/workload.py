"""How late decisions come, and what the station does without when its machine is too slow. Pure, but for `Workload`.

Queues never grow: the newest picture wins, and sound older than thirty seconds is lost. Before that happens less is
judged: fewer pictures a second at first; then, because hearing takes so little that it saves next to nothing, fewer
windows of sound, too.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from safety_monitor.incident import Sense


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is judged.

    Attributes:
        fps: most pictures a second.
        every: of so many windows of sound one is judged.
    """

    fps: float
    every: int


EFFORTS = (Effort(30.0, 1), Effort(15.0, 1), Effort(8.0, 1), Effort(4.0, 1), Effort(4.0, 2), Effort(4.0, 3))
"""From all there is to the least that still notices a scream and a sign."""
LATE_S, IN_TIME_S = 1.0, 0.5
"""Decisions later than the one mean that less is judged; earlier than the other, that there is time to spare."""
LOWER_AFTER_S, RAISE_AFTER_S = 5.0, 60.0
"""How long they have to be late, or early, without a break."""
OVER_S = 5.0
"""Lags are the worst of so long."""


@dataclass(frozen=True, slots=True)
class Load:
    """Which of `EFFORTS` is made, and why.

    Attributes:
        level: index.
        late_since: when decisions began to come late; None if they do not.
        early_since: when there began to be time to spare; None if there is not.
    """

    level: int = 0
    late_since: float | None = None
    early_since: float | None = None


def step(load: Load, lag_s: float, now: float) -> Load:
    """The effort to make from now on.

    Args:
        load: until now.
        lag_s: the worst one of the last seconds.
        now: on a clock that is never set back.
    """
    if lag_s > LATE_S:
        since = now if load.late_since is None else load.late_since
        if now - since >= LOWER_AFTER_S and load.level < len(EFFORTS) - 1:
            return Load(load.level + 1, late_since=now)
        return replace(load, late_since=since, early_since=None)
    if lag_s < IN_TIME_S and load.level > 0:
        since = now if load.early_since is None else load.early_since
        if now - since >= RAISE_AFTER_S:
            return Load(load.level - 1, early_since=now)
        return replace(load, late_since=None, early_since=since)
    return replace(load, late_since=None, early_since=None)


@dataclass(slots=True)
class Workload:
    """Measures how late decisions come, and says how much to judge; may be used from any thread.

    Args:
        clock: seconds, never set back.
    """

    clock: Callable[[], float] = time.monotonic
    load: Load = field(default_factory=Load)
    _lags: dict[Sense, deque[tuple[float, float]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def effort(self) -> Effort:
        """How much is to be judged now."""
        return EFFORTS[self.load.level]

    def decided(self, sense: Sense, lag_s: float) -> None:
        """A moment of a sense was decided on so long after it was."""
        now = self.clock()
        with self._lock:
            lags = self._lags.setdefault(sense, deque())
            while lags and (lags[-1][1] <= lag_s or lags[0][0] < now - OVER_S):
                lags.pop() if lags[-1][1] <= lag_s else lags.popleft()
            lags.append((now, lag_s))

    def lags(self) -> Mapping[Sense, float]:
        """Of each sense the worst lag of the last seconds."""
        now = self.clock()
        with self._lock:
            return {
                sense: max((lag_s for at, lag_s in lags if at >= now - OVER_S), default=0.0)
                for sense, lags in self._lags.items()
            }

    def adapt(self) -> Load:
        """Judge more or less from now on, as the lags ask for; to be called about once a second."""
        self.load = step(self.load, max(self.lags().values(), default=0.0), self.clock())
        return self.load
