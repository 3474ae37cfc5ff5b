"""From what a user has collected to a candidate for use: trained beside the base data, and compared.

Which model is in use, and how one takes the place of another, is told in `models.in_use`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gesture.collection import BASE_LABELS, Collection
from gesture.evaluate_motions import score_motions
from gesture.features import sign_features, upright
from gesture.held_out import HeldOut
from gesture.keypoint_classifier import SignClassifier
from gesture.plan import MotionPlan, SignPlan
from gesture.point_history_classifier import MotionClassifier, motion_features
from gesture.rows import MOTIONS, SIGNS, CollectionError
from gesture.signal_for_help import NONE
from gesture.tables import (
    BASE_DATA,
    FLAT_SOURCES,
    HandTable,
    Table,
    join,
    read_hands,
    read_paths,
    shown_by_people,
    square_rows,
)
from gesture.train_motions import UNSEEN, made_up_paths, train_motions
from gesture.train_signs import train_signs
from models.card import Card, ModelError, change_card, read_card
from models.in_use import Comparison, note_comparison
from models.registry import open_card

FEWEST_ROWS = 30
QUICK = SignPlan(epochs=18, samples=9_000, members=2)
"""Under two minutes on two cores."""
FOLDS = 4
"""Parts that are left out in turn to measure: fewer, and a quarter of the people would not speak for the rest."""
MARGIN = 0.02
"""What the recall of all labels, and that of each sign, may lose: the quick training is a little less exact than the
long one that ships."""
ALIKE = 0.27
"""Hands upright and of size 1 whose points are less far apart than this, on the root of the mean square, look alike."""
WEAK = 0.7
"""A label of which less is recognised of people left out needs more of them."""
FIRST = "collect some first, on the page Collect or by `safety-monitor collect`"
"""What somebody does who has collected nothing."""
STRETCH_S = 3.0
"""Seconds of one person's session that are left out together where there is nobody else."""


@dataclass(frozen=True, slots=True)
class Retrained:
    """What a training has brought.

    Attributes:
        folder: the new model.
        labels: what it knows.
        recall: by label, of hands or movements of people left out of the training: what others will see of it.
        after: by label, of the new model on all of them, which it was trained on.
        in_use: the same of the model in use, which may have been trained on them, too; only what it knows. A label that
            has more here than in `after` has lost by the training.
        confusion: how many of each label (row) were taken for each (column), in the order of `labels`.
    """

    folder: Path
    labels: tuple[str, ...]
    recall: dict[str, float]
    after: dict[str, float]
    in_use: dict[str, float]
    confusion: tuple[tuple[int, ...], ...] = ()


def new_labels(collection: Collection, kind: str, labels: Sequence[str]) -> list[str]:
    """Labels that the user has added to those of the base data.

    Args:
        collection: what was collected.
        kind: "signs" or "motions".
        labels: the label of every row.

    Raises:
        CollectionError: a label has too few rows to learn from.
    """
    added = []
    for label in dict.fromkeys([*collection.labels(kind), *labels]):
        count = sum(one == label for one in labels)
        if label in BASE_LABELS[kind] or not count:
            continue
        if count < FEWEST_ROWS:
            raise CollectionError(
                f"'{label}' has {count} rows; at least {FEWEST_ROWS} are needed, 100 are better: collect more, or "
                "forget it (`safety-monitor labels remove`)"
            )
        added.append(label)
    return added


