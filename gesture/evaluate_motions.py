"""How good movements are: on made-up paths that were not trained on, and on recordings.

Where files of the well-known two-model repository are given, its model is judged on the same paths.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gesture.detector import HandJudge
from gesture.keypoint_classifier import SignClassifier
from gesture.point_history_classifier import MOVING, SPANS_S, STILL, MotionClassifier, combine, motion_features
from gesture.rows import MOTIONS, PALM, TWO_MODEL_LABELS
from gesture.tracked import Clip
from gesture.trajectories import MOTION_LABELS, draw
from models.card import read_labels
from models.runtime import TFLiteModel

Points = NDArray[np.float32]

CLIP_MOVEMENTS = {
    "circlecc": "counter_clockwise", "left": "swipe_left", "right": "swipe_right", "up": "swipe_up",
    "down": "swipe_down",
}  # fmt: skip
"""What file names of recorded movements call them."""
SURE = 0.5
SEED = 99
"""Of the paths that were not trained on: no plan has it."""


def score_motions(classifier: MotionClassifier, count: int = 300) -> dict[str, float]:
    """Recall of each movement on made-up paths that were not trained on: the tip and the wrist move alike."""
    recall = {}
    for label, paths in unseen_paths(classifier.labels, count).items():
        answers = np.asarray(classifier.model(motion_features(paths))[0], np.float32)
        both = np.repeat(answers[:, None], 2, axis=1)[:, None]  # (paths, 1 span, tip and wrist, labels)
        right = [classifier.labels[int(combine(one, classifier.labels).argmax())] == label for one in both]
        recall[label] = float(np.mean(right))
    return recall


def unseen_paths(labels: Sequence[str], count: int) -> dict[str, Points]:
    """`count` made-up paths of each movement that can be made up, float32 of shape (count, POINTS, 2)."""
    rng = np.random.default_rng(SEED)
    return {
        label: np.array([draw(label, SPANS_S[i % len(SPANS_S)], rng) for i in range(count)], np.float32)
        for label in labels
        if label in MOTION_LABELS
    }


def two_model_motions(model: Path, labels: Path, count: int = 300) -> dict[str, float]:
    """The movement model of the two-model repository on the same paths, where it knows the movement.

    Its paths are relative to the oldest point, in shares of the picture; a palm counts as 0.09 of the width.

    Raises:
        ModelError: a file is missing or damaged.
    """
    names = [TWO_MODEL_LABELS[MOTIONS].get(label, label) for label in read_labels(labels)]
    network = TFLiteModel(model)
    recall = {}
    for label, paths in unseen_paths(names, count).items():
        points = (paths - paths[:, :1]) * np.array([PALM, PALM * 16 / 9], np.float32)
        answers = [names[int(network(row[None])[0].argmax())] for row in points.reshape(count, -1)]
        recall[label] = float(np.mean([answer == label for answer in answers]))
    return recall


def clip_movements(clips: Sequence[Clip], names: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """How many clips of each movement there are, and in how many it is the surest of all but rest and moving about.

    Args:
        clips: recordings of one movement each.
        names: movement by what the file's name holds between underscores.
    """
    signs, motions = SignClassifier.load(), MotionClassifier.load()
    counts: dict[str, tuple[int, int]] = {}
    for clip in clips:
        label = next((names[part] for part in clip.name.split("_") if part in names), None)
        if label is None:
            continue
        surest: dict[str, float] = {}
        for reading in clip.readings(HandJudge(signs, motions)):
            for name, probability in reading.movement_probabilities.items():
                if name not in (STILL, MOVING):
                    surest[name] = max(surest.get(name, 0.0), probability)
        right = bool(surest) and max(surest, key=lambda name: surest[name]) == label and surest[label] >= SURE
        count, found = counts.get(label, (0, 0))
        counts[label] = count + 1, found + right
    return counts
