"""Measuring and drawing, from outside."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from audio.blocks import SAMPLE_RATE
from safety_monitor.cli import app
from tests.recordings import tone, write_media
from tests.system.command import safety_monitor

runner = CliRunner()


pytestmark = pytest.mark.usefixtures("home")


def test_a_bad_recording_is_one_line_and_the_others_are_drawn(tmp_path: Path) -> None:
    write_media(tmp_path / "a.wav", sound=tone(SAMPLE_RATE), rate=SAMPLE_RATE)
    (tmp_path / "bad.wav").write_text("no sound")
    result = runner.invoke(app, ["plot", "bad.wav", "a.wav", "--out", "pictures"])
    assert result.exit_code == 2
    assert result.stdout == "pictures/a.wav.png\n"
    assert result.stderr.startswith("safety-monitor: bad.wav: ")
    assert result.stderr.count("\n") == 1
    assert (tmp_path / "pictures" / "a.wav.png").stat().st_size > 10_000


def test_recordings_of_one_name_are_drawn_beside_each_other(tmp_path: Path) -> None:
    for folder in ("kitchen", "hall"):
        (tmp_path / folder).mkdir()
        write_media(tmp_path / folder / "a.wav", sound=tone(SAMPLE_RATE), rate=SAMPLE_RATE)
    result = runner.invoke(app, ["plot", "kitchen/a.wav", "hall/a.wav", "--out", "pictures"])
    assert result.stdout.splitlines() == ["pictures/kitchen/a.wav.png", "pictures/hall/a.wav.png"]
    assert len(list((tmp_path / "pictures").glob("*/a.wav.png"))) == 2


@pytest.mark.parametrize("command", ["evaluate scream --data x", "compare --data x", "train scream --data x"])
def test_a_station_without_the_packages_for_training_names_the_one_that_is_missing(command: str) -> None:
    without = "import sys; sys.modules['joblib'] = None; from safety_monitor.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", without, *command.split()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("safety-monitor: joblib is missing: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["analyze", "plot"])
def test_a_recording_may_have_a_name_that_is_no_text(command: str, tmp_path: Path) -> None:
    write_media(tmp_path / "a.wav", sound=tone(SAMPLE_RATE), rate=SAMPLE_RATE)
    named = (tmp_path / "a.wav").rename(tmp_path / os.fsdecode(b"m\xfcller.wav"))
    result = safety_monitor(tmp_path, command, named, PYTHONIOENCODING="utf-8:strict")  # as in a German session
    assert (result.status, result.stderr) == (0, "")
    assert "m\\udcfcller.wav" in result.stdout


def test_hours_alone_are_measured(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write_media(tmp_path / "night.wav", sound=rng.uniform(-0.1, 0.1, 48_000).astype(np.float32), rate=SAMPLE_RATE)
    result = runner.invoke(app, ["evaluate", "scream", "--hours", "night.wav", "--jobs", "1", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["continuous"]
    assert (found["alarms"], found["hours"]) == (0, pytest.approx(3 / 3600))
    assert found["at_most_per_hour"] == pytest.approx(2.996 * 1200, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "give recordings with labels (--data), long ones without screams (--hours), or both"),
        (("--data", "missing"), "missing: no such folder or manifest"),
        (("missing", "--hours", "x.wav"), "no model 'missing'; known models:"),
        (("--hours", "x.wav", "--jobs", "1"), "x.wav: no such file"),
    ],
)
def test_what_cannot_be_measured_is_one_line(arguments: tuple[str, ...], complaint: str) -> None:
    result = runner.invoke(app, ["evaluate", "scream", *arguments])
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_model_may_be_named_where_a_command_stands() -> None:
    result = runner.invoke(app, ["evaluate", "mine", "--hours", "x.wav"])
    assert result.exit_code == 2
    assert "no model 'mine'; known models:" in result.stderr
