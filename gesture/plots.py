"""What a training looked like, as pictures beside the model: which label is taken for which, and how the loss fell."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFUSION, CURVES = "confusion.png", "curves.png"


def plot_confusion(matrix: NDArray[np.intp], labels: Sequence[str], path: Path) -> None:
    """Draw which label is taken for which.

    Args:
        matrix: how often what was shown (row) was taken for what (column), of shape (labels, labels).
        labels: in the order of the matrix.
        path: the PNG.
    """
    count = len(labels)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure, axes = _figure(1.5 + 0.7 * count, 1 + 0.7 * count)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(count, count):
        if matrix[i, j]:
            shade = "white" if shares[i, j] > 0.5 else "black"
            axes.text(j, i, f"{shares[i, j]:.2f}", ha="center", va="center", fontsize=8, color=shade)
    axes.set_xticks(range(count), labels, rotation=45, ha="right")
    axes.set_yticks(range(count), labels)
    axes.set_xlabel("taken for")
    axes.set_ylabel("shown")
    figure.savefig(path, dpi=100)


def plot_curves(trainings: Sequence[tuple[Sequence[float], Sequence[float]]], path: Path) -> None:
    """Draw the loss of each pass.

    Args:
        trainings: for each, the loss on what was trained on and on what was left out, one number a pass.
        path: the PNG.
    """
    figure, axes = _figure(6, 4)
    for number, (trained, left_out) in enumerate(trainings):
        passes = range(1, len(trained) + 1)
        axes.plot(passes, trained, color="C0", alpha=0.7, label=None if number else "trained on")
        axes.plot(passes, left_out, color="C1", alpha=0.7, label=None if number else "left out")
    axes.set_xlabel("pass")
    axes.set_ylabel("loss")
    axes.set_yscale("log")
    axes.legend()
    figure.savefig(path, dpi=100)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="tight")
    return figure, figure.subplots()
