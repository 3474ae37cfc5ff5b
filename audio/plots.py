"""Pictures for people, as PNG: what a recording sounds like and what the detector made of it; how good a model is.

Needs matplotlib, which comes with mediapipe.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE, SoundError
from audio.capture import open_sound
from audio.corpus import LABELS
from audio.detector import OPERATING_POINT, ScreamModel, SoundReading
from audio.evaluate import Evaluation
from audio.judging import Judged, alarms_in, listen
from audio.noise import QUANTILES
from audio.report import counted_of
from audio.zoo import front_end

Array = NDArray[np.float32]
Scored = tuple[Array, NDArray[np.bool_]]
"""Scores, and which of them are of screams."""

COLORS = {"scream": "#c0392b", "conversation": "#2471a3", "ambient": "#7f8c8d"}
INK, ACCENT, GRID = "#2c3e50", "#d35400", "#d5d8dc"
PALETTE = (INK, ACCENT, *COLORS.values(), "#27ae60", "#8e44ad", "#f1c40f", "#16a085", "#d98880", "#85c1e9")
MAP = "magma"
DPI = 110
LOWEST_RATE = 1e-3
"""Where the logarithmic axis of false clips begins."""
PEAKS = 2000
"""Most columns of a waveform: each shows the lowest and highest sample in it."""
HOP = 256
"""Samples between the columns of the spectrograms."""
MEL_BANDS = 80
COEFFICIENTS = 13
LONGEST_S = 600.0
"""A longer recording is drawn this far only."""


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
    truth = np.asarray([each.clip.label == "scream" for each in counted])
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

    figure = Figure(figsize=(7.5, 6), layout="constrained")
    axes = _axes(figure.subplots(), "recall of screams over false clips", "false clips", "recall")
    for (name, (scores, truth)), color in zip(curves.items(), cycle(PALETTE), strict=False):
        false, found, _ = roc_curve(truth, scores)
        label = f"{name}: AUC {roc_auc_score(truth, scores):.4f}"
        axes.step(np.maximum(false, LOWEST_RATE / 2), found, where="post", lw=2, color=color, label=label)
        if marked:
            _mark(axes, scores, truth, color)
    axes.set_xscale("log")
    axes.set_xlim(LOWEST_RATE / 2, 1)
    axes.set_ylim(0, 1.01)
    axes.set_xticks([0.001, 0.01, 0.1, 1], ["0.1 %", "1 %", "10 %", "100 %"])
    axes.legend(loc="lower right", frameon=False, title="circle: the shipped threshold" if marked else None)
    return _save(figure, path)


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
    axes = _axes(figure.subplots(), title, "recall", "precision")
    for (name, (scores, truth)), color in zip(curves.items(), cycle(PALETTE), strict=False):
        precision, recall, _ = precision_recall_curve(truth, scores)
        label = f"{name}: average {average_precision_score(truth, scores):.4f}"
        axes.step(recall, precision, lw=2, color=color, label=label)
    axes.set_xlim(0, 1.005)
    axes.set_ylim(0, 1.01)
    axes.legend(loc="lower left", frameon=False)
    return _save(figure, path)


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
    return _save(figure, path)


def draw_losses(history: Sequence[tuple[float, float]], path: Path) -> Path:
    """Loss by epoch, on what was learned from and on what was held back."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = _axes(figure.subplots(), "loss", "epoch", "")
    epochs = range(1, len(history) + 1)
    for losses, name, color in zip(zip(*history, strict=True), ("learned from", "held back"), PALETTE, strict=False):
        axes.plot(epochs, losses, "o-", color=color, label=name)
    axes.legend(frameon=False)
    return _save(figure, path)


def draw_snr(noise: Mapping[str, Mapping[str, Any]], path: Path) -> Path:
    """How sure the detector becomes of screams in other sound, and how many raise an alarm, over the ratio of both."""
    figure = Figure(figsize=(7.5, 5.5), layout="constrained")
    axes = _axes(figure.subplots(), "screams in other sound", "scream over background in dB", "probability, recall")
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
    return _save(figure, path)


def draw_recording(model: ScreamModel, recording: Path, folder: Path) -> Path:
    """A recording from waveform to alarm, as a PNG called after it; of a long one only the first `LONGEST_S`.

    Raises:
        SoundError: it cannot be decoded, or holds no sound.
        OSError: the folder cannot be written.
    """
    source = open_sound(str(recording), fast=True)
    parts: list[Array] = []
    left = int(LONGEST_S * SAMPLE_RATE)
    try:
        for block in source:
            parts.append(block.samples[:left])
            left -= len(parts[-1])
            if left <= 0:
                break
    finally:
        source.close()
    samples = np.concatenate([np.zeros(0, np.float32), *parts])
    if not len(samples):
        raise SoundError(f"{recording}: holds no sound")
    readings = listen(model, samples)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{recording.name}.png"
    return draw_sound(recording.name, samples, readings, list(alarms_in(readings)), path)


