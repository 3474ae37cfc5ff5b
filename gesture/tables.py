"""Tables of hands and of movements: what was collected, with who, where and when beside every row.

One CSV (or .csv.gz) holds one row a hand: `HEAD` and then x0, y0, z0 … x20, y20, z20 (see `gesture.hands.Hand`).
Movements are rows of `MOTION_HEAD` and then x0, y0 … x15, y15 (see `gesture.point_history_classifier`).
"""

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gesture.features import square

Points = NDArray[np.float32]
Text = NDArray[np.str_]

BASE_DATA = Path(__file__).resolve().parent.parent / "data"
"""Folder of what the models that ship were trained on: signs.csv.gz and motions.csv.gz."""
TEXTS = ("label", "source", "person", "session")
HEAD = (*TEXTS, "handedness", "at_s", "aspect")
LANDMARK_COLUMNS = tuple(f"{axis}{joint}" for joint in range(21) for axis in "xyz")
MOTION_HEAD = (*TEXTS, "at_s")
FIRST_LINE = 2
"""Of a table's rows; above them is the head."""
MOST_BYTES = 512 << 20
"""A table that unpacks to more is none: a small file can hold any number of zeros."""
PATH_COLUMNS = tuple(f"{axis}{point}" for point in range(16) for axis in "xy")
MADE_UP = "made up"
"""Person of the paths that nobody has shown."""
FLAT_SOURCES = ("anis_rps", "jinzhu", "kinivi", "segfault_gestnet")
"""Sources of the base data whose hands have no depth of their own."""
DRAWN = "drawn"
"""Source of hands that were drawn and then tracked: they are trained on, and never measured on."""


class TableError(Exception):
    """A table that cannot be read; the text is one line that names the file and the row."""


