"""What tests of the station's commands need."""

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A station's home of its own, beside the current folder's files."""
    monkeypatch.setenv("SAFETY_MONITOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"
