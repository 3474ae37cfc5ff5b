"""A service watches with whatever is there."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from safety_monitor import memory_folder
from safety_monitor.config import Settings, SettingsError
from safety_monitor.config.station import PlaceSettings, Supervision
from safety_monitor.incident import Incident, State
from safety_monitor.journal.incidents import Journal
from safety_monitor.running import open_journal, places_of


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


def test_a_service_that_can_keep_a_journal_nowhere_says_why_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_folder, "MEMORY", Path("/proc"))  # a file system without a free byte
    Journal(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as file:
        file.execute("PRAGMA user_version = 99")
    with pytest.raises(SettingsError, match="newer program") as refused:
        open_journal(Settings(home=tmp_path, supervision=Supervision(wait_for_devices="always")))
    assert "\n" not in str(refused.value)


def test_a_service_that_can_ask_nobody_for_addresses_says_where_it_stands_without(tmp_path: Path) -> None:
    place = PlaceSettings(latitude=52.5, longitude=13.4, geocoder="nosuch")
    given = [
        Settings(home=tmp_path, place=place, supervision=Supervision(wait_for_devices=wait))
        for wait in ("never", "always")
    ]
    journal = Journal(tmp_path)
    with pytest.raises(SettingsError, match="geocoder"):
        places_of(given[0], journal)
    found = places_of(given[1], journal).place(Incident("1", State.CONFIRMED, 0.0, 0.9, (), ""))
    assert found is not None
    assert (found.latitude, found.longitude, found.address) == (52.5, 13.4, "")
    journal.close()
