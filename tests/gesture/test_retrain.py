"""A gesture of one's own: collected from a clip, trained beside the base data, put in use and taken back."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from gesture import retrain
from gesture.capture import Frame
from gesture.collect import Collector, Panel
from gesture.collection import Collection
from gesture.detector import HandJudge, HandReading
from gesture.hands import Hand
from gesture.keypoint_classifier import SignClassifier
from gesture.plan import MotionPlan, SignPlan
from gesture.point_history_classifier import MotionClassifier
from gesture.prepare import SIGN_LABELS
from gesture.retrain import (
    Retrained,
    compared_signs,
    comparison,
    read_feedback,
    rename_in_models,
    retrain_motions,
    retrain_signs,
    without_alike,
)
from gesture.rows import MOTIONS, SIGNS, CollectionError, Origin, motion_row, sign_row, table_text
from gesture.tables import BASE_DATA, HandTable, read_hands
from models.card import ModelError, read_card
from models.in_use import compare, roll_back, use
from models.registry import open_card

LABEL = "call_me"
TINY = SignPlan(epochs=6, samples=4_000, members=1)
IMAGE = np.zeros((480, 640, 3), np.uint8)


def clip() -> HandTable:
    """A hand with thumb and little finger stretched out, as a tracker saw it in many pictures."""
    table = read_hands(BASE_DATA / "signs.csv.gz")
    return table.select((table.source == "tomnlittle") & (table.session == "Y"))


@dataclasses.dataclass
class Replay:
    """Sees the hands of a table, one a frame."""

    table: HandTable
    judge: HandJudge
    number: int = 0

    def see(self, frame: Frame) -> list[HandReading]:
        i = self.number = (self.number + 1) % len(self.table)
        points = self.table.landmarks[i] * np.array([1, self.table.aspect[i], 1], np.float32)
        hand = Hand(points / np.array([1, 0.75, 1], np.float32), str(self.table.handedness[i]), 0.9)
        return self.judge([hand], frame.at_s, 0.75)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """100 rows, collected by the collector."""
    collection = Collection(tmp_path_factory.mktemp("gestures"))
    seer = Replay(clip().select(np.arange(100)), HandJudge(SignClassifier.load(), MotionClassifier.load()))
    collector = Collector(collection, seer, Origin("clip", "me", "s1"), Panel(SIGNS, LABEL, automatic=True, rate=10))
    for i in range(100):
        collector.see(Frame(IMAGE, 0.101 * i))
    assert collector.counts[SIGNS, LABEL] == 100
    return collection


@pytest.fixture(scope="module")
def trained(collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Retrained:
    home = tmp_path_factory.mktemp("models")
    return retrain_signs(collection, home / "signs.new", home, TINY, progress=lambda line: None)


def test_a_label_that_was_hardly_learned_is_named() -> None:
    text = comparison(Retrained(Path("signs.new"), ("fist", "three"), {"fist": 0.99, "three": 0.2}, {}, {}))
    assert "three: only 20% of what was left out is recognised" in text
    assert "fist: only" not in text


def test_the_new_sign_is_known_and_the_others_are_not_lost(trained: Retrained) -> None:
    assert LABEL in trained.labels
    assert trained.labels[-1] == "none"
    assert trained.recall[LABEL] > 0.8
    assert np.mean([trained.recall[sign] for sign in ("open_palm", "thumb_tucked", "fist", "victory", "ok")]) > 0.85
    assert trained.in_use["fist"] > 0.9
    assert LABEL not in trained.in_use
    assert min(trained.after[sign] for sign in trained.in_use) > 0.8
    assert LABEL in comparison(trained)
    for name in ("confusion.png", "curves.png"):
        picture = cv2.imread(str(trained.folder / name))
        assert picture is not None
        assert picture.std() > 5
        assert name in read_card(trained.folder).prose
    assert "| call_me | 100 |" in read_card(trained.folder).prose
    compared = compare(read_card(trained.folder), open_card("signs", task="signs")[1])
    assert compared.in_use["recall"] > 0.95
    assert 0.5 < compared.candidate["recall"] <= 1
    assert compared.lost == ()


def test_a_sign_that_has_lost_is_not_hidden_by_the_mean_of_all() -> None:
    before = dict.fromkeys(SIGN_LABELS, 1.0)
    fewer_thumbs = before | {"thumb_tucked": 0.86, "fist": 0.99, "mine": 1.0}
    found = compared_signs(fewer_thumbs, before, SIGN_LABELS)
    assert found.candidate["recall"] > found.in_use["recall"] - found.margin
    assert found.worse == ("recall of thumb_tucked: 0.860, in use 1.000",)
    assert compared_signs(before, fewer_thumbs, SIGN_LABELS).worse == ()


def test_switching_and_rolling_back(trained: Retrained, tmp_path: Path) -> None:
    assert LABEL not in SignClassifier.load("signs", tmp_path).labels
    use(tmp_path, "signs", trained.folder)
    assert LABEL in SignClassifier.load("signs", tmp_path).labels
    assert "ships" in roll_back(tmp_path, "signs")
    assert LABEL not in SignClassifier.load("signs", tmp_path).labels
    with pytest.raises(ModelError, match="no 'signs' of your own"):
        roll_back(tmp_path, "signs")
    use(tmp_path, "signs", trained.folder)
    use(tmp_path, "signs", trained.folder)
    assert "before this one" in roll_back(tmp_path, "signs")
    assert LABEL in SignClassifier.load("signs", tmp_path).labels


def test_a_label_is_renamed_in_models_too(trained: Retrained, tmp_path: Path) -> None:
    use(tmp_path, "signs", trained.folder)
    assert rename_in_models(tmp_path, "signs", LABEL, "phone") == (["signs"], [])
    labels = SignClassifier.load("signs", tmp_path).labels
    assert "phone" in labels
    assert labels.index("phone") == trained.labels.index(LABEL)
    assert rename_in_models(tmp_path, "signs", "phone", "fist") == ([], ["signs"])
    assert SignClassifier.load("signs", tmp_path).labels == labels
    assert rename_in_models(tmp_path / "nothing", "signs", "a", "b") == ([], [])


def test_what_looks_like_the_new_sign_is_none_of_these_no_longer() -> None:
    base = read_hands(BASE_DATA / "signs.csv.gz")
    left = without_alike(base, clip())
    assert len(left) < len(base)
    assert not ((left.source == "tomnlittle") & (left.session == "Y")).any()
    assert (left.label == "fist").sum() == (base.label == "fist").sum()
    assert (left.label == "none").sum() > 0.6 * (base.label == "none").sum()


def test_too_little_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CollectionError, match="no hands were collected yet; collect some first, on the page Collect"):
        retrain_signs(Collection(tmp_path), tmp_path / "m", plan=TINY)
    collection = Collection(tmp_path)
    path = np.cumsum(np.ones((16, 2), np.float32), axis=0)
    for _ in range(5):
        collection.add(MOTIONS, motion_row("zigzag", Origin("clip", "me", "s1"), 0.0, path))
    with pytest.raises(CollectionError, match="'zigzag' has 5 rows; at least 30 are needed"):
        retrain_motions(collection, tmp_path / "m")


def test_a_new_movement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrain, "FOLDS", 2)  # one person shows it: no more can be learned from more parts
    collection = Collection(tmp_path / "gestures")
    rng = np.random.default_rng(1)
    corners = np.array([[0, 0], [2, 0], [0, 2], [2, 2]], np.float32)  # the letter Z
    along = np.linspace(0, 3, 16)
    zigzag = np.stack([np.interp(along, range(4), corners[:, axis]) for axis in (0, 1)], axis=1)
    for _ in range(40):
        path = zigzag * rng.uniform(0.7, 2) + rng.normal(0, 0.05, (16, 2))
        collection.add(MOTIONS, motion_row("zigzag", Origin("clip", "me", "s1"), 0.0, path.astype(np.float32)))
    plan = MotionPlan(epochs=6, samples=6_000, made_up=100, members=1)
    result = retrain_motions(collection, tmp_path / "motions", plan=plan, progress=lambda line: None)
    classifier = MotionClassifier.load(str(tmp_path / "motions"))
    assert classifier.labels == result.labels
    assert "zigzag" in classifier.labels
    compared = compare(read_card(tmp_path / "motions"), open_card("motions", task="motions")[1])
    assert compared.in_use["recall"] > 0.9
    assert "recall" in compared.candidate
    assert result.recall["zigzag"] > 0.8
    assert "zigzag" not in result.in_use
    assert result.after["zigzag"] > 0.8
    assert result.in_use["wave"] > 0.8
    assert {"confusion.png", "curves.png"} <= {file.name for file in result.folder.iterdir()}


def test_marked_hands_are_trained_as_what_they_were(tmp_path: Path) -> None:
    hands = dataclasses.replace(clip(), label=np.full(len(clip()), "thumb_tucked"))
    rows = [
        sign_row("thumb_tucked", Origin("incident", f"{i} 1", str(i)), "left", 0.0, 0.75, hands.landmarks[i])
        for i in range(3)
    ]
    for mark, row in (("real", rows[0]), ("false", rows[1]), ("false", rows[2])):
        path = tmp_path / "hands" / mark / f"{row[3]}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(table_text(SIGNS, [row]))
    found = [(table.label.tolist(), table.session.tolist()) for table in read_feedback(tmp_path)]
    assert found == [(["thumb_tucked"], ["0"]), (["none"], ["1"]), (["none"], ["2"])]
    assert read_feedback(tmp_path / "nothing") == []
