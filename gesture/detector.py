"""What the camera says: frames in, readings out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gesture import signal_for_help
from gesture.capture import Frame
from gesture.hands import Hand, HandFinder, find_in_picture
from gesture.keypoint_classifier import SignClassifier
from gesture.lookout import Lookout
from gesture.point_history_classifier import MotionClassifier, PointHistory
from gesture.tracks import Track, assign, distinct
from models.hand_landmarker import default_path

GAP_S = 1.0
"""How long a track outlives its hand."""


@dataclass(frozen=True, slots=True)
class HandReading:
    """What seeing says of one hand in one frame.

    Attributes:
        at_s: source clock of the frame.
        hand: number of the track; the same hand keeps it while it stays in view.
        handedness: "left" or "right", as the person's own.
        landmarks: float32 of shape (21, 3), x and y in 0..1 of the picture, z in picture widths (MediaPipe's order).
        sign: the likeliest static sign, "none" where it is none of those known.
        sign_probabilities: calibrated, by label; they sum to 1.
        movement: the likeliest movement of the hand's point history, None while the history is too short.
        movement_probabilities: calibrated, by label; empty while the history is too short.
        sequences: probability by sequence ("signal_for_help") that it is under way or has just been completed;
            0.80 and more only once it is complete.
    """

    at_s: float
    hand: int
    handedness: str
    landmarks: NDArray[np.float32]
    sign: str
    sign_probabilities: Mapping[str, float]
    movement: str | None = None
    movement_probabilities: Mapping[str, float] = field(default_factory=dict)
    sequences: Mapping[str, float] = field(default_factory=dict)


class GestureDetector:
    """Frames in, one reading a hand out; belongs to the thread that made it.

    Args:
        hand_model: the `hand_landmarker.task` file; by default the one in the cache folder.
        max_hands: how many hands are judged, 1 to 4.
        far: whether hands are looked for in enlarged parts of the picture, too.
        signs: name of the sign model, or a path to its folder.
        motions: name of the movement model, or a path to its folder.
        home: a folder with the user's own models.
        limits: what counts as the Signal for Help.

    Raises:
        ModelError: a model is missing, damaged or made for something else.
    """

    def __init__(
        self,
        hand_model: Path | None = None,
        max_hands: int = 2,
        *,
        far: bool = True,
        signs: str = "signs",
        motions: str = "motions",
        home: Path | None = None,
        limits: signal_for_help.Limits = signal_for_help.DEFAULT,
    ) -> None:
        self._judge = HandJudge(SignClassifier.load(signs, home), MotionClassifier.load(motions, home), limits)
        self._lookout = Lookout(hand_model or default_path(), max_hands, far=far)  # last: who fails leaves none open

    def see(self, frame: Frame) -> list[HandReading]:
        """What the hands of one frame show; frames of one source in order of time."""
        height, width = frame.image.shape[:2]
        return self._judge(self._lookout.find(frame.image, frame.at_s), frame.at_s, height / width)

    def close(self) -> None:
        """Free the models; the detector cannot be used afterwards. May be called twice."""
        self._lookout.close()


@dataclass(slots=True)
class _Past:
    """What is remembered of one hand: where it has been, and how far it is with the Signal for Help."""

    history: PointHistory = field(default_factory=PointHistory)
    help: signal_for_help.Progress = signal_for_help.START


class HandJudge:
    """What the hands that were found in a frame show, given the frames before; knows nothing of pictures.

    Args:
        signs: the static classifier.
        motions: the movement classifier.
        limits: what counts as the Signal for Help.
    """

    def __init__(
        self,
        signs: SignClassifier,
        motions: MotionClassifier,
        limits: signal_for_help.Limits = signal_for_help.DEFAULT,
    ) -> None:
        self._signs = signs
        self._motions = motions
        self._limits = limits
        self._tracks: list[Track] = []
        self._next_number = 1
        self._pasts: dict[int, _Past] = {}

    def __call__(self, hands: Sequence[Hand], at_s: float, aspect: float) -> list[HandReading]:
        """Readings of the hands of one frame.

        Args:
            hands: as `HandFinder` gives them.
            at_s: time of the frame on the source's clock; not before the frame before.
            aspect: the picture's height divided by its width.
        """
        placed = distinct(hands, aspect)
        hands = [one.hand for one in placed]
        found, waiting = assign(self._tracks, placed, at_s, GAP_S, self._next_number)
        self._tracks = found + waiting
        self._next_number = max((self._next_number, *(track.number + 1 for track in found)))
        self._pasts = {track.number: self._pasts.get(track.number) or _Past() for track in self._tracks}
        for hand, track in zip(hands, found, strict=True):
            if hand.fresh:
                history = self._pasts[track.number].history
                history.add(at_s, hand.landmarks, track.size, aspect, anew=track.jumped)
        signs = self._signs(hands, aspect)
        movements = self._motions([self._pasts[track.number].history for track in found])
        return [
            self._read(hand, track, named(self._signs.labels, sign), movement, at_s)
            for hand, track, sign, movement in zip(hands, found, signs, movements, strict=True)
        ]

    def _read(
        self, hand: Hand, track: Track, signs: dict[str, float], movement: NDArray[np.float32] | None, at_s: float
    ) -> HandReading:
        past = self._pasts[track.number]
        past.help = signal_for_help.step(past.help, signs, at_s, self._limits)
        movements = {} if movement is None else named(self._motions.labels, movement)
        return HandReading(
            at_s=at_s,
            hand=track.number,
            handedness=hand.handedness,
            landmarks=hand.landmarks,
            sign=likeliest(signs),
            sign_probabilities=signs,
            movement=likeliest(movements) if movements else None,
            movement_probabilities=movements,
            sequences={signal_for_help.NAME: signal_for_help.confidence(past.help, self._limits)},
        )


class PictureReader:
    """The signs on still pictures that have nothing to do with each other; belongs to the thread that made it.

    Args:
        hand_model: the `hand_landmarker.task` file; by default the one in the cache folder.
        max_hands: how many hands are judged, 1 to 4.
        signs: name of the sign model, or a path to its folder.
        home: a folder with the user's own models.

    Raises:
        ModelError: a model is missing, damaged or made for something else.
    """

    def __init__(
        self, hand_model: Path | None = None, max_hands: int = 2, *, signs: str = "signs", home: Path | None = None
    ) -> None:
        self._signs = SignClassifier.load(signs, home)
        self._finder = HandFinder(hand_model or default_path(), max_hands, video=False)

    def read(self, image: NDArray[np.uint8]) -> list[HandReading]:
        """The hands of one picture, uint8 of shape (height, width, 3), RGB; also of a tight crop of one hand."""
        height, width = image.shape[:2]
        hands = [one.hand for one in distinct(find_in_picture(self._finder, image), height / width)]
        readings = []
        for number, (hand, signs) in enumerate(zip(hands, self._signs(hands, height / width), strict=True), start=1):
            by_label = named(self._signs.labels, signs)
            readings.append(HandReading(0.0, number, hand.handedness, hand.landmarks, likeliest(by_label), by_label))
        return readings

    def see(self, frame: Frame) -> list[HandReading]:
        """The hands of one picture of a folder, with its time."""
        return [replace(reading, at_s=frame.at_s) for reading in self.read(frame.image)]

    def close(self) -> None:
        """Free the models; the reader cannot be used afterwards. May be called twice."""
        self._finder.close()


def named(labels: Sequence[str], probabilities: NDArray[np.float32]) -> dict[str, float]:
    """Probabilities by label."""
    return dict(zip(labels, probabilities.tolist(), strict=True))


def likeliest(probabilities: Mapping[str, float]) -> str:
    """The label with the highest probability."""
    return max(probabilities, key=probabilities.__getitem__)
