"""From confirmed to help called: `python -m benchmarks.delivery [--incidents 1000000]`.

- How long it takes from the confirmation of an incident to the first byte on each channel: to the call of the siren, to
  the first bytes on the wire of a webhook, a Twilio message, an e-mail, MongoDB, Firebase (servers that stand in for
  these), MQTT and MySQL (a private Mosquitto and MariaDB, where they are installed), all on this machine. The commit to
  the journal is in every figure.
- How many incidents a second go through the journal, and through journal and outbox into MySQL.

Both with an empty journal and with one that holds a million incidents.
"""

import argparse
import json
import shutil
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine, text

from benchmarks.machine import described
from safety_monitor.actions.channel import Channel
from safety_monitor.actions.firebase import Firebase
from safety_monitor.actions.message import Message
from safety_monitor.actions.messages import Messages
from safety_monitor.actions.mongodb import MongoDB
from safety_monitor.actions.mqtt import MQTT, Broker
from safety_monitor.actions.mysql import MySQL
from safety_monitor.actions.outcome import Outcome
from safety_monitor.actions.twilio import Account, Twilio
from safety_monitor.actions.webhook import Webhook
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.escalation import DEFAULT, Nature, plan
from safety_monitor.identity import Identity
from safety_monitor.incident import Evidence, Incident, Sense, State
from safety_monitor.journal.entry import Entry
from safety_monitor.journal.incidents import Journal
from tests.servers import mosquitto
from tests.servers.firebase import fake_firebase
from tests.servers.mail import mail_server
from tests.servers.mariadb import MariaDB, missing_programs
from tests.servers.mongo import fake_mongo
from tests.servers.mosquitto import Mosquitto

STATION = Identity("00000000-0000-0000-0000-000000000001", "kiosk")
CALLS = 100
"""Incidents of which the time to the first byte is taken."""
PAUSE_S = 0.05
"""Between these."""
THROUGH_JOURNAL, THROUGH_OUTBOX = 500, 1000
ANSWER = json.dumps({"sid": "SM0", "status": "queued", "error_code": None, "error_message": None}).encode()
LIMIT_S = 120.0


class Tap:
    """Takes connections and notes when something comes in; passes it on to a server, or answers as Twilio does."""

    def __init__(self, target: int | None = None) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.first: float | None = None
        """`time.perf_counter()` of the first bytes since this was set to None."""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._target)) if self._target else None
        if server is not None:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_copy, args=(server, client), daemon=True).start()
        try:
            while data := client.recv(65536):
                if self.first is None:
                    self.first = time.perf_counter()
                if server is not None:
                    server.sendall(data)
                elif data.endswith(b"\r\n\r\n") or b"\r\n\r\n" not in data or _complete(data):
                    head = (
                        f"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {len(ANSWER)}\r\n"
                    )
                    client.sendall(head.encode() + b"\r\n" + ANSWER)
        except OSError:
            return

    def close(self) -> None:
        self._listener.close()


def _complete(request: bytes) -> bool:
    head, _, body = request.partition(b"\r\n\r\n")
    length = next((line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), b":0")
    return len(body) >= int(length.split(b":")[1])


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


@dataclass
class Siren:
    """Notes when it is called."""

    first: float | None = None
    name: str = "alarm"
    heard: bool = True

    def deliver(self, message: Message) -> Outcome:
        self.first = time.perf_counter()
        return Outcome(ok=True, detail="", delivered=True)

    def check(self) -> Outcome:
        return Outcome(ok=True, detail="")

    def close(self) -> None:
        pass


@dataclass
class Figures:
    """What was measured with one journal."""

    first_byte_ms: dict[str, list[float]] = field(default_factory=dict)
    journal_per_s: float = 0.0
    outbox_per_s: float = float("nan")


def an_incident(state: State = State.PENDING) -> Incident:
    evidence = (Evidence(Sense.AUDIO, "scream", 0.93, 12.5),)
    return Incident(str(uuid.uuid4()), state, 12.5, 0.93, evidence, "scream 0.93, threshold 0.80")


