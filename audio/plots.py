"""Pictures of how good a model is, for people, as PNG."""

from collections.abc import Mapping, Sequence
from itertools import cycle, product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from audio.corpus import LABELS, are_screams
from audio.detector import OPERATING_POINT
from audio.evaluate import Evaluation
from audio.judging import Judged
from audio.noise import QUANTILES
from audio.plot_style import ACCENT, COLORS, INK, dressed, save
from audio.report import counted_of

Array = NDArray[np.float32]
Scored = tuple[Array, NDArray[np.bool_]]
"""Scores, and which of them are of screams."""

PALETTE = (INK, ACCENT, *COLORS.values(), "#27ae60", "#8e44ad", "#f1c40f", "#16a085", "#d98880", "#85c1e9")
LOWEST_RATE = 1e-3
"""Where the logarithmic axis of false clips begins."""


def draw_evaluation(evaluation: Evaluation, folder: Path) -> list[Path]:
    """ROC, precision-recall, confusion matrix and probabilities over signal-to-noise ratio; those there is data for.

    Returns:
        The pictures.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counted = counted_of(evaluation.judged)
    report, made = evaluation.report, []
    truth = are_screams([each.clip for each in counted])
    if truth.any() and not truth.all():
        curves = _curves(counted, truth)
        made += [draw_roc(curves, folder / "roc.png"), draw_precision_recall(curves, folder / "precision-recall.png")]
    if counted:
        matrices = {name: report[key]["confusion"] for key, name in (("files", "whole files"), ("segments", "windows"))}
        made.append(draw_confusion(matrices, folder / "confusion.png"))
    if report.get("noise"):
        made.append(draw_snr(report["noise"], folder / "snr.png"))
    return made


def _curves(judged: Sequence[Judged], truth: NDArray[np.bool_]) -> dict[str, Scored]:
    return {
        "whole files": (np.asarray([each.probability for each in judged], np.float32), truth),
        "running detector": (np.asarray([each.highest for each in judged], np.float32), truth),
    }


def draw_roc(curves: Mapping[str, Scored], path: Path, *, marked: bool = True) -> Path:
    """Recall over the share of false clips, on a logarithmic axis: what counts is on the left.

    Args:
        curves: by name.
        path: the picture.
        marked: whether the scores are probabilities, and where the shipped threshold lies on them is of interest.
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = dressed(figure.subplots(), "recall of screams over false clips", "false clips", "recall")
    areas = {name: float(roc_auc_score(truth, scores)) for name, (scores, truth) in curves.items()}
    best_first = sorted(curves, key=lambda name: -areas[name])
    for name, (dash, color) in zip(best_first, cycle(product(("-", "--"), PALETTE)), strict=False):
        scores, truth = curves[name]
        false, found, _ = roc_curve(truth, scores)
        label, drawn = f"{name}: AUC {areas[name]:.4f}", np.maximum(false, LOWEST_RATE / 2)
        axes.step(drawn, found, dash, where="post", lw=2, color=color, label=label)
        if marked:
            _mark(axes, scores, truth, color)
    axes.set_xscale("log")
    axes.set_xlim(LOWEST_RATE / 2, 1)
    axes.set_ylim(0, 1.01)
    axes.set_xticks([0.001, 0.01, 0.1, 1], ["0.1 %", "1 %", "10 %", "100 %"])
    title = "circle: the shipped threshold" if marked else None
    figure.legend(loc="outside right upper", frameon=False, title=title)
    return save(figure, path)


def _mark(axes: Axes, scores: Array, truth: NDArray[np.bool_], color: str) -> None:
    """Where the shipped threshold lies on a ROC curve."""
    false, found = (float((scores[kind] >= OPERATING_POINT).mean()) for kind in (~truth, truth))
    axes.plot(max(false, LOWEST_RATE / 2), found, "o", ms=9, mfc="white", mec=color, mew=2, clip_on=False, zorder=5)


