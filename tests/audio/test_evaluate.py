import csv
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from audio.augment import synthetic_scream
from audio.detector import SoundReading
from audio.evaluate import count_alarms, evaluate, figures, table


def reading(at_s: float, scream: float) -> SoundReading:
    return SoundReading(at_s - 1, at_s, "ambient", {}, scream, -40.0)


@pytest.mark.parametrize(
    ("course", "alarms"),
    [
        ([], 0),
        ([0.1, 0.79, 0.1], 0),
        ([0.1, 0.9, 0.95, 0.9], 1),
        ([0.9, 0.7, 0.9, 0.5, 0.9], 1),
        ([0.9, 0.1, 0.9], 2),
    ],
)
def test_one_event_is_one_alarm(course: list[float], alarms: int) -> None:
    assert count_alarms([reading(float(at), value) for at, value in enumerate(course)]) == alarms


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
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", "NONE"))
        file.writeframes((samples / np.abs(samples).max() * 16_000).astype("<i2").tobytes())


def test_reports_on_a_small_corpus(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    rows = []
    for number in range(3):
        for label, sound in (
            ("scream", synthetic_scream(rng, 1.4)),
            ("ambient", rng.standard_normal(48_000).astype(np.float32)),
        ):
            _write(tmp_path / label / f"{number}.wav", sound)
            rows.append([f"{label}/{number}.wav", label, f"place{number}", f"{label}{number}", len(sound) / 16_000])
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "source", "group", "seconds"], *rows])
    report = evaluate("scream", tmp_path)
    assert report["recordings"] == 6
    assert report["files"]["auc"] == 1.0
    assert report["false_alarms_clips"]["alarms"] == 0
    assert report["false_alarms_clips"]["hours"] == pytest.approx(9 / 3600)
    assert set(report["noise"]) == {"20", "10", "5", "0"}
    assert report["noise"]["20"]["recall"] >= report["noise"]["0"]["recall"]
    text = table(report)
    assert "recall at the shipped threshold" in text
    assert "place2" in text
