"""The shipped signs on committed landmarks: turned, mirrored, moved, together and alone."""

import numpy as np
import pytest

from gesture.augment import turn
from gesture.features import square
from gesture.hands import Hand
from gesture.keypoint_classifier import SignClassifier
from gesture.tables import BASE_DATA, HandTable, read_hands
from models.card import ModelError


@pytest.fixture(scope="module")
def classifier() -> SignClassifier:
    return SignClassifier.load()


@pytest.fixture(scope="module")
def hands() -> HandTable:
    table = read_hands(BASE_DATA / "signs.csv.gz")
    return table.select(np.isin(table.source, ["ardamavi", "subhi", "linto"]))


def some(table: HandTable, sign: str, count: int = 40) -> HandTable:
    rows = np.flatnonzero(table.label == sign)
    return table.select(rows[:: max(len(rows) // count, 1)][:count])


def recall(
    classifier: SignClassifier, table: HandTable, sign: str, degrees: float = 0, mirrored: bool = False
) -> float:
    right = 0
    for i in range(len(table)):
        aspect, side = float(table.aspect[i]), str(table.handedness[i])
        points = square(table.landmarks[i : i + 1], ["right"], aspect)
        angle = np.full(1, np.deg2rad(degrees), np.float32)
        points = turn(points, angle, 0 * angle, 0 * angle)
        if mirrored:
            points[:, :, 0] *= -1
            side = "left" if side == "right" else "right"
        hand = Hand((points[0] * 0.5 + 0.5) / np.array([1, aspect, 1], np.float32), side, 0.9)
        answer = classifier([hand], aspect)[0]
        right += classifier.labels[int(answer.argmax())] == sign
    return right / len(table)


@pytest.mark.parametrize("sign", ["open_palm", "thumb_tucked", "fist", "pointer", "ok", "victory"])
@pytest.mark.parametrize("degrees", [-60, -30, 0, 30, 60])
def test_signs_at_any_roll(classifier: SignClassifier, hands: HandTable, sign: str, degrees: float) -> None:
    assert recall(classifier, some(hands, sign), sign, degrees) >= 0.9


@pytest.mark.parametrize("sign", ["open_palm", "thumb_tucked", "fist", "thumb_up"])
def test_mirrored_signs(classifier: SignClassifier, hands: HandTable, sign: str) -> None:
    assert recall(classifier, some(hands, sign), sign, mirrored=True) >= 0.95


def test_a_thumb_up_turned_round_is_a_thumb_down(classifier: SignClassifier, hands: HandTable) -> None:
    assert recall(classifier, some(hands, "thumb_up"), "thumb_up") >= 0.95
    # Upside down and mirrored: the same hand, as it points its thumb downwards.
    flipped = some(hands, "thumb_up")
    assert recall(classifier, flipped, "thumb_down", 180, mirrored=True) >= 0.8
    assert recall(classifier, flipped, "thumb_up", 180, mirrored=True) <= 0.1


def test_none_is_seldom_taken_for_a_part_of_the_signal(classifier: SignClassifier, hands: HandTable) -> None:
    table = some(hands, "none", 400)
    wrong = sum(recall(classifier, table, part) for part in ("open_palm", "thumb_tucked", "fist"))
    assert wrong <= 0.02


def test_hands_of_a_frame_are_judged_together_as_alone(classifier: SignClassifier, hands: HandTable) -> None:
    frame = [Hand(hands.landmarks[i], str(hands.handedness[i]), 0.9) for i in (0, 500, 1700, 2500)]
    together = classifier(frame, 0.75)
    assert together.shape == (4, len(classifier.labels))
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-5)
    for i, hand in enumerate(frame):
        np.testing.assert_allclose(classifier([hand], 0.75)[0], together[i], atol=1e-5)
    assert classifier([], 0.75).shape == (0, len(classifier.labels))


def test_a_model_for_something_else_is_refused() -> None:
    with pytest.raises(ModelError, match="is a model for motions, not for signs"):
        SignClassifier.load("motions")
    with pytest.raises(ModelError, match="no model 'missing'"):
        SignClassifier.load("missing")
