"""A hand for those that need no camera to have one."""

import numpy as np

from gesture.capture import Frame
from gesture.detector import HandReading


class MovingHand:
    """Sees one hand that moves to the right."""

    def see(self, frame: Frame) -> list[HandReading]:
        shape = np.random.default_rng(1).uniform(0.2, 0.4, (21, 3)).astype(np.float32)
        shape[:, 0] += 0.1 * frame.at_s
        return [HandReading(frame.at_s, 1, "right", shape, "fist", {"fist": 0.9, "none": 0.1}, "move", {"move": 1.0})]
