from pathlib import Path

from media.folders import files_in


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in files_in(folder, {".wav"})]


def write(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_what_is_hidden_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "b.wav", tmp_path / "a" / "1.WAV", tmp_path / "a" / "1.txt")
    write(tmp_path / "._b.wav", tmp_path / ".Trash" / "2.wav", tmp_path / "a" / ".cache" / "x" / "3.wav")
    assert names(tmp_path) == ["a/1.WAV", "b.wav"]


def test_a_hidden_folder_that_is_named_is_looked_into(tmp_path: Path) -> None:
    write(tmp_path / ".mine" / "1.wav")
    assert names(tmp_path / ".mine") == ["1.wav"]


def test_a_folder_that_is_linked_to_is_looked_into_once(tmp_path: Path) -> None:
    write(tmp_path / "disk" / "1.wav", tmp_path / "here" / "kitchen" / "2.wav")
    here = tmp_path / "here"
    (here / "hall").symlink_to(tmp_path / "disk")
    (here / "again").symlink_to(here / "kitchen")
    (here / "kitchen" / "loop").symlink_to(here)
    (here / "nowhere").symlink_to(tmp_path / "gone")
    assert names(here) == ["hall/1.wav", "kitchen/2.wav"]
    linked = tmp_path / "linked"
    linked.symlink_to(here)
    assert names(linked) == ["hall/1.wav", "kitchen/2.wav"]