def measure(home: Path, server: MariaDB | None) -> Figures:
    """All figures with the journal that is in `home`."""
    figures = Figures()
    _first_bytes(home, server, figures)
    with closing(Journal(home)) as journal:
        begun = time.perf_counter()
        for _ in range(THROUGH_JOURNAL):
            incident = an_incident()
            journal.record(incident)
            natures = {"mysql": Nature.RECORD}
            journal.record(replace(incident, state=State.CONFIRMED), plan(DEFAULT, incident.id, natures))
        figures.journal_per_s = THROUGH_JOURNAL / (time.perf_counter() - begun)
        if server is not None:
            _drain(journal, server)
            for _ in range(THROUGH_OUTBOX):
                incident = an_incident(State.CONFIRMED)
                journal.record(incident, plan(DEFAULT, incident.id, {"mysql": Nature.RECORD}))
            figures.outbox_per_s = THROUGH_OUTBOX / _drain(journal, server)
    return figures


def _first_bytes(home: Path, server: MariaDB | None, figures: Figures) -> None:
    journal = Journal(home)
    with ExitStack() as stack:
        channels, taps = _tapped_channels(stack, journal, server)
        dispatch = Dispatch(journal, channels)
        dispatch.follow(an_incident(State.CONFIRMED))  # connections and tables are made
        _wait(lambda: not any(each.state in ("pending", "sending") for each in journal.outbox.list()))
        for _ in range(CALLS):
            time.sleep(PAUSE_S)
            for tap in taps.values():
                tap.first = None
            confirmed = an_incident(State.CONFIRMED)
            begun = time.perf_counter()
            dispatch.follow(confirmed)
            _wait(lambda: all(tap.first is not None for tap in taps.values()))
            for name, tap in taps.items():
                assert tap.first is not None
                figures.first_byte_ms.setdefault(name, []).append(1000 * (tap.first - begun))
            _wait(lambda: not any(each.state in ("pending", "sending") for each in journal.outbox.list()))
        dispatch.close()
    journal.close()