@dataclass(frozen=True, slots=True)
class HandTable:
    """Labelled hands.

    Attributes:
        landmarks: float32 of shape (n, 21, 3), as in `gesture.hands.Hand`.
        handedness: n times "left" or "right".
        aspect: float32 of shape (n,), height of the picture divided by its width.
        label, source, person, session: n texts each.
        at_s: float32 of shape (n,), seconds on the source's clock; 0 for pictures.
    """

    landmarks: Points
    handedness: Text
    aspect: Points
    label: Text
    source: Text
    person: Text
    session: Text
    at_s: Points

    def __len__(self) -> int:
        return len(self.label)

    def select(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "HandTable":
        """The rows that a mask or indices name."""
        return HandTable(*(getattr(self, each.name)[chosen] for each in fields(self)))


@dataclass(frozen=True, slots=True)
class PathTable:
    """Labelled movements.

    Attributes:
        paths: float32 of shape (n, 16, 2), in palm sizes, y down, oldest point first.
        label, source, person, session: n texts each.
        at_s: float32 of shape (n,), seconds on the source's clock at the newest point.
    """

    paths: Points
    label: Text
    source: Text
    person: Text
    session: Text
    at_s: Points

    def __len__(self) -> int:
        return len(self.label)

    def select(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "PathTable":
        """The rows that a mask or indices name."""
        return PathTable(*(getattr(self, each.name)[chosen] for each in fields(self)))


Table = TypeVar("Table", HandTable, PathTable)


def join(tables: Sequence[Table]) -> Table:
    """All rows of several tables of one kind, in order."""
    kind = type(tables[0])
    return kind(*(np.concatenate([getattr(table, each.name) for table in tables]) for each in fields(kind)))


def shown_by_people(table: HandTable) -> HandTable:
    """The rows that somebody has shown: what a model can be measured on."""
    return table.select(table.source != DRAWN)


def square_rows(table: HandTable) -> Points:
    """Points of a table in one unit, left hands mirrored; float32 of shape (n, 21, 3)."""
    scale = np.ones((len(table), 1, 3), np.float32)
    scale[:, 0, 1] = table.aspect
    return square(table.landmarks * scale, list(table.handedness), 1.0)


def write_rows(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV, gzipped where the name ends in .gz; the same rows always give the same bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV with a head line, gzipped or not; a byte order mark and Windows line ends are understood.

    Raises:
        TableError: the file is missing, is not a CSV in UTF-8, or a row is shorter or longer than the head.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TableError(f"{path}: is not UTF-8; save it as that") from None
    except (OSError, EOFError, zlib.error) as error:
        raise TableError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MOST_BYTES:
        raise TableError(f"{path}: holds more than {MOST_BYTES >> 20} MB")
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        head = next(reader)
        rows = []
        for row in reader:
            if not row:
                continue
            if len(row) != len(head):
                raise TableError(f"{path}:{reader.line_num}: {len(row)} columns where the head line has {len(head)}")
            rows.append(dict(zip(head, row, strict=True)))
    except StopIteration:
        raise TableError(f"{path}: is empty") from None
    except csv.Error as error:
        raise TableError(f"{path}:{reader.line_num}: not a CSV: {error}") from None
    return rows


def _numbers(path: Path, line: int, row: dict[str, str], columns: Sequence[str]) -> list[float]:
    try:
        values = [float(row[column]) for column in columns]
    except KeyError as error:
        raise TableError(f"{path}: has no column {error}") from None
    except ValueError as error:
        raise TableError(f"{path}:{line}: {error}") from None
    if not all(math.isfinite(value) for value in values):
        raise TableError(f"{path}:{line}: holds a value that is not a number")
    return values


def _texts(path: Path, rows: Sequence[dict[str, str]]) -> dict[str, Text]:
    """What is said of each row; all but the label may be missing."""
    for line, row in enumerate(rows, start=FIRST_LINE):
        if not row.get("label"):
            raise TableError(f"{path}:{line}: has no label")
    return {name: np.array([row.get(name, "") for row in rows], np.str_) for name in TEXTS}


def read_hands(path: Path) -> HandTable:
    """A table of hands as `write_hands` writes it.

    Raises:
        TableError: missing, malformed, or a row with a value that is not finite.
    """
    rows = read_rows(path)
    numbers = [
        _numbers(path, line, row, ("at_s", "aspect", *LANDMARK_COLUMNS))
        for line, row in enumerate(rows, start=FIRST_LINE)
    ]
    values = np.array(numbers, np.float32).reshape(len(rows), 2 + len(LANDMARK_COLUMNS))
    for line, row in enumerate(rows, start=FIRST_LINE):
        if row.get("handedness") not in ("left", "right"):
            raise TableError(f"{path}:{line}: handedness must be left or right, not {row.get('handedness')!r}")
    return HandTable(
        landmarks=values[:, 2:].reshape(-1, 21, 3),
        handedness=np.array([row["handedness"] for row in rows], np.str_),
        aspect=values[:, 1],
        at_s=values[:, 0],
        **_texts(path, rows),
    )


def write_hands(path: Path, table: HandTable) -> None:
    """Write a table of hands."""
    write_rows(
        path,
        (*HEAD, *LANDMARK_COLUMNS),
        (
            (
                *(getattr(table, name)[i] for name in TEXTS),
                table.handedness[i],
                f"{table.at_s[i]:.3f}",
                f"{table.aspect[i]:.4f}",
                *(f"{value:.4f}" for value in table.landmarks[i].ravel()),
            )
            for i in range(len(table))
        ),
    )


def read_paths(path: Path) -> PathTable:
    """A table of movements as `write_paths` writes it.

    Raises:
        TableError: missing, malformed, or a row with a value that is not finite.
    """
    rows = read_rows(path)
    numbers = [_numbers(path, line, row, ("at_s", *PATH_COLUMNS)) for line, row in enumerate(rows, start=FIRST_LINE)]
    values = np.array(numbers, np.float32).reshape(len(rows), 1 + len(PATH_COLUMNS))
    return PathTable(paths=values[:, 1:].reshape(-1, 16, 2), at_s=values[:, 0], **_texts(path, rows))


def write_paths(path: Path, table: PathTable) -> None:
    """Write a table of movements."""
    write_rows(
        path,
        (*MOTION_HEAD, *PATH_COLUMNS),
        (
            (
                *(getattr(table, name)[i] for name in TEXTS),
                f"{table.at_s[i]:.3f}",
                *(f"{value:.4f}" for value in table.paths[i].ravel()),
            )
            for i in range(len(table))
        ),
    )
