"""Where hands are looked for in the frames of a camera, and with what effort.

MediaPipe's palm detector sees a picture shrunk to 192 × 192: hands that are more than about a metre and a half away are
too small for it, and hands in too much or too little light escape it. While a whole picture shows no hand, the frames
are therefore tried in turn as they are, darkened, brightened, and an enlarged part of them instead of the whole – one
look a frame, so that it costs no time. A hand that was found in a part is followed in a square around it, by a
landmarker of its own, until the whole picture shows it too, or nothing does any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import dist
from pathlib import Path
from typing import Literal

import numpy as np

from gesture.hands import Exposure, Hand, HandFinder, Image
from gesture.interest import Interest, Part, part_around
from gesture.tracks import SAME, placed

Look = Exposure | Literal["enlarged"]

LOOKS: tuple[Look, ...] = ("as it is", "darker", "as it is", "brighter")
"""How the frames without a hand are looked at, one after the other. Every second look is one at the frame as it is, so
that a usual hand is found within two."""
FAR_LOOKS: tuple[Look, ...] = tuple(
    look for exposure in ("darker", "brighter") for look in ("as it is", "enlarged", "as it is", exposure)
)
"""The same where hands may be far away."""
BESIDE = 8
"""While hands are in view, but fewer than are looked for, an enlarged part is looked at instead of the whole picture
after so many frames, as soon as these hands rest: they are taken to be where they were."""
RESTING = 0.1
"""Palm sizes; a hand that has moved by less since the frame before rests."""
SMALLEST = 320
"""Pixels; in a picture whose longer side is shorter there is nothing to enlarge."""
AROUND = 8.0
"""Palm sizes; the side of the square in which a hand is followed."""
ROOM = 0.28
"""A hand whose middle is this far from that of its square, in sides, gets a new one."""
SIDES = (0.6, 1.6)
"""So does one whose square is so much smaller or larger than `AROUND` asks for."""
LOST_S = 0.5
"""How long a hand that is lost is looked for in its square, and one that rests is taken to be where it was."""


def of_whole(hand: Hand, part: Part, size: tuple[int, int]) -> Hand:
    """A hand of a part in terms of the whole picture, which is `size` = (height, width) large."""
    height, width = size
    scale = np.array([part.side / width, part.side / height, part.side / width], np.float32)
    place = np.array([part.left / width, part.top / height, 0.0], np.float32)
    return Hand(hand.landmarks * scale + place, hand.handedness, hand.score)


def square_around(hand: Hand, size: tuple[int, int]) -> Part:
    """The square in which a hand of a picture of (height, width) is followed."""
    place = placed(hand, size[0] / size[1])
    x, y = place.palm
    return part_around(x * size[1], y * size[1], AROUND * place.size * size[1], size)


def holds(part: Part, hand: Hand, size: tuple[int, int]) -> bool:
    """Whether a hand may still be followed in a square: it is not too near its edge, nor too large or small for it."""
    wanted = square_around(hand, size)
    away = max(
        abs(wanted.left + wanted.side / 2 - part.left - part.side / 2),
        abs(wanted.top + wanted.side / 2 - part.top - part.side / 2),
    )
    return away <= ROOM * part.side and SIDES[0] <= part.side / wanted.side <= SIDES[1]


def is_among(hand: Hand, others: Sequence[Hand], aspect: float, within: float = SAME) -> bool:
    """Whether a hand is one of the others, found a second time, not further away than so many palm sizes."""
    one, places = placed(hand, aspect), [placed(other, aspect) for other in others]
    return any(dist(one.palm, other.palm) <= within * max(one.size, other.size) for other in places)


@dataclass(slots=True)
class _Followed:
    """A hand that only an enlarged part of the picture shows.

    Attributes:
        finder: follows it and no other.
        part: where.
        seen_s: when it was seen last.
    """

    finder: HandFinder
    part: Part
    seen_s: float

    def find(self, image: Image, at_s: float) -> list[Hand]:
        size = image.shape[0], image.shape[1]
        hands = [of_whole(hand, self.part, size) for hand in self.finder.find(self.part.of(image), at_s)]
        if hands:
            self.seen_s = at_s
            if not holds(self.part, hands[0], size):
                self.part = square_around(hands[0], size)
        return hands


class Lookout:
    """Finds the hands in the frames of one source; belongs to the thread that made it.

    Args:
        model: the `hand_landmarker.task` file.
        max_hands: how many hands are looked for, 1 to 4.
        far: whether parts of the picture are enlarged.

    Raises:
        ModelError: the file cannot be used.
    """

    def __init__(self, model: Path, max_hands: int = 2, *, far: bool = True) -> None:
        self._max_hands = max_hands
        self._looks = FAR_LOOKS if far else LOOKS
        self._turn = 0
        self._whole = HandFinder(model, max_hands)
        self._enlarged = HandFinder(model, max_hands, video=False) if far else None
        self._interest = Interest()
        self._near: list[Hand] = []
        """What the whole picture showed last."""
        self._resting = False
        self._beside = 0
        self._looked_s = 0.0
        """When a frame was looked at last."""
        self._followed: list[_Followed] = []
        self._spare = [HandFinder(model, 1) for _ in range(max_hands)] if far else []
        """Those that follow nobody now. All are loaded at the start: nobody who shows a sign waits for that, and no
        file that is gone by then, or memory that is short, ends seeing."""

    def find(self, image: Image, at_s: float) -> list[Hand]:
        """Hands of one frame, in no particular order, in terms of the whole picture.

        Args:
            image: uint8 of shape (height, width, 3), RGB, contiguous, not mirrored.
            at_s: seconds on the source's clock.
        """
        if not 0 <= at_s - self._looked_s <= LOST_S:  # the camera was away
            self._near = []
        self._looked_s = at_s
        look = self._looks[self._turn]
        self._beside += 1
        if self._near and self._enlarged and self._beside > BESIDE and self._resting:
            look = "enlarged"
        in_view = len(self._near) + len(self._followed)
        if look == "enlarged" and (in_view >= self._max_hands or max(image.shape[:2]) < SMALLEST):
            look = "as it is"
        if look == "enlarged":
            self._beside = 0
            hands = [replace(hand, fresh=False) for hand in self._near]
        else:
            hands = self._whole.find(image, at_s, look)
            # Where all are in view nobody looks beside them, and asks whether they rest.
            self._resting = 0 < len(hands) < self._max_hands and self._rest(hands, image.shape[0] / image.shape[1])
            self._near = hands
        if not hands:
            self._turn = (self._turn + 1) % len(self._looks)
        if self._followed:
            hands = self._follow(image, at_s, hands)
        if look == "enlarged":
            found = self._discover(image, at_s, hands)
            # One that has moved since the frame before would seem to be a hand more: the next frame will tell.
            hands = hands if self._near else hands + found
        return hands

    def _rest(self, hands: Sequence[Hand], aspect: float) -> bool:
        """Whether none of the hands has moved since the frame before."""
        return all(is_among(hand, self._near, aspect, RESTING) for hand in hands)

    def _follow(self, image: Image, at_s: float, hands: list[Hand]) -> list[Hand]:
        """With the hands that are followed, as far as they are not among those of the whole picture already."""
        kept = []
        for followed in self._followed:
            found = followed.find(image, at_s) if len(hands) < self._max_hands else []
            again = any(is_among(hand, hands, image.shape[0] / image.shape[1]) for hand in found)
            if again or not 0 <= at_s - followed.seen_s <= LOST_S:
                self._spare.append(followed.finder)
            else:
                kept.append(followed)
                hands = hands + found
        self._followed = kept
        return hands

    def _discover(self, image: Image, at_s: float, hands: Sequence[Hand]) -> list[Hand]:
        """Hands of an enlarged part that are not among those known; they are followed from now on."""
        if self._enlarged is None:
            return []
        size = image.shape[0], image.shape[1]
        part = self._interest.next_part(image, at_s)
        found: list[Hand] = []
        for seen in self._enlarged.find(part.of(image)):
            hand = of_whole(seen, part, size)
            known = [*hands, *found]
            if self._spare and len(known) < self._max_hands and not is_among(hand, known, size[0] / size[1]):
                self._followed.append(_Followed(self._spare.pop(), square_around(hand, size), at_s))
                found.append(hand)
        return found

    def close(self) -> None:
        """Free the models; it cannot be used afterwards. May be called twice."""
        followed = (each.finder for each in self._followed)
        for finder in (self._whole, *followed, *self._spare, *([self._enlarged] if self._enlarged else [])):
            finder.close()
