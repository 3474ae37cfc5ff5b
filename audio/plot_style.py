"""The look that all pictures have in common, as PNG. Needs matplotlib, which comes with mediapipe."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLORS = {"scream": "#c0392b", "conversation": "#2471a3", "ambient": "#7f8c8d"}
INK, ACCENT, GRID = "#2c3e50", "#d35400", "#d5d8dc"
DPI = 110


def dressed(axes: Axes, title: str, across: str, up: str, *, grid: bool = True) -> Axes:
    """Axes with their title and labels."""
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


def save(figure: Figure, path: Path) -> Path:
    """Write a picture; gives its path."""
    figure.savefig(path, dpi=DPI, facecolor="white")
    return path
