"""The hand model file: pinned parts, written whole or not at all, found again at once."""

import zipfile
from pathlib import Path

import pytest

from models.card import ModelError
from models.hand_landmarker import ALIGNMENT, PARTS, TASK_NAME, assemble, check, default_path, ensure, is_complete, main

needs_model = pytest.mark.skipif(not is_complete(default_path()), reason="the hand model file is not set up")


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A stand-in for the older wheel, made from the file that set-up has put together."""
    path = tmp_path / "mediapipe.whl"
    with zipfile.ZipFile(default_path()) as task, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, source, _ in PARTS:
            archive.writestr(source, task.read(name))
    return path


@needs_model
def test_parts_are_stored_aligned_and_pinned(wheel: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / TASK_NAME
    assemble(wheel, path)
    assert is_complete(path)
    check(path)
    with zipfile.ZipFile(path) as task:
        assert [info.filename for info in task.infolist()] == [name for name, _, _ in PARTS]
        for info in task.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            offset = info.header_offset + 30 + len(info.filename) + len(info.extra)
            assert offset % ALIGNMENT == 0
            assert path.read_bytes()[offset : offset + info.file_size] == task.read(info)
    assert [file.name for file in path.parent.iterdir()] == [TASK_NAME]


@needs_model
def test_ensure_leaves_a_complete_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # it could not be downloaded again
    path = tmp_path / TASK_NAME
    path.write_bytes(default_path().read_bytes())
    before = path.stat().st_mtime_ns
    assert ensure(tmp_path) == path
    assert path.stat().st_mtime_ns == before


def test_wheel_with_other_networks_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for _, source, _ in PARTS:
            archive.writestr(source, b"something else")
    with pytest.raises(ModelError, match="SHA-256 differs"):
        assemble(wheel, tmp_path / TASK_NAME)
    assert not (tmp_path / TASK_NAME).exists()


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / TASK_NAME
    path.write_bytes(content)
    assert not is_complete(path)
    with pytest.raises(ModelError, match=r"hand_landmarker\.task: not a usable hand model file"):
        check(path)


def test_without_network_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("SAFETY_MONITOR_CACHE", str(tmp_path))
    assert main() == 1
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    assert "cannot be downloaded" in said
    assert "settings" in said
    assert list(tmp_path.iterdir()) == []
