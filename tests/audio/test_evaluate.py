import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from audio.continuous import watch_hours
from audio.corpus import CorpusError
from audio.evaluate import evaluate
from audio.plots import draw_evaluation
from audio.report import table
from safety_monitor.demo.scream import scream as demo_scream


def _write(path: Path, samples: NDArray[np.float32]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples / np.abs(samples).max() / 2, 16_000)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three synthetic screams and three stretches of noise of three places."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(5)
    rows = []
    for number in range(3):
        for label, sound in (
            ("scream", demo_scream(1.4, 16_000, int(rng.integers(100))).astype(np.float32)),
            ("ambient", rng.standard_normal(48_000).astype(np.float32)),
        ):
            _write(folder / label / f"{number}.wav", sound)
            rows.append([f"{label}/{number}.wav", label, f"place{number}", f"{label}{number}", len(sound) / 16_000])
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "source", "group", "seconds"], *rows])
    return folder


def test_reports_on_a_small_corpus_whatever_the_number_of_processes(corpus: Path, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    found = evaluate("scream", corpus, progress=lambda what, done, of: steps.append((what, done, of)))
    report = json.loads(json.dumps(found.report))
    assert report["recordings"] == 6
    assert report["files"]["auc"] == 1.0
    assert report["files"]["recall"] == {"0.01": None, "0.001": None}  # of three others nothing can be said
    assert report["files"]["labels"]["ambient"]["recall"] == 1.0
    assert report["segments"]["count"] == sum(len(each.windows) for each in found.judged)
    assert report["segments"]["labels"]["scream"]["precision"] == 1.0
    assert report["false_alarms_clips"]["alarms"] == 0
    assert report["false_alarms_clips"]["hours"] == pytest.approx(9 / 3600)
    assert set(report["noise"]) == {"clean", "20", "10", "5", "0"}
    assert report["noise"]["clean"]["recall"] >= report["noise"]["0"]["recall"]
    assert 0 < report["noise"]["clean"]["median_s"] < 1.5
    assert report["noise"]["clean"]["probability"] == sorted(report["noise"]["clean"]["probability"])
    assert steps[-1] == ("scream: screams in noise", 3, 3)
    text = table(found.report)
    assert "AUC 1.0000, recall – at 1.0%, – at 0.1% false clips" in text
    assert "at the shipped threshold: recall" in text
    assert "place2" in text
    pictures = draw_evaluation(found, tmp_path / "pictures")
    assert [path.name for path in pictures] == ["roc.png", "precision-recall.png", "confusion.png", "snr.png"]
    for path in pictures:
        picture = cv2.imread(str(path))
        assert picture is not None
        assert min(picture.shape[:2]) > 400
        assert picture.std() > 10
    del report["noise"]
    assert json.loads(json.dumps(evaluate("scream", corpus, noise=False, jobs=2).report)) == report


def test_alarms_in_long_recordings_are_counted_as_they_happen(corpus: Path, tmp_path: Path) -> None:
    pause = np.zeros(48_000, np.float32)
    scream = soundfile.read(corpus / "scream" / "2.wav", dtype="float32")[0]
    _write(tmp_path / "long" / "a.wav", np.concatenate([pause, scream, pause, pause, scream, pause]))
    _write(tmp_path / "long" / "deep" / "b.wav", np.random.default_rng(1).standard_normal(16_000).astype(np.float32))
    (tmp_path / "long" / "._a.wav").write_bytes(b"what a Mac leaves beside a.wav")
    found = watch_hours("scream", [tmp_path / "long"])
    (first, second) = found["files"]
    assert len(first["alarms_at_s"]) == 2
    assert 3 < first["alarms_at_s"][0] < 3 + len(scream) / 16_000 + 0.5
    assert first["alarms_at_s"][1] - first["alarms_at_s"][0] == pytest.approx(6 + len(scream) / 16_000, abs=0.3)
    assert second["alarms_at_s"] == []
    assert (found["alarms"], found["hours"]) == (2, pytest.approx(first["hours"] + 1 / 3600))
    text = table({"model": "scream", "continuous": found})
    assert "false alarms, long recordings: 2 in 0.00 h" in text
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="empty: no recordings in this folder"):
        watch_hours("scream", [tmp_path / "empty"])
