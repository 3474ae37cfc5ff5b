"""Measuring: the two-model baseline on the same hands, recall and false ones of rehearsals, as text."""

from pathlib import Path

import numpy as np
import pytest

from gesture.evaluate import (
    DATA,
    Rehearsed,
    confusion_text,
    main,
    rehearsal_text,
    score,
    score_motions,
    score_table,
    two_model_input,
    two_model_score,
)
from gesture.point_history_classifier import MotionClassifier
from gesture.tables import read_hands
from gesture.train import HeldOut

TWO_MODEL = Path(__file__).resolve().parents[2].parent / "shared/data/gesture/tables/kinivi/keypoint_classifier"
LABELS = ("open_palm", "fist", "none")


def held_out() -> HeldOut:
    answers = np.eye(3, dtype=np.float32)[[0, 0, 1, 2, 2, 2, 0]]
    return HeldOut(answers, np.array([0, 0, 0, 1, 2, 2, 2]), LABELS)


def test_recall_and_false_parts() -> None:
    result = score("mine", held_out())
    assert result.recall == {"open_palm": pytest.approx(2 / 3), "fist": 0.0, "none": pytest.approx(2 / 3)}
    assert result.false_parts == pytest.approx(1 / 3)
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
    assert "less than 1.0 an hour" in text
    assert "less than" not in rehearsal_text(
        [Rehearsed("sign", 10, 0.1, 10, 9, True), Rehearsed("other", 10, 3.0, 1, 0, False)]
    )


def test_shipped_movements_on_paths_not_trained_on() -> None:
    recall = score_motions(MotionClassifier.load(), count=60)
    assert min(recall.values()) >= 0.75
    assert np.mean(list(recall.values())) >= 0.93


def test_two_model_input_is_what_that_repository_makes() -> None:
    table = read_hands(DATA / "signs.csv.gz").select(np.arange(5))
    values = two_model_input(table)
    assert values.shape == (5, 42)
    assert (values[:, :2] == 0).all()
    np.testing.assert_allclose(np.abs(values).max(axis=1), 1)


@pytest.mark.skipif(not TWO_MODEL.is_dir(), reason=f"{TWO_MODEL} is not here")
def test_the_two_model_baseline_calls_a_tucked_thumb_open() -> None:
    table = read_hands(DATA / "signs.csv.gz")
    table = table.select((table.source == "ardamavi") & np.isin(table.label, ["open_palm", "thumb_tucked"]))
    result = two_model_score(
        table, TWO_MODEL / "keypoint_classifier.tflite", TWO_MODEL / "keypoint_classifier_label.csv"
    )
    assert result.recall["open_palm"] > 0.9
    assert result.recall["thumb_tucked"] == 0.0


def test_a_missing_table_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["signs", "--data", str(tmp_path / "missing.csv")]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