def split_alone(table: Table, labels: Sequence[str]) -> Table:
    """The table with every few seconds of a session as a person of its own, for labels of one person alone.

    Something must be left out to measure; the figures then say little of other people.
    """
    people = table.person.astype(object)
    for label in labels:
        mine = np.flatnonzero(table.label == label)
        if len(np.unique(table.person[mine])) == 1:
            stretch = np.where(table.at_s[mine] > 0, table.at_s[mine] // STRETCH_S, np.arange(len(mine)) // 10)
            for row, number in zip(mine, stretch, strict=True):
                people[row] = f"{table.person[row]} {table.session[row]} {int(number)}"
    return replace(table, person=people.astype(np.str_))


def without_alike(base: HandTable, mine: HandTable) -> HandTable:
    """The base data without the hands of "none" that look like a new sign: they are one of the signs now."""
    known = upright(square_rows(mine))[0][:, :, :2].reshape(len(mine), -1)
    looks = upright(square_rows(base))[0][:, :, :2].reshape(len(base), -1)
    kept = np.ones(len(base), np.bool_)
    for row in np.flatnonzero(base.label == NONE):
        apart = np.sqrt(((known - looks[row]) ** 2).sum(axis=1).min() / 21)
        kept[row] = apart > ALIKE
    return base.select(kept)


def retrain_signs(
    collection: Collection,
    target: Path,
    home: Path | None = None,
    plan: SignPlan = QUICK,
    base: Path = BASE_DATA / "signs.csv.gz",
    progress: Callable[[str], None] = print,
    feedback: Path | None = None,
    in_use: str = SIGNS,
) -> Retrained:
    """Train the signs of the base data, of a collection and of marked incidents together; write the model to `target`.

    Its card says how it does beside the model in use on all these hands, which each may have been trained on.

    Args:
        collection: what was collected.
        target: folder of the new model.
        home: folder of the user's models.
        plan: how it is trained.
        base: the base data.
        progress: told a line at a time.
        feedback: `data/feedback` of the station; None: there is none.
        in_use: name of the model in use.

    Raises:
        CollectionError: nothing was collected, or too little of a new sign.
        TableError: a table is damaged.
    """
    mine = collection.hands()
    marked = read_feedback(feedback) if feedback else []
    if mine is None and not marked:
        raise CollectionError(f"{collection.folder}: no hands were collected yet; {FIRST}")
    collected = [] if mine is None else [mine]
    known = read_hands(base)
    added = new_labels(collection, SIGNS, [label for hands in collected for label in hands.label.tolist()])
    labels = (*(label for label in BASE_LABELS[SIGNS] if label != NONE), *added, NONE)
    for hands in collected if added else []:
        known = without_alike(known, hands.select(np.isin(hands.label, added)))
    table = join([known, *(split_alone(hands, added) for hands in collected), *marked])
    table = table.select(np.isin(table.label, labels))
    held_out = train_signs(table, labels, target, plan, progress, folds=FOLDS)
    shown = shown_by_people(table)
    like_here = as_cameras_show(shown)
    shown = shown.select(like_here)
    result, card = _retrained(target, held_out.select(like_here)), _card_of(in_use, SIGNS, home)
    if card is None:
        return result
    features = sign_features(square_rows(shown))
    before = recall_of(SignClassifier.load(in_use, home), features, shown.label)
    after = recall_of(SignClassifier.load(str(target.absolute())), features, shown.label)
    note_comparison(target, card, compared_signs(after, before, card.labels))
    return replace(result, after=after, in_use=before)


def as_cameras_show(table: HandTable) -> NDArray[np.bool_]:
    """Which hands to measure on: those that came without depth only where a sign has no others.

    A station never sees hands like these, and a figure that counted them would be of them more than of people.
    """
    tracked = ~np.isin(table.source, FLAT_SOURCES)
    return tracked | ~np.isin(table.label, np.unique(table.label[tracked]))


def read_feedback(folder: Path) -> list[HandTable]:
    """Hands of incidents that people marked: of real ones as what they were taken for, of false ones as none.

    Args:
        folder: `data/feedback` in the station's home.

    Raises:
        TableError: a table is damaged.
    """
    real = [read_hands(path) for path in sorted(folder.glob("hands/real/*.csv"))]
    false = [read_hands(path) for path in sorted(folder.glob("hands/false/*.csv"))]
    return [*real, *(replace(table, label=np.full(len(table), NONE)) for table in false)]


def _of_known(after: dict[str, float], before: dict[str, float], labels: Sequence[str]) -> Comparison:
    """Two models on the labels that the one in use knows."""
    known = [label for label in labels if label in before and label in after]
    mine, theirs = ({"recall": float(np.mean([recall[label] for label in known]))} for recall in (after, before))
    return Comparison(mine, theirs, MARGIN)


def compared_signs(after: dict[str, float], before: dict[str, float], labels: Sequence[str]) -> Comparison:
    """The same, and each sign that has lost: the mean of all hides one, and an emergency is made of one or of three.

    Args:
        after: recall of each sign by the candidate.
        before: the same by the model in use.
        labels: that the model in use knows.
    """
    all_of_them = _of_known(after, before, labels)
    lost = [label for label in labels if before.get(label, 0.0) - after.get(label, 1.0) > MARGIN]
    mine, theirs = ({f"recall of {label}": recall[label] for label in lost} for recall in (after, before))
    return Comparison({**all_of_them.candidate, **mine}, {**all_of_them.in_use, **theirs}, MARGIN)


def recall_of(
    classifier: SignClassifier | MotionClassifier, features: NDArray[np.float32], shown: NDArray[np.str_]
) -> dict[str, float]:
    """Share of the rows of each label that a model knows and takes for it; features (n, …) and n labels."""
    answers = np.asarray(classifier.model(features)[0]).argmax(axis=1)
    named = np.array(classifier.labels)[answers]
    return {
        str(label): float((named[shown == label] == label).mean())
        for label in np.unique(shown[np.isin(shown, classifier.labels)])
    }


def _retrained(folder: Path, held_out: HeldOut) -> Retrained:
    """What a training has brought, as long as there is nothing to compare it with."""
    confusion = tuple(tuple(int(count) for count in row) for row in held_out.confusion())
    return Retrained(folder, held_out.labels, held_out.recall(), {}, {}, confusion)


def _card_of(name: str, task: str, home: Path | None) -> Card | None:
    """The card of the model in use; None where it cannot be used."""
    try:
        return open_card(name, task=task, home=home)[1]
    except ModelError:
        return None


def retrain_motions(
    collection: Collection,
    target: Path,
    home: Path | None = None,
    plan: MotionPlan | None = None,
    base: Path = BASE_DATA / "motions.csv.gz",
    progress: Callable[[str], None] = print,
    in_use: str = MOTIONS,
) -> Retrained:
    """Train the movements of the base data and of a collection together, and write the model to `target`.

    Its card says how it does beside the model in use on made-up paths that neither was trained on.

    Raises:
        CollectionError: nothing was collected, or too little of a new movement.
        TableError: a table is damaged.
    """
    mine, known = collection.paths(), read_paths(base)
    if mine is None:
        raise CollectionError(f"{collection.folder}: no movements were collected yet; {FIRST}")
    added = new_labels(collection, MOTIONS, mine.label.tolist())
    labels = (*BASE_LABELS[MOTIONS], *added)
    plan = plan or MotionPlan()
    table = join([known, split_alone(mine.select(np.isin(mine.label, labels)), labels)])
    held_out = train_motions(table, labels, target, plan, progress, folds=FOLDS)
    result, card = _retrained(target, held_out), _card_of(in_use, MOTIONS, home)
    if card is None:
        return result
    present, new = MotionClassifier.load(in_use, home), MotionClassifier.load(str(target.absolute()))
    before, after = (score_motions(each, count=100) for each in (present, new))
    note_comparison(target, card, _of_known(after, before, card.labels))
    same = join([table, made_up_paths(labels, UNSEEN, plan.seed + 1)])
    features = motion_features(same.paths)
    after, before = (recall_of(each, features, same.label) for each in (new, present))
    return replace(result, after=after, in_use=before)


def passes(plan: SignPlan | MotionPlan) -> int:
    """How many passes a training of "signs" or "motions" has at most, those for measuring included."""
    return FOLDS * plan.short().epochs + plan.members * plan.epochs


def comparison(result: Retrained) -> str:
    """The new model on people left out of its training, and beside the one in use on everybody, as text."""

    def cell(recall: dict[str, float], label: str) -> str:
        return f"{recall[label]:14.3f}" if label in recall else f"{'-':>14}"

    lines = [f"{'':20}{'left out':>14}{'all, new':>14}{'all, in use':>14}"]
    lines += [
        f"{label:20}{cell(result.recall, label)}{cell(result.after, label)}{cell(result.in_use, label)}"
        for label in result.labels
        if label in result.recall
    ]
    lines.append("left out: of people whom the new model was not trained on; all: of everybody, trained on or not")
    lines += [
        f"{label}: only {share:.0%} of what was left out is recognised; let more people show it, in more ways"
        for label, share in result.recall.items()
        if share < WEAK
    ]
    return "\n".join(lines)


def models_that_know(home: Path, task: str, label: str) -> list[Card]:
    """Cards of the user's models in which a label could get another name.

    A label that the program came with keeps its name in models: the Signal for Help is made of such.

    Raises:
        ModelError: a model is damaged.
    """
    if label in BASE_LABELS[task] or not home.is_dir():
        return []
    cards = [read_card(file.parent) for file in sorted(home.glob("*/card.md"))]
    return [card for card in cards if card.task == task and label in card.labels]


def rename_in_models(home: Path, task: str, old: str, new: str) -> tuple[list[str], list[str]]:
    """Give a label of the user's another name in all models that know it.

    Returns:
        Names of those that are changed, and of those that know the new name besides: they learned to tell the two
        apart, and stay as they are until they are trained anew.

    Raises:
        ModelError: a model is damaged; nothing is changed then.
    """
    changed, both = [], []
    for card in models_that_know(home, task, old):
        if new in card.labels:
            both.append(card.name)
        else:
            change_card(home / card.name, labels=tuple(new if label == old else label for label in card.labels))
            changed.append(card.name)
    return changed, both
