"""Journals for tests of deliveries."""

from pathlib import Path

import pytest

from safety_monitor.dispatch import channel_worker, delivering
from safety_monitor.journal import writer
from safety_monitor.journal.incidents import Journal
from tests.dispatching import FOREVER_S


@pytest.fixture(autouse=True)
def busy_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that others keep busy does not hang."""
    monkeypatch.setattr(writer, "COMMIT_S", FOREVER_S)
    monkeypatch.setattr(channel_worker, "ANSWER_S", FOREVER_S)


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes to a dispatch from elsewhere is looked for more often than is worth while in a station."""
    monkeypatch.setattr(delivering, "LOOK_S", 0.05)


@pytest.fixture
def impatient(tmp_path: Path) -> Journal:
    """A journal that waits for nobody."""
    return Journal(tmp_path, wait_s=0.0)
