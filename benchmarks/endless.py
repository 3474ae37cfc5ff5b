"""Sound and hands without end, and the moments that hearing and seeing make of them."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from audio.blocks import SAMPLE_RATE, Block, Samples
from audio.corpus import read_corpus
from audio.detector import ScreamDetector, SoundReading
from audio.recording import read_clip
from gesture.detector import HandJudge
from gesture.hands import Hand
from gesture.keypoint_classifier import SignClassifier
from gesture.point_history_classifier import MotionClassifier
from safety_monitor.config import Settings
from safety_monitor.demo.scene import FPS, HEIGHT, SECONDS, WIDTH, hand_at
from safety_monitor.emergency import EmergencyGestures
from safety_monitor.incident import Moment
from safety_monitor.live import LiveView
from safety_monitor.senses import gesture_moment, load_scream_classifier, sound_moment

BLOCK = 1600


def scene_hands() -> list[list[Hand]]:
    """The hand of each picture of the demo scene, as it is drawn."""
    found = []
    for number in range(round(SECONDS * FPS)):
        points = hand_at(number / FPS)
        shown = points is not None and bool(((points[:, :2] > 0) & (points[:, :2] < (WIDTH, HEIGHT))).all())
        places = (
            np.asarray(points / (WIDTH, HEIGHT, WIDTH), np.float32)
            if points is not None
            else np.zeros((21, 3), np.float32)
        )
        found.append([Hand(places, "right", 0.9)] if shown else [])
    return found


def other_sound(data: Path, seconds: float) -> Iterator[Samples]:
    """Recorded conversations and rooms, in stretches of so many seconds."""
    clips = [clip for clip in read_corpus(data / "audio") if clip.label != "scream" and not clip.weak]
    chance, length = random.Random(0), round(seconds * SAMPLE_RATE)
    while True:
        stretch = np.zeros(0, np.float32)
        while len(stretch) < length:
            stretch = np.concatenate([stretch, read_clip(chance.choice(clips).path)])
        yield stretch[:length]


def heard(stretches: Iterator[Samples], settings: Settings, view: LiveView) -> Iterator[Moment]:
    """The moments of endless sound."""
    detector = ScreamDetector(load_scream_classifier(settings))
    samples = 0
    for stretch in stretches:
        for begin in range(0, len(stretch), BLOCK):
            block = Block(stretch[begin : begin + BLOCK], samples / SAMPLE_RATE)
            samples += len(block.samples)
            readings: list[SoundReading] = detector.feed(block)
            for reading in readings:
                view.heard(reading)
                yield sound_moment(reading)


def judged(found: Iterator[tuple[float, Sequence[Hand]]], settings: Settings) -> Iterator[Moment]:
    """The moments of hands that were found."""
    judge = HandJudge(SignClassifier.load(), MotionClassifier.load())
    gestures = EmergencyGestures(settings.emergency.gestures)
    for at_s, hands in found:
        yield gesture_moment(at_s, judge(hands, at_s, HEIGHT / WIDTH), gestures)
