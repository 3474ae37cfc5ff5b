"""Which hand readings speak for an emergency, as the settings say."""

import numpy as np
import pytest
from pydantic import ValidationError

from audio.detector import load_scream_model
from gesture.detector import HandReading
from gesture.signal_for_help import START, confidence, step
from safety_monitor.config.detection import EmergencyGesture, FusionSettings
from safety_monitor.emergency import EmergencyGestures, gestures_lost, unknown_labels
from safety_monitor.senses import gesture_moment

SIGNS = ("open_palm", "fist", "none")


def reading(at_s: float, sign: str = "none", hand: int = 1, **more: dict[str, float]) -> HandReading:
    return HandReading(
        at_s=at_s,
        hand=hand,
        handedness="right",
        landmarks=np.zeros((21, 3), np.float32),
        sign=sign,
        sign_probabilities={sign: 0.9},
        movement=next(iter(more.get("movement_probabilities", {})), None),
        **more,
    )


def probabilities(rule: EmergencyGesture, readings: list[HandReading]) -> list[float]:
    judge = EmergencyGestures((rule,))
    return [sum(piece.probability for piece in judge.evidence(each)) for each in readings]


def test_a_sequence_speaks_with_its_own_probability() -> None:
    rule = EmergencyGesture(sequence="signal_for_help")
    readings = [reading(0.0), reading(0.1, sequences={"signal_for_help": 0.4})]
    assert probabilities(rule, readings) == [0.0, 0.4]


def test_a_sign_speaks_only_once_it_was_held_long_enough() -> None:
    rule = EmergencyGesture(sign="fist", held_s=0.5)
    readings = [reading(step / 10, "fist") for step in range(8)]
    assert probabilities(rule, readings) == [0.0] * 5 + [0.9] * 3


def test_a_short_miss_does_not_end_a_hold_but_letting_go_does() -> None:
    rule = EmergencyGesture(sign="fist", held_s=0.5)
    missed = [reading(0.0, "fist"), reading(0.2, "open_palm"), reading(0.3, "fist"), reading(0.5, "fist")]
    assert probabilities(rule, missed)[-1] == 0.9
    let_go = [reading(0.0, "fist"), reading(0.4, "open_palm"), *(reading(at_s, "fist") for at_s in (0.5, 0.7, 0.9))]
    assert probabilities(rule, let_go)[-1] == 0.0


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        pytest.param(["fist"] * 4, [0.0, 0.0, 0.9, 0.9], id="held"),
        pytest.param(["fist", "fist", "open_palm", "fist", "fist"], [0.0] * 5, id="let go"),
        pytest.param(["fist", "fist", None, "fist", "fist"], [0.0] * 5, id="out of sight"),
    ],
)
def test_a_camera_that_gives_few_pictures_sees_a_held_sign(signs: list[str | None], expected: list[float]) -> None:
    judge = EmergencyGestures((EmergencyGesture(sign="fist", held_s=0.8),))
    moments = [
        gesture_moment(at_s, [reading(at_s, sign)] if sign else [], judge)
        for at_s, sign in ((number * 0.4, sign) for number, sign in enumerate(signs))
    ]
    assert [sum(piece.probability for piece in moment.evidence) for moment in moments] == expected


def test_a_hand_that_shows_no_emergency_gives_no_evidence_at_all() -> None:
    judge = EmergencyGestures((EmergencyGesture(sign="fist"), EmergencyGesture(sequence="signal_for_help")))
    assert judge.evidence(reading(0.0, "open_palm")) == []


def test_each_hand_is_judged_by_itself() -> None:
    rule = EmergencyGesture(sign="fist", held_s=0.5)
    readings = [reading(step / 10, "fist", hand=step % 2) for step in range(6)] + [reading(0.6, "fist", hand=7)]
    assert probabilities(rule, readings) == [0.0] * 7
    assert probabilities(rule, [*readings, reading(0.65, "fist", hand=1), reading(0.7, "fist", hand=0)])[7:] == [
        0.9,
        0.9,
    ]


def test_a_movement_can_be_an_emergency() -> None:
    rule = EmergencyGesture(movement="wave", held_s=0.0)
    assert probabilities(rule, [reading(1.0, movement_probabilities={"wave": 0.7})]) == [0.7]


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        (EmergencyGesture(sign="fist"), []),
        (EmergencyGesture(sequence="signal_for_help"), []),
        (EmergencyGesture(sign="none"), ["emergency.gestures: unknown sign 'none'; known: fist, open_palm"]),
        (EmergencyGesture(movement="wav"), ["emergency.gestures: unknown movement 'wav'; known: wave"]),
    ],
)
def test_a_label_that_no_model_knows_is_a_complaint(rule: EmergencyGesture, complaint: list[str]) -> None:
    assert unknown_labels((rule,), SIGNS, ("wave",)) == complaint


@pytest.mark.parametrize(
    ("task", "labels", "lost"),
    [
        ("signs", ("fist", "none"), ()),
        ("signs", ("open_palm", "none"), ("fist",)),
        ("motions", ("wave", "none"), ()),
        ("motions", ("none",), ("wave",)),
    ],
)
def test_a_model_of_one_task_loses_only_gestures_of_that_task(
    task: str, labels: tuple[str, ...], lost: tuple[str, ...]
) -> None:
    gestures = (
        EmergencyGesture(sign="fist"),
        EmergencyGesture(movement="wave"),
        EmergencyGesture(sequence="signal_for_help"),
    )
    assert gestures_lost(gestures, task, labels) == lost


def test_no_threshold_may_be_so_high_that_the_clearest_scream_or_sign_alone_is_no_emergency() -> None:
    progress = START
    for frame in range(30):
        sign = ("open_palm", "thumb_tucked", "fist")[frame // 10]
        progress = step(progress, {sign: 1.0}, frame / 10)
    for highest in (confidence(progress), load_scream_model().persistence.highest):
        assert highest > 0.98
        with pytest.raises(ValidationError, match=r"less than or equal to 0\.98"):
            FusionSettings(threshold=highest)
