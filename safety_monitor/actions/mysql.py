"""The record of incidents in a MySQL database that many stations may share.

One row an incident in `incidents`, its evidence in `readings`, what was done about it in `deliveries`, and the stations
themselves in `stations`. Every row is keyed by a UUID that the station made, and written by "insert, or update what is
there": a delivery that is repeated changes nothing. No foreign keys, triggers, auto-increment or spatial types, so that
the same address may lead to MariaDB, MySQL, TiDB or Vitess.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import (
    BOOLEAN,
    CHAR,
    INTEGER,
    VARCHAR,
    Column,
    ColumnElement,
    Connection,
    Index,
    MetaData,
    Table,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects.mysql import DATETIME, DOUBLE, insert
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import DataError, SQLAlchemyError

from safety_monitor.actions.casebook import entry_for
from safety_monitor.actions.failure import one_line
from safety_monitor.actions.message import Message
from safety_monitor.actions.outcome import Outcome
from safety_monitor.identity import Identity
from safety_monitor.journal.entry import Entry

log = logging.getLogger(__name__)

COLLATION = "utf8mb4_general_ci"
"""Known to MariaDB, MySQL and TiDB of every age; the newer ones differ between them."""
CONNECT_S, ANSWER_S = 5, 10
"""Whole seconds for a connection, and for every answer."""
TIMED_OUT = 3024
"""What the driver calls an answer that did not come in time."""
RECYCLE_S = 1800
"""A connection is made anew after this long: servers drop idle ones after hours, firewalls sooner."""
MIGRATIONS = Path(__file__).parent / "mysql_migrations"

metadata = MetaData()
_COMMON: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": COLLATION}

STATIONS = Table(
    "stations",
    metadata,
    Column("id", CHAR(36), primary_key=True),
    Column("name", VARCHAR(191), nullable=False),
    **_COMMON,
)
INCIDENTS = Table(
    "incidents",
    metadata,
    Column("id", CHAR(36), primary_key=True),
    Column("station_id", CHAR(36), nullable=False),
    Column("state", VARCHAR(32), nullable=False),
    Column("opened_at", DATETIME(fsp=3), nullable=False),
    Column("changed_at", DATETIME(fsp=3), nullable=False),
    Column("confidence", DOUBLE, nullable=False),
    Column("senses", VARCHAR(191), nullable=False),
    Column("labels", VARCHAR(1000), nullable=False),
    Column("reason", VARCHAR(1000), nullable=False),
    Column("source", VARCHAR(1000), nullable=False),
    Column("at_s", DOUBLE, nullable=False),
    Column("latitude", DOUBLE),
    Column("longitude", DOUBLE),
    Column("accuracy_m", DOUBLE),
    Column("address", VARCHAR(1000)),
    Column("place_source", VARCHAR(32)),
    Column("duress", BOOLEAN, nullable=False),
    Column("test", BOOLEAN, nullable=False),
    Index("incidents_by_station", "station_id", "opened_at"),
    Index("incidents_by_time", "opened_at"),
    **_COMMON,
)
READINGS = Table(
    "readings",
    metadata,
    Column("incident_id", CHAR(36), primary_key=True),
    Column("sense", VARCHAR(32), primary_key=True),
    Column("label", VARCHAR(191), primary_key=True),
    Column("probability", DOUBLE, nullable=False),
    Column("at_s", DOUBLE, nullable=False),
    **_COMMON,
)
DELIVERIES = Table(
    "deliveries",
    metadata,
    Column("key", VARCHAR(255), primary_key=True),
    Column("incident_id", CHAR(36), nullable=False),
    Column("channel", VARCHAR(191), nullable=False),
    Column("kind", VARCHAR(32), nullable=False),
    Column("state", VARCHAR(32), nullable=False),
    Column("attempts", INTEGER, nullable=False),
    Column("changed_at", DATETIME(fsp=3), nullable=False),
    Column("detail", VARCHAR(1000), nullable=False),
    Index("deliveries_by_incident", "incident_id"),
    **_COMMON,
)

Row = dict[str, Any]
_alembic = threading.Lock()
"""Alembic keeps what it works on in globals."""


class MySQL:
    """The channel that keeps the record of every incident in a MySQL database.

    Args:
        url: of the database, `mysql+mysqlconnector://user:password@host/database`.
        station: who writes.
        entry_of: the journal's entry of an incident; raises `JournalError` if there is none.
        answer_s: how long an answer is waited for, whole seconds.
    """

    name = "mysql"
    record = True

    def __init__(
        self, url: str, *, station: Identity, entry_of: Callable[[str], Entry], answer_s: int = ANSWER_S
    ) -> None:
        address = make_url(url)
        self._where = f"{address.host}:{address.port or 3306}/{address.database}"
        self._secrets = (url, str(address.password or ""))
        self._station = station
        self._entry_of = entry_of
        self._migrated = False
        self._engine = create_engine(
            address,
            connect_args={
                "charset": "utf8mb4",
                "collation": COLLATION,
                "connection_timeout": CONNECT_S,
                "read_timeout": answer_s,
                "write_timeout": answer_s,
            },
            isolation_level="READ COMMITTED",  # stations that write side by side lock nothing but their own rows
            pool_size=1,
            max_overflow=1,
            pool_timeout=CONNECT_S,
            pool_pre_ping=True,
            pool_recycle=RECYCLE_S,
            hide_parameters=True,
            pool_logging_name=self.name,
        )
        event.listen(self._engine, "handle_error", _time_out_is_the_end)
        # The pool logs a traceback for a connection that broke; what came of it is told in one line instead.
        logging.getLogger(f"sqlalchemy.pool.impl.QueuePool.{self.name}").setLevel(logging.CRITICAL)

    def deliver(self, message: Message) -> Outcome:
        """Write the incident as it stands now."""
        return self.deliver_many([message])

    def deliver_many(self, messages: Sequence[Message]) -> Outcome:
        """Write several incidents in one transaction: all of them, or none."""
        what = messages[0].incident.state if len(messages) == 1 else f"{len(messages)} incidents"
        return self._tried(self._writing(messages), f"{what} written to {self._where}", delivered=True)

    def _writing(self, messages: Sequence[Message]) -> Callable[[Connection], None]:
        """What writes who writes, and these incidents."""
        rows: dict[Table, list[Row]] = {STATIONS: [{"id": self._station.id, "name": _clipped(self._station.name, 191)}]}
        for message in messages:
            for table, more in self._rows(message).items():
                rows.setdefault(table, []).extend(more)

        def write(connection: Connection) -> None:
            for table, values in rows.items():
                if values:
                    upsert = insert(table)
                    changing: dict[str, ColumnElement[Any]] = {
                        column.name: upsert.inserted[column.name] for column in table.c if not column.primary_key
                    }
                    if table is INCIDENTS:  # what was once known of somebody being forced is never taken back
                        changing["duress"] = func.greatest(table.c.duress, changing["duress"])
                    connection.execute(upsert.on_duplicate_key_update(changing), values)

        return write

    def check(self) -> Outcome:
        """Connect, make or migrate the tables, look at each, and write who writes: others may let it read alone."""
        write = self._writing(())

        def look(connection: Connection) -> None:
            for table in metadata.sorted_tables:
                connection.execute(select(table).limit(0))
            write(connection)

        return self._tried(look, f"connected to {self._where}, tables ready")

    def close(self) -> None:
        """End all connections."""
        self._engine.dispose()

    def _tried(self, work: Callable[[Connection], object], done: str, *, delivered: bool = False) -> Outcome:
        try:
            if not self._migrated:
                with self._engine.connect() as connection:
                    migrate(connection)
                self._migrated = True
            with self._engine.begin() as connection:
                work(connection)
        except DataError as error:
            return Outcome(ok=False, detail=self._reason(error))
        except (SQLAlchemyError, CommandError, OSError) as error:
            # Also what only a person can put right, such as a wrong password: the incident waits for it.
            self._migrated = False  # the database may come back as another, empty one
            self._engine.dispose()  # what is connected keeps the rights it had, and a server that only reads since
            return Outcome(ok=False, detail=self._reason(error), again=True)
        return Outcome(ok=True, detail=done, delivered=delivered)

    def _reason(self, error: Exception) -> str:
        cause = getattr(error, "orig", None) or error
        if getattr(cause, "errno", None) == TIMED_OUT:
            return f"{self._where}: takes connections, but does not answer in time"
        return f"{self._where}: {one_line(cause, self._secrets)}"

    def _rows(self, message: Message) -> dict[Table, list[Row]]:
        """All rows of an incident."""
        entry = entry_for(message, self._entry_of, self.name)
        incident = entry.incident if entry else message.incident
        opened_at = _utc(entry.opened_at if entry else message.opened_at)
        place = message.place
        deliveries = [each for each in entry.deliveries if each.channel != self.name] if entry else []
        return {
            INCIDENTS: [
                {
                    "id": incident.id,
                    "station_id": self._station.id,
                    "state": incident.state.value,
                    "opened_at": opened_at,
                    "changed_at": _utc(entry.changed_at) if entry else opened_at,
                    "confidence": incident.confidence,
                    "senses": ",".join(incident.senses),
                    "labels": _clipped(",".join(incident.labels), 1000),
                    "reason": _clipped(incident.reason, 1000),
                    "source": _clipped(entry.source if entry else "", 1000),
                    "at_s": incident.at_s,
                    "latitude": place.latitude if place else None,
                    "longitude": place.longitude if place else None,
                    "accuracy_m": place.accuracy_m if place else None,
                    "address": _clipped(place.address, 1000) if place else None,
                    "place_source": place.source if place else None,
                    "duress": message.kind == "duress",
                    "test": message.kind == "test",
                }
            ],
            READINGS: [
                {
                    "incident_id": incident.id,
                    "sense": piece.sense.value,
                    "label": _clipped(piece.label, 191),
                    "probability": piece.probability,
                    "at_s": piece.at_s,
                }
                for piece in incident.evidence
            ],
            DELIVERIES: [
                {
                    "key": _clipped(each.key, 255),
                    "incident_id": incident.id,
                    "channel": _clipped(each.channel, 191),
                    "kind": each.kind,
                    "state": each.state.value,
                    "attempts": each.attempts,
                    "changed_at": _utc(each.changed_at),
                    "detail": _clipped(each.detail, 1000),
                }
                for each in deliveries
            ],
        }


def migrate(connection: Connection) -> None:
    """Make the tables, or bring older ones up to date; tables of a newer program are left as they are.

    Several stations may do this at the same time: the one that comes second fails, and finds the work done when it
    tries again.

    Raises:
        SQLAlchemyError: the database cannot be reached, or does not allow it.
        CommandError: the migrations are broken.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    at = set(MigrationContext.configure(connection).get_current_heads())
    if at - known:  # migrations only ever add: what this program writes is still there
        log.info("mysql: the tables are those of a newer program (%s)", ", ".join(sorted(at - known)))
        return
    config.attributes["connection"] = connection
    with _alembic:
        command.upgrade(config, "head")
    metadata.create_all(connection)  # somebody may have dropped tables, and left alembic's note that they are there
    connection.commit()


def _time_out_is_the_end(context: ExceptionContext) -> None:
    """A connection that did not answer in time is not asked to roll back, which would take as long again."""
    if getattr(context.original_exception, "errno", None) == TIMED_OUT:
        context.is_disconnect = True


def _utc(moment: str | datetime) -> datetime:
    """As a DATETIME column takes it: UTC, and no word about it."""
    moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return moment.astimezone(UTC).replace(tzinfo=None)


def _clipped(words: str, length: int) -> str:
    return words if len(words) <= length else words[: length - 1] + "…"
