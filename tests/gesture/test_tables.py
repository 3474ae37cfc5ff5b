"""Tables come back as they were written; damaged ones are refused in one line."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from gesture import tables
from gesture.tables import HandTable, PathTable, TableError, join, read_hands, read_paths, write_hands, write_paths


def table(count: int = 3) -> HandTable:
    rng = np.random.default_rng(1)
    return HandTable(
        landmarks=rng.uniform(0, 1, (count, 21, 3)).round(4).astype(np.float32),
        handedness=np.array(["left", "right", "left"][:count]),
        aspect=np.full(count, 0.75, np.float32),
        label=np.array(["fist", "ok", "none"][:count]),
        source=np.full(count, "camera"),
        person=np.array(["a", "b", "b"][:count]),
        session=np.full(count, "monday"),
        at_s=np.array([0, 0.5, 1.25][:count], np.float32),
    )


@pytest.mark.parametrize("name", ["hands.csv", "hands.csv.gz"])
def test_hands_come_back(tmp_path: Path, name: str) -> None:
    write_hands(tmp_path / name, table())
    back = read_hands(tmp_path / name)
    for field in HandTable.__slots__:
        np.testing.assert_array_equal(getattr(back, field), getattr(table(), field))
    assert len(join([back, back])) == 6


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.csv.gz", "b.csv.gz"):
        write_hands(tmp_path / name, table())
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_paths_come_back(tmp_path: Path) -> None:
    paths = np.random.default_rng(1).normal(0, 1, (2, 16, 2)).round(4).astype(np.float32)
    names = np.array(["wave", "stop"])
    write_paths(tmp_path / "p.csv", PathTable(paths, names, names, names, names, np.zeros(2, np.float32)))
    np.testing.assert_array_equal(read_paths(tmp_path / "p.csv").paths, paths)


def test_byte_order_mark_and_windows_line_ends_are_understood(tmp_path: Path) -> None:
    write_hands(tmp_path / "t.csv", table())
    text = (tmp_path / "t.csv").read_text().replace("\n", "\r\n")
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n")
    assert list(read_hands(tmp_path / "t.csv").label) == ["fist", "ok", "none"]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        pytest.param(",0.7500,", ",", "columns where the head line has", id="short row"),
        pytest.param(",0.7500,", ",nan,", "not a number", id="NaN"),
        pytest.param(",0.7500,", ",wide,", "could not convert", id="text"),
        pytest.param(",left,", ",both,", "handedness must be left or right", id="side"),
        pytest.param("fist,", ",", "has no label", id="label"),
        pytest.param(",aspect,", ",shape,", "has no column 'aspect'", id="column"),
    ],
)
def test_damaged_rows_are_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "t.csv"
    write_hands(path, table())
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(TableError, match=complaint) as error:
        read_hands(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", gzip.compress(b"label")[:9]], ids=["empty", "no UTF-8", "cut off"]
)
def test_files_that_are_no_table(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ("t.csv.gz" if content[:2] == b"\x1f\x8b" else "t.csv")
    path.write_bytes(content)
    with pytest.raises(TableError, match=r"t\.csv"):
        read_hands(path)
    with pytest.raises(TableError):
        read_hands(tmp_path / "missing.csv")


def test_a_small_file_that_unpacks_to_more_than_any_table_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MOST_BYTES", 1 << 20)
    (tmp_path / "hands.csv.gz").write_bytes(gzip.compress(bytes(4 << 20)))
    with pytest.raises(TableError, match=r"hands\.csv\.gz: holds more than 1 MB"):
        read_hands(tmp_path / "hands.csv.gz")
