"""A journal whose file is damaged: moved aside, a fresh one begun, and what can be read of the old one put into it."""

import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from safety_monitor.journal.pages import Value, readable, rows
from safety_monitor.journal.plausible import corrections
from safety_monitor.journal.tables import TABLES

log = logging.getLogger(__name__)

ENDINGS = ("", "-wal", "-shm")
"""Of the files that SQLite keeps a database in."""


UNSAVED, DAMAGED = "unsaved", "damaged"
"""In the names of files moved aside: of what is to be read of them something may still be to be saved, or nothing."""


def move_aside(path: Path, now: float) -> Path:
    """Move a journal's files out of the way, to be saved; none of them has to be there.

    Args:
        path: of the journal.
        now: seconds since 1970, for the name.

    Returns:
        Where the journal is now.

    Raises:
        OSError: it cannot be moved.
    """
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S")
    return _moved(path, path.with_name(f"{path.stem}-{UNSAVED}-{stamp}{path.suffix}"))


def unsaved(path: Path) -> list[Path]:
    """What was moved out of a journal's way and is still to be saved, the oldest first: the power may have gone, or the
    disk was full."""
    return sorted(path.parent.glob(f"{path.stem}-{UNSAVED}-*{path.suffix}"))


def saved(aside: Path) -> Path:
    """Call what was moved aside something that was saved; where it is now."""
    return _moved(aside, aside.with_name(aside.name.replace(f"-{UNSAVED}-", f"-{DAMAGED}-")))


def _moved(path: Path, to: Path) -> Path:
    for ending in ENDINGS:
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(to.with_name(to.name + ending))
    return to


def copy(connection: sqlite3.Connection, path: Path) -> None:
    """Write all that an open connection can read into a file, in place of what is left there.

    Raises:
        OSError: the folder cannot be written.
        sqlite3.Error: it cannot be read or written.
    """
    part = path.with_name(f"{path.name}.part")
    part.touch(mode=0o600)
    with closing(sqlite3.connect(part)) as file:
        connection.backup(file)
    for ending in ENDINGS:
        path.with_name(path.name + ending).unlink(missing_ok=True)  # a log that belongs to another file would damage it
    part.rename(path)


def salvage(damaged: Path, fresh: Path) -> dict[str, int]:
    """Copy what can be read of a damaged journal into a fresh one; what means nothing in it is put right or left out.

    Args:
        damaged: the old file.
        fresh: a journal with its tables; what is in it already stays, and is not copied again.

    Returns:
        Rows that were copied, by table.

    Raises:
        sqlite3.Error: the fresh one cannot be written.
    """
    copied = dict.fromkeys(TABLES, 0)
    _lengthen(damaged)
    with closing(sqlite3.connect(fresh, isolation_level=None, timeout=10.0)) as new:
        new.execute("PRAGMA foreign_keys = ON")
        for table in TABLES:  # in this order: what belongs to an incident that is lost is lost with it
            about = [_Column(row[1], row[2], row[3], row[5]) for row in new.execute(f"PRAGMA table_info({table})")]
            columns = {column.name: column for column in about}
            if not columns or not damaged.is_file():
                continue
            new.execute("BEGIN IMMEDIATE")
            for row in _rows(damaged, table, about):
                known = {name: columns[name].right(value) for name, value in row.items() if name in columns}
                with suppress(sqlite3.IntegrityError, sqlite3.DataError):  # half a row, or its incident is lost
                    copied[table] += _insert(new, table, known)
            new.execute("COMMIT")
        for correction in corrections():
            new.execute(correction)
    return copied


def _insert(new: sqlite3.Connection, table: str, row: Mapping[str, object]) -> int:
    """Add a row, if it is not there already; how many that makes."""
    names = ", ".join(f'"{name}"' for name in row)
    places = ", ".join("?" for _ in row)
    insert = f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608
    try:
        return new.execute(insert, list(row.values())).rowcount
    except sqlite3.IntegrityError:
        if row.get("number") is None:
            raise
        said = {name: value for name, value in row.items() if name != "number"}
        same = " AND ".join(f'"{name}" IS ?' for name in said)
        if new.execute(f"SELECT 1 FROM {table} WHERE {same}", list(said.values())).fetchone():  # noqa: S608
            return 0
        return new.execute(insert, list({**row, "number": None}.values())).rowcount  # another has its number since


def _lengthen(path: Path) -> None:
    """Fill up a file that was cut off: SQLite reads nothing at all of one that is shorter than its head says.

    https://www.sqlite.org/fileformat2.html#the_database_header
    """
    with suppress(OSError), path.open("r+b") as file:
        head = file.read(32)
        page = int.from_bytes(head[16:18], "big")
        whole = (65_536 if page == 1 else page) * int.from_bytes(head[28:32], "big")
        if head.startswith(b"SQLite format 3") and path.stat().st_size < whole:
            file.truncate(whole)


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    kind: str
    """As the table declares it."""
    needed: int
    """Whether it is never empty."""
    of_key: int
    """Whether rows are known by it."""

    def takes(self, value: Value) -> bool:
        """Whether a value may stand in it."""
        if value is None:
            return not self.needed or self.kind == "INTEGER"  # the number of the row stands in no record
        return isinstance(value, str if self.is_text else int | float)

    @property
    def is_text(self) -> bool:
        """Whether it holds text."""
        return "CHAR" in self.kind or "TEXT" in self.kind

    def right(self, value: object) -> object:
        """A value as it may stand in it: bytes as text where it holds that; nothing where there must be something is
        something that means nothing."""
        if value is None and self.needed and not self.of_key:
            return "" if self.is_text else 0
        return readable(value) if self.is_text and isinstance(value, bytes) else value


def _rows(path: Path, table: str, columns: Sequence[_Column]) -> Iterator[dict[str, object]]:
    """What can be read of a table: from its beginning up to the damage, from its end back to it, then page by page."""
    seen: set[object] = set()
    for order in ("ASC", "DESC"):
        try:
            with closing(sqlite3.connect(path, timeout=10.0)) as old:
                old.text_factory = readable
                found = old.execute(f"SELECT rowid AS _row, * FROM {table} ORDER BY rowid {order}")  # noqa: S608
                names = [column[0] for column in found.description]
                for values in found:
                    if values[0] in seen:
                        return
                    seen.add(values[0])
                    yield dict(zip(names[1:], values[1:], strict=True))
                if order == "ASC":
                    return
        except (sqlite3.Error, OSError) as error:
            log.warning("%s: %s: %s", path.name, table, error)
    try:
        for number, record in rows(path):
            if len(record) == len(columns) and all(map(_Column.takes, columns, record)):
                values = (
                    number if value is None and column.needed else value
                    for column, value in zip(columns, record, strict=True)
                )
                yield dict(zip((column.name for column in columns), values, strict=True))
    except OSError as error:
        log.warning("%s: %s: %s", path.name, table, error)
