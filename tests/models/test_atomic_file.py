"""A file is replaced whole or not at all, and stays whose it was."""

import os
from pathlib import Path

import pytest

from models.atomic_file import write_whole


def test_a_new_file_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    write_whole(tmp_path / "new", b"data", mode=0o640)
    assert (tmp_path / "new").read_bytes() == b"data"
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "old").touch(mode=0o604)
    write_whole(tmp_path / "old", b"data", mode=0o640)
    assert (tmp_path / "old").read_bytes() == b"data"
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o604


def test_what_cannot_be_replaced_stays_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "folder", b"data")
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_whose_folder_it_is_cannot_have_another_file_opened_to_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, secret = tmp_path / "theirs", tmp_path / "secret"
    theirs.mkdir()
    secret.touch(mode=0o600)
    (theirs / "old").touch(mode=0o666)
    (theirs / "old").chmod(0o666)
    synced = os.fsync

    def crossed(handle: int) -> None:  # while root writes there, the folder's owner puts a link in the file's place
        synced(handle)
        for part in theirs.glob("*.part"):
            part.unlink()
            part.symlink_to(secret)

    monkeypatch.setattr(os, "fsync", crossed)
    write_whole(theirs / "old", b"data")
    assert secret.stat().st_mode & 0o777 == 0o600
