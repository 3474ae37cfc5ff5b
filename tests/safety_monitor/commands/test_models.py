"""From a marked alarm to another model in use, from outside."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from audio.blocks import SAMPLE_RATE
from models.card import change_card, read_card
from models.registry import SHIPPED
from safety_monitor.cli import app
from safety_monitor.demo.scream import scream as demo_scream
from tests.earlier_model import made_earlier
from tests.recordings import write_media

runner = CliRunner()


pytestmark = pytest.mark.usefixtures("home")


def said(*arguments: str, status: int = 0) -> str:
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == status, result.output
    return result.output


def candidate(folder: Path, auc: float | None = None, threshold: float | None = None) -> str:
    """The model that ships, told apart by a file of its own, with another figure or threshold in its card."""
    shutil.copytree(SHIPPED / "scream", folder)
    (folder / "seed.txt").write_text(folder.name)
    parameters: dict[str, object] = {"held_back": {} if auc is None else {"auc": auc}}
    if threshold is not None:
        parameters["persistence"] = {**read_card(folder).parameters["persistence"], "threshold": threshold}
    change_card(folder, parameters=parameters)
    card = folder / "card.md"
    # One that was trained beside no other says so; here the figures of all are of the same recordings.
    card.write_text(card.read_text(encoding="utf-8").replace('comparable_with = ""\n', ""), encoding="utf-8")
    return str(folder)


def in_use() -> str:
    rows = [json.loads(line) for line in said("models", "list", "--json").splitlines()]
    (folder,) = [row["folder"] for row in rows if row["in_use"] and row["task"] == "scream"]
    return str(folder)


def test_a_candidate_replaces_the_model_in_use_only_if_it_is_not_worse(home: Path, tmp_path: Path) -> None:
    assert in_use() == str(SHIPPED / "scream")
    first, worse, better = (
        candidate(home / "models" / name, auc) for name, auc in (("first", 0.95), ("worse", 0.90), ("better", 0.96))
    )
    said("models", "use", "first", "--force")
    assert in_use() == str(home / "models" / "scream")
    refused = said("models", "use", "worse", status=1)
    assert "worse: auc: 0.900, in use 0.950" in refused
    assert "worse was not put in use; --force does it all the same" in refused
    assert read_card(home / "models" / "scream").fingerprint == read_card(Path(first)).fingerprint
    assert "auc                          0.960  in use 0.950" in said("models", "use", better)
    assert read_card(home / "models" / "scream").fingerprint == read_card(Path(better)).fingerprint
    assert "better is in use already" in said("models", "use", better, status=2)
    assert "before this one is in use again" in said("models", "rollback")
    assert read_card(home / "models" / "scream").fingerprint == read_card(Path(first)).fingerprint
    assert Path(worse).is_dir()


def test_two_models_are_measured_on_the_same_recordings(home: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for number in range(2):
        scream = demo_scream(1.4, SAMPLE_RATE, number)
        for label, sound in (
            ("scream", scream / np.abs(scream).max() * 0.5),
            ("ambient", rng.uniform(-0.3, 0.3, 32_000)),
        ):
            (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
            path = tmp_path / "data" / label / f"{number}.wav"
            write_media(path, sound=sound.astype(np.float32), rate=SAMPLE_RATE)
    deaf, alike = candidate(tmp_path / "deaf", threshold=50.0), candidate(tmp_path / "alike")
    assert "worse: recall_at_threshold: 0.000" in said("models", "use", deaf, "--data", "data", "--jobs", "1", status=1)
    assert in_use() == str(SHIPPED / "scream")
    assert "recall_at_threshold" in said("models", "use", alike, "--data", "data", "--jobs", "1")
    assert in_use() == str(home / "models" / "scream")
    with (tmp_path / "one.csv").open("w") as file:
        csv.writer(file).writerows([["path", "label"], ["data/scream/0.wav", "scream"]])
    assert "screams and other recordings are needed" in said("models", "use", deaf, "--data", "one.csv", status=2)


def test_damaged_models_are_named_and_never_used(home: Path) -> None:
    folder = Path(candidate(home / "models" / "mine"))
    assert "ok       mine (scream)" in said("models", "check", "mine")
    (folder / "labels.csv").write_text("scream\n")
    told = said("models", "check", status=1)
    assert "mine: labels.csv is not the file that its card describes" in told
    assert "ok       signs (signs)" in told
    assert "labels.csv is not the file" in said("models", "list")
    assert "labels.csv is not the file" in said("models", "use", "mine", "--force", status=2)


def test_there_is_no_way_back_to_a_model_that_this_version_cannot_load(home: Path, tmp_path: Path) -> None:
    for name in ("older", "newer"):
        said("models", "use", candidate(tmp_path / name), "--force")
    made_earlier(home / "models" / "scream.previous")
    assert "recent.tflite: does not fit this version: train the model anew" in said("models", "rollback", status=2)
    assert (home / "models" / "scream" / "seed.txt").read_text() == "newer"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("use", "missing"), "no model 'missing'; known models:"),
        (("use", "scream"), "scream is in use already"),
        (("rollback", "signs"), "no 'signs' of your own is in use; the one that ships is"),
        (("use", "signs", "--data", "x"), "--data measures scream models"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: tuple[str, ...], complaint: str) -> None:
    told = said("models", *arguments, status=2)
    assert complaint in told
    assert told.count("\n") == 1


def test_a_model_that_loses_an_emergency_gesture_is_not_put_in_use(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = home / "models" / "signs"
    shutil.copytree(SHIPPED / "signs", mine)
    change_card(mine, labels=tuple("salute" if label == "ok" else label for label in read_card(mine).labels))
    other = shutil.copytree(SHIPPED / "signs", tmp_path / "other")
    monkeypatch.setenv("SAFETY_MONITOR_EMERGENCY__GESTURES", '[{"sign": "salute"}]')
    refused = "salute is an emergency gesture, and that model does not know it"
    for command in (("models", "use", str(other), "--force"), ("models", "rollback", "signs")):
        assert refused in said(*command, status=2)
    assert refused in said("train", "signs", "--rollback", status=2)
    assert "salute" in read_card(mine).labels


def test_a_model_by_which_no_scream_would_be_an_emergency_is_not_put_in_use(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said("models", "use", candidate(tmp_path / "first"), "--force")
    modest = candidate(tmp_path / "modest", threshold=5.5)
    monkeypatch.setenv("SAFETY_MONITOR_FUSION__THRESHOLD", "0.9")
    told = said("models", "use", modest, "--force", status=2)
    assert told.startswith("safety-monitor: environment: fusion.threshold: must be less than 0.868, or a scream alone")
    assert read_card(home / "models" / "scream").files == read_card(tmp_path / "first").files
    monkeypatch.setenv("SAFETY_MONITOR_FUSION__THRESHOLD", "0.85")
    said("models", "use", modest, "--force")
    monkeypatch.setenv("SAFETY_MONITOR_FUSION__THRESHOLD", "0.9")
    said("models", "rollback")


def test_cards_without_figures_ask_for_data(tmp_path: Path) -> None:
    told = said("models", "use", candidate(tmp_path / "new"), status=2)
    assert "the cards do not say how new and the model in use do" in told
    assert "--data measures both, --force puts it in use all the same" in told


def test_a_model_named_by_its_folder_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFETY_MONITOR_HEARING__MODEL", candidate(tmp_path / "named"))
    told = said("models", "use", candidate(tmp_path / "new", 0.99), status=2)
    assert "hearing.model names the folder" in told
