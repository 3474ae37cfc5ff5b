"""Make the base data that ships in `data/` from the development data: `python -m gesture.prepare ../shared/data`.

Labels are looked at, not taken over: a picture is given the sign that it shows. Poses between two signs (fingers of
ASL letters that differ from a sign by a hair) are left out rather than taught as "none".
"""

import csv
import gzip
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gesture.augment import vary
from gesture.features import upright
from gesture.point_history_classifier import POINTS, SWIPES, motion_features
from gesture.tables import (
    BASE_DATA,
    HandTable,
    PathTable,
    TableError,
    join,
    read_rows,
    square_rows,
    write_hands,
    write_paths,
)

Points = NDArray[np.float32]

SIGN_LABELS = ("open_palm", "thumb_tucked", "fist", "pointer", "ok", "victory", "thumb_up", "thumb_down", "none")
SEED = 20
MOST_FLAT = 200
"""Hands without depth that are taken of each class."""
SOURCES = ("ardamavi", "subhi", "linto", "massey", "tomnlittle")
SEEN = {
    # A ring of thumb and index with the others up: the OK sign.
    ("ardamavi", "9"): "ok",
    # Two fingers up, together or crossed; index up with a ring below; a fist with the nails shown; none of them
    # clearly one sign or clearly none.
    **{("massey", letter): None for letter in "uhrkdzgxqpe"},
    **{("tomnlittle", letter): None for letter in "DE"},
}

MISFILED = {
    # Two series of five pictures lie in each other's folder.
    ("massey", "hand2_4_dif"): "open_palm",
    ("massey", "hand2_5_dif"): "thumb_tucked",
    # A thumb laid across the palm, among the open hands.
    ("subhi", "/5_pic00009"): "thumb_tucked",
    ("subhi", "/5_pic00010"): "thumb_tucked",
}
"""Source and a part of the file's name -> what these pictures show whatever their folder says."""


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
        label = _shown(source, row)
        if label in SIGN_LABELS:
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


def _shown(source: str, row: Mapping[str, str]) -> str | None:
    """The sign that a row of a source shows; None where that is not clear."""
    for (place, part), label in MISFILED.items():
        if place == source and part in row["file"]:
            return label
    if (source, row["label"]) == ("subhi", "3-hand"):
        # Three fingers up: middle to little beside a ring (OK), or index to ring, with the little one held (none).
        index, little = _stretched(row, 5, 8), _stretched(row, 17, 20)
        return ("ok" if little else None) if not index else ("none" if not little else None)
    pose = "other" if row.get("role") == "idle" else row["pose"]
    return SEEN.get((source, row["label"]), "none" if pose == "other" else pose)


def _stretched(row: Mapping[str, str], base: int, tip: int) -> bool:
    """Whether a finger's tip is further from the wrist than its base."""
    size = np.array([float(row["width"]), float(row["height"])])
    wrist, base_at, tip_at = (np.array([float(row[f"x{i}"]), float(row[f"y{i}"])]) * size for i in (0, base, tip))
    return bool(np.linalg.norm(tip_at - wrist) > np.linalg.norm(base_at - wrist))


FLAT = {
    ("segfault_gestnet/keypoint_classifier/keypoint.csv.gz", 0): "open_palm",
    ("segfault_gestnet/keypoint_classifier/keypoint.csv.gz", 1): "pointer",
    ("segfault_gestnet/keypoint_classifier/keypoint.csv.gz", 2): "victory",
    ("segfault_gestnet/keypoint_classifier/keypoint.csv.gz", 4): "thumb_tucked",
    ("segfault_gestnet/keypoint_classifier/keypoint.csv.gz", 5): "thumb_up",
    ("segfault_gestnet/keypoint_classifier/keypoint.csv.gz", 6): "thumb_down",
    ("kinivi/keypoint_classifier/keypoint.csv.gz", 0): "open_palm",
    ("kinivi/keypoint_classifier/keypoint.csv.gz", 1): "fist",
    ("kinivi/keypoint_classifier/keypoint.csv.gz", 2): "pointer",
    ("kinivi/keypoint_classifier/keypoint.csv.gz", 3): "ok",
    ("jinzhu/keypoint_classifier/keypoint.csv.gz", 4): "fist",
    ("anis_rps/keypoint_classifier/keypoint.csv.gz", 2): "victory",
}
"""Tables of the two-model format, class -> sign. "Help" of one of them is the closed hand that ends the sign."""


