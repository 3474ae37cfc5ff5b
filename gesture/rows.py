"""Rows of what users collect, in our own format and in that of the well-known two-model repository. Pure.

A row of ours is the texts of a line of `hands.csv` or `motions.csv`. In the other format a hand is a class and 42
numbers (`keypoint.csv`), a movement a class and 32 (`point_history.csv`); the class is the label's line in its file.
"""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gesture.tables import HEAD, LANDMARK_COLUMNS, MOTION_HEAD, PATH_COLUMNS

Points = NDArray[np.float32]

SIGNS, MOTIONS = "signs", "motions"
"""The two kinds of what is collected."""
HEADS = {SIGNS: (*HEAD, *LANDMARK_COLUMNS), MOTIONS: (*MOTION_HEAD, *PATH_COLUMNS)}
TWO_MODEL_COLUMNS = {SIGNS: 43, MOTIONS: 33}
TWO_MODEL_LABELS = {
    SIGNS: {"Open": "open_palm", "Close": "fist", "Pointer": "pointer", "OK": "ok"},
    MOTIONS: {
        "Stop": "stop", "Clockwise": "clockwise", "Counter Clockwise": "counter_clockwise", "Move": "move"
    },
}  # fmt: skip
"""Labels of the two-model repository that mean a sign or a movement of ours, and which."""
PALM = 0.09
"""Picture widths that a palm size counts as where a movement goes to or comes from the two-model format."""


class CollectionError(Exception):
    """Something that cannot be done to a collection; the text is one line."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row comes from.

    Attributes:
        source: camera, file or folder.
        person: who showed it; people are never in training and test at once.
        session: what was collected in one go.
    """

    source: str
    person: str
    session: str


def check_label(label: str) -> str:
    """The label, where it is one.

    Raises:
        CollectionError: it is empty or holds a comma, a quote or a sign that cannot be printed, such as a line break.
    """
    if not label.strip() or any(mark in label for mark in ',"') or not label.isprintable() or label != label.strip():
        raise CollectionError(f"{label!r} is no label: letters, digits and signs other than commas and quotes")
    return label


def check_new_label(label: str, known: Iterable[str]) -> str:
    """The label, where it is one and no other is read as the same.

    Capitals, spaces and underscores make no difference to people, and a page shows `fist` as Fist. To a model they are
    two signs that look alike, of which it takes one for the other.

    Raises:
        CollectionError: it is none, or one of those known differs from it by no more than that.
    """
    for other in known:
        if _read(other) == _read(check_label(label)) and other != label:
            raise CollectionError(f"'{label}' is called '{other}' here already: choose that, or another name")
    return check_label(label)


def _read(label: str) -> str:
    """A label as people read it."""
    return "".join(label.replace("_", " ").casefold().split())


def _head(label: str, origin: Origin) -> tuple[str, str, str, str]:
    """Label, source, person and session of a row, each in one line."""
    for name in (origin.source, origin.person, origin.session):
        if not name.isprintable():
            raise CollectionError(f"{name!r} holds a line break or another sign that cannot be printed")
    return check_label(label), origin.source, origin.person, origin.session


def sign_row(
    label: str, origin: Origin, handedness: str, at_s: float, aspect: float, landmarks: Points
) -> tuple[str, ...]:
    """A row of `hands.csv`.

    Raises:
        CollectionError: a landmark is not a number, the hand has no size, or a name is not one line.
    """
    if landmarks.shape != (21, 3) or not np.isfinite(landmarks).all() or not math.isfinite(aspect):
        raise CollectionError("a hand whose landmarks are not 21 points of finite numbers is not collected")
    if float(np.ptp(landmarks[:, :2])) < 1e-4:
        raise CollectionError("a hand of no size is not collected")
    numbers = (f"{value:.5f}" for value in landmarks.ravel())
    return (*_head(label, origin), handedness, f"{at_s:.3f}", f"{aspect:.4f}", *numbers)


def motion_row(label: str, origin: Origin, at_s: float, path: Points) -> tuple[str, ...]:
    """A row of `motions.csv`; `path` is float32 of shape (16, 2) in palm sizes.

    Raises:
        CollectionError: a point is not a number, or a name is not one line.
    """
    if path.shape != (16, 2) or not np.isfinite(path).all():
        raise CollectionError("a movement whose path is not 16 points of finite numbers is not collected")
    numbers = (f"{value:.5f}" for value in path.ravel())
    return (*_head(label, origin), f"{at_s:.3f}", *numbers)


def table_text(kind: str, rows: Iterable[Sequence[str]]) -> str:
    """Rows as the text of a table of their own, with its head."""
    return "".join(map(line_of, (HEADS[kind], *rows)))


def line_of(row: Sequence[str]) -> str:
    """A row as a line of a CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue()


def two_model_row(kind: str, row: Sequence[str], labels: Sequence[str]) -> list[str]:
    """A row of `hands.csv` or `motions.csv` as the two-model repository writes it: class, then 42 or 32 numbers.

    There a hand's points are relative to the wrist and divided by the largest of them, in pixels; a path's points are
    relative to the oldest, in shares of the picture.
    """
    index = str(labels.index(row[0]))
    if kind == SIGNS:
        aspect = float(row[HEAD.index("aspect")])
        points = np.array(row[len(HEAD) :], np.float64).reshape(21, 3)[:, :2] * [1, aspect]
        points -= points[0]
        values = points.ravel() / max(float(np.abs(points).max()), 1e-9)
    else:
        path = np.array(row[len(MOTION_HEAD) :], np.float64).reshape(16, 2)
        values = ((path - path[0]) * PALM * [1, 16 / 9]).ravel()
    return [index, *(f"{value:.6f}" for value in values)]


def from_two_model(
    kind: str, row: Sequence[str], labels: Sequence[str] | None, origin: Origin, place: str
) -> tuple[str, ...]:
    """A row of the two-model repository as a row of ours.

    Raises:
        CollectionError: wrong number of columns, a value that is no finite number, or a class without a label.
    """
    wanted = TWO_MODEL_COLUMNS[kind]
    if len(row) != wanted:
        raise CollectionError(f"{place}: {len(row)} columns where {wanted} are expected")
    if not row[0].strip().isdecimal():
        raise CollectionError(f"{place}: its first column must be the number of a class, not {row[0]!r}")
    number = int(row[0])
    try:
        values = np.array(row[1:], np.float64)
    except ValueError as error:
        raise CollectionError(f"{place}: {error}") from None
    if not np.isfinite(values).all():
        raise CollectionError(f"{place}: holds a value that is not a number")
    if labels is not None and not 0 <= number < len(labels):
        raise CollectionError(f"{place}: class {number} has no label; the label file has {len(labels)}")
    label = labels[number] if labels is not None else str(number)
    if kind == SIGNS:
        landmarks = np.zeros((21, 3), np.float32)
        landmarks[:, :2] = 0.5 + 0.2 * values.reshape(21, 2)
        try:
            return sign_row(label, origin, "right", 0.0, 1.0, landmarks)
        except CollectionError as error:
            raise CollectionError(f"{place}: {error}") from None
    path = values.reshape(16, 2) / [1, 16 / 9] / PALM
    return motion_row(label, origin, 0.0, path.astype(np.float32))
