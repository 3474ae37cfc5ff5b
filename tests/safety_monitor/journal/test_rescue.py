"""Journals of earlier programs are brought up to date, and of damaged ones what can be read is kept."""

import json
import os
import resource
import shutil
import sqlite3
import struct
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from filelock import FileLock

from safety_monitor.delivery import DeliveryState, Result
from safety_monitor.escalation import Nature, Planned, delivery_key
from safety_monitor.incident import Incident, Mark, State
from safety_monitor.journal.file import LOCK_NAME, JournalDamagedError, JournalError, JournalUnusableError
from safety_monitor.journal.incidents import Journal
from safety_monitor.journal.rescue import salvage
from safety_monitor.journal.search import Search, export_incidents, unanswered_incidents
from safety_monitor.journal.tables import VERSION
from safety_monitor.local_time import when
from tests.alarms import SCREAM
from tests.safety_monitor.journal.old_journals import CONTENT, VERSION_1, VERSION_2, VERSION_3

MANY = 120


def shape(path: Path) -> set[tuple[str, ...]]:
    """Tables with their columns, and indexes."""
    with closing(sqlite3.connect(path)) as journal:
        names = journal.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite%'").fetchall()
        return {(name, *sorted(row[1] for row in journal.execute(f"PRAGMA table_info({name})"))) for (name,) in names}


@pytest.mark.parametrize("script", [VERSION_1, VERSION_2, VERSION_3], ids=["1", "2", "3"])
def test_a_journal_of_an_earlier_program_is_brought_up_to_date(tmp_path: Path, script: str) -> None:
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as old:
        old.executescript(script + CONTENT)
    journal = Journal(tmp_path)
    entry = journal.show(SCREAM.id)
    assert (entry.incident, entry.source) == (SCREAM, "a.wav")
    assert journal.outbox.recover(["email"]) == 1
    (job,) = journal.outbox.due("email")
    assert (job.attempts, job.incident) == (2, SCREAM)
    journal.decide(SCREAM.id, State.ACKNOWLEDGED, "by a person")
    journal.file.check()
    journal.close()
    Journal(tmp_path / "fresh").close()
    assert shape(journal.path) == shape(tmp_path / "fresh" / "journal.sqlite")
    with closing(sqlite3.connect(journal.path)) as now:
        assert now.execute("PRAGMA user_version").fetchone() == (VERSION,)


def incident(number: int) -> Incident:
    return replace(SCREAM, id=f"{number:032x}")


def filled(home: Path) -> Path:
    journal = Journal(home)
    for number in range(MANY):
        each = incident(number)
        email = Planned(delivery_key(each.id, "email", "alarm"), "email", Nature.MESSAGE, "alarm")
        journal.record(each, [email])
    journal.close()
    return journal.path


def in_the_middle(path: Path) -> None:
    """Some pages of the table of incidents are overwritten."""
    with closing(sqlite3.connect(path)) as journal:
        size = journal.execute("PRAGMA page_size").fetchone()[0]
        (sought,) = journal.execute("SELECT id FROM incidents ORDER BY rowid").fetchall()[MANY // 2]
    content = path.read_bytes()
    key = sought.encode()
    # A leaf of a table begins with 13, one of an index with 10 (SQLite file format, 1.6).
    starts = range(0, len(content), size)
    pages = [start for start in starts if content[start] == 13 and key in content[start : start + size]]
    assert pages
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page)
            file.write(b"\xff" * size)


def at_its_head(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"not a database" * 20)


