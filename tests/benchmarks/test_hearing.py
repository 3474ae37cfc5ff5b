"""Ours and the baselines in one table, on a manifest of recordings of any format."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from audio.corpus import LABELS
from audio.metrics import UNSTATED
from audio.zoo.plan import Desk, Plan
from audio.zoo.segments import Cutting
from audio.zoo.training import train_zoo
from benchmarks import hearing
from tests.made_up_corpus import MAKERS, write_corpus
from tests.recordings import write_media

COSTS = ("load_s", "real_time_factor", "at_aimed", "megabytes", "median_ms", "p95_ms")


def test_one_run_prints_the_table_of_ours_and_of_the_baselines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan(listened=2, cutting=Cutting(windows=1, loudest=1, screams=1, others=0))
    corpus = write_corpus(tmp_path / "corpus", each=3)
    train_zoo("logistic-regression", corpus, tmp_path / "zoo" / "lr", plan, Desk(tmp_path / "cache"))
    rows = []
    for number, ending in enumerate((".wav", ".mp3", ".flac", ".ogg", ".mp4", ".webm")):
        label = LABELS[number % 3]
        sound = MAKERS[label](np.random.default_rng(number), 1.0)
        path = write_media(tmp_path / f"{label}{ending}", sound=sound / np.abs(sound).max() * 0.5, rate=16_000)
        rows.append([path.name, label])
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label"], *rows])
    monkeypatch.setattr(hearing, "cost", lambda name: dict.fromkeys(COSTS, 0.1))
    arguments = ["hearing", "--data", str(tmp_path / "manifest.csv"), "--baselines", str(tmp_path / "zoo")]
    monkeypatch.setattr("sys.argv", arguments)
    assert hearing.main() == 0
    printed = capsys.readouterr().out
    assert "2 screams, 4 others" in printed
    assert "screams after silence alarm, after" in printed or "of 2 screams after silence alarms" in printed
    assert re.search(r"^lr: real-time factor \d\.\d{4}, a decision takes \d+\.\d ms", printed, re.MULTILINE)
    head, *table, unstated = printed.splitlines()[-5:]
    assert unstated == UNSTATED
    assert head.split("  ")[-1].strip() == "recall at 0.1% false"
    assert [line.split("  ")[0] for line in table] == ["scream, whole files", "scream, live", "lr"]
    for line in table:
        auc, *recalls = line.split()[-3:]
        assert 0 <= float(auc) <= 1
        assert recalls == ["–", "–"]  # of four others nothing can be said
    (tmp_path / "scream.wav").write_bytes(b"RIFF")
    assert hearing.main() == 2
    assert "scream.wav" in capsys.readouterr().err
