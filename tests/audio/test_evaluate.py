import csv
import json
import wave
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from audio.corpus import LABELS, CorpusError
from audio.detector import SoundReading
from audio.evaluate import alarms_in, classification, evaluate, figures, rate, table, watch_hours
from audio.plots import draw_evaluation
from safety_monitor.demo.scream import scream as demo_scream


def reading(at_s: float, scream: float) -> SoundReading:
    return SoundReading(at_s - 1, at_s, "ambient", {}, scream, -40.0)


@pytest.mark.parametrize(
    ("course", "alarms"),
    [
        ([], []),
        ([0.1, 0.79, 0.1], []),
        ([0.1, 0.9, 0.95, 0.9], [1.0]),
        ([0.9, 0.7, 0.9, 0.5, 0.9], [0.0]),
        ([0.9, 0.1, 0.9], [0.0, 2.0]),
    ],
)
def test_one_event_is_one_alarm(course: list[float], alarms: list[float]) -> None:
    assert list(alarms_in(reading(float(at), value) for at, value in enumerate(course))) == alarms


def test_figures_of_a_known_ranking() -> None:
    scores = np.asarray([0.9, 0.8, 0.3, *np.linspace(0, 0.5, 100)], np.float32)
    truth = np.asarray([True] * 3 + [False] * 100)
    found = figures(scores, truth, rates=(0.0, 0.5))
    assert (found.screams, found.others) == (3, 100)
    assert found.recall == {0.0: pytest.approx(2 / 3), 0.5: 1.0}
    assert found.auc == pytest.approx((1 + 1 + 0.6) / 3, abs=0.01)


def test_chance_is_one_half() -> None:
    assert figures(np.zeros(20, np.float32), np.arange(20) < 10).auc == pytest.approx(0.5)


def _write(path: Path, samples: NDArray[np.float32]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", "NONE"))
        file.writeframes((samples / np.abs(samples).max() * 16_000).astype("<i2").tobytes())


def test_labels_are_counted_as_they_were_taken(tmp_path: Path) -> None:
    scream, conversation, ambient = LABELS
    truth = [scream] * 4 + [conversation] * 4 + [ambient] * 2
    guesses = [scream, scream, scream, ambient, conversation, conversation, scream, conversation, ambient, ambient]
    chances = np.asarray([[guess == label for label in LABELS] for guess in guesses], np.float32)
    found = classification(truth, guesses, chances)
    assert found["accuracy"] == 0.8
    assert found["confusion"] == [[3, 0, 1], [1, 3, 0], [0, 0, 2]]
    cell = found["labels"][scream]
    assert (cell["count"], cell["precision"], cell["recall"], cell["f1"]) == (4, 0.75, 0.75, 0.75)
    assert cell["mcc"] == pytest.approx((3 * 5 - 1 * 1) / 24)
    assert cell["auc"] == pytest.approx((0.75 + 5 / 6) / 2)
    assert classification([scream], [scream], chances[:1])["labels"][scream]["auc"] is None
    assert classification([], [], chances[:0]) == {"count": 0}


@pytest.mark.parametrize(
    ("alarms", "hours", "at_most"), [(0, 1.0, 2.996), (0, 15.0, 0.1997), (1, 1.0, 4.744), (10, 10.0, 1.696)]
)
def test_the_rate_of_alarms_is_bounded(alarms: int, hours: float, at_most: float) -> None:
    """The tables of Garwood (1936): 95 % one-sided bounds of a Poisson mean are 3.00, 4.74 … 16.96."""
    found = rate(alarms, hours)
    assert found["per_hour"] == alarms / hours
    assert found["at_most_per_hour"] == pytest.approx(at_most, abs=1e-3)
    assert rate(0, 0.0)["at_most_per_hour"] is None


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


def test_reports_on_a_small_corpus(corpus: Path, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    found = evaluate("scream", corpus, progress=lambda what, done, of: steps.append((what, done, of)))
    report = json.loads(json.dumps(found.report))
    assert report["recordings"] == 6
    assert report["files"]["auc"] == 1.0
    assert report["files"]["recall"] == {"0.01": 1.0, "0.001": 1.0}
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
    assert "at the shipped threshold: recall" in text
    assert "place2" in text
    pictures = draw_evaluation(found, tmp_path / "pictures")
    assert [path.name for path in pictures] == ["roc.png", "precision-recall.png", "confusion.png", "snr.png"]
    for path in pictures:
        picture = cv2.imread(str(path))
        assert picture is not None
        assert min(picture.shape[:2]) > 400
        assert picture.std() > 10


def test_judged_by_several_processes_it_is_the_same(corpus: Path) -> None:
    alone, together = (evaluate("scream", corpus, noise=False, jobs=jobs).report for jobs in (1, 2))
    assert alone == together
    assert "noise" not in alone


def test_alarms_in_long_recordings_are_counted_as_they_happen(corpus: Path, tmp_path: Path) -> None:
    pause = np.zeros(48_000, np.float32)
    with wave.open(str(corpus / "scream" / "2.wav")) as file:
        scream = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
    _write(tmp_path / "long" / "a.wav", np.concatenate([pause, scream, pause, pause, scream, pause]))
    _write(tmp_path / "long" / "deep" / "b.wav", np.random.default_rng(1).standard_normal(16_000).astype(np.float32))
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
