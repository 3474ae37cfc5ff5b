"""Metrics of a detector: pure, from scores and labels to figures."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.corpus import LABELS
from models.rate_bound import rate_bound

Array = NDArray[np.float32]

RATES = (0.01, 0.001)
"""Shares of falsely alarmed clips at which recall is stated."""
RECALLS = " | ".join(f"recall at {rate:.1%} false clips" for rate in RATES)
"""The head of their columns in a table."""
UNSTATED = "–: too few other recordings for that share: a single false one would be more."
"""Below a table with such a dash."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How well recordings are ranked.

    Attributes:
        screams: how many.
        others: how many.
        auc: area under the ROC curve.
        recall: share of falsely alarmed clips -> share of screams found.
    """

    screams: int
    others: int
    auc: float
    recall: dict[float, float]

    def stated(self, rate: float) -> float | None:
        """Recall at a share of falsely alarmed clips; None where so few others were judged that not one may be false.

        It would then be the recall above all of them: of seven as of a thousand, and of that the share says nothing.
        """
        return self.recall[rate] if int(rate * self.others) else None

    def report(self) -> dict[str, Any]:
        """As JSON values; a recall of which nothing can be said is None."""
        return {**asdict(self), "recall": {rate: self.stated(rate) for rate in self.recall}}


def figures(scores: Array, screams: NDArray[np.bool_], rates: Sequence[float] = RATES) -> Figures:
    """AUC, and recall where at most a share of `rates` of the other recordings scores higher or the same.

    Args:
        scores: shape (n,), higher for screams.
        screams: shape (n,), which are; at least one of each kind.
    """
    found, other = scores[screams], np.sort(scores[~screams])
    below = np.searchsorted(other, found, "left") + np.searchsorted(other, found, "right")
    recall = {rate: float((found > other[len(other) - 1 - int(rate * len(other))]).mean()) for rate in rates}
    return Figures(len(found), len(other), float(below.mean() / 2 / len(other)), recall)


def held_back(screams: Array, truth: NDArray[np.bool_]) -> dict[str, float]:
    """How good a model is on what it had not learned from, for its card: shares of which more is better.

    Args:
        screams: shape (n,), higher for screams.
        truth: shape (n,), which are; without some of each kind there are no figures.
    """
    if truth.all() or not truth.any():
        return {}
    found = figures(screams, truth)
    recall = found.stated(RATES[0])
    return {"auc": found.auc} | ({} if recall is None else {"recall_at_1_percent": recall})


def shown(share: float | None, digits: int = 2) -> str:
    """A recall for a table; a dash where nothing can be said of it."""
    return "–" if share is None else f"{share:.{digits}f}"


def classification(truth: Sequence[str], guesses: Sequence[str], chances: Array) -> dict[str, Any]:
    """How labels were told apart, as JSON values; None where a figure has no meaning for want of examples.

    Args:
        truth: the labels.
        guesses: what they were taken for.
        chances: probabilities, float32 of shape (n, `LABELS`).
    """
    from sklearn.metrics import confusion_matrix, matthews_corrcoef, precision_recall_fscore_support, roc_auc_score

    if not truth:
        return {"count": 0}
    there, called = np.asarray(truth), np.asarray(guesses)
    scores = precision_recall_fscore_support(there, called, labels=LABELS, zero_division=0)
    labels = {}
    for place, label in enumerate(LABELS):
        mine = there == label
        both = mine.any() and not mine.all()
        labels[label] = {
            "count": int(scores[3][place]),
            "precision": float(scores[0][place]),
            "recall": float(scores[1][place]),
            "f1": float(scores[2][place]),
            "mcc": float(matthews_corrcoef(mine, called == label)) if both else None,
            "auc": float(roc_auc_score(mine, chances[:, place])) if both else None,
        }
    return {
        "count": len(truth),
        "accuracy": float((there == called).mean()),
        "mcc": float(matthews_corrcoef(there, called)) if len(set(truth)) > 1 else None,
        "labels": labels,
        "confusion": confusion_matrix(there, called, labels=LABELS).tolist(),
    }


def rate(alarms: int, hours: float) -> dict[str, Any]:
    """Alarms an hour, and the most that it may be."""
    return {
        "hours": hours,
        "alarms": alarms,
        "per_hour": alarms / hours if hours else None,
        "at_most_per_hour": rate_bound(alarms, hours) if hours else None,
    }
