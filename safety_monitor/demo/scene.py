"""The built-in scene: what happens when, and its sound and pictures as sources like any other.

Ordinary life with talk and with hands that open, close, point and wave; in it one scream, and later, when the incident
of the scream has long closed, one Signal for Help without a sound. Everything is made of numbers, from fixed seeds:
the scene is the same each time.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE, Block
from audio.capture import SoundSource
from gesture.capture import Frame, FrameSource
from safety_monitor.demo import poses
from safety_monitor.demo.hand import draw_hand
from safety_monitor.demo.poses import Pose
from safety_monitor.demo.scream import murmur, room_noise, scream
from safety_monitor.incident import Sense

SECONDS = 48.0
FPS = 15.0
WIDTH, HEIGHT = 640, 480
BLOCK = 1_600
"""Samples in a block of the scene's sound: a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Expected:
    """An incident that the scene contains.

    Attributes:
        sense: which sense gives it away.
        label: the label it carries.
        at_s: between which seconds of the scene it is confirmed.
    """

    sense: Sense
    label: str
    at_s: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sound:
    """A stretch of sound; `level` is its peak, full scale 1; `seed` gives it its voice."""

    kind: Literal["murmur", "scream"]
    start_s: float
    seconds: float
    level: float
    seed: int


@dataclass(frozen=True, slots=True)
class Key:
    """The hand at one moment; between two of them it moves evenly from one to the other.

    Attributes:
        at_s: when.
        pose: what the fingers do.
        x, y: the wrist, in pixels from the picture's left and top; below the picture the hand is out of sight.
        palm: length of the palm in pixels.
        yaw, roll: turn about the vertical axis and in the picture's plane, in degrees.
    """

    at_s: float
    pose: Pose
    x: float = 330.0
    y: float = 360.0
    palm: float = 105.0
    yaw: float = 0.0
    roll: float = 0.0


SOUNDS = (
    Sound("murmur", 0.4, 3.8, 0.10, seed=2),
    Sound("scream", 5.0, 1.9, 0.70, seed=3),
    Sound("murmur", 12.0, 7.0, 0.10, seed=3),
    Sound("murmur", 23.0, 5.0, 0.08, seed=2),
)

HAND = (
    # An ordinary hand before the scream: shown, closed, opened, gone.
    Key(0.3, poses.RELAXED, y=640, roll=-8),
    Key(0.9, poses.OPEN_PALM, roll=-4),
    Key(2.0, poses.OPEN_PALM, x=345, roll=4),
    Key(2.4, poses.FIST, x=345),
    Key(3.0, poses.FIST, x=335),
    Key(3.4, poses.OPEN_PALM, x=335),
    Key(4.0, poses.OPEN_PALM),
    Key(4.6, poses.RELAXED, y=640),
    # Ordinary life afterwards: pointing, two fingers, a wave, a fist.
    Key(13.0, poses.RELAXED, x=250, y=640),
    Key(13.6, poses.POINTER, x=250, y=350, palm=95, yaw=6),
    Key(15.0, poses.POINTER, x=270, y=345, palm=95, yaw=-6),
    Key(15.5, poses.VICTORY, x=270, y=350, palm=95),
    Key(17.2, poses.VICTORY, x=280, y=350, palm=95, roll=5),
    Key(17.7, poses.OPEN_PALM, x=290, y=355, palm=95),
    Key(18.2, poses.OPEN_PALM, x=290, y=355, palm=95, roll=16),
    Key(18.7, poses.OPEN_PALM, x=290, y=355, palm=95, roll=-12),
    Key(19.2, poses.OPEN_PALM, x=290, y=355, palm=95, roll=16),
    Key(19.7, poses.OPEN_PALM, x=290, y=355, palm=95, roll=-12),
    Key(20.2, poses.OPEN_PALM, x=290, y=355, palm=95),
    Key(20.8, poses.RELAXED, x=290, y=640, palm=95),
    Key(24.0, poses.RELAXED, x=400, y=640, palm=85),
    Key(24.6, poses.OPEN_PALM, x=400, y=340, palm=85),
    Key(25.2, poses.OPEN_PALM, x=395, y=340, palm=85),
    Key(25.6, poses.FIST, x=395, y=345, palm=85),
    Key(26.6, poses.FIST, x=380, y=345, palm=85, roll=6),
    Key(27.0, poses.OPEN_PALM, x=380, y=345, palm=85),
    Key(27.8, poses.OPEN_PALM, x=370, y=345, palm=85, yaw=10),
    Key(28.4, poses.RELAXED, x=370, y=640, palm=85),
    # The Signal for Help: palm, thumb tucked in, fingers closed over it.
    Key(38.6, poses.RELAXED, y=640, palm=110),
    Key(39.3, poses.PALM_TOGETHER, palm=110),
    Key(40.6, poses.PALM_TOGETHER, palm=110),
    Key(41.0, poses.THUMB_TUCKED, palm=110),
    Key(42.2, poses.THUMB_TUCKED, palm=110),
    Key(42.7, poses.THUMB_TRAPPED, palm=110),
    Key(44.4, poses.THUMB_TRAPPED, palm=110),
    Key(45.0, poses.RELAXED, y=650, palm=110),
)

EXPECTED = (
    Expected(Sense.AUDIO, "scream", (5.0, 7.9)),
    Expected(Sense.GESTURE, "signal_for_help", (42.3, 45.0)),
)
"""The incidents of the scene, and no others. The gap between them is longer than the station's cool-down."""


