"""From how far away hands are seen: `python -m benchmarks.distance --data ../shared/data [--pictures 3]`.

Pictures of people who show signs, and the recorded scenes with the Signal for Help, are made as small as a camera sees
them one, two and three metres away, and put one after the other somewhere into a blurred room with a camera's noise,
the room alone between them. A detector that looks at enlarged parts of the picture, and one that does not, see all of
that as one stream of `FPS` frames a second. Printed, a row as soon as it is known: how many of the hands are found
within a second, how many show the right sign in the last frame in which they are seen, of how many scenes the Signal
for Help is told, and the processor time of a frame. The distance is that of a palm of `PALM_M` before a lens of
`ANGLE_DEG`. The people were trained on: it tells what a distance costs, not how good seeing is with other people.
"""

import argparse
import json
import math
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.disturbances import Picture, chosen_pictures
from benchmarks.machine import described
from gesture.capture import Frame, Image, open_camera
from gesture.detector import GestureDetector, HandReading, PictureReader
from gesture.signal_for_help import COMPLETE, NAME, NONE

SIZES = ((640, 480), (1280, 720))
METRES = (1, 2, 3)
ANGLE_DEG = 65.0
"""What a usual camera sees from side to side."""
PALM_M = 0.095
"""From the wrist to the knuckle of the middle finger."""
FPS = 15
ALONE_S, SHOWN_S = 0.7, 1.0
"""The room alone, and then with the person."""
NOISE = 2.5
"""Steps of 255."""
SHIFT_PX = 64
"""The noise of a frame is that of another one, moved by less."""
BEFORE_S, AFTER_S = 3.5, 1.0
"""How much of a scene is played before and after the hand has closed."""


def palm_px(reading: HandReading, image: Image) -> float:
    """Pixels from the wrist to the knuckle of the middle finger; of a palm seen from its edge or its end as well."""
    points = reading.landmarks[:, :2] * image.shape[1::-1]
    return float(max(np.linalg.norm(points[9] - points[0]), 1.2 * np.linalg.norm(points[5] - points[17])))


@dataclass(frozen=True, slots=True)
class Distance:
    """Puts pictures into a room as if from far away.

    Attributes:
        size: of the room's picture, (width, height).
        scale: of what is put into it.
        place: of its left upper corner.
    """

    size: tuple[int, int]
    scale: float
    place: tuple[int, int]

    @staticmethod
    def of(
        size: tuple[int, int], metres: float, palm: float, within: tuple[int, int], rng: np.random.Generator
    ) -> "Distance":
        """So that a palm of so many pixels is seen from so far away; `within` is the (width, height) of the picture."""
        scale = size[0] / (2 * metres * math.tan(math.radians(ANGLE_DEG / 2))) * PALM_M / palm
        room = [max(whole - part * scale, 0.0) for whole, part in zip(size, within, strict=True)]
        return Distance(size, scale, (int(rng.uniform(0, room[0])), int(rng.uniform(0, room[1]))))

    def seen(self, image: Image | None, room: Image, rng: np.random.Generator) -> Image:
        """The room with a picture in it, or without, and with noise."""
        whole = room.copy()
        if image is not None:
            way = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
            small = cv2.resize(image, None, fx=self.scale, fy=self.scale, interpolation=way)
            left, top = self.place
            inside = whole[top : top + small.shape[0], left : left + small.shape[1]]
            inside[:] = small[: inside.shape[0], : inside.shape[1]]
        down, across = rng.integers(0, SHIFT_PX, 2)
        noise = noise_of(self.size)[down : down + whole.shape[0], across : across + whole.shape[1]]
        return np.asarray(cv2.add(whole, np.ascontiguousarray(noise), dtype=cv2.CV_8U), np.uint8)

    def in_room(self, point: NDArray[np.float32], image: Image) -> NDArray[np.float32]:
        """Where a point of the picture, in 0..1 of it, is in the room, in pixels."""
        return np.asarray(point * image.shape[1::-1] * self.scale + np.array(self.place), np.float32)


def room_of(image: Image, size: tuple[int, int]) -> Image:
    """A room in the colours of a picture."""
    return np.asarray(cv2.GaussianBlur(cv2.resize(image, size), (0, 0), size[0] / 25), np.uint8)


@cache
def noise_of(size: tuple[int, int]) -> NDArray[np.int16]:
    """Noise for pictures of (width, height), larger than these by `SHIFT_PX`."""
    shape = size[1] + SHIFT_PX, size[0] + SHIFT_PX, 3
    return np.random.default_rng(5).normal(0, NOISE, shape).round().astype(np.int16)


