"""Where the hands are: MediaPipe's HandLandmarker, for frames that follow each other and for still pictures.

The Tasks API of MediaPipe 1.x names the person's own side in pictures that are not mirrored, as ours are; the older
`solutions.hands` named the other one. Only this module knows of that: a `Hand` carries the person's own side.
"""

import importlib
import sys
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from models.card import ModelError
from models.hand_landmarker import check

Image = NDArray[np.uint8]
Points = NDArray[np.float32]


def _curve(gamma: float) -> Image:
    return (np.linspace(0, 1, 256) ** gamma * 255).round().astype(np.uint8)


Exposure = Literal["as it is", "darker", "brighter"]
"""What is done to a picture before hands are looked for: the palm detector misses hands against a window, hands that a
camera has burnt out, and hands in the noise of too little light."""
CURVES: Mapping[Exposure, Image] = {"darker": _curve(2.0), "brighter": _curve(0.5)}
SMOOTHED = (5, 5)
"""Pixels whose mean is taken before a picture is brightened: what is dark is noisy, and noise hides hands more than the
dark does (`python -m benchmarks.disturbances`)."""

SMALL_SIDE = 160
"""Pixels; a still picture with a shorter side is taken for a crop that shows little but the hand."""
PICTURE_PADDINGS = (0.0, 1 / 2, 1 / 3, 0.8)
"""Border around a still picture, as a share of its longer side, tried one after the other until a hand is found."""


@dataclass(frozen=True, slots=True, eq=False)
class Hand:
    """One hand in one picture; equal to no other, whatever that looks like.

    Attributes:
        landmarks: float32 of shape (21, 3), x and y in 0..1 of the picture, z in picture widths (less is nearer).
        handedness: "left" or "right", as the person's own.
        score: how sure MediaPipe is of the handedness, 0.5..1.
        fresh: False where this picture was not looked at for it: it is as in the picture before.
    """

    landmarks: Points
    handedness: str
    score: float
    fresh: bool = True


def _import_mediapipe() -> ModuleType:
    """MediaPipe, without TensorFlow and Matplotlib: it would drag in both where they are installed, and uses neither.

    That saves seconds of start-up. They stay importable afterwards: a training process uses all three.
    """
    blocked: dict[str, Any] = {}
    if "tensorflow" not in sys.modules:
        blocked["tensorflow"] = None
    if "matplotlib" not in sys.modules:  # without this one it would not be imported
        pyplot, matplotlib = ModuleType("matplotlib.pyplot"), ModuleType("matplotlib")
        blocked |= {"matplotlib": matplotlib, "matplotlib.pyplot": pyplot}
        vars(matplotlib)["pyplot"] = pyplot
    sys.modules.update(blocked)
    try:
        importlib.import_module("mediapipe.tasks.python.vision")
        return importlib.import_module("mediapipe")
    finally:
        for name in blocked:
            del sys.modules[name]


class HandFinder:
    """Finds hands in pictures; belongs to the thread that made it.

    Args:
        model: the `hand_landmarker.task` file.
        max_hands: how many hands are looked for, 1 to 4.
        video: True for frames that follow each other (tracked between them), False for unrelated pictures.

    Raises:
        ModelError: the file cannot be used.
    """

    def __init__(self, model: Path, max_hands: int = 2, *, video: bool = True) -> None:
        if not 1 <= max_hands <= 4:
            raise ValueError(f"max_hands must be between 1 and 4, not {max_hands}")
        check(model)
        self._mediapipe = mediapipe = _import_mediapipe()
        vision = mediapipe.tasks.vision
        options = vision.HandLandmarkerOptions(
            base_options=mediapipe.tasks.BaseOptions(model_asset_path=str(model)),
            running_mode=vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE,
            num_hands=max_hands,
        )
        try:
            self._landmarker: Any = vision.HandLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"{model}: not a usable hand model file: {str(error).splitlines()[0]}") from None
        # A landmarker that is still open when Python ends keeps the process from ending.
        self._close = weakref.finalize(self, self._landmarker.close)
        self._video = video
        self._last_ms = -1

    def find(self, image: Image, at_s: float = 0.0, exposure: Exposure = "as it is") -> list[Hand]:
        """Hands of one picture, in no particular order.

        Args:
            image: uint8 of shape (height, width, 3), RGB, contiguous, not mirrored.
            at_s: seconds on the source's clock; only the order counts, and only for frames that follow each other.
            exposure: what is done to the picture first.
        """
        return self._detect(self._exposed(image, exposure), at_s)

    def find_exposed(self, image: Image) -> list[Hand]:
        """Hands of a still picture, also of one that is too dark or too bright for them to be found as it is."""
        exposures: tuple[Exposure, ...] = ("as it is", *CURVES)
        return next((found for exposure in exposures if (found := self.find(image, exposure=exposure))), [])

    def _exposed(self, image: Image, exposure: Exposure) -> Image:
        if exposure == "as it is":
            return image
        smooth = cv2.blur(image, SMOOTHED) if exposure == "brighter" else image
        return np.asarray(cv2.LUT(smooth, CURVES[exposure]), np.uint8)

    def _detect(self, image: Image, at_s: float) -> list[Hand]:
        picture = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=image)
        found = self._landmarks(picture, at_s)
        return [
            Hand(
                landmarks=np.array([(point.x, point.y, point.z) for point in points], np.float32),
                handedness="left" if sides[0].category_name == "Left" else "right",
                score=float(sides[0].score),
            )
            for points, sides in zip(found.hand_landmarks, found.handedness, strict=True)
        ]

    def _landmarks(self, picture: Any, at_s: float) -> Any:
        if not self._video:
            return self._landmarker.detect(picture)
        # MediaPipe refuses a time that does not increase, in whole milliseconds.
        self._last_ms = max(self._last_ms + 1, round(at_s * 1000))
        return self._landmarker.detect_for_video(picture, self._last_ms)

    def close(self) -> None:
        """Free the model; the finder cannot be used afterwards. May be called twice."""
        self._close()


def pad(image: Image, share: float) -> Image:
    """The picture with its edge pixels drawn out on all sides by `share` of its longer side."""
    border = round(max(image.shape[:2]) * share)
    return np.pad(image, ((border, border), (border, border), (0, 0)), mode="edge") if border else image


def unpad(landmarks: Points, size: tuple[int, int], share: float) -> Points:
    """Landmarks of a padded picture in terms of the picture itself, which is `size` = (height, width) large."""
    height, width = size
    border = round(max(size) * share)
    moved = landmarks.copy()
    moved[:, 0] = (landmarks[:, 0] * (width + 2 * border) - border) / width
    moved[:, 1] = (landmarks[:, 1] * (height + 2 * border) - border) / height
    moved[:, 2] = landmarks[:, 2] * (width + 2 * border) / width
    return moved


def find_in_picture(finder: HandFinder, image: Image) -> list[Hand]:
    """Hands of a still picture, also of one cropped so tightly that the palm detector would miss the hand.

    Args:
        finder: one for unrelated pictures (`video=False`).
        image: uint8 of shape (height, width, 3), RGB, contiguous.
    """
    height, width = image.shape[:2]
    small = min(height, width) < SMALL_SIDE
    paddings = PICTURE_PADDINGS[1:] + PICTURE_PADDINGS[:1] if small else PICTURE_PADDINGS
    for share in paddings:
        hands = finder.find_exposed(np.ascontiguousarray(pad(image, share)))
        if hands:
            return [Hand(unpad(hand.landmarks, (height, width), share), hand.handedness, hand.score) for hand in hands]
    return []
