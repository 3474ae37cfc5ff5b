"""Cross-validation by person: what models say of people whom they were not trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gesture.network import Fitted, LeftOut, best_pass, cross_entropy, predict, softmax
from gesture.plan import MotionPlan, SignPlan
from gesture.plots import CONFUSION, CURVES, plot_confusion, plot_curves
from gesture.signal_for_help import NONE, STAGES
from gesture.tables import HandTable, PathTable

Points = NDArray[np.float32]
Text = NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What a model says of hands of people it was not trained on.

    Attributes:
        probabilities: float32 of shape (n, labels).
        target: int of shape (n,), index of the right label.
        labels: in the order of the probabilities.
        curves: loss of each pass on what was trained on and on what was left out, for each training.
    """

    probabilities: Points
    target: NDArray[np.intp]
    labels: tuple[str, ...]
    curves: tuple[tuple[list[float], list[float]], ...] = ()

    def select(self, chosen: NDArray[np.bool_]) -> "HeldOut":
        """The hands that a mask names."""
        return HeldOut(self.probabilities[chosen], self.target[chosen], self.labels)

    def passes(self, plan: SignPlan | MotionPlan) -> int:
        """How many passes of a plan are worth while: the share after which its short one was best at what was left out.

        The mean of the trainings.
        """
        most = plan.short().epochs
        share = float(np.mean([(best_pass(left_out) + 1) / most for _, left_out in self.curves]))
        return max(round(plan.epochs * share), 1)

    def plot(self, folder: Path) -> None:
        """Draw which label is taken for which, and the losses, into a folder."""
        plot_confusion(self.confusion(), self.labels, folder / CONFUSION)
        plot_curves(self.curves, folder / CURVES)

    def recall(self) -> dict[str, float]:
        """Share of hands of each sign that are taken for it; signs without a hand are left out."""
        answers = self.probabilities.argmax(axis=1)
        return {
            label: float((answers[self.target == i] == i).mean())
            for i, label in enumerate(self.labels)
            if (self.target == i).any()
        }

    def confusion(self) -> NDArray[np.intp]:
        """How many hands of each sign (row) were taken for each (column)."""
        matrix = np.zeros((len(self.labels), len(self.labels)), np.intp)
        np.add.at(matrix, (self.target, self.probabilities.argmax(axis=1)), 1)
        return matrix

    def false_parts(self, parts: Sequence[str] = STAGES) -> float:
        """Share of hands that show no sign but are taken for one of these, by default a part of the Signal for Help."""
        answers = self.probabilities.argmax(axis=1)
        none = self.target == self.labels.index(NONE)
        wrong = np.isin(answers[none], [i for i, label in enumerate(self.labels) if label in parts])
        return float(wrong.mean()) if none.any() else 0.0


def hold_out(
    fold: NDArray[np.intp],
    folds: int,
    rows: LeftOut,
    labels: tuple[str, ...],
    learn: Callable[[NDArray[np.bool_], Callable[[str], None], LeftOut], Fitted],
    progress: Callable[[str], None],
) -> HeldOut:
    """Answers for all rows, those of each fold by networks that `learn` from the other rows."""
    probabilities = np.zeros((len(rows.target), len(labels)), np.float32)
    curves = []
    for number in range(folds):
        mine = fold == number
        if mine.any():
            left_out = LeftOut(rows.features[mine], rows.target[mine])
            fitted = learn(~mine, _told(progress, number, folds), left_out)
            probabilities[mine] = predict(fitted.networks, left_out.features)
            curves.append((fitted.loss[0], fitted.left_out[0]))
    return HeldOut(probabilities, rows.target, labels, tuple(curves))


def _told(progress: Callable[[str], None], fold: int, folds: int) -> Callable[[str], None]:
    """Progress that says which part is left out meanwhile."""
    return lambda line: progress(f"part {fold + 1}/{folds} left out: {line}")


def folds_by_person(people: Text, kinds: Text, count: int, seed: int) -> NDArray[np.intp]:
    """Fold of each row, 0 to `count` - 1; no person is in two folds, and every kind is spread over them.

    What few people show would otherwise be left out all at once, and the figure would be of a model that has hardly
    seen it.

    Args:
        people: n texts.
        kinds: n texts; what is to be spread, such as the label of each row, or its source and label.
        count: number of folds.
        seed: decides between people that are alike.
    """
    names, person = np.unique(people, return_inverse=True)
    known, kind = np.unique(kinds, return_inverse=True)
    rows = np.zeros((len(names), len(known)), np.float64)
    np.add.at(rows, (person, kind), 1)
    shares = rows / np.maximum(rows.sum(axis=0), 1)
    folds, filled = np.zeros(len(names), np.intp), np.zeros((count, len(known)))
    some = np.random.default_rng(seed).permutation(len(names))
    # Those who show the largest part of something choose first.
    for one in some[np.argsort(-shares[some].max(axis=1), kind="stable")]:
        folds[one] = np.lexsort((filled.sum(axis=1), filled @ shares[one]))[0]
        filled[folds[one]] += shares[one]
    return folds[person]


def kinds_of(table: HandTable | PathTable) -> Text:
    """Source and label of each row: every source shows a label in its own way."""
    return np.char.add(np.char.add(table.source, " "), table.label)


def calibrate(probabilities: Points, target: NDArray[np.intp]) -> float:
    """Temperature that makes probabilities of held-out hands match how often they are right.

    Guo et al., "On Calibration of Modern Neural Networks", 2017: one number that divides the logits. Found by trying.
    """
    logits = np.log(np.maximum(probabilities, np.float32(1e-9)))
    candidates = np.geomspace(0.3, 4, 60, dtype=np.float32)
    losses = [cross_entropy(softmax(logits / t), target) for t in candidates]
    return float(candidates[int(np.argmin(losses))])