def draw_sound(
    name: str, samples: Array, readings: Sequence[SoundReading], alarms_at_s: Sequence[float], path: Path
) -> Path:
    """Waveform, spectrograms, MFCC, level, spectral shape and what the detector said, all on one time line.

    Args:
        name: for the title.
        samples: float32 of shape (n,), mono at 16 kHz, at least one.
        readings: what the detector said of it.
        alarms_at_s: when it raised an alarm.
        path: the picture.

    Raises:
        OSError: it cannot be written.
    """
    end = len(samples) / SAMPLE_RATE
    figure = Figure(figsize=(14, 13.5), layout="constrained")
    grid = figure.add_gridspec(6, 2, height_ratios=[1.1, 1.6, 1.6, 1.2, 1.2, 1.7], width_ratios=[4.6, 1])
    first = figure.add_subplot(grid[0, 0])
    below = [figure.add_subplot(grid[row, 0], sharex=first) for row in range(1, 6)]
    spectrum = front_end.magnitudes(samples, hop=HOP)
    _waveform(first, samples)
    _spectrogram(below[0], spectrum, end)
    _mel(below[1], spectrum, end)
    _level(below[2], samples, end)
    _shape(below[3], spectrum, end)
    _time_line(below[4], readings, alarms_at_s)
    for axes in (first, *below[:-1]):
        axes.tick_params(labelbottom=False)
    first.set_xlim(0, end)
    _facts(figure.add_subplot(grid[0, 1]), name, samples, alarms_at_s)
    _coefficients(figure.add_subplot(grid[1:4, 1]), spectrum)
    names = figure.add_subplot(grid[4:, 1])
    names.axis("off")
    names.legend(*below[4].get_legend_handles_labels(), loc="lower left", frameon=False, title="detector")
    return _save(figure, path)


def _facts(axes: Axes, name: str, samples: Array, alarms_at_s: Sequence[float]) -> None:
    """What can be said in words."""
    axes.axis("off")
    seconds = len(samples) / SAMPLE_RATE
    peak, rms = float(np.abs(samples).max()), float(np.sqrt(np.square(samples).mean()))
    lines = [
        f"{seconds:.2f} s" if seconds < LONGEST_S else f"the first {LONGEST_S:g} s",
        f"peak {_dbfs(peak)}, RMS {_dbfs(rms)}",
        f"{len(alarms_at_s)} alarm{'' if len(alarms_at_s) == 1 else 's'}",
    ]
    shown = name if len(name) <= 28 else f"{name[:27]}…"
    axes.text(0, 1, shown, transform=axes.transAxes, va="top", color=INK, fontsize=12, weight="bold")
    axes.text(0, 0.72, "\n".join(lines), transform=axes.transAxes, va="top", color=INK, fontsize=10, linespacing=1.6)


def _dbfs(value: float) -> str:
    return f"{20 * np.log10(value):.1f} dBFS" if value > 0 else "none"


