"""Incidents reach a real MariaDB server once, whatever happens to the server."""

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from safety_monitor.actions import mysql
from safety_monitor.actions.message import Message
from safety_monitor.actions.mysql import MySQL, metadata
from safety_monitor.actions.outcome import Outcome
from safety_monitor.delivery import DeliveryState, Result
from safety_monitor.dispatch.channel_worker import BATCH
from safety_monitor.escalation import Nature, Planned, delivery_key
from safety_monitor.identity import Identity, identity
from safety_monitor.incident import Evidence, Incident, Sense, State
from safety_monitor.journal.file import JournalError
from safety_monitor.journal.incidents import Journal
from safety_monitor.place import Place
from tests.servers.mariadb import PASSWORD, USER, MariaDB, mariadb

TABLES = ("stations", "incidents", "readings", "deliveries")
EVIDENCE = (
    Evidence(Sense.AUDIO, "scream", 0.97, 12.25),
    Evidence(Sense.GESTURE, "signal_for_help", 0.91, 13.5),
)


@pytest.fixture(scope="module")
def installed() -> Iterator[MariaDB]:
    with mariadb() as server:
        yield server


@pytest.fixture
def server(installed: MariaDB) -> Iterator[MariaDB]:
    """A server that is up and has no tables."""
    installed.start()
    with installed.engine.begin() as connection:
        for (table,) in connection.execute(text("SHOW TABLES")).all():
            connection.execute(text(f"DROP TABLE {table}"))
    yield installed
    installed.stop()


@pytest.fixture
def stopped(server: MariaDB) -> MariaDB:
    """A server that is down and has no tables."""
    server.stop()
    return server


