import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio.corpus import LABELS, Clip, CorpusError, read_corpus
from audio.zoo.comparison import Row, compare_folds, compare_trained, draw, page, read_table, score, table
from audio.zoo.plan import Desk, Plan
from audio.zoo.segments import Cutting
from audio.zoo.training import train_zoo
from tests.made_up_corpus import write_corpus

PLAN = Plan(
    folds=3,
    cutting=Cutting(windows=2, loudest=1, screams=1, others=0),
    members=("logistic-regression", "svm"),
)


def test_sources_left_out_give_one_table_and_one_page(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "sounds", sources=3, each=4)
    clips = read_corpus(corpus)
    told: list[str] = []
    desk = Desk(tmp_path / "cache", tick=lambda what, done, total: told.append(what))
    sure = np.eye(3, dtype=np.float32)[[LABELS.index(clip.label) for clip in clips]]
    names = ["logistic-regression", "yamnet", "consensus", "scream"]
    # With this seed every fold has all labels among what decides when to stop.
    plan = replace(PLAN, cutting=replace(PLAN.cutting, seed=4))
    rows = compare_folds(names, clips, {"other": sure}, plan, desk)
    assert [row.name for row in rows] == [*names, "other"]
    by_name = {row.name: row for row in rows}
    for name in ("logistic-regression", "consensus"):
        chances = by_name[name].chances
        assert chances is not None
        assert score(chances, clips).ranking.auc > 0.8
        assert (by_name[name].megabytes or 0) > 0
        assert (by_name[name].milliseconds or 0) > 0
    text = page(rows, clips, plan, "made-up sounds", "safety-monitor compare", "models.png")
    assert table(rows, clips) in text
    assert "| other | 1.0000 | – | – | 1.000 | 1.00 | 1.00 |" in text
    assert "| yamnet | its TFLite file was not given" in text
    assert "| scream | its probabilities on sources left out were not given" in text
    for said in ("place-0", "36 recordings", "12 screams and 24 other", "models.png"):
        assert said in text
    draw(rows, clips, tmp_path / "models.png")
    assert (tmp_path / "models.png").read_bytes().startswith(b"\x89PNG")
    told.clear()
    again = compare_folds(["logistic-regression"], clips, {}, plan, desk)
    np.testing.assert_array_equal(again[0].chances, by_name["logistic-regression"].chances)
    assert not any("other sources" in what for what in told)


def test_models_that_are_there_are_compared_as_they_are(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "sounds", sources=2, each=6)
    clips = read_corpus(corpus)
    desk = Desk(tmp_path / "cache")
    train_zoo("svm", corpus, tmp_path / "mine", replace(PLAN, folds=0, listened=2), desk)
    rows = compare_trained(["mine", "scream"], clips[::6], tmp_path, desk)
    assert [row.name for row in rows] == ["mine", "scream"]
    assert rows[0].note.startswith("it has learned from ")
    assert not rows[1].note
    assert "\nmine: it has learned from " in table(rows, clips[::6])
    for row in rows:
        assert row.chances is not None
        assert row.chances.sum(axis=1) == pytest.approx(np.ones(len(clips[::6])), abs=1e-4)
        assert score(row.chances, clips[::6]).ranking.auc == 1.0


def clip(label: str, number: int, *, source: str = "somewhere", note: str = "") -> Clip:
    return Clip(Path(f"/data/{number}.wav"), label, source, str(number), note=note)


def test_a_score_counts_what_is_sure() -> None:
    clips = [clip("scream", 0), clip("scream", 1), clip("conversation", 2), clip("ambient", 3)]
    clips += [clip("scream", 4, note="weak label"), clip("conversation", 5, note="do not count alarms")]
    right, wrong = [0.8, 0.1, 0.1], [0.1, 0.2, 0.7]
    chances = np.asarray([right, wrong, [0.3, 0.6, 0.1], wrong, wrong, right], np.float32)
    found = score(chances, clips)
    assert (found.ranking.screams, found.ranking.others) == (2, 2)
    assert found.accuracy == pytest.approx(3 / 4)
    assert found.f1 == pytest.approx(2 / 3)
    assert found.mcc == pytest.approx(1 / np.sqrt(3))
    with pytest.raises(CorpusError, match="screams and of other sounds"):
        score(chances[:2], clips[:2])


def test_probabilities_of_another_training_are_read_or_refused(tmp_path: Path) -> None:
    clips = [clip("scream", 0), clip("ambient", 1)]
    file = tmp_path / "scores.csv"

    def write(rows: list[list[object]]) -> None:
        with file.open("w", newline="", encoding="utf-8") as opened:
            csv.writer(opened).writerows(rows)

    write([["path", "ambient", "scream", "conversation"], ["1.wav", 0.9, 0.1, 0], ["0.wav", 0.2, 0.7, 0.1]])
    np.testing.assert_allclose(read_table(file, clips, Path("/data")), [[0.7, 0.1, 0.2], [0.1, 0, 0.9]], atol=1e-6)
    write([["path", "ambient", "scream", "conversation"], ["1.wav", 0.9, 0.1, 0]])
    with pytest.raises(CorpusError, match=r"lacks /data/0\.wav"):
        read_table(file, clips, Path("/data"))
    write([["path", "loudness"], ["1.wav", 0.9]])
    with pytest.raises(CorpusError, match="needs the columns"):
        read_table(file, clips, Path("/data"))


def test_a_row_without_figures_says_why() -> None:
    clips = [clip("scream", 0), clip("ambient", 1)]
    text = table([Row("yamnet", "YAMNet", note="not given"), Row("a", "A", np.eye(3, dtype=np.float32)[[0, 2]])], clips)
    lines = text.splitlines()
    assert lines[2].startswith("| a | 1.0000")
    assert lines[3].startswith("| yamnet | not given |")
    assert len({line.count("|") for line in lines[:4]}) == 1
    assert lines[2].count("–") == 2
    assert "too few other recordings" in lines[-1]
