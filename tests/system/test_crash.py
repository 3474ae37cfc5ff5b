"""The station is killed at random moments, with channels that fail at random: nothing is lost, nothing is doubled.

A process confirms incidents one after the other and is killed with SIGKILL after a random while; the next one takes up
what it left behind, and so on. The far ends are real databases, which outlive it: SQLite files, and a MariaDB server.
"""

import multiprocessing
import os
import random
import signal
import sqlite3
import time
import uuid
from contextlib import closing
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from sqlalchemy import text

from safety_monitor.actions.channel import Channel
from safety_monitor.actions.message import Message
from safety_monitor.actions.mysql import MySQL
from safety_monitor.actions.outcome import Outcome
from safety_monitor.delivery import DeliveryState
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.dispatch.policies import DeliveryRules
from safety_monitor.dispatch.settling import Waits
from safety_monitor.identity import Identity
from safety_monitor.incident import Evidence, Incident, Sense, State
from safety_monitor.journal.entry import Entry
from safety_monitor.journal.incidents import Journal
from safety_monitor.journal.outbox import STALE
from tests.servers.mariadb import mariadb

SOON = DeliveryRules(waits=Waits(first_wait_s=0.01, longest_wait_s=0.1))
LIMIT_S = 120.0
STATION = Identity("00000000-0000-0000-0000-000000000001", "kiosk")


@dataclass
class FarEnd:
    """A channel whose other side is a table, with a key that can be there only once.

    Of its attempts some fail before anything arrived, some after, and what it refuses it always refuses.
    """

    name: str
    world: Path
    chance: random.Random
    heard: bool = False

    def deliver(self, message: Message) -> Outcome:
        if not self.heard and self.refuses(message.incident.id):
            return Outcome(ok=False, detail="refused")
        moment = self.chance.random()
        if not self.heard and moment < 0.2:
            return Outcome(ok=False, detail="no network", again=True)
        with closing(sqlite3.connect(self.world, timeout=30.0, isolation_level=None)) as world:
            world.execute("INSERT INTO attempts VALUES (?, ?)", (self.name, message.key))
            world.execute("INSERT OR IGNORE INTO arrived VALUES (?, ?)", (message.key, message.incident.id))
        if not self.heard and moment < 0.4:
            return Outcome(ok=False, detail="no answer", again=True)
        return Outcome(ok=True, detail="done", delivered=True)

    @staticmethod
    def refuses(incident_id: str) -> bool:
        """One in sixteen."""
        return incident_id[0] == "0"

    def check(self) -> Outcome:
        return Outcome(ok=True, detail="")

    def close(self) -> None:
        pass


def make_world(path: Path) -> None:
    with closing(sqlite3.connect(path)) as world:
        world.executescript(
            "PRAGMA journal_mode = WAL;"
            "CREATE TABLE arrived (key TEXT PRIMARY KEY, incident TEXT);"
            "CREATE TABLE attempts (channel TEXT, key TEXT);"
        )


def channels_of(home: Path, journal: Journal, seed: int, mysql_url: str) -> list[Channel]:
    world, chance = home / "world.sqlite", random.Random(seed)
    channels: list[Channel] = [
        FarEnd("alarm", world, chance, heard=True),
        FarEnd("sms:anna", world, chance),
        FarEnd("email", world, chance),
    ]
    if mysql_url:
        channels.append(MySQL(mysql_url, station=STATION, entry_of=journal.show))
    return channels


def station(home: Path, seed: int, mysql_url: str, told: Connection) -> None:
    """Confirm incidents until killed; say of each that is confirmed which one it was."""
    journal = Journal(home)
    dispatch = Dispatch(journal, channels_of(home, journal, seed, mysql_url), rules=SOON)
    chance = random.Random(seed)
    told.send("")
    while True:
        incident = Incident(
            str(uuid.UUID(int=chance.getrandbits(128))),
            State.PENDING,
            1.0,
            0.9,
            (Evidence(Sense.AUDIO, "scream", 0.9, 1.0),),
            "scream 0.90",
        )
        dispatch.follow(incident)
        dispatch.follow(replace(incident, state=State.CONFIRMED))
        told.send(incident.id)
        time.sleep(chance.random() * 0.02)
        dispatch.follow(replace(incident, state=State.CLOSED))


