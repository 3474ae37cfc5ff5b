"""What tests of the station need in several packages."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from safety_monitor.journal.incidents import Journal


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder, with nothing in it."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A station's home of its own, beside the current folder's files."""
    monkeypatch.setenv("SAFETY_MONITOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The time of day is that of Berlin."""
    with monkeypatch.context() as there:
        there.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An open journal with nothing in it."""
    journal = Journal(tmp_path)
    yield journal
    journal.close()
