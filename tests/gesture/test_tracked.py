"""Tables of tracked recordings: frames in their order, damage in one line."""

from pathlib import Path

import pytest

from gesture.tables import LANDMARK_COLUMNS, TableError, write_rows
from gesture.tracked import read_clips

HEAD = ("source", "file", "frame", "fps", "width", "height", "handedness", "hand_score", *LANDMARK_COLUMNS)


def row(file: str, frame: object, x: float, fps: object = 25.0) -> tuple[object, ...]:
    return ("camera", f"folder/{file}", frame, fps, 640, 480, "Left", 0.9, *[x] * len(LANDMARK_COLUMNS))


def test_frames_without_a_hand_are_kept_and_hands_of_a_frame_are_together(tmp_path: Path) -> None:
    path = tmp_path / "tracked.csv.gz"
    write_rows(path, HEAD, [row("a.mp4", 0, 0.1), row("b.mp4", 1, 0.2), row("a.mp4", 3, 0.3), row("a.mp4", 3, 0.4)])
    first, second = read_clips(path)
    assert (first.name, second.name) == ("a.mp4", "b.mp4")
    assert [len(hands) for hands in first.hands] == [1, 0, 0, 2]
    assert first.seconds == pytest.approx(4 / 25)
    assert first.aspect == pytest.approx(0.75)
    assert first.hands[0][0].handedness == "right"  # these tables name the other side


@pytest.mark.parametrize("bad", [row("a.mp4", "x", 0.1), row("a.mp4", 0, 0.1, fps="often")])
def test_a_damaged_table_is_one_line(tmp_path: Path, bad: tuple[object, ...]) -> None:
    path = tmp_path / "tracked.csv"
    write_rows(path, HEAD, [bad])
    with pytest.raises(TableError, match="no table of tracked recordings"):
        read_clips(path)
    write_rows(path, ("file",), [("a.mp4",)])
    with pytest.raises(TableError, match="no table of tracked recordings"):
        read_clips(path)
