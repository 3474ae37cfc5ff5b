"""What becomes base data: a row must show its movement or its sign without doubt."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from gesture.point_history_classifier import POINTS
from gesture.prepare import SOURCES, path_table, shown_movements, sign_table
from gesture.tables import LANDMARK_COLUMNS, write_rows

ALONG = np.linspace(0, 1, POINTS)
TURN = 2 * np.pi * ALONG


@pytest.mark.parametrize(
    ("x", "y", "shown"),
    [
        (0 * ALONG, 0 * ALONG, "stop"),
        (3 * ALONG, 0.1 * np.sin(TURN), "swipe_right"),
        (-3 * ALONG, 0 * ALONG, "swipe_left"),
        (0.1 * ALONG, -2 * ALONG, "swipe_up"),
        (0 * ALONG, 2 * ALONG, "swipe_down"),
        (3 * ALONG, 3 * ALONG, ""),  # slanting
        (0.8 * ALONG, 0 * ALONG, ""),  # too little
        (np.cos(TURN), np.sin(TURN), "clockwise"),  # y is down
        (np.cos(TURN), -np.sin(TURN), "counter_clockwise"),
        (np.cos(TURN / 2), np.sin(TURN / 2), ""),  # half a circle
        (np.where(ALONG < 0.5, 0, 3), 0 * ALONG, ""),  # the tracker has jumped
    ],
)
def test_only_what_is_shown_without_doubt_is_base_data(x: np.ndarray, y: np.ndarray, shown: str) -> None:
    assert shown_movements(np.stack([x, y], axis=1)[None].astype(np.float32)).tolist() == [shown]


def test_what_one_table_repeats_of_another_was_not_shown_by_another_person(tmp_path: Path) -> None:
    circle = [np.stack([np.cos(TURN + start), np.sin(TURN + start)], axis=1) / 9 for start in (0, 1, 2)]
    swipe = np.stack([ALONG, 0 * ALONG], axis=1) / 3
    rows = {
        "kinivi": [(1, circle[0]), (1, circle[1])],
        "scrambledfox": [(1, circle[0]), (1, circle[1]), (1, circle[2]), (3, swipe)],
        "segfault_gestnet": [(3, circle[1]), (0, swipe * 1.1)],
    }
    for name, shown in rows.items():
        path = tmp_path / "gesture" / "tables" / name / "point_history_classifier" / "point_history.csv.gz"
        path.parent.mkdir(parents=True)
        with gzip.open(path, "wt") as file:
            file.writelines(",".join(map(str, (label, *points.ravel()))) + "\n" for label, points in shown)
    table = path_table(tmp_path)
    assert list(zip(table.person, table.label, strict=True)) == [
        ("kinivi", "clockwise"),
        ("kinivi", "clockwise"),
        ("scrambledfox", "clockwise"),
        ("scrambledfox", "swipe_right"),
        ("segfault_gestnet", "swipe_right"),
    ]


STRETCHED, BENT = 0.9, 0.4
"""How far from the wrist the tip of a finger is whose base is at 0.5."""
HEAD = ("label", "pose", "person", "handedness", "width", "height", "file")


@pytest.mark.parametrize(
    ("source", "label", "pose", "file", "index", "little", "shown"),
    [
        ("subhi", "3-hand", "other", "a.jpg", BENT, STRETCHED, ["ok"]),
        ("subhi", "3-hand", "other", "a.jpg", STRETCHED, BENT, ["none"]),  # index to ring
        ("subhi", "3-hand", "other", "a.jpg", STRETCHED, STRETCHED, []),
        ("subhi", "3-hand", "other", "a.jpg", BENT, BENT, []),
        ("subhi", "5-hand", "open_palm", "images/25_pic00009.jpg", STRETCHED, STRETCHED, ["open_palm"]),
        ("subhi", "5-hand", "open_palm", "images/5_pic00009.jpg", STRETCHED, STRETCHED, ["thumb_tucked"]),
        ("massey", "4", "thumb_tucked", "4/hand2_4_bot_seg_1.jpeg", STRETCHED, STRETCHED, ["thumb_tucked"]),
        ("massey", "4", "thumb_tucked", "4/hand2_4_dif_seg_1.jpeg", STRETCHED, STRETCHED, ["open_palm"]),  # misfiled
        ("massey", "5", "open_palm", "5/hand2_5_dif_seg_1.jpeg", STRETCHED, STRETCHED, ["thumb_tucked"]),
        ("massey", "u", "other", "u/hand1_u_bot_seg_1.jpeg", STRETCHED, BENT, []),
        ("ardamavi", "9", "other", "9/a.jpg", BENT, STRETCHED, ["ok"]),
        ("ardamavi", "6", "other", "6/a.jpg", STRETCHED, BENT, ["none"]),
    ],
)
def test_a_hand_is_given_the_sign_that_it_shows(
    tmp_path: Path, source: str, label: str, pose: str, file: str, index: float, little: float, shown: list[str]
) -> None:
    points = np.full((21, 3), 0.5)
    points[0] = 0
    points[[8, 20]] = [index], [little]
    folder = tmp_path / "gesture" / "landmarks"
    folder.mkdir(parents=True)
    fist = ("a", "fist", "anna", "Left", 640, 480, "a.jpg", *points.ravel())
    row = (label, pose, "anna", "Left", 640, 480, file, *points.ravel())
    for name in SOURCES:
        write_rows(folder / f"{name}.csv.gz", (*HEAD, *LANDMARK_COLUMNS), [fist, row] if name == source else [fist])
    table = sign_table(tmp_path)
    assert table.label[table.source == source].tolist() == ["fist", *shown]