def flat_table(shared: Path, known: HandTable) -> HandTable:
    """Hands of tables that have no depth and no side, both taken from the most similar hands of `known`.

    Args:
        shared: the development data.
        known: hands with depth; they are tilted at random to have more views.

    Raises:
        TableError: a table is missing or malformed.
    """
    rng = np.random.default_rng(SEED)
    known = known.select(rng.choice(len(known), 12_000))
    points = upright(vary(square_rows(known), rng, np.zeros(len(known), np.float32)))[0]
    kept = []
    for (name, number), label in FLAT.items():
        path = shared / "gesture" / "tables" / name
        try:
            with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
                rows = [row[1:] for row in csv.reader(file) if len(row) == 43 and row[0] == str(number)]
            flat = np.array(rows, np.float32).reshape(-1, 21, 2)
        except (OSError, ValueError) as error:
            raise TableError(f"{path}: cannot be read: {error}") from None
        flat = flat[rng.permutation(len(flat))[:MOST_FLAT]]
        lifted, right = _lift(flat, points)
        source = name.split("/")[0]
        kept.append(
            HandTable(
                landmarks=lifted,
                handedness=np.where(right, "right", "left"),
                aspect=np.ones(len(flat), np.float32),
                label=np.full(len(flat), label),
                source=np.full(len(flat), source),
                person=np.full(len(flat), source),
                session=np.full(len(flat), str(number)),
                at_s=np.zeros(len(flat), np.float32),
            )
        )
    return join(kept)


def _lift(flat: Points, known: Points) -> tuple[Points, NDArray[np.bool_]]:
    """Depth, and whether it is a right hand, of hands (n, 21, 2) from the five most similar upright ones (m, 21, 3)."""
    every = known[:, :, :2].reshape(len(known), -1)
    size = np.sqrt(np.mean(np.sum((flat - flat[:, :1]) ** 2, axis=2), axis=1))
    lifted = np.zeros((len(flat), 21, 3), np.float32)
    right = np.zeros(len(flat), np.bool_)
    for i, hand in enumerate(flat):
        nearest = []
        for side in (1, -1):
            turned = upright(np.concatenate([hand * [side, 1], np.zeros((21, 1))], axis=1, dtype=np.float32)[None])[0]
            apart = ((every - turned[0, :, :2].reshape(1, -1)) ** 2).sum(axis=1)
            best = np.argsort(apart)[:5]
            nearest.append((float(apart[best].mean()), side, best))
        _, side, best = min(nearest, key=lambda found: found[0])
        right[i] = side == 1
        lifted[i, :, :2] = 0.5 + 0.2 * (hand - hand[0])
        lifted[i, :, 2] = 0.2 * size[i] * known[best, :, 2].mean(axis=0)
    return lifted, right


DRAWN_IN_THE_AIR: dict[tuple[str, int], tuple[str, ...]] = {
    ("kinivi", 0): ("stop",),
    ("kinivi", 1): ("clockwise",),
    ("kinivi", 2): ("counter_clockwise",),
    ("scrambledfox", 0): ("stop",),
    ("scrambledfox", 1): ("clockwise",),
    ("scrambledfox", 2): ("counter_clockwise",),
    ("scrambledfox", 3): SWIPES,
    ("scrambledfox", 4): SWIPES,
    ("segfault_gestnet", 0): SWIPES,
    ("segfault_gestnet", 1): SWIPES,
    ("segfault_gestnet", 3): ("clockwise", "counter_clockwise"),
}
"""Tables of movements in the two-model format, class -> what its rows may show; which of them is looked at."""
FASTEST = 2.0
"""Palm sizes between two points; what goes faster is the tracker that has lost the hand."""


