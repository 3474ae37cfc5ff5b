"""A model that was trained here comes into use when told to, and never one that would leave the station blind."""

import shutil
import sys
from pathlib import Path

import pytest

from gesture.retrain import Retrained
from models.card import change_card, read_card
from models.in_use import Comparison, note_comparison
from models.registry import SHIPPED, find
from safety_monitor.config import Settings
from safety_monitor.learning.training import CANDIDATE, TrainingError, Trainings, train, write_figures


def rename(folder: Path, old: str, new: str) -> None:
    change_card(folder, labels=tuple(new if label == old else label for label in read_card(folder).labels))


def trained(home: Path) -> None:
    """A candidate that calls fists punches, and recognises less."""
    folder = home / "models" / f"signs{CANDIDATE}"
    shutil.copytree(SHIPPED / "signs", folder)
    rename(folder, "fist", "punch")
    note_comparison(folder, read_card(SHIPPED / "signs"), Comparison({"recall": 0.9}, {"recall": 1.0}, 0.02))
    write_figures(Retrained(folder, (), {"punch": 0.9}, {"punch": 0.95}, {"fist": 1.0}))


def settings(home: Path, **emergency: str) -> Settings:
    gestures = [emergency] if emergency else [{"sequence": "signal_for_help"}]
    return Settings.model_validate({"home": home, "emergency": {"gestures": gestures}})


def test_in_use_when_told_to_and_back(tmp_path: Path) -> None:
    trainings = Trainings(settings(tmp_path))
    assert trainings.candidate("signs") is None
    with pytest.raises(TrainingError, match="not a model"):
        trainings.use("signs")
    trained(tmp_path)
    candidate = trainings.candidate("signs")
    assert candidate is not None
    assert (candidate.in_use, candidate.recall, candidate.before) == (False, {"punch": 0.9}, {"fist": 1.0})
    assert candidate.objections == ("it does not know 'fist' any more", "recall: 0.900, in use 1.000")
    with pytest.raises(TrainingError, match="not put in use: it does not know 'fist' any more"):
        trainings.use("signs")
    assert find("signs", tmp_path / "models") == SHIPPED / "signs"
    trainings.use("signs", force=True)
    assert "punch" in read_card(find("signs", tmp_path / "models")).labels
    used = trainings.candidate("signs")
    assert used is not None
    assert (used.in_use, used.objections) == (True, ())
    assert "ships" in trainings.roll_back("signs")
    assert find("signs", tmp_path / "models") == SHIPPED / "signs"


def test_a_model_that_is_put_in_use_twice_does_not_take_the_place_of_the_one_before(tmp_path: Path) -> None:
    mine = shutil.copytree(SHIPPED / "signs", tmp_path / "models" / "signs")
    change_card(mine, parameters={"mine": True})
    before = (mine / "card.md").read_bytes()
    trained(tmp_path)
    trainings = Trainings(settings(tmp_path))
    for _ in range(2):
        trainings.use("signs", force=True)
    assert "punch" in read_card(mine).labels
    trainings.roll_back("signs")
    assert (mine / "card.md").read_bytes() == before


def test_figures_of_another_model_are_not_shown(tmp_path: Path) -> None:
    trained(tmp_path)
    rename(tmp_path / "models" / f"signs{CANDIDATE}", "punch", "knock")
    assert Trainings(settings(tmp_path)).candidate("signs") is None


def test_a_model_that_does_not_know_an_emergency_gesture_is_refused(tmp_path: Path) -> None:
    trained(tmp_path)
    blind = Trainings(settings(tmp_path, sign="fist"))
    candidate = blind.candidate("signs")
    assert candidate is not None
    assert candidate.missing == ("fist",)
    with pytest.raises(TrainingError, match="fist is an emergency gesture"):
        blind.use("signs")
    assert find("signs", tmp_path / "models") == SHIPPED / "signs"
    with pytest.raises(TrainingError, match="fist is an emergency gesture"):
        blind.use("signs", force=True)
    Trainings(settings(tmp_path)).use("signs", force=True)
    with pytest.raises(TrainingError, match="punch is an emergency gesture"):
        Trainings(settings(tmp_path, sign="punch")).roll_back("signs")


def test_a_training_that_cannot_be_begun_does_not_pass_for_one_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings = Trainings(settings(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    for _ in range(2):
        with pytest.raises(TrainingError, match="no training can be begun: No such file"):
            trainings.start("signs")
    assert trainings.run is None


def test_what_cannot_be_trained_is_one_line(tmp_path: Path) -> None:
    for kind in ("signs", "motions"):
        with pytest.raises(TrainingError, match="were collected yet"):
            train(tmp_path, kind, 1, lambda share, text: None)
