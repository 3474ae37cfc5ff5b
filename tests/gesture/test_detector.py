"""Seeing as a whole: from pictures and from landmarks to readings."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gesture.capture import Frame
from gesture.detector import GestureDetector, HandJudge, PictureReader
from gesture.features import upright
from gesture.hands import Hand
from gesture.keypoint_classifier import SignClassifier
from gesture.point_history_classifier import MotionClassifier
from gesture.rehearsal import ASPECT, SCRIPTS, Cast, Script, rehearse
from gesture.tables import read_hands
from gesture.tracks import palm_of
from gesture.trajectories import still, stroke
from models.hand_landmarker import default_path, is_complete
from safety_monitor.demo.thumbs import picture

Image = NDArray[np.uint8]

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
PICTURES = SHARED / "gesture" / "manifest.csv"
FOUR = SHARED / "gesture" / "pictures" / "ardamavi" / "Dataset" / "5" / "IMG_1123.JPG"

needs_model = pytest.mark.skipif(not is_complete(default_path()), reason="the hand model file is not set up")
needs_pictures = pytest.mark.skipif(not PICTURES.is_file(), reason=f"{PICTURES} is not here")


@pytest.fixture(scope="module")
def cast() -> Cast:
    return Cast.of(read_hands(ROOT / "data" / "signs.csv.gz"))


@pytest.fixture(scope="module")
def classifiers() -> tuple[SignClassifier, MotionClassifier]:
    return SignClassifier.load(), MotionClassifier.load()


@pytest.fixture(scope="module")
def reader() -> Iterator[PictureReader]:
    reader = PictureReader()
    yield reader
    reader.close()


@pytest.mark.parametrize("rate", [10, 15, 30])
@pytest.mark.parametrize("script", SCRIPTS, ids=[script.name for script in SCRIPTS])
def test_rehearsed_sequences(
    cast: Cast, classifiers: tuple[SignClassifier, MotionClassifier], script: Script, rate: float
) -> None:
    rng = np.random.default_rng(7)
    right = 0
    for _ in range(5):
        take = rehearse(cast, script, rate, rng, irregular=rate == 15)
        judge = HandJudge(*classifiers)
        complete = [
            at_s
            for at_s, hands in take.frames
            for reading in judge(hands, at_s, ASPECT)
            if reading.sequences["signal_for_help"] >= 0.80
        ]
        if take.closed_s is None:
            right += not complete
        else:
            right += bool(complete) and take.closed_s - 0.4 <= complete[0] <= take.closed_s + 0.5
    assert right >= 4 if script.help else right == 5


def test_each_hand_has_its_own_reading(cast: Cast, classifiers: tuple[SignClassifier, MotionClassifier]) -> None:
    take = rehearse(cast, next(script for script in SCRIPTS if script.second), 15, np.random.default_rng(1))
    judge = HandJudge(*classifiers)
    readings = [judge(hands, at_s, ASPECT) for at_s, hands in take.frames]
    together = [frame for frame in readings if len(frame) == 2]
    assert together
    assert all(frame[0].hand != frame[1].hand for frame in together)
    assert {reading.handedness for frame in together for reading in frame} == {"left", "right"}
    last = together[-1]
    for reading in last:
        assert sum(reading.sign_probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert sum(reading.movement_probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert reading.sign == max(reading.sign_probabilities, key=reading.sign_probabilities.__getitem__)
    assert readings[0][0].movement is None


def test_no_hands_no_readings(classifiers: tuple[SignClassifier, MotionClassifier]) -> None:
    judge = HandJudge(*classifiers)
    assert judge([], 0.0, ASPECT) == []
    flat = Hand(np.full((21, 3), 0.5, np.float32), "left", 0.5)
    assert len(judge([flat], 0.1, ASPECT)) == 1


@needs_model
def test_an_empty_picture_has_no_hands(reader: PictureReader) -> None:
    assert reader.read(np.full((480, 640, 3), 127, np.uint8)) == []
    assert reader.read(np.zeros((3, 1000, 3), np.uint8)) == []
    assert reader.read(np.zeros((1, 1, 3), np.uint8)) == []


def pictures(source: str, pose: str, count: int) -> list[Image]:
    with PICTURES.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["path"].startswith(f"pictures/{source}/")]
    chosen = [row for row in rows if row["pose"] == pose]
    paths = [SHARED / "gesture" / row["path"] for row in chosen[:: max(len(chosen) // count, 1)][:count]]
    return [
        cv2.cvtColor(np.asarray(cv2.imread(str(path)), np.uint8), cv2.COLOR_BGR2RGB).astype(np.uint8) for path in paths
    ]


def right_share(reader: PictureReader, images: list[Image], sign: str) -> float:
    return float(np.mean([sign in [reading.sign for reading in reader.read(image)] for image in images]))


@needs_model
@needs_pictures
@pytest.mark.parametrize(
    ("source", "sign"),
    [
        ("ardamavi", "open_palm"),
        ("ardamavi", "thumb_tucked"),
        ("ardamavi", "pointer"),
        ("ardamavi", "victory"),
        ("subhi", "fist"),
        ("linto", "ok"),
        ("linto", "thumb_up"),
        ("subhi", "thumb_tucked"),
    ],
)
def test_real_pictures(reader: PictureReader, source: str, sign: str) -> None:
    assert right_share(reader, pictures(source, sign, 14), sign) >= 0.85


def rotated(image: Image, degrees: float) -> Image:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 0.8)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def noisy(image: Image) -> Image:
    noise = np.random.default_rng(2).normal(0, 14, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def jpeg(image: Image) -> Image:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 25])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


@needs_model
@needs_pictures
@pytest.mark.parametrize("sign", ["open_palm", "thumb_tucked"])
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda image: np.ascontiguousarray(image[:, ::-1]), id="mirrored"),
        pytest.param(lambda image: rotated(image, 50), id="turned left"),
        pytest.param(lambda image: rotated(image, -50), id="turned right"),
        pytest.param(lambda image: cv2.resize(image, None, fx=3, fy=3), id="large"),
        pytest.param(lambda image: cv2.resize(image, None, fx=0.6, fy=0.6), id="small"),
        pytest.param(lambda image: (image * 0.3).astype(np.uint8), id="dark"),
        pytest.param(noisy, id="noisy"),
        pytest.param(jpeg, id="JPEG"),
    ],
)
def test_damaged_pictures(reader: PictureReader, damage: Callable[[Image], Image], sign: str) -> None:
    images = [damage(image) for image in pictures("ardamavi", sign, 10)]
    assert right_share(reader, images, sign) >= 0.8


@needs_model
@needs_pictures
def test_the_side_is_the_persons_own(reader: PictureReader) -> None:
    # These people show the palm of their right hand: its thumb points to the picture's right.
    for image in pictures("ardamavi", "open_palm", 5):
        (hand,) = reader.read(image)
        assert hand.landmarks[4, 0] > hand.landmarks[20, 0]
        assert hand.handedness == "right"
        (mirrored,) = reader.read(np.ascontiguousarray(image[:, ::-1]))
        assert mirrored.handedness == "left"


@needs_model
@needs_pictures
@pytest.mark.parametrize("noise", [0.0, 5.0])
def test_a_hand_in_the_dark_is_found_in_a_stream(noise: float) -> None:
    rng = np.random.default_rng(3)
    dark = [
        np.clip(cv2.resize(image, (640, 480)) * 0.12 + rng.normal(0, noise, (480, 640, 3)), 0, 255).astype(np.uint8)
        for image in pictures("subhi", "open_palm", 6)
    ]
    detector = GestureDetector()
    try:
        frames = [image for image in dark for _ in range(8)]
        seen = [bool(detector.see(Frame(image, i / 15))) for i, image in enumerate(frames)]
    finally:
        detector.close()
    assert sum(any(seen[8 * i : 8 * i + 8]) for i in range(len(dark))) >= 4


@needs_model
@pytest.mark.skipif(not FOUR.is_file(), reason=f"{FOUR} is not here")
def test_four_hands_are_four_readings() -> None:
    one = cv2.cvtColor(np.asarray(cv2.imread(str(FOUR)), np.uint8), cv2.COLOR_BGR2RGB)
    hand = cv2.resize(np.pad(one, ((30, 30), (30, 30), (0, 0)), mode="edge"), (320, 320))
    picture = np.hstack([hand, hand[:, ::-1]])
    picture = np.ascontiguousarray(np.vstack([picture, picture]).astype(np.uint8))
    detector = GestureDetector(max_hands=4)
    try:
        readings = [detector.see(Frame(picture, i / 15)) for i in range(4)][-1]
    finally:
        detector.close()
    assert len({reading.hand for reading in readings}) == 4
    assert [reading.sign for reading in readings] == ["open_palm"] * 4
    assert sorted(reading.handedness for reading in readings) == ["left", "left", "right", "right"]


@pytest.mark.parametrize("rate", [10, 15, 30])
@pytest.mark.parametrize("side", ["right", "left"])
def test_a_hand_that_goes_on_with_what_another_began_is_no_signal(
    cast: Cast, classifiers: tuple[SignClassifier, MotionClassifier], side: str, rate: float
) -> None:
    rng = np.random.default_rng(5)

    def told(hands: list[tuple[str, float, str]]) -> bool:
        """Whether the sign is told of where these poses follow each other, each in its place and by its hand."""
        person = str(rng.choice(np.unique(cast.person[cast.label == "thumb_tucked"])))
        judge, highest = HandJudge(*classifiers), 0.0
        for part, (sign, x, side) in enumerate(hands):
            points = upright(cast.pose(sign, person, rng)[None])[0][0] * np.float32(0.08)
            points = points * np.array([-1 if side == "left" else 1, 1 / ASPECT, 1], np.float32)
            hand = Hand((points + np.array([x, 0.6, 0])).astype(np.float32), side, 0.9)
            for frame in range(int(0.8 * rate)):
                (reading,) = judge([hand], 1.2 * part + frame / rate, ASPECT)
                highest = max(highest, reading.sequences["signal_for_help"])
        return highest >= 0.80

    other = "left" if side == "right" else "right"
    sign = [("open_palm", 0.2, side), ("thumb_tucked", 0.2, side), ("fist", 0.2, side)]
    assert sum(told(sign) for _ in range(5)) >= 4
    assert not any(told([*sign[:2], ("fist", 0.8, other)]) for _ in range(5))
    assert not any(told([sign[0], ("thumb_tucked", 0.8, other), ("fist", 0.8, other)]) for _ in range(5))
    assert not any(told([*sign[:2], ("fist", 0.9, side)]) for _ in range(5))  # somebody else's


@pytest.mark.parametrize("rate", [10, 15, 30])
@pytest.mark.parametrize(
    ("movement", "path"),
    [
        ("swipe_left", stroke(np.zeros(2), np.array([-7.0, 0.0]), 0.35)),
        ("swipe_up", stroke(np.zeros(2), np.array([0.0, -5.0]), 0.3)),
        ("clockwise", np.array([(2 * np.cos(0.13 * i), 2 * np.sin(0.13 * i)) for i in range(200)])),
        ("wave", np.array([(2.5 * np.sin(0.15 * i), 0) for i in range(200)])),
    ],
    ids=["left", "up", "circle", "wave"],
)
def test_the_fastest_hands_are_followed(
    classifiers: tuple[SignClassifier, MotionClassifier], movement: str, path: NDArray[np.float64], rate: float
) -> None:
    table = read_hands(ROOT / "data" / "signs.csv.gz")
    shape = table.landmarks[int(np.flatnonzero(table.label == "open_palm")[0])]
    small = (shape - shape[0]) * np.float32(0.2)
    size = palm_of(small, ASPECT)[1]
    places = np.concatenate([still(path[0], 1.0), path, still(path[-1], 0.5)]) * [size, size / ASPECT] + 0.5
    judge, seen = HandJudge(*classifiers), set()
    for frame in range(int(len(places) * rate / 100)):
        x, y = (np.interp(frame * 100 / rate, np.arange(len(places)), column) for column in places.T)
        hand = Hand(small + np.array([x, y, 0], np.float32), "right", 0.9)
        (reading,) = judge([hand], frame / rate, ASPECT)
        assert reading.hand == 1
        seen.add(reading.movement)
    assert movement in seen


@pytest.mark.parametrize("rate", [10, 30])
def test_two_hands_move_in_their_own_ways(classifiers: tuple[SignClassifier, MotionClassifier], rate: float) -> None:
    def circle(at_s: float) -> tuple[float, float]:
        return 1.5 * np.cos(5 * at_s), 1.5 * np.sin(5 * at_s)

    table = read_hands(ROOT / "data" / "signs.csv.gz")
    shape = table.landmarks[int(np.flatnonzero(table.label == "open_palm")[0])]
    small = (shape - shape[0]) * np.float32(0.2)
    left = Hand(small + np.array([0.75, 0.6, 0], np.float32), "left", 0.9)
    judge = HandJudge(*classifiers)
    movements: dict[str, str | None] = {}
    for i in range(int(3 * rate)):
        at_s = i / rate
        x, y = circle(at_s)
        right = Hand(small + np.array([0.3 + 0.05 * x, 0.6 + 0.05 * y / ASPECT, 0], np.float32), "right", 0.9)
        hands = [left] if 1.4 < at_s < 1.7 else [right, left]  # it is lost for a moment
        movements |= {reading.handedness: reading.movement for reading in judge(hands, at_s, ASPECT)}
    assert movements == {"right": "clockwise", "left": "stop"}


@needs_model
@pytest.mark.parametrize("down", [False, True])
def test_drawn_thumbs(reader: PictureReader, down: bool) -> None:
    rng = np.random.default_rng(77)  # not the seed of the hands that were trained on
    sign = "thumb_down" if down else "thumb_up"
    assert right_share(reader, [picture(down, rng) for _ in range(12)], sign) >= 0.75


def test_readings_repeat_exactly(cast: Cast, classifiers: tuple[SignClassifier, MotionClassifier]) -> None:
    take = rehearse(cast, SCRIPTS[0], 15, np.random.default_rng(1))

    def run() -> list[dict[str, float]]:
        judge = HandJudge(*classifiers)
        return [dict(r.sign_probabilities) for at_s, hands in take.frames for r in judge(hands, at_s, ASPECT)]

    assert run() == run()
