"""Evidence is whole, stays in its folder, goes when it is old or too much, and stays when it is protected."""

import os
import shutil
from collections import namedtuple
from errno import ELOOP
from pathlib import Path

import pytest

from safety_monitor.actions.evidence import DAY_S, EvidenceStore

NOW = 1_800_000_000.0
FIRST, SECOND, THIRD = (f"11111111-0000-0000-0000-00000000000{number}" for number in (1, 2, 3))


def store(home: Path, keep_days: float = 30.0, most_bytes: int = 10_000) -> EvidenceStore:
    return EvidenceStore(home, keep_days=keep_days, most_bytes=most_bytes, clock=lambda: NOW)


def aged(evidence: EvidenceStore, incident_id: str, days: float, size: int = 1000) -> None:
    """Evidence that is so many days old."""
    path = evidence.save(incident_id, "sound.flac", bytes(size))
    assert path is not None
    os.utime(path, (NOW - days * DAY_S, NOW - days * DAY_S))


def test_what_is_saved_is_there_and_only_for_its_owner(tmp_path: Path) -> None:
    evidence = store(tmp_path)
    path = evidence.save(FIRST, "sound.flac", b"fLaC")
    assert path is not None
    assert evidence.save(FIRST, "picture.jpg", b"jpeg") is not None
    assert [file.name for file in evidence.files(FIRST)] == ["picture.jpg", "sound.flac"]
    assert path.read_bytes() == b"fLaC"
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
    assert evidence.files(SECOND) == ()


def test_an_unfinished_file_is_not_evidence_and_goes_when_it_is_abandoned(tmp_path: Path) -> None:
    evidence = store(tmp_path)
    path = evidence.save(FIRST, "sound.flac", b"fLaC")
    assert path is not None
    os.utime(path, (NOW, NOW))
    unfinished = path.with_name("clip.mp4.part")
    unfinished.write_bytes(b"half")
    os.utime(unfinished, (NOW, NOW))
    assert evidence.files(FIRST) == (path,)
    evidence.tidy()
    assert unfinished.exists()
    os.utime(unfinished, (NOW - 2 * 3600, NOW - 2 * 3600))
    evidence.tidy()
    assert not unfinished.exists()
    assert evidence.files(FIRST) == (path,)


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    evidence = store(tmp_path, keep_days=30)
    aged(evidence, FIRST, 31)
    aged(evidence, SECOND, 29)
    assert evidence.tidy() == [FIRST]
    assert (evidence.files(FIRST), len(evidence.files(SECOND))) == ((), 1)


@pytest.mark.parametrize("name", [".Trash-1000", "lost+found", "last year"])
def test_what_others_put_beside_it_stays_and_keeps_nothing_from_going(tmp_path: Path, name: str) -> None:
    evidence = store(tmp_path, keep_days=30)
    aged(evidence, FIRST, 31)
    (tmp_path / "evidence" / name / "empty").mkdir(parents=True)
    os.utime(tmp_path / "evidence" / name / "empty", (NOW - 40 * DAY_S, NOW - 40 * DAY_S))
    evidence.believe(NOW)
    assert evidence.tidy() == [FIRST]
    assert (tmp_path / "evidence" / name / "empty").is_dir()


def test_what_cannot_be_looked_at_is_told_of_and_keeps_nothing_from_going(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    evidence = store(tmp_path, keep_days=30)
    aged(evidence, FIRST, 31)
    aged(evidence, SECOND, 31)
    (tmp_path / "evidence" / SECOND / "loop").symlink_to("loop")
    evidence.believe(NOW)
    assert evidence.tidy() == [FIRST]
    told = [each.getMessage() for each in caplog.records]
    assert told == [f"{tmp_path / 'evidence' / SECOND}: evidence stays that cannot be looked at: {os.strerror(ELOOP)}"]


def test_of_what_is_too_much_the_oldest_goes(tmp_path: Path) -> None:
    evidence = store(tmp_path, most_bytes=2500)
    for incident_id, days in ((SECOND, 2), (FIRST, 3), (THIRD, 1)):
        aged(evidence, incident_id, days)
    assert evidence.tidy() == [FIRST]
    assert [kept.incident_id for kept in evidence.kept()] == [SECOND, THIRD]


def test_what_is_protected_stays_and_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    evidence = store(tmp_path, most_bytes=500)
    aged(evidence, FIRST, 100)
    aged(evidence, SECOND, 1)
    evidence.protect(FIRST)
    assert evidence.tidy() == [SECOND]
    assert "protected evidence alone" in caplog.text
    evidence.protect(FIRST, False)
    assert evidence.tidy() == [FIRST]


def test_a_full_disk_costs_the_evidence_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 0))
    assert store(tmp_path).save(FIRST, "sound.flac", b"fLaC") is None
    assert "the disk is full" in caplog.text
    assert store(tmp_path).files(FIRST) == ()
    os.utime(tmp_path / "evidence" / FIRST, (NOW, NOW))
    assert store(tmp_path).overdue() == [], "what is of this moment is taken for decades old"


def test_a_folder_that_cannot_be_made_costs_the_evidence_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("in the way")
    assert store(tmp_path).save(FIRST, "sound.flac", b"fLaC") is None
    assert store(tmp_path).tidy() == []


@pytest.mark.parametrize("name", ["../sound.flac", "/etc/x", "", ".protected", "a/b", "clip.mp4.part"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    evidence = store(tmp_path)
    with pytest.raises(ValueError):
        evidence.save(FIRST, name, b"")


@pytest.mark.parametrize("incident_id", ["..", f"../evidence/{FIRST}", "", "a/b"])
def test_what_is_no_incident_has_no_files(tmp_path: Path, incident_id: str) -> None:
    evidence = store(tmp_path)
    (tmp_path / "station.toml").touch()
    assert evidence.save(FIRST, "sound.flac", b"fLaC")
    assert evidence.files(incident_id) == ()
