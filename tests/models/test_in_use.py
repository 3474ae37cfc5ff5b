"""A candidate takes the place of the model in use only if it is not worse."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from models.card import Card, ModelError, change_card, read_card, write_card
from models.in_use import Comparison, compare, note_comparison, roll_back, use

LABELS = ("open_palm", "fist")


def model(folder: Path, weights: str = "1", parameters: Mapping[str, Any] | None = None, task: str = "signs") -> Card:
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_text(weights)
    return write_card(
        folder, task=task, model_format="tflite", labels=LABELS, parameters=parameters or {}, prose="# A model"
    )


@pytest.mark.parametrize(
    ("candidate", "worse"),
    [
        ({"auc": 0.95, "recall": 0.80}, ()),
        ({"auc": 0.99, "recall": 0.791}, ()),
        ({"auc": 0.99, "recall": 0.78}, ("recall: 0.780, in use 0.800",)),
        ({"auc": 0.90, "recall": 0.70}, ("auc: 0.900, in use 0.950", "recall: 0.700, in use 0.800")),
        ({"auc": float("nan"), "recall": 0.80}, ("auc: nan, in use 0.950",)),
        ({"auc": 0.95}, ()),
    ],
)
def test_worse_is_what_loses_more_than_chance(candidate: dict[str, float], worse: tuple[str, ...]) -> None:
    assert Comparison(candidate, {"auc": 0.95, "recall": 0.80}).worse == worse


def test_a_label_that_gets_lost_is_worse() -> None:
    assert Comparison({"auc": 1.0}, {"auc": 0.5}, lost=("fist",)).worse == ("it does not know 'fist' any more",)


def test_cards_are_compared(tmp_path: Path) -> None:
    present = model(tmp_path / "signs", "1", {"held_back": {"auc": 0.95}})
    found = compare(model(tmp_path / "a", "2", {"held_back": {"auc": 0.9, "other": 1}}), present)
    assert (found.candidate["auc"], found.in_use["auc"], found.lost) == (0.9, 0.95, ())
    # What was measured on the very same things counts more, as long as that model is still in use.
    note_comparison(tmp_path / "a", present, Comparison({"recall": 0.97}, {"recall": 0.98}, margin=0.02))
    found = compare(read_card(tmp_path / "a"), present)
    assert (found.candidate, found.in_use, found.worse) == ({"recall": 0.97}, {"recall": 0.98}, ())
    other = model(tmp_path / "other", "3", {"held_back": {"auc": 0.5}})
    assert compare(read_card(tmp_path / "a"), other).in_use == {"auc": 0.5}
    change_card(tmp_path / "a", labels=("open_palm",))
    assert compare(read_card(tmp_path / "a"), present).lost == ("fist",)


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({}, "the cards do not say how a and the model in use do"),
        ({"held_back": {"recall": 0.9}}, "the cards do not say"),
        ({"held_back": {"auc": 95}}, "a: its card's figures of what was held back are malformed"),
        ({"held_back": "good"}, "malformed"),
    ],
)
def test_cards_that_say_nothing_are_refused(tmp_path: Path, parameters: dict[str, Any], complaint: str) -> None:
    present = model(tmp_path / "signs", "1", {"held_back": {"auc": 0.95}})
    with pytest.raises(ModelError, match=complaint) as refused:
        compare(model(tmp_path / "a", "2", parameters), present)
    assert "\n" not in str(refused.value)
    with pytest.raises(ModelError, match="is a model for motions, not for signs"):
        compare(model(tmp_path / "m", "2", task="motions"), present)


def test_the_one_before_is_kept_and_comes_back(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for weights in "123":
        model(tmp_path / weights, weights)
        use(home, "signs", tmp_path / weights)
    assert (home / "signs" / "model.tflite").read_text() == "3"
    assert "before this one is in use again" in roll_back(home, "signs")
    assert (home / "signs" / "model.tflite").read_text() == "2"
    roll_back(home, "signs")
    assert (home / "signs" / "model.tflite").read_text() == "3"
    assert sorted(path.name for path in home.iterdir()) == ["signs", "signs.previous"]
    with pytest.raises(ModelError, match="no 'motions' of your own is in use"):
        roll_back(home, "motions")


def test_the_way_back_leads_to_the_one_that_ships_where_that_was_in_use_before(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for weights in "12":
        model(tmp_path / weights, weights)
        use(home, "signs", tmp_path / weights)
        assert "the signs model that ships" in roll_back(home, "signs")
        assert not (home / "signs").exists()


def test_a_power_cut_finds_no_half_of_a_model_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model(tmp_path / "1", "1")
    on_disk: set[Path] = set()

    def fsync(handle: int, fsync: Callable[[int], None] = os.fsync) -> None:
        fsync(handle)
        on_disk.add(Path(os.readlink(f"/proc/self/fd/{handle}")))

    def rename(path: Path, target: Path, rename: Callable[[Path, Path], Path] = Path.rename) -> Path:
        assert on_disk >= {path, *path.iterdir()}
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    home = tmp_path / "home"
    assert use(home, "signs", tmp_path / "1") == home / "signs"
    assert home in on_disk
