"""A service watches with whatever is there."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from safety_monitor.config import Settings, SettingsError
from safety_monitor.config.station import Supervision
from safety_monitor.journal.incidents import Journal
from safety_monitor.running import open_journal


def test_a_service_leaves_the_journal_of_a_newer_program_alone_and_watches(tmp_path: Path) -> None:
    Journal(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as file:
        file.execute("PRAGMA user_version = 99")
    with pytest.raises(SettingsError, match="newer program"):
        open_journal(Settings(home=tmp_path, supervision=Supervision(wait_for_devices="never")))
    journal = open_journal(Settings(home=tmp_path, supervision=Supervision(wait_for_devices="always")))
    assert "newer program" in journal.file.stands_in
    assert journal.path.parent != tmp_path
    journal.close()
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (99,)
