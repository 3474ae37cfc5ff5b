"""When what comes in pieces of seconds was made, and when to hand it on so that it comes at its own pace. Pure.

A piece is sent when it is whole: its end comes soonest after it was made, its beginning latest. Handed on as late as
its latest part, all of it comes at the pace of its time stamps, as in any player.
"""

from dataclasses import dataclass

DRIFT = 0.001
"""A stream's clock is off by less than this share of time; if by more, what came soonest says it anew."""
CATCH_UP = 0.01
"""After a piece that was late, so much faster than time passes until what follows is as late as it need be."""
JUMP_S = 10.0
"""What comes so much sooner or later than all before it is on another time line: the stream began anew."""

WAITED_S = 0.3
"""What comes so much later than what came before it was waited for, and did not lie there already."""


@dataclass(slots=True)
class PieceClock:
    """Puts the time line of a stream that comes in pieces on the monotonic clock.

    Attributes:
        soonest_s: between a stream's time and the monotonic clock, of what came soonest after it was made; None before
            anything has come.
        latest_s: the same of what came latest.
        new_from_s: the stream's time of the first that was waited for; what came before may be from long ago, as the
            last piece of a camera that has died. None: nothing was yet.
    """

    soonest_s: float | None = None
    latest_s: float = 0.0
    new_from_s: float | None = None
    _came: float = 0.0

    def note(self, stream_s: float, came: float) -> None:
        """Something has come.

        Args:
            stream_s: on the stream's time line.
            came: `time.monotonic()`.
        """
        between_s = came - stream_s
        passed_s, self._came = came - self._came, came
        if self.soonest_s is None or not self.soonest_s - JUMP_S < between_s < self.latest_s + JUMP_S:
            self.soonest_s = self.latest_s = between_s
            self.new_from_s = None if self.new_from_s is None else stream_s
            return
        if self.new_from_s is None and between_s - self.soonest_s > WAITED_S:
            self.new_from_s = stream_s
        self.soonest_s = min(self.soonest_s + DRIFT * passed_s, between_s)
        self.latest_s = max(self.latest_s - CATCH_UP * passed_s, between_s)

    @property
    def late_s(self) -> float:
        """How late all of it is handed on."""
        return self.latest_s - self.soonest_s if self.soonest_s is not None else 0.0

    def made(self, stream_s: float) -> float:
        """The `time.monotonic()` at which something was made."""
        return stream_s + (self.soonest_s or 0.0)
