"""What tests of the station need in several packages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from safety_monitor.journal.incidents import Journal


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A station's home of its own, beside the current folder's files."""
    monkeypatch.setenv("SAFETY_MONITOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An open journal with nothing in it."""
    journal = Journal(tmp_path)
    yield journal
    journal.close()
