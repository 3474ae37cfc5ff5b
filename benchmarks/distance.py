"""From how far away hands are seen: `python -m benchmarks.distance --data ../shared/data [--pictures 3]`.

Pictures of people who show signs, and the recorded scenes with the Signal for Help, are made as small as a camera sees
them one, two and three metres away, and put somewhere into a blurred room with a camera's noise: first the room alone,
then the person. Each goes through seeing as a stream of `FPS` frames a second, with looks at enlarged parts of the
picture and without. Printed: how many of the hands are found within a second, how many of these then show the right
sign, of how many scenes the Signal for Help is told, and the processor time of a frame. The distance is that of a palm
of `PALM_M` before a lens of `ANGLE_DEG`.
"""

import argparse
import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

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
ALONE_S, SHOWN_S = 0.5, 1.0
"""The room alone, and then with the person."""
NOISE = 2.5
"""Steps of 255."""
BEFORE_S, AFTER_S = 6.0, 2.0
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
        noise = rng.normal(0, NOISE, whole.shape).astype(np.float32)
        return np.asarray(np.clip(whole + noise, 0, 255), np.uint8)

    def in_room(self, point: NDArray[np.float32], image: Image) -> NDArray[np.float32]:
        """Where a point of the picture, in 0..1 of it, is in the room, in pixels."""
        return np.asarray(point * image.shape[1::-1] * self.scale + np.array(self.place), np.float32)


def room_of(image: Image, size: tuple[int, int]) -> Image:
    """A room in the colours of a picture."""
    return np.asarray(cv2.GaussianBlur(cv2.resize(image, size), (0, 0), size[0] / 25), np.uint8)


@dataclass(slots=True)
class Counted:
    """What became of the pictures and scenes of one distance."""

    asked: int = 0
    found: int = 0
    right: int = 0
    scenes: int = 0
    told: int = 0
    frames: int = 0
    spent_s: float = 0.0

    def readings(self, frames: Iterable[Frame], far: bool) -> Iterator[tuple[float, list[HandReading]]]:
        """What a detector that has seen nothing before says of each frame."""
        detector = GestureDetector(far=far)
        try:
            for frame in frames:
                begun = time.process_time()
                readings = detector.see(frame)
                self.spent_s += time.process_time() - begun
                self.frames += 1
                yield frame.at_s, readings
        finally:
            detector.close()

    def show(self, sign: str, image: Image, hand: HandReading, distance: Distance, far: bool) -> None:
        """Show a picture with a hand; of several detections near it the last counts."""
        rng, room = np.random.default_rng(7), room_of(image, distance.size)
        alone = round(ALONE_S * FPS)
        frames = (
            Frame(distance.seen(None if number < alone else image, room, rng), number / FPS)
            for number in range(alone + round(SHOWN_S * FPS))
        )
        place = distance.in_room(hand.landmarks[:, :2].mean(axis=0), image)
        near = 1.2 * palm_px(hand, image) * distance.scale
        seen = None
        for _, readings in self.readings(frames, far):
            for reading in readings:
                middle = reading.landmarks[:, :2].mean(axis=0) * distance.size
                seen = reading.sign if np.linalg.norm(middle - place) < near else seen
        self.asked += 1
        self.found += seen is not None
        self.right += seen == sign

    def play(self, frames: Sequence[Frame], distance: Distance, far: bool) -> None:
        """Play a scene with the Signal for Help."""
        rng, room = np.random.default_rng(7), room_of(frames[0].image, distance.size)
        small = (Frame(distance.seen(frame.image, room, rng), frame.at_s) for frame in frames)
        self.scenes += 1
        self.told += any(
            reading.sequences[NAME] >= COMPLETE for _, readings in self.readings(small, far) for reading in readings
        )


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


def scenes(data: Path) -> Iterator[tuple[list[Frame], float]]:
    """The frames around every recorded Signal for Help, and the pixels of its palm, median."""
    for path in sorted((data / "scenes").glob("*.json")):
        for event in json.loads(path.read_text())["expect"]:
            if event["kind"] not in ("gesture", "both"):
                continue
            begin, end = event["at_s"][0] - BEFORE_S, event["at_s"][0] + AFTER_S
            video = open_camera(str(path.with_suffix(".mp4")), fast=True)
            frames = [frame for frame in video if begin <= frame.at_s <= end]
            detector = GestureDetector(far=False)
            palms = [palm_px(reading, frame.image) for frame in frames for reading in detector.see(frame)]
            detector.close()
            yield frames, float(np.median(palms))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distance")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="development data")
    parser.add_argument("--pictures", type=int, default=3, help="of each source and sign")
    options = parser.parse_args()
    chosen = chosen_pictures(options.data, options.pictures, np.random.default_rng(20))
    hands = list(known_hands([picture for picture in chosen if "ardamavi" not in picture[1].parts]))  # tight crops
    played = list(scenes(options.data))
    table = Table(title=f"Hands far away, {described()}")
    for column in ("camera", "metres", "enlarged parts", "hand found", "sign right", "Signal for Help", "ms a frame"):
        table.add_column(column, justify="left" if column == "camera" else "right")
    for size in SIZES:
        for metres in METRES:
            for far in (False, True):
                counted, rng = Counted(), np.random.default_rng(21)
                for sign, image, hand in hands:
                    within = (image.shape[1], image.shape[0])
                    counted.show(sign, image, hand, Distance.of(size, metres, palm_px(hand, image), within, rng), far)
                for frames, palm in played:
                    within = (frames[0].image.shape[1], frames[0].image.shape[0])
                    counted.play(frames, Distance.of(size, metres, palm, within, rng), far)
                table.add_row(
                    f"{size[0]} × {size[1]}",
                    str(metres),
                    "yes" if far else "no",
                    f"{counted.found} of {counted.asked}",
                    f"{counted.right} of {counted.found}",
                    f"{counted.told} of {counted.scenes}",
                    f"{1000 * counted.spent_s / max(counted.frames, 1):.1f}",
                )
    Console().print(table)


if __name__ == "__main__":
    main()