def contents(server: MariaDB) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables."""
    with server.engine.connect() as connection:
        return {
            table: [dict(row) for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2")).mappings()]  # noqa: S608
            for table in TABLES
        }


def channel(server: MariaDB, journal: Journal, number: int = 1) -> MySQL:
    station = Identity(f"00000000-0000-0000-0000-{number:012}", f"station {number} 🚨")
    return MySQL(server.url, station=station, entry_of=journal.show, answer_s=1)


def incident(number: int = 1, state: State = State.CONFIRMED) -> Incident:
    return Incident(f"11111111-0000-0000-0000-{number:012}", state, 13.5, 0.97, EVIDENCE, "scream 0.97 · naïve 🚨")


def message(of: Incident, **changes: Any) -> Message:
    return replace(
        Message(
            key=f"{of.id}:mysql:alarm",
            kind="alarm",
            incident=of,
            station="kiosk",
            opened_at=datetime(2026, 5, 4, 3, 2, 1, 500_000, tzinfo=UTC),
            text="help",
            place=Place(52.520008, 13.404954, 25.0, "Alexanderplatz, Berlin", "settings"),
            attachments=(),
            reference="",
        ),
        **changes,
    )


def confirmed(journal: Journal, number: int = 1) -> Message:
    """An incident that the journal holds as confirmed."""
    asked = [("siren", Nature.MESSAGE), ("mysql", Nature.RECORD)]
    deliveries = [
        Planned(delivery_key(incident(number).id, name, "alarm"), name, nature, "alarm") for name, nature in asked
    ]
    journal.record(incident(number), deliveries, "microphone default")
    return message(incident(number))


def test_one_row_an_incident_with_what_belongs_to_it(server: MariaDB, journal: Journal) -> None:
    asked = confirmed(journal)
    (job,) = journal.outbox.due("siren")
    journal.outbox.begin([job])
    journal.outbox.finish([Result(job.key, job.version, DeliveryState.SENT, "siren sounded")])
    outcome = channel(server, journal).deliver(asked)
    assert (outcome.ok, outcome.delivered) == (True, True)
    entry = journal.show(asked.incident.id)
    rows = contents(server)
    (row,) = rows["incidents"]
    assert row == {
        "id": asked.incident.id,
        "station_id": "00000000-0000-0000-0000-000000000001",
        "state": "confirmed",
        "opened_at": datetime.fromisoformat(entry.opened_at).replace(tzinfo=None),
        "changed_at": datetime.fromisoformat(entry.changed_at).replace(tzinfo=None),
        "confidence": 0.97,
        "senses": "audio,gesture",
        "labels": "scream,signal_for_help",
        "reason": "scream 0.97 · naïve 🚨",
        "source": "microphone default",
        "at_s": 13.5,
        "latitude": 52.520008,
        "longitude": 13.404954,
        "accuracy_m": 25.0,
        "address": "Alexanderplatz, Berlin",
        "place_source": "settings",
        "duress": 0,
        "test": 0,
    }
    assert [(each["label"], each["probability"], each["at_s"]) for each in rows["readings"]] == [
        ("scream", 0.97, 12.25),
        ("signal_for_help", 0.91, 13.5),
    ]
    columns = ("channel", "kind", "state", "attempts", "detail")
    assert [tuple(each[name] for name in columns) for each in rows["deliveries"]] == [
        ("siren", "alarm", "sent", 1, "siren sounded")
    ]
    assert rows["stations"] == [{"id": row["station_id"], "name": "station 1 🚨"}]


def test_a_repeated_delivery_changes_nothing(server: MariaDB, journal: Journal) -> None:
    asked = confirmed(journal)
    assert channel(server, journal).deliver(asked).ok
    before = contents(server)
    journal.outbox.begin(journal.outbox.due("mysql"))
    assert channel(server, journal).deliver(asked).ok
    assert contents(server) == before


def test_a_transition_updates_the_row(server: MariaDB, journal: Journal) -> None:
    out = channel(server, journal)
    asked = confirmed(journal)
    assert out.deliver(asked).ok
    acknowledged = journal.decide(asked.incident.id, State.ACKNOWLEDGED, "by a person")
    assert out.deliver(message(acknowledged, place=None, kind="update")).ok
    (row,) = contents(server)["incidents"]
    assert (row["state"], row["reason"]) == ("acknowledged", "by a person")


def test_duress_stays_on_record_though_later_updates_know_nothing_of_it(server: MariaDB, journal: Journal) -> None:
    out = channel(server, journal)
    asked = confirmed(journal)
    for kind in ("alarm", "duress", "update"):
        assert out.deliver(replace(asked, kind=kind)).ok
    (row,) = contents(server)["incidents"]
    assert row["duress"] == 1


def test_many_incidents_in_one_transaction(server: MariaDB, journal: Journal) -> None:
    asked = [confirmed(journal, number) for number in range(1, BATCH + 1)]
    assert channel(server, journal).deliver_many(asked).ok
    assert channel(server, journal).deliver_many(asked).ok
    rows = contents(server)
    assert (len(rows["incidents"]), len(rows["readings"])) == (BATCH, 2 * BATCH)


def test_down_at_the_start_and_killed_in_the_middle(stopped: MariaDB, journal: Journal) -> None:
    out = channel(stopped, journal)
    first, second = confirmed(journal, 1), confirmed(journal, 2)
    down = out.deliver(first)
    assert (down.ok, down.again) == (False, True)
    assert "Can't connect" in down.detail
    assert "\n" not in down.detail
    stopped.start()
    assert out.deliver(first).ok
    stopped.stop()
    down = out.deliver(second)
    assert (down.ok, down.again) == (False, True)
    stopped.start()
    assert out.deliver(second).ok
    assert out.deliver(first).ok
    assert [row["id"] for row in contents(stopped)["incidents"]] == [first.incident.id, second.incident.id]


def test_a_server_that_takes_connections_and_never_answers(
    server: MariaDB, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "CONNECT_S", 1)
    out = channel(server, journal)
    assert out.check().ok
    asked = confirmed(journal)
    server.program.freeze()
    for _ in range(2):
        outcome = out.deliver(asked)
        assert (outcome.ok, outcome.again) == (False, True)
        assert "does not answer in time" in outcome.detail
    server.program.thaw()
    assert out.deliver(asked).ok
    assert len(contents(server)["incidents"]) == 1


@pytest.mark.parametrize("dropped", [(*TABLES, "alembic_version"), TABLES, ("readings",)])
def test_a_database_that_comes_back_empty_or_in_part_gets_its_tables(
    server: MariaDB, journal: Journal, dropped: Sequence[str]
) -> None:
    out = channel(server, journal)
    assert out.deliver(confirmed(journal, 1)).ok
    with server.engine.begin() as connection:
        for table in dropped:
            connection.execute(text(f"DROP TABLE {table}"))
    second = confirmed(journal, 2)
    assert out.deliver(second).again
    assert out.deliver(second).ok
    with server.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


@pytest.mark.parametrize("spoilt", ["ALTER TABLE stations MODIFY name VARCHAR(3)", "SET GLOBAL read_only = 1"])
def test_a_check_finds_out_that_nothing_could_be_written(server: MariaDB, journal: Journal, spoilt: str) -> None:
    out = channel(server, journal)
    assert out.check().ok
    with server.engine.begin() as connection:
        connection.execute(text("DELETE FROM stations"))
    server.as_root(spoilt)
    assert not out.deliver(confirmed(journal)).ok
    assert not out.check().ok


def test_rights_that_are_given_are_noticed_at_the_next_attempt(server: MariaDB, journal: Journal) -> None:
    out, asked = channel(server, journal), confirmed(journal)
    assert out.check().ok
    server.as_root(f"REVOKE ALL ON safety.* FROM '{USER}'@'127.0.0.1'")
    server.as_root(f"GRANT SELECT ON safety.* TO '{USER}'@'127.0.0.1'")
    try:
        out.close()
        assert "denied" in out.deliver(asked).detail
    finally:
        server.as_root(f"GRANT ALL ON safety.* TO '{USER}'@'127.0.0.1'")
    assert out.deliver(asked).ok


def deliver_a_quarter(home: Path, url: str, number: int, together: Barrier) -> None:
    """What one of four stations does that share a database."""
    journal = Journal(home)
    station = Identity(f"00000000-0000-0000-0000-{number:012}", f"station {number}")
    out = MySQL(url, station=station, entry_of=journal.show)
    asked = [message(entry.incident) for entry in journal.list(100)][number::4]
    together.wait()
    for each in asked:
        outcomes: list[Outcome] = []
        while not (outcomes and outcomes[-1].ok):
            outcomes.append(out.deliver(each))
            assert outcomes[-1].ok or (outcomes[-1].again and len(outcomes) < 20), outcomes[-1].detail


def test_several_stations_make_the_tables_and_write_at_the_same_time(
    server: MariaDB, journal: Journal, tmp_path: Path
) -> None:
    asked = {confirmed(journal, number).incident.id for number in range(1, 33)}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    together = context.Barrier(4, timeout=60.0)
    stations = [
        context.Process(target=deliver_a_quarter, args=(tmp_path, server.url, number, together)) for number in range(4)
    ]
    for station in stations:
        station.start()
    for station in stations:
        station.join()
    assert [station.exitcode for station in stations] == [0, 0, 0, 0]
    rows = contents(server)
    assert {row["id"] for row in rows["incidents"]} == asked
    assert {row["station_id"][-1] for row in rows["incidents"]} == set("0123")
    assert len(rows["stations"]) == 4


def test_the_migrations_make_what_the_program_writes(server: MariaDB, journal: Journal) -> None:
    assert channel(server, journal).check().ok
    with server.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_migration_that_was_broken_off_is_completed(server: MariaDB, journal: Journal) -> None:
    assert channel(server, journal).check().ok
    with server.engine.begin() as connection:
        connection.execute(text("DROP TABLE deliveries"))
        connection.execute(text("DROP INDEX incidents_by_time ON incidents"))
        connection.execute(text("DELETE FROM alembic_version"))
    assert channel(server, journal).deliver(confirmed(journal)).ok
    with server.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_tables_of_a_newer_program_are_used_as_they_are(server: MariaDB, journal: Journal) -> None:
    assert channel(server, journal).check().ok
    with server.engine.begin() as connection:
        connection.execute(text("ALTER TABLE incidents ADD COLUMN weather VARCHAR(20)"))
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert channel(server, journal).deliver(confirmed(journal)).ok
    (row,) = contents(server)["incidents"]
    assert row["weather"] is None


def test_nothing_that_a_distributed_database_cannot_do(server: MariaDB, journal: Journal) -> None:
    assert channel(server, journal).check().ok
    with server.engine.connect() as connection:

        def count(query: str) -> int:
            return int(connection.execute(text(f"SELECT count(*) FROM information_schema.{query}")).scalar_one())  # noqa: S608

        assert count("columns WHERE table_schema = 'safety'") > 30
        assert count("columns WHERE table_schema = 'safety' AND extra LIKE '%auto_increment%'") == 0
        assert count("triggers WHERE trigger_schema = 'safety'") == 0
        assert count("referential_constraints WHERE constraint_schema = 'safety'") == 0


def test_a_test_message_is_marked_and_needs_no_journal(server: MariaDB, journal: Journal) -> None:
    assert channel(server, journal).deliver(message(incident(7), kind="test")).ok
    (row,) = contents(server)["incidents"]
    assert row["test"] == 1


def test_what_is_too_long_is_cut_and_still_written(server: MariaDB, journal: Journal) -> None:
    long = replace(incident(), reason="x" * 5000, evidence=(replace(EVIDENCE[0], label="y" * 500),))
    assert channel(server, journal).deliver(message(long)).ok
    (row,) = contents(server)["incidents"]
    assert (len(row["reason"]), row["reason"][-2:]) == (1000, "x…")


def test_an_incident_is_written_although_the_journal_cannot_be_read(server: MariaDB) -> None:
    def unreadable(incident_id: str) -> Any:
        raise JournalError("journal.sqlite: cannot be read: disk I/O error")

    out = MySQL(server.url, station=Identity("0" * 36, "kiosk"), entry_of=unreadable)
    assert out.deliver(message(incident())).ok
    assert len(contents(server)["readings"]) == 2


def test_the_password_is_told_to_nobody(
    server: MariaDB, journal: Journal, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    server_url = server.url
    wrong = MySQL(server_url.replace("station:", "nobody:"), station=Identity("0" * 36, "kiosk"), entry_of=journal.show)
    denied = wrong.check()
    assert (denied.ok, denied.again) == (False, True)
    assert "Access denied" in denied.detail
    assert channel(server, journal).check().ok
    server.stop()
    down = channel(server, journal).check()
    told = "".join((denied.detail, down.detail, repr(wrong), caplog.text, *capfd.readouterr()))
    assert PASSWORD not in told
    assert server_url.split(":")[2].split("@")[0] not in told


def test_a_station_keeps_its_id_when_its_name_changes(tmp_path: Path) -> None:
    first = identity(tmp_path / "home", "kiosk")
    assert identity(tmp_path / "home", "renamed") == Identity(first.id, "renamed")
    (tmp_path / "home" / "station-id").write_text("")
    assert len(identity(tmp_path / "home", "kiosk").id) == 36