class Watched:
    """A room that a detector watches, and what became of the pictures and scenes shown in it.

    Args:
        size: of the camera's picture, (width, height).
        metres: how far away people are.
        far: whether parts of the picture are enlarged.
        room: a picture in whose colours the room is.
    """

    def __init__(self, size: tuple[int, int], metres: float, far: bool, room: Image) -> None:
        self._size, self._metres = size, metres
        self._room = room_of(room, size)
        self._rng = np.random.default_rng(21)
        self._detector = GestureDetector(far=far)
        self._frames = 0
        self._spent_s = 0.0
        self.asked = self.found = self.right = self.scenes = self.told = 0

    def _see(self, distance: Distance, image: Image | None) -> list[HandReading]:
        frame = Frame(distance.seen(image, self._room, self._rng), self._frames / FPS)
        begun = time.process_time()
        readings = self._detector.see(frame)
        self._spent_s += time.process_time() - begun
        self._frames += 1
        return readings

    def _placed(self, palm: float, image: Image) -> Distance:
        """Somewhere, after the room was seen alone for a while."""
        within = image.shape[1], image.shape[0]
        distance = Distance.of(self._size, self._metres, palm, within, self._rng)
        for _ in range(round(ALONE_S * FPS)):
            self._see(distance, None)
        return distance

    def show(self, sign: str, image: Image, hand: HandReading) -> None:
        """Show a picture with a hand; of several detections near it the last counts."""
        distance = self._placed(palm_px(hand, image), image)
        place = distance.in_room(hand.landmarks[:, :2].mean(axis=0), image)
        near = 1.2 * palm_px(hand, image) * distance.scale
        seen = None
        for _ in range(round(SHOWN_S * FPS)):
            for reading in self._see(distance, image):
                middle = reading.landmarks[:, :2].mean(axis=0) * distance.size
                seen = reading.sign if np.linalg.norm(middle - place) < near else seen
        self.asked += 1
        self.found += seen is not None
        self.right += seen == sign

    def play(self, images: Sequence[Image], palm: float) -> None:
        """Play a scene with the Signal for Help."""
        distance = self._placed(palm, images[0])
        readings = [reading for image in images for reading in self._see(distance, image)]
        self.scenes += 1
        self.told += any(reading.sequences[NAME] >= COMPLETE for reading in readings)

    @property
    def ms(self) -> float:
        """Processor time of a frame, in milliseconds."""
        return 1000 * self._spent_s / max(self._frames, 1)

    def close(self) -> None:
        self._detector.close()


def known_hands(pictures: Sequence[Picture]) -> Iterator[tuple[str, Image, HandReading]]:
    """Sign, picture and its largest hand, of the pictures in which one is found that shows the sign."""
    reader = PictureReader()
    try:
        for sign, path in pictures:
            image = np.ascontiguousarray(np.asarray(cv2.imread(str(path)), np.uint8)[:, :, ::-1])
            readings = [reading for reading in reader.read(image) if reading.sign == sign != NONE]
            if readings:
                yield sign, image, max(readings, key=lambda reading: palm_px(reading, image))
    finally:
        reader.close()


def scenes(data: Path) -> Iterator[tuple[list[Image], float]]:
    """The pictures around every recorded Signal for Help, and the pixels of its palm, median."""
    reader = PictureReader()
    for path in sorted((data / "scenes").glob("*.json")):
        for event in json.loads(path.read_text())["expect"]:
            if event["kind"] not in ("gesture", "both"):
                continue
            begin, end = event["at_s"][0] - BEFORE_S, event["at_s"][0] + AFTER_S
            video = open_camera(str(path.with_suffix(".mp4")), fast=True)
            images = [frame.image for frame in video if begin <= frame.at_s <= end]
            palms = [palm_px(reading, image) for image in images[::5] for reading in reader.read(image)]
            yield images, float(np.median(palms))
    reader.close()


@cache
def shown(data: Path, pictures: int) -> tuple[list[tuple[str, Image, HandReading]], list[tuple[list[Image], float]]]:
    """What is shown of the development data: hands, and scenes."""
    chosen = chosen_pictures(data, pictures, np.random.default_rng(20))
    hands = known_hands([picture for picture in chosen if "ardamavi" not in picture[1].parts])  # tight crops
    return list(hands), list(scenes(data))


def row(data: Path, pictures: int, size: tuple[int, int], metres: float, far: bool) -> str:
    """A row of the table."""
    hands, played = shown(data, pictures)
    watched = Watched(size, metres, far, hands[0][1])
    for sign, image, hand in hands:
        watched.show(sign, image, hand)
    for images, palm in played:
        watched.play(images, palm)
    watched.close()
    return (
        f"| {size[0]} × {size[1]} | {metres} | {'yes' if far else 'no'} | {watched.found} of {watched.asked} "
        f"| {watched.right} of {watched.found} | {watched.told} of {watched.scenes} | {watched.ms:.1f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distance")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="development data")
    parser.add_argument("--pictures", type=int, default=3, help="of each source and sign")
    options = parser.parse_args()
    print(f"Hands far away, {described()}\n")
    print("| camera | metres | enlarged parts | hand found | sign right | Signal for Help told | ms a frame |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        rows = [
            pool.submit(row, options.data, options.pictures, *case) for case in product(SIZES, METRES, (False, True))
        ]
        for one in rows:
            print(one.result(), flush=True)


if __name__ == "__main__":
    main()
