"""How many frames are looked at: all of them while there are hands, fewer once there have been none for a while.

Pure: times in, yes or no out. While a scene is idle a look comes at least every 1 / `idle_fps` seconds and a tenth of
that, so that a hand is found within two looks: the finder tries a frame as it is in every second one (see
`gesture.lookout`).
"""

from dataclasses import dataclass

SLOWEST_FPS = 8.0
"""Fewer looks a second would not find a new hand within 0.3 s."""
SLACK = 1.1
"""A look may come this much later than its period: cameras do not keep time to the millisecond."""


@dataclass(slots=True)
class Pace:
    """Says which frames of one source are worth a look.

    Attributes:
        idle_after_s: seconds without a hand after which the scene is idle; None: it never is.
        idle_fps: looks a second at an idle scene.
    """

    idle_after_s: float | None = None
    idle_fps: float = SLOWEST_FPS
    _frame_s: float | None = None
    _look_s: float | None = None
    _hand_s: float | None = None

    def due(self, at_s: float) -> bool:
        """Whether the frame of this time is to be looked at; asked once for each frame, in order of time."""
        before, self._frame_s = self._frame_s, at_s
        if self.idle_after_s is None or before is None or self._look_s is None or self._hand_s is None:
            return True
        if at_s - self._hand_s < self.idle_after_s:
            return True
        # The next frame will come about as late as this one did; is that too late?
        return 2 * at_s - before - self._look_s > SLACK / self.idle_fps

    def looked(self, at_s: float, hands: int) -> None:
        """The frame of this time was looked at, and showed so many hands."""
        self._look_s = at_s
        if hands or self._hand_s is None:
            self._hand_s = at_s  # a source starts awake
