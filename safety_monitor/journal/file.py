"""The file of the journal: SQLite in WAL mode with full synchronisation, so that a commit survives a power cut.

The command line can read and write it beside the running station.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from os import stat_result
from os.path import samestat
from pathlib import Path
from typing import Any, TypeVar, cast

from filelock import FileLock, Timeout
from sqlalchemy import ColumnElement, Select, create_engine, event, text
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from safety_monitor.journal.pages import readable
from safety_monitor.journal.plausible import searches
from safety_monitor.journal.rescue import ENDINGS, copy, move_aside, salvage, saved, unsaved
from safety_monitor.journal.tables import TABLES, VERSION, NewerError, migrate

log = logging.getLogger(__name__)

T = TypeVar("T")

FILE_NAME = "journal.sqlite"
CONNECTIONS = 16
"""So many a station opens at its start: where the disk hangs, what only reads goes on, but no other can be opened."""
LOCK_NAME = "outbox.lock"
"""Held by the process that delivers."""
DAMAGE = ("malformed", "not a database", "no such table")
"""What SQLite says of a file that is no journal any more."""
NONSENSE = (ValueError, TypeError, LookupError, AttributeError)
"""What comes of a row that means nothing."""
UNSAVED_STILL = "what can be read of a damaged one is still to be put into it"
NO_TEXT = "what was given holds bytes that are no text"
"""Said of what somebody asks for; what stands in the file is not to blame."""
READ_WHOLE = 8_000_000
"""Bytes up to which a journal is read whole whenever it is probed; about 20 ms. Of a larger one that are the first and
the last rows of each table."""


class JournalError(Exception):
    """The journal cannot be used, or not that way; the text is one line."""


class JournalNewerError(JournalError):
    """It was written by a newer program, and is left as it is."""


class JournalUnusableError(JournalError):
    """The file cannot be read or written, for now or for ever: disk full, read-only, gone or damaged."""


class JournalDamagedError(JournalUnusableError):
    """What is in the file is no journal any more, or the file is gone; `JournalFile.rescue` begins a fresh one."""


class JournalFile:
    """The open file of a journal; what it is opened with, see `safety_monitor.journal.incidents.Journal`."""

    def __init__(
        self,
        home: Path,
        clock: Callable[[], float] = time.time,
        wait_s: float = 10.0,
        *,
        rescue: bool = False,
        connections: int = 1,
    ) -> None:
        self.path = home / FILE_NAME
        self._connections = connections
        self.clock = clock
        self._wait_s = wait_s
        self._opened: dict[str, stat_result] = {}
        """Which files are open, by the endings of their names."""
        self.rescued = ""
        """What had to be done about a damaged file, one line; empty if nothing had."""
        self.doubted = False
        """Whether something in it meant nothing since it was checked: it may be damaged."""
        self.stands_in = ""
        """Why it is used in place of the one in the station's home, one line; empty if it is that one."""
        try:
            self._open(saved=not unsaved(self.path))
        except JournalDamagedError:
            if not rescue:
                raise
            try:
                with FileLock(self.path.with_name(LOCK_NAME), timeout=wait_s):
                    self.rescued = self.rescue()
            except Timeout:
                raise JournalError(f"{self.path}: is damaged, and another safety-monitor is at work with it") from None

    def _open(self, *, saved: bool = True) -> None:
        """Open it; where not all is `saved` that was moved aside, it is damaged, too."""
        self._opened = {}
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.path.exists():
                with suppress(OSError):  # SQLite says it better
                    self.path.touch(mode=0o600)  # its log has the same; SQLite by itself lets everybody read
            self._engine = create_engine(
                f"sqlite:///{self.path}", connect_args={"timeout": self._wait_s}, pool_size=CONNECTIONS
            )
            event.listen(self._engine, "connect", _durable)
            with self.writing() as session:
                migrate(session)
            for connection in [self._engine.connect() for _ in range(self._connections)]:
                connection.close()
            self._opened = {ending: status for ending in ENDINGS if (status := self._status(ending)) is not None}
            if not saved:
                raise JournalDamagedError(f"{self.path}: {UNSAVED_STILL}")
        except (OSError, SQLAlchemyError) as error:
            raise JournalUnusableError(f"{self.path}: the journal cannot be opened: {_reason(error)}") from None
        except NewerError as error:
            raise JournalNewerError(f"{self.path}: the journal cannot be opened: {error}") from None
        except JournalError as error:
            reason = str(error).removeprefix(f"{self.path}: cannot be written: ")
            raise type(error)(f"{self.path}: the journal cannot be opened: {reason}") from None

    def rescue(self) -> str:
        """Move a damaged file aside, begin a fresh one, and put into it what can be read of the old one.

        Returns:
            One line that says what came of it.

        Raises:
            JournalError: no fresh one can be begun.
        """
        try:
            if not unsaved(self.path):
                self._move_aside()
            self._engine.dispose()
            try:
                self._open()
            except JournalDamagedError:  # the one that was begun before
                self._move_aside()
                self._open()
            for aside in unsaved(self.path):
                salvage(aside, self.path)
            left = [str(saved(aside)) for aside in unsaved(self.path)]
            self.doubted = False
            with self.reading() as session:
                kept = session.scalar(text("SELECT count(*) FROM incidents"))
        except (OSError, sqlite3.Error) as error:
            raise JournalUnusableError(f"{self.path}: no fresh journal can be begun: {_reason(error)}") from None
        return f"was damaged: {', '.join(left)} is what is left of it; {kept} incidents could be read and were kept"

    def _move_aside(self) -> None:
        gone = not self.path.exists()
        replaced = not gone and not self._stands()
        for ending in ENDINGS[1:]:  # a log that belongs to what is open hides what another file holds
            if replaced and self._is_open(ending):
                self.path.with_name(self.path.name + ending).unlink()
        aside = move_aside(self.path, self.clock())
        if gone:
            self._copy_open(aside)
        elif replaced:  # what is in either is kept; of what is in both, what is open: sorted, it comes first
            self._copy_open(aside.with_name(f"{aside.stem}-open{aside.suffix}"))

    def _stands(self) -> bool:
        """Whether all files that are open still stand there, and no others in their place."""
        return all(map(self._is_open, self._opened))

    def _is_open(self, ending: str) -> bool:
        opened, status = self._opened.get(ending), self._status(ending)
        return opened is not None and status is not None and samestat(opened, status)

    def _status(self, ending: str) -> stat_result | None:
        """Of one of its files; None if that is not there."""
        with suppress(FileNotFoundError):
            return self.path.with_name(self.path.name + ending).stat()
        return None

    def _copy_open(self, aside: Path) -> None:
        """Write what a file holds that was deleted or replaced while it is open: as long as a connection is, it is."""
        if not cast(QueuePool, self._engine.pool).checkedin():
            return
        pooled = self._engine.raw_connection()
        try:
            copy(cast(sqlite3.Connection, pooled.driver_connection), aside)
        finally:
            pooled.close()

    def check(self) -> None:
        """Read the whole file, to see whether it is damaged; takes seconds where it is large, and delays nobody.

        Damaged is, too, what holds rows that mean nothing.

        Raises:
            JournalDamagedError: it is.
        """
        with self.reading() as session:
            found = str(session.scalar(text("PRAGMA quick_check(1)")))
            if found != "ok":
                raise JournalDamagedError(f"{self.path}: cannot be read: {found.splitlines()[0]}")
            for table, search in searches():
                if session.scalar(text(search)):
                    raise JournalDamagedError(f"{self.path}: holds what means nothing, in the table {table}")
        self.doubted = False

    def probe(self) -> None:
        """Try whether it can be read from the disk, and written, by writing what stands there already.

        Raises:
            JournalUnusableError: it cannot.
        """
        if not self.path.exists():
            raise JournalDamagedError(f"{self.path}: is gone")
        if not self._stands():  # what is written would be gone at the next start, and no command would see it
            raise JournalDamagedError(f"{self.path}: another file has taken its place, or its log is gone")
        if unsaved(self.path):
            raise JournalDamagedError(f"{self.path}: {UNSAVED_STILL}")
        self._read_anew()
        with self.writing() as session:
            session.execute(text(f"PRAGMA user_version = {VERSION}"))

    def _read_anew(self) -> None:
        """Read as whoever opens the file now: what is open has in memory what may be overwritten on the disk."""
        address = f"{self.path.resolve().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=self._wait_s)) as fresh:
                if self.path.stat().st_size <= READ_WHOLE:
                    found = str(fresh.execute("PRAGMA quick_check(1)").fetchone()[0])
                    if found != "ok":
                        raise JournalDamagedError(f"{self.path}: cannot be read: {found.splitlines()[0]}")
                for table in TABLES:
                    fresh.execute(f"SELECT min(rowid), max(rowid) FROM {table}").fetchall()  # noqa: S608
        except (OSError, sqlite3.Error) as error:
            raise _unusable(error)(f"{self.path}: cannot be read: {_reason(error)}") from None

    def close(self) -> None:
        """Give the file back."""
        self._engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction: all of it is on the disk afterwards, or none.

        Raises:
            JournalUnusableError: it cannot be written.
        """
        try:
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                session.execute(text("BEGIN IMMEDIATE"))
                yield session
        except (IntegrityError, DataError) as error:  # whoever tries again would fail again, and keep up all others
            raise JournalError(f"{self.path}: does not take this: {_reason(error)}") from None
        except SQLAlchemyError as error:
            raise _unusable(error)(f"{self.path}: cannot be written: {_reason(error)}") from None
        except UnicodeEncodeError:
            raise JournalError(NO_TEXT) from None
        except NONSENSE as error:
            raise self._nonsense(error) from error

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """For looking only.

        Raises:
            JournalUnusableError: it cannot be read.
        """
        try:
            with Session(self._engine) as session:
                yield session
        except SQLAlchemyError as error:
            raise _unusable(error)(f"{self.path}: cannot be read: {_reason(error)}") from None
        except UnicodeEncodeError:
            raise JournalError(NO_TEXT) from None
        except NONSENSE as error:
            raise self._nonsense(error) from error

    def sensible(
        self,
        session: Session,
        wanted: Select[*tuple[Any, ...]],
        number: ColumnElement[int],
        make: Callable[..., T],
        limit: int | None = None,
    ) -> list[T]:
        """What is made of rows; those that mean nothing are left out until they were put right, and hide no other.

        Args:
            session: to read in.
            wanted: the rows.
            number: the column that holds theirs.
            make: makes something out of one.
            limit: at most so many; None: all.
        """
        try:
            return [make(*row) for row in session.execute(wanted.limit(limit))]
        except NONSENSE as error:
            if not self.doubted:
                log.error("%s", self._nonsense(error))
        made: list[T] = []
        for each in session.scalars(wanted.with_only_columns(number, maintain_column_froms=True)).all():
            with suppress(*NONSENSE):
                made += [make(*row) for row in session.execute(wanted.where(number.is_(each)))]
            if len(made) == limit:
                break
        return made

    def _nonsense(self, error: Exception) -> JournalDamagedError:
        """What is in the file means nothing, or there is a mistake of ours: checking it will show."""
        self.doubted = True
        return JournalDamagedError(
            f"{self.path}: holds what means nothing ({error}); a station that runs puts that right"
        )


def _unusable(error: Exception) -> type[JournalUnusableError]:
    return JournalDamagedError if any(word in str(error) for word in DAMAGE) else JournalUnusableError


def _durable(connection: Any, _record: Any) -> None:
    """WAL lets readers and the writer work side by side; FULL makes each commit survive a power cut.

    The driver opens no transactions by itself: writers open theirs with BEGIN IMMEDIATE, because a transaction that
    reads before it writes must hold the write lock from its start, or two could both read the old state and the
    later one fail half-way.
    """
    connection.isolation_level = None
    connection.text_factory = readable
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _reason(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return str(getattr(cause, "strerror", None) or cause).splitlines()[0]
