"""Pictures of a training: loss by epoch, which label was taken for which, ROC curves. Needs matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from audio.corpus import LABELS
from audio.zoo.lesson import Epoch

Array = NDArray[np.float32]


def curves(history: Sequence[Epoch], path: Path) -> None:
    """Loss by epoch, on what was learned from and on what was held back."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    epochs = range(1, len(history) + 1)
    axes.plot(epochs, [each.learned for each in history], marker="o", label="learned from")
    axes.plot(epochs, [each.held for each in history], marker="o", label="held back")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend()
    figure.savefig(path, metadata={"Software": None})


def confusion(truth: NDArray[np.int64], given: NDArray[np.int64], path: Path) -> None:
    """How often each label was taken for which."""
    counts = np.zeros((len(LABELS), len(LABELS)), int)
    np.add.at(counts, (truth, given), 1)
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, str(count), ha="center", va="center")
    axes.set_xticks(range(len(LABELS)), LABELS)
    axes.set_yticks(range(len(LABELS)), LABELS)
    axes.set(xlabel="taken for", ylabel="is")
    figure.savefig(path, metadata={"Software": None})


def roc(curves: Mapping[str, tuple[Array, Array]], path: Path) -> None:
    """ROC curves, the rate of false alarms on a logarithmic scale: what counts is its left end.

    Args:
        curves: by model, false clips and screams found, as shares.
        path: the PNG to write.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes: Any = figure.add_subplot()
    for name, (false, found) in curves.items():
        axes.plot(np.maximum(false, 3e-4), found, label=name, drawstyle="steps-post")
    for rate in (0.001, 0.01):
        axes.axvline(rate, color="grey", linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.set(xlabel="share of other recordings taken for a scream", ylabel="share of screams found", ylim=(0, 1.01))
    axes.legend(fontsize="small", loc="lower right")
    figure.savefig(path, metadata={"Software": None})
