import threading
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from audio.blocks import SAMPLE_RATE, Block
from gesture.capture import Frame
from gesture.hands import HandFinder
from models.hand_landmarker import default_path
from safety_monitor.config.detection import FusionSettings
from safety_monitor.demo import EXPECTED, open_demo_camera, open_demo_sound
from safety_monitor.demo.scene import FPS, HAND, HEIGHT, SECONDS, SOUNDS, WIDTH, hand_at, picture_at, sound

needs_hand_model = pytest.mark.skipif(
    not default_path().is_file(), reason=f"needs {default_path()}; python -m models.hand_landmarker fetches it"
)


def test_the_sound_is_the_same_each_time_and_without_gaps() -> None:
    first, second = list(open_demo_sound(fast=True)), list(open_demo_sound(fast=True))
    assert sum(block.samples.size for block in first) == round(SECONDS * SAMPLE_RATE)
    heard = 0
    for a, b in zip(first, second, strict=True):
        assert a.at_s == b.at_s == heard / SAMPLE_RATE
        assert a.samples.dtype == np.float32
        assert (a.samples == b.samples).all()
        heard += a.samples.size


def test_the_pictures_are_the_same_each_time() -> None:
    camera = open_demo_camera(fast=True)
    for number, frame in enumerate(camera):
        assert frame.at_s == number / FPS
        assert frame.image.shape == (HEIGHT, WIDTH, 3)
        assert frame.image.dtype == np.uint8
        if number % 40 == 0:
            assert (frame.image == picture_at(number)).all()
    assert number + 1 == round(SECONDS * FPS)


def test_no_two_pictures_are_the_same() -> None:
    assert len({picture_at(number).tobytes() for number in range(90, 130)}) == 40


def test_is_a_recording_to_the_station() -> None:
    for source in (open_demo_sound(fast=True), open_demo_camera(fast=True)):
        assert source.name == "demo"
        assert not source.live
        assert source.dropped == 0
        source.close()
        source.close()
        assert list(source) == []


@pytest.mark.parametrize("sense", ["sound", "camera"])
def test_keeps_real_time_and_ends_when_it_is_closed(sense: str) -> None:
    source = open_demo_sound(fast=False) if sense == "sound" else open_demo_camera(fast=False)
    moments: Iterator[Block | Frame] = iter(source)
    first = next(moments)
    begun = time.monotonic()
    for _ in range(6):
        last = next(moments)
    assert time.monotonic() - begun >= 0.9 * (last.at_s - first.at_s), "faster than time"
    left: list[Block | Frame] = []
    taking = threading.Thread(target=lambda: left.extend(moments))
    taking.start()
    source.close()
    taking.join(60)
    assert not taking.is_alive()
    assert len(left) < 200


def test_the_scream_stands_out_and_nothing_is_cut_off() -> None:
    samples = sound()
    assert np.abs(samples).max() < 1.0
    (scream,) = [part for part in SOUNDS if part.kind == "scream"]
    begin, end = (round(at * SAMPLE_RATE) for at in (scream.start_s, scream.start_s + scream.seconds))
    loud = np.sqrt(np.mean(samples[begin:end] ** 2))
    rest = np.sqrt(np.mean(np.delete(samples, np.s_[begin:end]) ** 2))
    assert loud > 5 * rest


def test_each_incident_is_over_before_the_next_one() -> None:
    assert [expected.sense for expected in EXPECTED] == ["audio", "gesture"]
    scream, gesture = EXPECTED
    rises = max(key.at_s for key in HAND if key.at_s < gesture.at_s[0] and key.y > HEIGHT)
    assert rises - scream.at_s[1] > FusionSettings().cool_down_s
    assert gesture.at_s[1] <= SECONDS


def test_sense_by_sense_there_is_only_what_is_expected() -> None:
    assert hand_at(0.0) is None
    for at_s in np.arange(EXPECTED[0].at_s[0], EXPECTED[0].at_s[1], 0.1):
        assert hand_at(float(at_s)) is None, "the scream is alone"
    talk = [part for part in SOUNDS if part.start_s + part.seconds > EXPECTED[1].at_s[0] - 5]
    assert talk == [], "the Signal for Help is made in silence"


@needs_hand_model
def test_a_hand_detector_finds_the_hand_where_it_is_and_no_other() -> None:
    away: list[float] = []
    # An open landmarker that is forgotten keeps the process from ending.
    with closing(HandFinder(default_path())) as finder:
        for number in range(0, round(SECONDS * FPS), 2):
            at_s = number / FPS
            landmarks = hand_at(at_s)
            if landmarks is None and number % 10:
                continue
            hands = finder.find(picture_at(number), at_s)
            if landmarks is None:
                assert hands == [], f"a hand where there is none at {at_s:.2f} s"
            elif landmarks[:, 1].max() < HEIGHT - 40:
                assert hands, f"no hand found at {at_s:.2f} s"
                assert {hand.handedness for hand in hands} == {"right"}
                palm = np.linalg.norm(landmarks[9] - landmarks[0])
                points = np.array([hand.landmarks[:, :2] * (WIDTH, HEIGHT) for hand in hands])
                away.append(float(np.linalg.norm(points - landmarks[:, :2], axis=2).mean(axis=1).min() / palm))
    assert len(away) > 100
    assert np.quantile(away, 0.95) < 0.2
    assert max(away) < 0.5