def run_and_kill(home: Path, seed: int, mysql_url: str, chance: random.Random) -> list[str]:
    """Run a station and kill it at a random moment; the incidents that it said it had confirmed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=station, args=(home, seed, mysql_url, theirs))
    process.start()
    theirs.close()
    confirmed: list[str] = []
    assert ours.poll(LIMIT_S), "the station does not start"
    ours.recv()
    for _ in range(chance.randrange(1, 11)):
        assert ours.poll(LIMIT_S), "the station hangs"
        confirmed.append(ours.recv())
    time.sleep(chance.random() * 0.03)  # somewhere in the next incident
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    try:
        while ours.poll():
            confirmed.append(ours.recv())
    except EOFError:
        pass
    ours.close()
    return confirmed


def run_until_all_is_done(home: Path, seed: int, mysql_url: str) -> None:
    journal = Journal(home)
    dispatch = Dispatch(journal, channels_of(home, journal, seed, mysql_url), rules=SOON)
    deadline = time.monotonic() + LIMIT_S
    while any(each.due_at for each in journal.outbox.list(limit=1)):
        assert time.monotonic() < deadline, journal.outbox.list(limit=5)
        time.sleep(0.05)
    dispatch.close()
    journal.close()


def crash(home: Path, seed: int, rounds: int, mysql_url: str = "") -> tuple[list[Entry], list[str]]:
    """Kill so many stations, let a last one finish; the journal's entries and what stations said they had confirmed."""
    make_world(home / "world.sqlite")
    chance = random.Random(seed)
    said: list[str] = []
    for number in range(rounds):
        said += run_and_kill(home, seed + number, mysql_url, chance)
    run_until_all_is_done(home, seed + rounds, mysql_url)
    return list(Journal(home).list(limit=100_000)), said


def was_confirmed(entry: Entry) -> bool:
    return any(step.state is State.CONFIRMED for step in entry.transitions)


def check(home: Path, entries: list[Entry], said: list[str]) -> None:
    """What holds after any crash, for the channels whose far ends are in the world's file."""
    with closing(sqlite3.connect(home / "world.sqlite")) as world:
        arrived = {key for (key,) in world.execute("SELECT key FROM arrived")}
        attempts = [key for (key,) in world.execute("SELECT key FROM attempts")]
    confirmed = [entry for entry in entries if was_confirmed(entry)]
    assert set(said) <= {entry.incident.id for entry in confirmed}, "a confirmed incident vanished"
    expected: set[str] = set()
    for entry in confirmed:
        found = {each.channel: each for each in entry.deliveries if each.kind == "alarm"}
        assert found.keys() >= {"alarm", "sms:anna", "email"}
        for name in ("sms:anna", "email"):
            if FarEnd.refuses(entry.incident.id):
                assert (found[name].state, found[name].detail) == (DeliveryState.FAILED, "refused")
            else:
                assert found[name].state is DeliveryState.DELIVERED
                expected.add(found[name].key)
        alarm = found["alarm"]
        assert alarm.state is DeliveryState.DELIVERED or (alarm.state, alarm.detail) == (DeliveryState.FAILED, STALE)
        assert attempts.count(alarm.key) <= 1, "a siren sounded twice"
    alarms = {key for key in arrived if ":alarm:" in key}
    troubles = {key for key in arrived if key.endswith(":trouble")}
    assert arrived - alarms - troubles == expected
    for entry in entries:
        if not was_confirmed(entry):
            assert not entry.deliveries, "something was delivered of an incident that was never confirmed"


def test_killed_hundreds_of_incidents_long_every_channel_gets_each_once(tmp_path: Path) -> None:
    entries, said = crash(tmp_path, seed=1, rounds=45)
    check(tmp_path, entries, said)
    assert len(said) > 200, f"only {len(said)} incidents: too few to prove anything"
    attempts = [each.attempts for entry in entries for each in entry.deliveries]
    assert max(attempts) > 1, "nothing was ever tried again"
    stale = [each for entry in entries for each in entry.deliveries if each.detail == STALE]
    assert stale, "no station was killed while it sounded"


def test_killed_stations_leave_one_row_an_incident_in_mysql(tmp_path: Path) -> None:
    with mariadb() as server:
        server.start()
        entries, said = crash(tmp_path, seed=2, rounds=10, mysql_url=server.url)
        check(tmp_path, entries, said)
        with server.engine.connect() as connection:
            rows = connection.execute(text("SELECT id, state FROM incidents WHERE reason NOT LIKE '%failed:%'")).all()
        confirmed = {entry.incident.id: entry.incident.state.value for entry in entries if was_confirmed(entry)}
        assert len(confirmed) > 20
        assert sorted((row[0], row[1]) for row in rows) == sorted(confirmed.items())