def draw_precision_recall(curves: Mapping[str, Scored], path: Path) -> Path:
    """Precision over recall, for the share of screams that the recordings have."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    figure = Figure(figsize=(7.5, 6), layout="constrained")
    share = float(np.mean(next(iter(curves.values()))[1])) if curves else 0.0
    title = f"precision over recall ({share:.1%} of the recordings are screams)"
    axes = dressed(figure.subplots(), title, "recall", "precision")
    for (name, (scores, truth)), color in zip(curves.items(), cycle(PALETTE), strict=False):
        precision, recall, _ = precision_recall_curve(truth, scores)
        label = f"{name}: average {average_precision_score(truth, scores):.4f}"
        axes.step(recall, precision, lw=2, color=color, label=label)
    axes.set_xlim(0, 1.005)
    axes.set_ylim(0, 1.01)
    axes.legend(loc="lower left", frameon=False)
    return save(figure, path)


def draw_confusion(matrices: Mapping[str, Sequence[Sequence[int]]], path: Path) -> Path:
    """Which label is taken for which: shares of each row, with the counts."""
    figure = Figure(figsize=(0.8 + 4.4 * len(matrices), 4.6), layout="constrained")
    for axes, (name, counts) in zip(np.atleast_1d(figure.subplots(1, len(matrices))), matrices.items(), strict=True):
        table = np.asarray(counts, float)
        shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for i, j in np.ndindex(*table.shape):
            text = f"{shares[i, j]:.1%}\n{int(table[i, j])}" if table[i].any() else "-"
            axes.text(j, i, text, ha="center", va="center", fontsize=9, color="white" if shares[i, j] > 0.5 else INK)
        axes.set_xticks(range(len(LABELS)), LABELS)
        axes.set_yticks(range(len(LABELS)), LABELS, rotation=90, va="center")
        axes.set_title(name, color=INK)
        axes.set_xlabel("taken for")
        axes.set_ylabel("is")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
    return save(figure, path)


def draw_losses(history: Sequence[tuple[float, float]], path: Path) -> Path:
    """Loss by epoch, on what was learned from and on what was held back."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = dressed(figure.subplots(), "loss", "epoch", "")
    epochs = range(1, len(history) + 1)
    for losses, name, color in zip(zip(*history, strict=True), ("learned from", "held back"), PALETTE, strict=False):
        axes.plot(epochs, losses, "o-", color=color, label=name)
    axes.legend(frameon=False)
    return save(figure, path)


def draw_snr(noise: Mapping[str, Mapping[str, Any]], path: Path) -> Path:
    """How sure the detector becomes of screams in other sound, and how many raise an alarm, over the ratio of both."""
    figure = Figure(figsize=(7.5, 5.5), layout="constrained")
    axes = dressed(figure.subplots(), "screams in other sound", "scream over background in dB", "probability, recall")
    names = list(noise)[::-1]
    quantiles = np.asarray([noise[name]["probability"] for name in names]).T
    place = np.arange(len(names))
    axes.fill_between(
        place,
        quantiles[0],
        quantiles[-1],
        color=ACCENT,
        alpha=0.13,
        lw=0,
        label=f"{QUANTILES[0]:.0%} to {QUANTILES[-1]:.0%}",
    )
    axes.fill_between(place, quantiles[1], quantiles[-2], color=ACCENT, alpha=0.25, lw=0, label="middle half")
    axes.plot(place, quantiles[2], color=ACCENT, lw=2, label="median of the highest probability")
    axes.plot(
        place, [noise[name]["recall"] for name in names], "o-", color=INK, lw=2, label="share that raises an alarm"
    )
    axes.axhline(OPERATING_POINT, color=COLORS["scream"], ls="--", lw=1, label="threshold")
    axes.set_xticks(place, names)
    axes.set_xlim(0, len(names) - 1)
    axes.set_ylim(0, 1.01)
    axes.legend(loc="lower right", frameon=False)
    return save(figure, path)
