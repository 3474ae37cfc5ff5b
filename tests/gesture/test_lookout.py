"""Hands far away: found, followed, and told of where they are in the whole picture."""

import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.distance import Distance, palm_px, room_of
from gesture.capture import Frame
from gesture.detector import GestureDetector, HandReading, PictureReader
from gesture.hands import Hand, Image
from gesture.interest import Part
from gesture.lookout import BESIDE, Lookout, holds, is_among, of_whole, square_around
from models.hand_landmarker import default_path, is_complete

PICTURES = Path(__file__).resolve().parents[3] / "shared" / "data" / "gesture" / "pictures"
PICTURE = PICTURES / "subhi" / "images" / "pic00026.jpg"
FPS = 15

needs_model = pytest.mark.skipif(not is_complete(default_path()), reason="the hand model file is not set up")
needs_pictures = pytest.mark.skipif(not PICTURE.is_file(), reason=f"{PICTURE} is not here")


def hand_at(x: float, y: float, size: float = 0.02) -> Hand:
    points = np.random.default_rng(1).uniform(-size, size, (21, 3)).astype(np.float32)
    return Hand(points + np.array([x, y, 0], np.float32), "right", 0.9)


def test_a_hand_of_a_part_is_where_the_part_is() -> None:
    hand = Hand(np.array([[0.0, 0.0, 0.1], [1.0, 0.5, -0.1]], np.float32), "left", 0.8)
    whole = of_whole(hand, Part(160, 120, 320), (480, 640))
    np.testing.assert_allclose(whole.landmarks, [[0.25, 0.25, 0.05], [0.75, 120 / 480 + 160 / 480, -0.05]], atol=1e-6)
    assert (whole.handedness, whole.score) == ("left", 0.8)


def test_the_square_goes_along_with_the_hand() -> None:
    size = (480, 640)
    square = square_around(hand_at(0.5, 0.5), size)
    assert holds(square, hand_at(0.5, 0.5), size)
    assert holds(square, hand_at(0.53, 0.5), size)
    assert not holds(square, hand_at(0.62, 0.5), size)
    assert not holds(square, hand_at(0.5, 0.5, size=0.06), size)


def test_a_hand_found_twice_is_one() -> None:
    assert is_among(hand_at(0.5, 0.5), [hand_at(0.1, 0.1), hand_at(0.503, 0.5)], 0.75)
    assert not is_among(hand_at(0.5, 0.5), [hand_at(0.58, 0.5)], 0.75)


@pytest.fixture(scope="module")
def shown() -> tuple[Image, HandReading]:
    """A picture of a man who shows his palm, and the reading of his hand."""
    image = np.ascontiguousarray(np.asarray(cv2.imread(str(PICTURE)), np.uint8)[:, :, ::-1])
    with closing(PictureReader()) as reader:
        return image, reader.read(image)[0]


def distance(
    shown: tuple[Image, HandReading], metres: float, place: tuple[int, int], *, wide: bool = False
) -> Distance:
    image, hand = shown
    size = (1280, 720) if wide else (640, 480)
    near = Distance.of(size, metres, palm_px(hand, image), (0, 0), np.random.default_rng(0))
    return replace(near, place=place)


def seen(pictures: Sequence[Image], *, far: bool = True) -> list[list[HandReading]]:
    with closing(GestureDetector(far=far)) as detector:
        return [detector.see(Frame(picture, number / FPS)) for number, picture in enumerate(pictures)]


def away(reading: HandReading, shown: tuple[Image, HandReading], placed: Distance) -> float:
    """How far a reading's landmarks are from where the hand is, in palms, mean."""
    image, hand = shown
    places = placed.in_room(hand.landmarks[:, :2], image)
    distances = np.linalg.norm(reading.landmarks[:, :2] * placed.size - places, axis=1)
    return float(distances.mean()) / (palm_px(hand, image) * placed.scale)


@needs_model
@needs_pictures
@pytest.mark.parametrize("metres", [2.5, 3.0])
def test_a_hand_far_away_is_found_where_it_is(shown: tuple[Image, HandReading], metres: float) -> None:
    rng, placed = np.random.default_rng(1), distance(shown, metres, (330, 220))
    room = room_of(shown[0], placed.size)
    pictures = [placed.seen(None if number < 6 else shown[0], room, rng) for number in range(24)]
    assert not any(seen(pictures, far=False))
    readings = [frame[0] for frame in seen(pictures) if frame]
    assert len(readings) >= 10
    assert {reading.hand for reading in readings} == {readings[0].hand}
    assert all(away(reading, shown, placed) < 0.3 for reading in readings)
    assert {(reading.sign, reading.handedness) for reading in readings} == {("open_palm", shown[1].handedness)}


@needs_model
@needs_pictures
def test_a_hand_far_away_is_followed_though_the_model_file_is_gone(
    shown: tuple[Image, HandReading], tmp_path: Path
) -> None:
    rng, room = np.random.default_rng(1), room_of(shown[0], (640, 480))
    ways = [distance(shown, 2.5, (60 + 8 * max(number - 12, 0), 150)) for number in range(50)]
    model = Path(shutil.copy(default_path(), tmp_path))
    with closing(GestureDetector(model)) as detector:
        model.unlink()
        frames = [
            detector.see(Frame(placed.seen(shown[0], room, rng), number / FPS)) for number, placed in enumerate(ways)
        ]
    found = [(reading, placed) for readings, placed in zip(frames, ways, strict=True) for reading in readings]
    assert len(found) >= 35
    assert {reading.hand for reading, _ in found} == {1}
    assert all(away(reading, shown, placed) < 0.5 for reading, placed in found)


@needs_model
@needs_pictures
def test_a_hand_of_before_the_camera_went_is_not_there_when_it_is_back(shown: tuple[Image, HandReading]) -> None:
    rng, room = np.random.default_rng(1), room_of(shown[0], (640, 480))
    still = distance(shown, 0.8, (0, 0)).seen(shown[0], room, rng)
    with closing(Lookout(default_path())) as lookout:
        number = 0
        while all(hand.fresh for hand in lookout.find(still, number / FPS)):
            number += 1
            assert number < 10 * BESIDE, "nobody looks beside a hand that rests"
        hands = [lookout.find(still, (number + more) / FPS) for more in range(1, BESIDE + 1)]
        assert [len(found) for found in hands] == [1] * BESIDE
        assert lookout.find(room, number / FPS + 100.0) == []  # else it would be looked at beside that hand


@needs_model
@needs_pictures
def test_a_hand_far_away_is_found_beside_a_near_one(shown: tuple[Image, HandReading]) -> None:
    rng, room = np.random.default_rng(1), room_of(shown[0], (1280, 720))
    near, far = distance(shown, 0.8, (0, 0), wide=True), distance(shown, 2.5, (900, 350), wide=True)
    alone = near.seen(shown[0], room, rng)
    pictures = [far.seen(None if number < 12 else shown[0], alone, rng) for number in range(48)]
    frames = seen(pictures)
    first = next(number for number, frame in enumerate(frames) if frame)
    assert all(any(away(reading, shown, near) < 0.3 for reading in frame) for frame in frames[first:])
    both = [frame for frame in frames if len(frame) == 2]
    assert len(both) >= 15
    assert all(any(away(reading, shown, far) < 0.3 for reading in frame) for frame in both)
    assert {reading.hand for frame in frames for reading in frame} == {1, 2}
