"""Measuring: the two-model baseline on the same hands, recall and false ones of rehearsals, as text."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gesture.evaluate_help_sign import Rehearsed, clip_help_signs, rehearsal_text
from gesture.evaluate_motions import CLIP_MOVEMENTS, clip_movements, score_motions, two_model_motions
from gesture.evaluate_signs import (
    confusion_text,
    people_text,
    score,
    score_table,
    two_model_input,
    two_model_score,
)
from gesture.held_out import HeldOut
from gesture.point_history_classifier import MotionClassifier
from gesture.tables import BASE_DATA, read_hands
from gesture.tracked import read_clips

SHARED = Path(__file__).resolve().parents[2].parent / "shared/data/gesture"
TWO_MODEL = SHARED / "tables/kinivi/keypoint_classifier"
TRACKED = SHARED / "landmarks/video_egogestar.csv.gz"
LABELS = ("open_palm", "fist", "none")


def held_out() -> HeldOut:
    answers = np.eye(3, dtype=np.float32)[[0, 0, 1, 2, 2, 2, 0]]
    return HeldOut(answers, np.array([0, 0, 0, 1, 2, 2, 2]), LABELS)


def test_recall_and_false_parts() -> None:
    result = score("mine", held_out())
    assert result.recall == {"open_palm": pytest.approx(2 / 3), "fist": 0.0, "none": pytest.approx(2 / 3)}
    assert result.false_parts == pytest.approx(1 / 3)
    assert result.false_tucks == 0
    text = score_table([result])
    assert "mine" in text
    assert "0.444" in text  # the mean


def test_confusion_counts() -> None:
    rows = [line.split() for line in confusion_text(held_out()).splitlines()]
    assert rows[1] == ["open_palm", "2", "1", "0"]
    assert rows[3] == ["none", "1", "0", "2"]


def test_rehearsals_as_text() -> None:
    text = rehearsal_text([Rehearsed("sign", 10, 0.1, 10, 9, True), Rehearsed("other", 10, 3.0, 0, 0, False)])
    assert "the sign: 0.900 within 0.5 s" in text
    assert "0 false ones in 3.00 h" in text
    assert "at most 1.0 an hour" in text


def test_each_source_names_its_people_and_who_does_worst() -> None:
    table = read_hands(BASE_DATA / "signs.csv.gz").select(np.arange(7))
    people = np.array(["anna", "anna", "anna", "ben", "ben", "cleo", "cleo"])
    sources = np.array(["camera"] * 5 + ["film"] * 2)
    lines = people_text(held_out(), replace(table, source=sources, person=people), every=True).splitlines()
    assert lines[1].split() == ["camera", "2", "5", "0.600", "0.583", "0.500", "ben"]
    assert lines[2].split() == ["anna", "3", "0.667"]
    assert lines[4].split() == ["film", "1", "2", "0.500", "0.500", "0.500", "cleo"]


@pytest.mark.skipif(not TRACKED.is_file(), reason=f"{TRACKED} is not here")
def test_recorded_swipes() -> None:
    clips = [clip for clip in read_clips(TRACKED) if "_left_" in clip.name or "_right_" in clip.name]
    counts = clip_movements(clips, CLIP_MOVEMENTS)
    assert all(found >= 0.7 * count for count, found in counts.values())
    assert set(counts) == {"swipe_left", "swipe_right"}
    told, hours = clip_help_signs(clips)
    assert told == 0
    assert hours > 0.01


@pytest.mark.skipif(not TWO_MODEL.is_dir(), reason=f"{TWO_MODEL} is not here")
def test_the_two_model_baseline_on_the_same_movements() -> None:
    folder = TWO_MODEL.parent / "point_history_classifier"
    files = folder / "point_history_classifier.tflite", folder / "point_history_classifier_label.csv"
    recall = two_model_motions(*files, count=40)
    assert set(recall) == {"stop", "clockwise", "counter_clockwise", "move"}
    assert recall["stop"] > 0.9
    ours = score_motions(MotionClassifier.load(), count=40)
    assert ours["clockwise"] > recall["clockwise"]


def test_shipped_movements_on_paths_not_trained_on() -> None:
    recall = score_motions(MotionClassifier.load(), count=60)
    assert min(recall.values()) >= 0.75
    assert np.mean(list(recall.values())) >= 0.93


def test_two_model_input_is_what_that_repository_makes() -> None:
    table = read_hands(BASE_DATA / "signs.csv.gz").select(np.arange(5))
    values = two_model_input(table)
    assert values.shape == (5, 42)
    assert (values[:, :2] == 0).all()
    np.testing.assert_allclose(np.abs(values).max(axis=1), 1)


@pytest.mark.skipif(not TWO_MODEL.is_dir(), reason=f"{TWO_MODEL} is not here")
def test_the_two_model_baseline_calls_a_tucked_thumb_open() -> None:
    table = read_hands(BASE_DATA / "signs.csv.gz")
    table = table.select((table.source == "ardamavi") & np.isin(table.label, ["open_palm", "thumb_tucked"]))
    result = two_model_score(
        table, TWO_MODEL / "keypoint_classifier.tflite", TWO_MODEL / "keypoint_classifier_label.csv"
    )
    assert result.recall["open_palm"] > 0.9
    assert result.recall["thumb_tucked"] == 0.0
