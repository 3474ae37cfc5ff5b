"""Recordings whose hands were tracked once and for all: landmarks by frame, as the development data holds them.

They are judged without a picture, and so in a fraction of the time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from gesture.detector import HandJudge, HandReading
from gesture.hands import Hand
from gesture.tables import LANDMARK_COLUMNS, TableError, read_rows


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording.

    Attributes:
        name: of its file, without folders.
        fps: frames a second.
        aspect: the picture's height divided by its width.
        hands: those of each frame, from the first to the last that shows one.
    """

    name: str
    fps: float
    aspect: float
    hands: tuple[tuple[Hand, ...], ...]

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.hands) / self.fps

    def readings(self, judge: HandJudge) -> Iterator[HandReading]:
        """What a judge, used for nothing else, says of it."""
        for number, hands in enumerate(self.hands):
            yield from judge(hands, number / self.fps, self.aspect)


def read_clips(path: Path) -> list[Clip]:
    """The recordings of a table with the columns file, frame, fps, width, height, handedness, hand_score and landmarks.

    Raises:
        TableError: it is missing or malformed.
    """
    rows = read_rows(path)
    try:
        return [_clip(name, list(mine)) for name, mine in groupby(sorted(rows, key=_file), key=_file)]
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise TableError(f"{path}: is no table of tracked recordings: {error}") from None


def _file(row: dict[str, str]) -> str:
    return row["file"]


def _clip(name: str, rows: list[dict[str, str]]) -> Clip:
    frames: list[list[Hand]] = [[] for _ in range(max(int(row["frame"]) for row in rows) + 1)]
    for row in rows:
        points = np.array([row[column] for column in LANDMARK_COLUMNS], np.float32).reshape(21, 3)
        # These tables come from MediaPipe's older API, which takes pictures for mirrored; they are not.
        side = "right" if row["handedness"] == "Left" else "left"
        frames[int(row["frame"])].append(Hand(points, side, float(row["hand_score"])))
    first = rows[0]
    aspect = float(first["height"]) / float(first["width"])
    return Clip(name.rsplit("/", 1)[-1], float(first["fps"]), aspect, tuple(tuple(hands) for hands in frames))