def hand_at(at_s: float) -> NDArray[np.float64] | None:
    """The 21 landmarks of the hand at a moment, as `draw_hand` takes them; None while it is out of sight."""
    after = next((i for i, key in enumerate(HAND) if key.at_s > at_s), len(HAND))
    if after in (0, len(HAND)):
        return None
    a, b = HAND[after - 1], HAND[after]
    if min(a.y, b.y) > HEIGHT + a.palm:
        return None
    share = (at_s - a.at_s) / (b.at_s - a.at_s)
    share = share * share * (3 - 2 * share)

    def between(first: float, second: float) -> float:
        return first + share * (second - first)

    # Nobody holds a hand quite still.
    sway = [float(np.sin(2 * np.pi * f * at_s + p)) for f, p in ((0.43, 0.0), (0.61, 1.0), (0.37, 2.0), (0.53, 4.0))]
    palm = between(a.palm, b.palm)
    x, y = between(a.x, b.x) + 3.0 * sway[0], between(a.y, b.y) + 2.5 * sway[1]
    turn = rotation(between(a.yaw, b.yaw) + 4 * sway[2], -8 + 3 * sway[3], between(a.roll, b.roll) + 1.5 * sway[0])
    points = poses.skeleton(poses.blend(a.pose, b.pose, share)) @ turn.T
    landmarks: NDArray[np.float64] = points * (palm, -palm, palm) + (x, y, 0.0)
    return landmarks


def picture_at(number: int) -> NDArray[np.uint8]:
    """Picture `number` of the scene, uint8 of shape (480, 640, 3), RGB."""
    return picture_of(hand_at(number / FPS), number)


def picture_of(hand: NDArray[np.float64] | None, number: int) -> NDArray[np.uint8]:
    """Picture `number` of a camera that sees this hand, as `hand_at` gives it; like `picture_at`."""
    wall, noise = room()
    picture = wall if hand is None else draw_hand(hand, wall)
    # A camera's noise, from a few fields shifted about: no two pictures are the same.
    field = np.roll(noise[number % len(noise)], (37 * number) % HEIGHT, axis=0)
    return np.asarray(cv2.add(picture, field, dtype=cv2.CV_8U), dtype=np.uint8)


def sound() -> NDArray[np.float32]:
    """The whole scene's sound: float32 mono at `SAMPLE_RATE`."""
    mix = 0.0025 * room_noise(SECONDS, SAMPLE_RATE)
    for part in SOUNDS:
        make = scream if part.kind == "scream" else murmur
        start = round(part.start_s * SAMPLE_RATE)
        voice = part.level * make(part.seconds, SAMPLE_RATE, part.seed)
        mix[start : start + voice.size] += voice
    return np.clip(mix, -1, 1).astype(np.float32)


def open_demo_sound(*, fast: bool) -> SoundSource:
    """The scene's sound, in real time or, if `fast`, as quickly as it is taken."""
    return _DemoSound(sound(), _Pace(fast))


def open_demo_camera(*, fast: bool) -> FrameSource:
    """The scene's pictures, in real time or, if `fast`, as quickly as they are taken."""
    return _DemoCamera(_Pace(fast))


class _Pace:
    """Lets each moment of the scene wait for its time, counted from the first one waited for."""

    def __init__(self, fast: bool) -> None:
        self._fast = fast
        self._begun: float | None = None
        self._closed = threading.Event()

    def reach(self, at_s: float) -> bool:
        """Wait until `at_s` has come; whether the scene goes on."""
        if self._begun is None:
            self._begun = time.monotonic()
        wait = 0.0 if self._fast else self._begun + at_s - time.monotonic()
        return not self._closed.wait(max(wait, 0.0))

    def close(self) -> None:
        self._closed.set()


class _DemoSound:
    name = "demo"
    live = False
    dropped = 0
    position = None
    late_s = 0.0

    def __init__(self, samples: NDArray[np.float32], pace: _Pace) -> None:
        self._samples = samples
        self._pace = pace

    def __iter__(self) -> Iterator[Block]:
        self._pace.reach(0.0)
        for start in range(0, self._samples.size, BLOCK):
            block = self._samples[start : start + BLOCK]
            # A microphone hands over a block when its last sample was heard.
            if not self._pace.reach((start + block.size) / SAMPLE_RATE):
                return
            yield Block(block, start / SAMPLE_RATE)

    def close(self) -> None:
        self._pace.close()


class _DemoCamera:
    name = "demo"
    live = False
    dropped = 0
    late_s = 0.0

    def __init__(self, pace: _Pace) -> None:
        self._pace = pace

    def __iter__(self) -> Iterator[Frame]:
        for number in range(round(SECONDS * FPS)):
            if not self._pace.reach(number / FPS):
                return
            yield Frame(picture_at(number), number / FPS)

    def close(self) -> None:
        self._pace.close()


def rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Rotation matrix for degrees about the vertical axis, the axis to the right, and the line of sight."""
    y, p, r = np.radians([yaw, pitch, roll])
    vertical = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    right = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    sight = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    turn: NDArray[np.float64] = sight @ right @ vertical
    return turn


@cache
def room() -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """What is behind the hand, and a few fields of camera noise of shape (n, 480, 640, 3)."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    light = 1.04 - 0.16 * x / WIDTH - 0.10 * y / HEIGHT
    stain = cv2.resize(rng.normal(0, 1, (8, 10)), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    wall = np.array([188.0, 184.0, 174.0]) * (light + 0.006 * stain)[..., None]
    floor = cv2.GaussianBlur((y > 430).astype(np.float64), (0, 0), 3)[..., None]
    wall = wall * (1 - floor) + np.array([112.0, 98.0, 84.0]) * light[..., None] * floor
    noise = rng.normal(0, 2.2, (4, HEIGHT, WIDTH, 3)).round().astype(np.int16)
    return np.clip(wall, 0, 255).astype(np.uint8), noise