def _tapped_channels(
    stack: ExitStack, journal: Journal, server: MariaDB | None
) -> tuple[list[Channel], dict[str, Siren | Tap]]:
    """Every channel that can be had here, and what notes its first byte."""

    def tap(target: int | None = None) -> Tap:
        made = Tap(target)
        stack.callback(made.close)
        return made

    def entry_of(incident_id: str) -> Entry:
        return journal.show(incident_id, covert=True)

    siren, hook, twilio = Siren(), tap(), tap()
    mail, mongo = tap(stack.enter_context(mail_server()).port), tap(stack.enter_context(fake_mongo()).port)
    firebase = tap(urlsplit(stack.enter_context(fake_firebase()).url).port)
    account = Account("AC0", "token", number="+15005550006", api_url=f"http://127.0.0.1:{twilio.port}")
    recorded: dict[str, Any] = {"station": STATION, "entry_of": entry_of, "threshold": 0.8}
    channels: list[Channel] = [
        siren,
        Webhook(f"http://127.0.0.1:{hook.port}/", "secret", station=STATION),
        Twilio("sms", "anna", "+15005550009", account),
        Messages("mail", f"mailto://127.0.0.1:{mail.port}/?from=station@example.org&to=anna@example.org"),
        MongoDB(f"mongodb://127.0.0.1:{mongo.port}", database="safety", collection="incidents", **recorded),
        Firebase(f"http://127.0.0.1:{firebase.port}?ns=safety", credentials_file=None, path="incidents", **recorded),
    ]
    taps: dict[str, Siren | Tap] = {
        "siren (call)": siren,
        "webhook": hook,
        "Twilio": twilio,
        "e-mail": mail,
        "MongoDB": mongo,
        "Firebase": firebase,
    }
    if not mosquitto.missing_programs():
        broker = Mosquitto(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mosquitto-"))))
        stack.callback(broker.stop)
        broker.start()
        mqtt = taps["MQTT"] = tap(broker.port)
        channels.append(MQTT(Broker("127.0.0.1", mqtt.port, mosquitto.USER, mosquitto.PASSWORD), station=STATION))
    if server is not None:
        database = taps["MySQL"] = tap(server.port)
        url = server.url.replace(f":{server.port}/", f":{database.port}/")
        channels.append(MySQL(url, station=STATION, entry_of=entry_of))
    return channels, taps


def _drain(journal: Journal, server: MariaDB) -> float:
    """Deliver all that waits for MySQL; the seconds that it takes."""
    channel = MySQL(server.url, station=STATION, entry_of=lambda key: journal.show(key, covert=True))
    assert channel.check().ok
    begun = time.perf_counter()
    dispatch = Dispatch(journal, [channel])
    _wait(lambda: not any(each.due_at for each in journal.outbox.list(limit=1)), look_s=0.02)
    elapsed = time.perf_counter() - begun
    dispatch.close()
    return elapsed


def _wait(until: Callable[[], bool], look_s: float = 0.001) -> None:
    deadline = time.perf_counter() + LIMIT_S
    while not until():
        assert time.perf_counter() < deadline, "it takes too long"
        time.sleep(look_s)


def fill(home: Path, incidents: int) -> None:
    """Make a journal that holds so many incidents, each closed, with three transitions and three deliveries."""
    Journal(home).close()
    engine = create_engine(f"sqlite:///{home / 'journal.sqlite'}")
    key = "printf('%08x-0000-4000-8000-%012x', (i * 2654435761) % 4294967296, i)"
    at = "strftime('%Y-%m-%dT%H\\:%M\\:%S.000+00\\:00', 1700000000 + i, 'unixepoch')"
    made = f"""
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
        INSERT INTO incidents
            (id, kind, state, opened_at, changed_at, at_s, confidence, senses, labels, evidence, reason, source, silent,
             duress)
        SELECT {key}, 'alarm', 'closed', {at}, {at}, 12.5, 0.93, :senses, :labels, :evidence, 'quiet for 30 s',
            'microphone default', 0, 0
        FROM n"""  # noqa: S608  # of constants alone
    moved = """
        INSERT INTO transitions (incident_id, state, at, at_s, confidence, reason, "by")
        SELECT id, :state, opened_at, 12.5, 0.93, reason, 'station' FROM incidents"""
    done = """
        INSERT INTO deliveries
            (key, incident_id, channel, nature, kind, state, turn, version, waits, covert, attempts, asked_at, due_at,
             fallback, changed_at, detail, reference, sent_at)
        SELECT id || :key, id, :channel, :nature, 'alarm', 'delivered', 2, 1, 0, 0, 1, 1.7e9, NULL,
             NULL, changed_at, 'done', '', 1.7e9 FROM incidents"""
    evidence = json.dumps([{"sense": "audio", "label": "scream", "probability": 0.93, "at_s": 12.5}])
    values = {"count": incidents, "senses": '["audio"]', "labels": '["scream"]', "evidence": evidence}
    with engine.begin() as connection:
        connection.execute(text(made), values)
        for state in ("pending", "confirmed", "closed"):
            connection.execute(text(moved), {"state": state})
        for channel, nature in (("alarm", "sound"), ("sms:anna", "message"), ("mysql", "record")):
            connection.execute(text(done), {"key": f":{channel}:alarm", "channel": channel, "nature": nature})
    engine.dispose()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--incidents", type=int, default=1_000_000, help="that the large journal holds")
    incidents = parser.parse_args().incidents
    folder = Path(tempfile.mkdtemp(prefix="delivery-"))
    server = None if missing_programs() else MariaDB(folder / "maria")
    try:
        if server is not None:
            server.folder.mkdir()
            server.install()
            server.start()
        empty = measure(folder / "empty", server)
        begun = time.perf_counter()
        fill(folder / "large", incidents)
        size = (folder / "large" / "journal.sqlite").stat().st_size / 2**20
        print(f"made a journal of {incidents:,} incidents in {time.perf_counter() - begun:.0f} s, {size:,.0f} MiB")
        large = measure(folder / "large", server)
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    table = Table(title=f"Delivery, {described()}")
    for column in ("", "empty journal", f"{incidents:,} incidents", "factor"):
        table.add_column(column, justify="left" if not column else "right")
    for name, before in empty.first_byte_ms.items():
        after = large.first_byte_ms[name]
        for what, of in (("median", median), ("95 %", lambda values: float(np.percentile(values, 95)))):
            one, other = of(before), of(after)
            label = f"confirmed to first byte, {name}, {what}"
            table.add_row(label, f"{one:.1f} ms", f"{other:.1f} ms", f"{other / one:.2f}")
    for label, one, other in (
        ("incidents through the journal", empty.journal_per_s, large.journal_per_s),
        ("incidents through outbox into MySQL", empty.outbox_per_s, large.outbox_per_s),
    ):
        table.add_row(label, f"{one:.0f} /s", f"{other:.0f} /s", f"{other / one:.2f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
