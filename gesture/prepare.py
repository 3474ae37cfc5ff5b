"""Make the base data that ships in `data/` from the development data: `python -m gesture.prepare ../shared/data`.

Labels are looked at, not taken over: a picture is given the sign that it shows. Poses between two signs (fingers of
ASL letters that differ from a sign by a hair) are left out rather than taught as "none".
"""

import csv
import gzip
import sys
from pathlib import Path

import numpy as np

from gesture.point_history_classifier import POINTS, motion_features
from gesture.tables import HandTable, PathTable, TableError, join, read_rows, write_hands, write_paths

SIGNS = ("open_palm", "thumb_tucked", "fist", "pointer", "ok", "victory", "thumb_up", "thumb_down", "none")
SOURCES = ("ardamavi", "subhi", "linto", "massey", "tomnlittle")
SEEN = {
    # These show a ring of thumb and index with the others up: the OK sign.
    ("ardamavi", "9"): "ok",
    ("subhi", "3-hand"): "ok",
    # Two fingers up, together or crossed; index up with a ring below; a fist with the nails shown; none of them
    # clearly one sign or clearly none.
    **{("massey", letter): None for letter in "uhrkdzgxqpe"},
    **{("tomnlittle", letter): None for letter in "DE"},
}


def sign_table(shared: Path) -> HandTable:
    """The landmark tables of the development data with our labels.

    Raises:
        TableError: a table is missing or malformed.
    """
    return join([_read_source(shared / "gesture" / "landmarks" / f"{source}.csv.gz", source) for source in SOURCES])


def _read_source(path: Path, source: str) -> HandTable:
    rows = []
    labels = []
    for row in read_rows(path):
        pose = "other" if row.get("role") == "idle" else row["pose"]
        label = SEEN.get((source, row["label"]), "none" if pose == "other" else pose)
        if label in SIGNS:
            rows.append(row)
            labels.append(label)
    size = np.array([(float(row["width"]), float(row["height"])) for row in rows], np.float32)
    return HandTable(
        landmarks=np.array(
            [[[float(row[f"{axis}{joint}"]) for axis in "xyz"] for joint in range(21)] for row in rows], np.float32
        ),
        # These tables come from MediaPipe's older API, which takes pictures for mirrored; they are not.
        handedness=np.array(["right" if row["handedness"] == "Left" else "left" for row in rows], np.str_),
        aspect=size[:, 1] / size[:, 0],
        label=np.array(labels, np.str_),
        source=np.full(len(rows), source, dtype=f"<U{len(source)}"),
        person=np.array([f"{source}-{row['person']}" for row in rows], np.str_),
        session=np.array([row["label"] for row in rows], np.str_),
        at_s=np.zeros(len(rows), np.float32),
    )


def path_table(shared: Path, seed: int = 20) -> PathTable:
    """Circles and rest from a table of the two-model format, which knows neither time nor the size of the hand.

    Its points are shares of a 960x540 picture; a palm is taken for 6 to 12 % of the width. Rows in which the tracker
    lost the hand (a jump across the picture) are left out, and so are circles of which too little is seen.

    Raises:
        TableError: the table is missing or malformed.
    """
    path = shared / "gesture" / "tables" / "kinivi" / "point_history_classifier" / "point_history.csv.gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
            rows = np.array([[float(value) for value in row] for row in csv.reader(file) if row], np.float32)
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: cannot be read: {error}") from None
    paths = rows[:, 1:].reshape(-1, 16, 2) * np.array([1, 540 / 960], np.float32)
    rng = np.random.default_rng(seed)
    paths /= rng.uniform(0.06, 0.12, len(paths))[:, None, None].astype(np.float32)
    label = np.array(["stop", "clockwise", "counter_clockwise", "move"])[rows[:, 0].astype(int)]
    whole = np.linalg.norm(np.diff(paths, axis=1), axis=2).max(axis=1) < 2.0
    turns = motion_features(paths)[:, 2 * POINTS + 3]
    circles = np.where(label == "clockwise", turns, -turns) > 0.65
    kept = whole & ((label == "stop") | (np.isin(label, ["clockwise", "counter_clockwise"]) & circles))
    count = int(kept.sum())
    return PathTable(
        paths=paths[kept],
        label=label[kept],
        source=np.full(count, "kinivi"),
        person=np.full(count, "kinivi"),
        session=np.full(count, ""),
        at_s=np.zeros(count, np.float32),
    )


def main(arguments: list[str]) -> int:
    """Write `data/signs.csv.gz` and `data/motions.csv.gz`; exit status 1 and one line where that cannot be done."""
    shared = Path(arguments[0] if arguments else "../shared/data")
    target = Path(__file__).resolve().parent.parent / "data"
    try:
        table = sign_table(shared)
        paths = path_table(shared)
    except TableError as error:
        print(error, file=sys.stderr)
        return 1
    write_hands(target / "signs.csv.gz", table)
    print(f"{target / 'signs.csv.gz'}: {len(table)} hands of {len(np.unique(table.person))} people")
    write_paths(target / "motions.csv.gz", paths)
    print(f"{target / 'motions.csv.gz'}: {len(paths)} movements")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