def cut_off(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("damage", "least", "most"),
    [(in_the_middle, MANY // 2, MANY - 1), (at_its_head, MANY, MANY), (cut_off, 1, MANY - 1)],
    ids=["middle", "head", "cut"],
)
def test_of_a_damaged_journal_what_can_be_read_is_kept_and_a_fresh_one_is_used(
    tmp_path: Path, damage: Callable[[Path], None], least: int, most: int
) -> None:
    damage(filled(tmp_path))
    try:
        journal = Journal(tmp_path)
        journal.file.probe()
        journal.file.check()
    except JournalDamagedError:
        journal = Journal(tmp_path, rescue=True) if damage is not in_the_middle else journal
        said = journal.file.rescued or journal.file.rescue()
    else:
        pytest.fail("the damage was not noticed")
    assert said.startswith("was damaged: ")
    (aside,) = tmp_path.glob("journal-damaged-*.sqlite")
    assert str(aside) in said
    journal.file.check()
    kept = journal.list(MANY)
    assert least <= len(kept) <= most
    assert all(entry.incident.evidence == SCREAM.evidence for entry in kept)
    new = replace(SCREAM, id="f" * 32)
    journal.record(new)
    assert journal.show(new.id).incident == new


def test_a_rescue_for_which_there_was_no_room_is_made_up_for_and_loses_nothing_written_since(tmp_path: Path) -> None:
    at_its_head(filled(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # as a disk that is full
    try:
        with pytest.raises(JournalUnusableError):
            Journal(tmp_path, rescue=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(JournalDamagedError, match="still to be put into it"):
        Journal(tmp_path)
    (left,) = tmp_path.glob("journal-unsaved-*.sqlite")
    aside = left.rename(tmp_path / "aside")
    journal = Journal(tmp_path)
    journal.record(SCREAM)
    aside.rename(left)
    with pytest.raises(JournalDamagedError, match="still to be put into it"):
        journal.file.probe()
    for _ in range(2):
        assert (
            f"{left.name.replace('unsaved', 'damaged')} is what is left of it; {MANY + 1} inc" in journal.file.rescue()
        )
        kept = journal.list(2 * MANY)
        assert len(kept) == MANY + 1
        assert {len(entry.transitions) for entry in kept} == {1}
        assert not list(tmp_path.glob("journal-unsaved-*"))
        left.with_name(left.name.replace("unsaved", "damaged")).rename(left)  # the power went before that was known


@pytest.mark.parametrize("looked_at", [False, True], ids=["alone", "while somebody looks at it"])
def test_a_journal_that_is_overwritten_while_it_is_in_use_is_found_and_loses_nothing(
    tmp_path: Path, looked_at: bool
) -> None:
    filled(tmp_path)
    journal = Journal(tmp_path, connections=2)
    long = replace(incident(MANY), reason=f"{'long ' * 5000}")  # more than one page holds
    journal.record(long)
    journal.remark(long.id, "it was real", mark=Mark.REAL)
    with closing(sqlite3.connect(journal.path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    journal.record(replace(long, state=State.CLOSED))  # stands in the log alone
    before = journal.list(MANY + 1)
    with closing(sqlite3.connect(journal.path)) as other:
        if looked_at:  # then SQLite leaves in the log what stands there
            other.execute("SELECT count(*) FROM incidents").fetchall()
        with journal.path.open("r+b") as file:
            file.write(b"\xff" * 8192)
        with pytest.raises(JournalDamagedError, match="cannot be read"):
            journal.file.probe()
        journal.file.rescue()
    assert journal.list(MANY + 1) == before
    journal.file.probe()


def page_with(number: bytes, *values: str | float | bytes | None) -> bytes:
    """A leaf page with one row (SQLite file format, 1.6 and 2.1); the row's number as it is written there."""
    kinds, body = b"", b""
    for value in values:
        if isinstance(value, float):
            kinds, body = kinds + b"\x07", body + struct.pack(">d", value)
        elif value is None:
            kinds += b"\x00"
        else:
            data = value.encode() if isinstance(value, str) else value
            kinds, body = kinds + bytes([12 + 2 * len(data) + isinstance(value, str)]), body + data
    record = bytes([len(kinds) + 1]) + kinds + body
    cell = bytes([len(record)]) + number + record
    head = b"\x0d\0\0\0\x01\0\0\0" + (4096 - len(cell)).to_bytes(2, "big")
    return head.ljust(4096 - len(cell), b"\0") + cell


def test_rows_that_no_journal_can_hold_keep_no_others_from_being_read(tmp_path: Path) -> None:
    path = filled(tmp_path)
    at_its_head(path)
    row = ("closed", "2026-05-04T03:02:30.000+00:00", 1.0, 0.5, "", "station")
    with path.open("ab") as file:
        file.write(page_with(b"\xff" * 9, None, incident(0).id, *row))
        file.write(page_with(b"\x01", None, incident(0).id, *row[:2], b"no number", *row[3:]))
    journal = Journal(tmp_path, rescue=True)
    kept = journal.list(MANY)
    assert len(kept) == MANY
    assert {step.at_s for entry in kept for step in entry.transitions} == {SCREAM.at_s, 1.0}


def piece(sense: str = "audio", label: str = "scream", probability: str = "1.0") -> str:
    """A list of evidence as the table holds it."""
    return f'[{{"sense": "{sense}", "label": "{label}", "probability": {probability}, "at_s": 1.0}}]'


NONSENSE: list[tuple[str, str, str | float | bytes | None]] = [
    ("incidents", "state", "clozed"),
    ("incidents", "kind", "?"),
    ("incidents", "opened_at", "soon"),
    ("incidents", "changed_at", "2026-02-31T00:00:00.000+00:00"),
    ("incidents", "confidence", "sure"),
    ("incidents", "at_s", float("inf")),
    ("incidents", "reason", b"\xff\xfe"),
    ("incidents", "labels", "[1]"),
    ("incidents", "silent", None),
    ("incidents", "evidence", "[{"),
    ("incidents", "evidence", '["scream"]'),
    ("incidents", "evidence", piece(sense="smell")),
    ("incidents", "evidence", piece(label="\\ud800")),
    ("incidents", "evidence", piece(probability="1e999")),
    ("incidents", "evidence", piece(label='scream", "label": "')),
    ("transitions", "state", ""),
    ("transitions", "at", "2026-05-04T24:00:00.000+00:00"),
    ("remarks", "mark", "rael"),
    ("remarks", "at", None),
    ("deliveries", "attempts", "many"),
    ("deliveries", "asked_at", 1e300),
    ("deliveries", "covert", "?"),
    ("deliveries", "detail", b"\x00"),
    ("deliveries", "state", "pendimg"),
    ("deliveries", "turn", 77),
    ("deliveries", "fallback", "sms"),
    ("deliveries", "changed_at", "zz"),
    ("deliveries", "due_at", "now"),
    ("deliveries", "kind", "alarn"),
]


def test_what_means_nothing_is_no_ones_end_and_is_put_right_as_far_as_it_can_be(tmp_path: Path) -> None:
    Journal(tmp_path).close()
    with closing(
        sqlite3.connect(tmp_path / "journal.sqlite")
    ) as other:  # what is damaged may be empty where nothing can be
        other.executescript(
            "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '')"
            " WHERE type = 'table'"
        )
    journal = Journal(tmp_path)
    for number, (table, column, value) in enumerate(NONSENSE):
        each = incident(number)
        email = Planned(delivery_key(each.id, "email", "alarm"), "email", Nature.MESSAGE, "alarm")
        for state in (State.CONFIRMED, State.CLOSED):
            journal.record(replace(each, state=state), [email] if state is State.CONFIRMED else [])
        journal.remark(each.id, "a note", mark=Mark.REAL)
        if number == 0:
            journal.file.check()
        with closing(sqlite3.connect(journal.path)) as other:
            name = "id" if table == "incidents" else "incident_id"
            other.execute(f"UPDATE {table} SET {column} = ? WHERE {name} = ?", (value, each.id))  # noqa: S608
            other.commit()
    looks: list[Callable[[], Sequence[object]]] = [
        lambda: journal.list(100),
        lambda: unanswered_incidents(journal.file, 3600.0, 100),
        lambda: journal.outbox.due("email", 100),
        journal.outbox.list,
    ]
    for look in looks:  # those that mean something are hidden by none
        assert 0 < len(look()) < len(NONSENSE)
    uses: list[Callable[[], object]] = [
        lambda: list(export_incidents(journal.file, Search())),
        journal.file.check,
    ]
    for use in uses:
        with pytest.raises(JournalDamagedError, match="holds what means nothing"):
            use()
    journal.outbox.recover(["email"])
    assert f"{len(NONSENSE)} incidents could be read" in journal.file.rescue()
    for use in (*looks, *uses):
        use()
    entries = {int(entry.incident.id, 16): entry for entry in journal.list(100)}
    assert len(entries) == len(NONSENSE)
    assert all(entry.incident.state is State.CLOSED and entry.remarks[0].text == "a note" for entry in entries.values())
    without_evidence = {number for number, entry in entries.items() if not entry.incident.evidence}
    assert without_evidence == {number for number, (_, column, _) in enumerate(NONSENSE) if column == "evidence"}
    json.dumps([asdict(entry) for entry in entries.values()], allow_nan=False)
    assert all(when(entry.opened_at) and when(entry.changed_at) for entry in entries.values())
    told: set[int] = set()
    while jobs := journal.outbox.due("email", 100):
        told |= {int(job.incident.id, 16) for job in jobs}
        journal.outbox.finish(Result(job.key, job.version, DeliveryState.DELIVERED, "") for job in jobs)
    assert told == set(range(len(NONSENSE) - 1))  # what kind of message the last is nobody knows


def test_what_the_disk_cannot_read_at_all_is_given_up_in_order(tmp_path: Path) -> None:
    fresh = filled(tmp_path)
    assert set(salvage(Path("/proc/self/mem"), fresh).values()) == {0}  # opens, and cannot be read
    assert len(Journal(tmp_path).list(MANY)) == MANY


@pytest.mark.parametrize("deleted", ["journal.sqlite*", "journal.sqlite"], ids=["all of it", "without its log"])
def test_a_journal_that_is_deleted_while_it_is_in_use_loses_nothing(tmp_path: Path, deleted: str) -> None:
    journal = Journal(tmp_path)
    journal.record(incident(1))
    for path in tmp_path.glob(deleted):
        path.unlink()
    journal.record(incident(2))
    with pytest.raises(JournalDamagedError, match="is gone"):
        journal.file.probe()
    assert "2 incidents could be read" in journal.file.rescue()
    journal.record(SCREAM)
    assert {entry.incident.id for entry in Journal(tmp_path).list()} == {incident(1).id, incident(2).id, SCREAM.id}


@pytest.mark.parametrize(
    ("gone", "restore"),
    [
        ("none", os.replace),
        ("journal.sqlite-*", os.replace),
        ("journal.sqlite-*", shutil.copyfile),
        ("journal.sqlite-*", None),
        ("journal.sqlite-wal", None),
    ],
)
def test_a_journal_whose_files_are_replaced_while_it_is_in_use_loses_nothing(
    tmp_path: Path, gone: str, restore: Callable[[Path, Path], object] | None
) -> None:
    backup, journal = Journal(tmp_path / "backup"), Journal(tmp_path / "home")
    backup.record(incident(0))
    backup.close()
    journal.record(incident(1))
    journal.file.probe()
    for path in journal.path.parent.glob(gone):
        path.unlink()
    if restore is not None:
        restore(backup.path, journal.path)
    journal.record(incident(2))
    with pytest.raises(JournalDamagedError, match="another file has taken its place, or its log is gone"):
        journal.file.probe()
    journal.file.rescue()
    journal.file.probe()
    journal.record(SCREAM)
    kept = {incident(number).id for number in range(0 if restore else 1, 3)} | {SCREAM.id}
    assert {entry.incident.id for entry in Journal(journal.path.parent).list()} == kept


def test_the_journal_of_another_station_is_not_moved_from_under_it(tmp_path: Path) -> None:
    at_its_head(filled(tmp_path))
    with FileLock(tmp_path / LOCK_NAME), pytest.raises(JournalError, match="another safety-monitor is at work"):
        Journal(tmp_path, wait_s=0.1, rescue=True)
