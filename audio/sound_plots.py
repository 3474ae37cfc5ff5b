"""Pictures of recordings for people, as PNG: what one sounds like, and what the detector made of it."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE, SoundError
from audio.capture import open_sound
from audio.detector import OPERATING_POINT, ScreamModel, SoundReading
from audio.judging import alarms_in, listen
from audio.plot_style import ACCENT, COLORS, INK, dressed, save
from audio.zoo import front_end

Array = NDArray[np.float32]

MAP = "magma"
PEAKS = 2000
"""Most columns of a waveform: each shows the lowest and highest sample in it."""
HOP = 256
"""Samples between the columns of the spectrograms."""
MEL_BANDS = 80
COEFFICIENTS = 13
LONGEST_S = 600.0
"""A longer recording is drawn this far only."""


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
    title = os.fsencode(recording.name).decode(errors="replace")  # an old name may be no UTF-8
    alarms_at_s = list(alarms_in((reading.at_s, reading.scream) for reading in readings))
    return draw_sound(title, samples, readings, alarms_at_s, path)


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
    return save(figure, path)


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
    dressed(axes, "waveform", "", "full scale")
    pieces = samples[: len(samples) // size * size].reshape(-1, size)
    at_s = (np.arange(len(pieces)) + 0.5) * size / SAMPLE_RATE
    axes.fill_between(at_s, pieces.min(axis=1), pieces.max(axis=1), color=INK, lw=0.4)
    top = max(float(np.abs(samples).max()) * 1.08, 1e-4)
    axes.set_ylim(-top, top)


def _spectrogram(axes: Axes, spectrum: Array, end: float) -> None:
    dressed(axes, "spectrogram", "", "kHz", grid=False)
    _image(axes, front_end.decibels(np.square(spectrum)), (0, end, 0, SAMPLE_RATE / 2000))


def _mel(axes: Axes, spectrum: Array, end: float) -> None:
    dressed(axes, f"mel spectrogram, {MEL_BANDS} bands", "", "band", grid=False)
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
    dressed(axes, "level and zero crossings", "", "RMS in dB")
    axes.plot(np.linspace(0, end, len(rms)), 20 * np.log10(np.maximum(rms, 1e-5)), color=INK, lw=1.4)
    other = _second(axes, "zero crossings", COLORS["conversation"])
    crossings = front_end.crossings(samples)
    other.plot(np.linspace(0, end, len(crossings)), crossings, color=COLORS["conversation"], lw=1.1, alpha=0.85)
    other.set_ylim(0, None)


def _shape(axes: Axes, spectrum: Array, end: float) -> None:
    dressed(axes, "spectral centroid and 85 % roll-off", "", "kHz")
    at_s = np.linspace(0, end, len(spectrum))
    axes.plot(at_s, front_end.rolloff(spectrum) / 1000, color=ACCENT, lw=1.2, label="roll-off")
    axes.plot(at_s, front_end.centroid(spectrum) / 1000, color=INK, lw=1.4, label="centroid")
    axes.set_ylim(0, SAMPLE_RATE / 2000)
    axes.legend(loc="upper right", frameon=False, ncols=2)


def _coefficients(axes: Axes, spectrum: Array) -> None:
    dressed(axes, "MFCC, mean and deviation", "", "")
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
    dressed(axes, "what the detector says", "seconds", "probability")
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