def path_table(shared: Path) -> PathTable:
    """Movements from tables of the two-model format, which knows neither time nor the size of the hand.

    Its points are shares of a 960x540 picture; a palm is taken for 6 to 12 % of the width. Rows in which the tracker
    lost the hand (a jump across the picture) are left out, and so is what was logged before or after the movement: each
    row must show it. Copies of such a program go on with the rows that they came with: what an earlier table holds,
    too, was not shown by another person.

    Raises:
        TableError: a table is missing or malformed.
    """
    rng = np.random.default_rng(SEED)
    tables = []
    known: set[bytes] = set()
    for name in dict.fromkeys(name for name, _ in DRAWN_IN_THE_AIR):
        path = shared / "gesture" / "tables" / name / "point_history_classifier" / "point_history.csv.gz"
        try:
            with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
                lines = [[float(value) for value in row] for row in csv.reader(file) if len(row) == 2 * POINTS + 1]
        except (OSError, ValueError) as error:
            raise TableError(f"{path}: cannot be read: {error}") from None
        rows = np.array(lines, np.float32)
        points = [row[1:].tobytes() for row in rows]
        rows = rows[[row not in known for row in points]]
        known.update(points)
        paths = rows[:, 1:].reshape(-1, POINTS, 2) * np.array([1, 540 / 960], np.float32)
        paths /= rng.uniform(0.06, 0.12, len(paths))[:, None, None].astype(np.float32)
        label = shown_movements(paths)
        expected = [DRAWN_IN_THE_AIR.get((name, int(number)), ()) for number in rows[:, 0]]
        kept = np.array([one in some for one, some in zip(label, expected, strict=True)])
        source = np.full(int(kept.sum()), name)
        tables.append(
            PathTable(
                paths[kept], label[kept], source, source, np.full(len(source), ""), np.zeros(len(source), np.float32)
            )
        )
    return join(tables)


def shown_movements(paths: Points) -> NDArray[np.str_]:
    """Which movement each path (n, POINTS, 2) shows, where there is no doubt; "" where there is."""
    steps = np.diff(paths, axis=1)
    lengths = np.linalg.norm(steps, axis=2)
    along = lengths.sum(axis=1)
    net = paths[:, -1] - paths[:, 0]
    gone = np.linalg.norm(net, axis=1)
    extent = np.ptp(paths, axis=1).max(axis=1)
    turns = motion_features(paths)[:, 2 * POINTS + 3]
    across, down = np.abs(net[:, 0]), np.abs(net[:, 1])
    straight = (gone > 1.2) & (gone > 0.85 * along) & (np.maximum(across, down) > 2.5 * np.minimum(across, down))
    shown = np.full(len(paths), "", dtype="<U20")
    shown[extent < 0.3] = "stop"
    shown[(turns > 0.65) & (extent > 0.3)] = "clockwise"
    shown[(turns < -0.65) & (extent > 0.3)] = "counter_clockwise"
    shown[straight & (across > down)] = "swipe_right"
    shown[straight & (across > down) & (net[:, 0] < 0)] = "swipe_left"
    shown[straight & (down > across)] = "swipe_down"
    shown[straight & (down > across) & (net[:, 1] < 0)] = "swipe_up"
    shown[lengths.max(axis=1) > FASTEST] = ""
    return shown


def main(arguments: list[str]) -> int:
    """Write `data/signs.csv.gz` and `data/motions.csv.gz`; exit status 1 and one line where that cannot be done."""
    shared = Path(arguments[0] if arguments else "../shared/data")
    try:
        table = sign_table(shared)
        table = join([table, flat_table(shared, table)])
        paths = path_table(shared)
    except TableError as error:
        print(error, file=sys.stderr)
        return 1
    write_hands(BASE_DATA / "signs.csv.gz", table)
    print(f"{BASE_DATA / 'signs.csv.gz'}: {len(table)} hands of {len(np.unique(table.person))} people")
    write_paths(BASE_DATA / "motions.csv.gz", paths)
    print(f"{BASE_DATA / 'motions.csv.gz'}: {len(paths)} movements")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