def _waveform(axes: Axes, samples: Array) -> None:
    size = max(len(samples) // PEAKS, 1)
    _axes(axes, "waveform", "", "full scale")
    pieces = samples[: len(samples) // size * size].reshape(-1, size)
    at_s = (np.arange(len(pieces)) + 0.5) * size / SAMPLE_RATE
    axes.fill_between(at_s, pieces.min(axis=1), pieces.max(axis=1), color=INK, lw=0.4)
    top = max(float(np.abs(samples).max()) * 1.08, 1e-4)
    axes.set_ylim(-top, top)


def _spectrogram(axes: Axes, spectrum: Array, end: float) -> None:
    _axes(axes, "spectrogram", "", "kHz", grid=False)
    _image(axes, front_end.decibels(np.square(spectrum)), (0, end, 0, SAMPLE_RATE / 2000))


def _mel(axes: Axes, spectrum: Array, end: float) -> None:
    _axes(axes, f"mel spectrogram, {MEL_BANDS} bands", "", "band", grid=False)
    power = np.square(spectrum) @ front_end.mel_matrix(MEL_BANDS)
    _image(axes, front_end.decibels(power), (0, end, 0, MEL_BANDS))


def _image(axes: Axes, level: Array, extent: tuple[float, float, float, float]) -> None:
    shown = (level - level.max()).T
    image = axes.imshow(shown, origin="lower", aspect="auto", cmap=MAP, extent=extent, vmin=-front_end.RANGE_DB, vmax=0)
    scale = axes.inset_axes((0.83, 0.9, 0.15, 0.05))
    bar = axes.figure.colorbar(image, cax=scale, orientation="horizontal", ticks=[-80, -40, 0])
    bar.ax.tick_params(colors="white", labelsize=7.5, length=2)
    bar.ax.set_xticklabels(["-80", "-40", "0 dB"])
    bar.outline.set_edgecolor("white")


def _level(axes: Axes, samples: Array, end: float) -> None:
    rms = front_end.loudness(samples)
    _axes(axes, "level and zero crossings", "", "RMS in dB")
    axes.plot(np.linspace(0, end, len(rms)), 20 * np.log10(np.maximum(rms, 1e-5)), color=INK, lw=1.4)
    other = _second(axes, "zero crossings", COLORS["conversation"])
    crossings = front_end.crossings(samples)
    other.plot(np.linspace(0, end, len(crossings)), crossings, color=COLORS["conversation"], lw=1.1, alpha=0.85)
    other.set_ylim(0, None)


def _shape(axes: Axes, spectrum: Array, end: float) -> None:
    _axes(axes, "spectral centroid and 85 % roll-off", "", "kHz")
    at_s = np.linspace(0, end, len(spectrum))
    axes.plot(at_s, front_end.rolloff(spectrum) / 1000, color=ACCENT, lw=1.2, label="roll-off")
    axes.plot(at_s, front_end.centroid(spectrum) / 1000, color=INK, lw=1.4, label="centroid")
    axes.set_ylim(0, SAMPLE_RATE / 2000)
    axes.legend(loc="upper right", frameon=False, ncols=2)


def _coefficients(axes: Axes, spectrum: Array) -> None:
    _axes(axes, "MFCC, mean and deviation", "", "")
    columns = front_end.cepstrum(spectrum, COEFFICIENTS)
    mean, spread = columns.mean(axis=0), columns.std(axis=0)
    place = np.arange(COEFFICIENTS)
    axes.barh(place, mean, xerr=spread, color="#aeb6bf", ecolor=INK, error_kw={"lw": 1}, height=0.7)
    axes.set_xscale("symlog", linthresh=20)
    axes.set_yticks(place, [str(number) for number in place])
    axes.invert_yaxis()
    axes.axvline(0, color=INK, lw=0.8)
    axes.tick_params(labelsize=8)


def _time_line(axes: Axes, readings: Sequence[SoundReading], alarms_at_s: Sequence[float]) -> None:
    _axes(axes, "what the detector says", "seconds", "probability")
    at_s = [reading.at_s for reading in readings]
    bottom = np.zeros(len(at_s))
    for label in ("ambient", "conversation", "scream"):
        chances = np.asarray([reading.probabilities.get(label, 0.0) for reading in readings])
        axes.fill_between(
            at_s, bottom, bottom + chances, color=COLORS[label], alpha=0.35, lw=0, step="pre", label=label
        )
        bottom = bottom + chances
    persisted = [reading.scream for reading in readings]
    axes.plot(at_s, persisted, color=INK, lw=2, label="scream, persisted")
    axes.axhline(OPERATING_POINT, color=COLORS["scream"], ls="--", lw=1.2, label=f"threshold {OPERATING_POINT:.2f}")
    for number, alarm in enumerate(alarms_at_s):
        axes.axvline(alarm, color=COLORS["scream"], lw=1.6, label=None if number else "alarm")
        axes.annotate(f" {alarm:.2f} s", (alarm, 0.97), color=COLORS["scream"], va="top", fontsize=9)
    axes.set_ylim(0, 1.0)


def _second(axes: Axes, label: str, color: str) -> Axes:
    other = axes.twinx()
    other.set_ylabel(label, color=color, fontsize=9)
    other.tick_params(axis="y", colors=color, labelsize=8)
    other.spines[:].set_visible(False)
    return other


def _axes(axes: Axes, title: str, across: str, up: str, *, grid: bool = True) -> Axes:
    """The look that all have in common."""
    axes.set_title(title, loc="left", color=INK, fontsize=10.5)
    axes.set_xlabel(across, color=INK, fontsize=9)
    axes.set_ylabel(up, color=INK, fontsize=9)
    axes.tick_params(colors=INK, labelsize=8.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    if grid:
        axes.grid(color=GRID, lw=0.6)
        axes.set_axisbelow(True)
    return axes


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=DPI, facecolor="white")
    return path
