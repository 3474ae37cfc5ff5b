"""What may be passed on holds what helps, and nothing of what was planted."""

import json
import socket
import ssl
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from safety_monitor.config import Settings
from safety_monitor.config.station import LogSettings
from safety_monitor.config.web import Web
from safety_monitor.escalation import Nature, Planned
from safety_monitor.incident import Evidence, Incident, Sense, State
from safety_monitor.journal.incidents import Journal
from safety_monitor.operating.support import health, log_lines
from tests.servers.certificate import make_certificate
from tests.system.command import Result, safety_monitor

HASH = "$argon2id$v=19" + "$m=65536,t=3,p=4$c29tZXNhbHRz$" + 6 * "pl4nted"
PRIVATE = {
    "SAFETY_MONITOR_MYSQL__URL": "mysql+mysqlconnector://dbuser:pl4nted-mysql@127.0.0.1:9/safety",
    "SAFETY_MONITOR_MESSAGES__ZOE": "json://127.0.0.1:9/pl4nted-apprise",
    "SAFETY_MONITOR_WEBHOOK__URL": "http://127.0.0.1:9/pl4nted-hook",
    "SAFETY_MONITOR_WEBHOOK__SECRET": "pl4nted-secret",
    "SAFETY_MONITOR_MQTT__HOST": "127.0.0.1",
    "SAFETY_MONITOR_MQTT__PORT": "1884",
    "SAFETY_MONITOR_MQTT__COMMANDS": '["acknowledge", "arm"]',
    "SAFETY_MONITOR_CAMERA__SOURCE": "rtsp://viewer:pl4nted-camera@127.0.0.1:9/pl4nted-path",
    "SAFETY_MONITOR_PLACE__ADDRESS": "pl4nted street 4",
    "SAFETY_MONITOR_PLACE__LATITUDE": "12.3456789",
    "SAFETY_MONITOR_PLACE__LONGITUDE": "98.7654321",
    "SAFETY_MONITOR_CONTACTS": '[{"name": "wilhelmine", "sms": "+15005550009"}]',
    "SAFETY_MONITOR_LIMITS__QUIET_FROM": "22:00",
    "SAFETY_MONITOR_LIMITS__QUIET_UNTIL": "07:00",
    "SAFETY_MONITOR_LIMITS__QUIET_CHANNELS": '["sms:wilhelmine"]',
    "SAFETY_MONITOR_WEB__USERS": f'[{{"name": "hieronymus", "password_hash": "{HASH}"}}]',
    "SAFETY_MONITOR_FUSION__THRESHOLD": "0.77",
}
PLANTED = ("pl4nted", "12.345", "98.765", "wilhelmine", "hieronymus", "15005550009", "zoe", "anna@example", "dbuser")


def bundle_of(folder: Path, **variables: str) -> tuple[Result, dict[str, str]]:
    path = folder / "bundle.zip"
    result = safety_monitor(folder, "support-bundle", "--output", str(path), **variables)
    with zipfile.ZipFile(path) as bundle:
        return result, {name: bundle.read(name).decode() for name in bundle.namelist()}


def test_it_helps_and_gives_nothing_away(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    evidence = (Evidence(Sense.AUDIO, "scream", 0.9, 1.0),)
    incident = Incident("pl4nted-id", State.CONFIRMED, 1.0, 0.9, evidence, "pl4nted reason")
    planned = Planned("k", "sms:wilhelmine", Nature.MESSAGE, "alarm")
    journal.record(incident, [planned], "microphone pl4nted")
    journal.record(replace(incident, state=State.CLOSED))
    journal.close()
    (tmp_path / "evidence" / "pl4nted-id").mkdir(parents=True)
    (tmp_path / "evidence" / "pl4nted-id" / "pl4nted.wav").write_bytes(b"pl4nted")
    log = tmp_path / "station.log"
    lines = ["10:00:00 INFO armed", "10:00:01 WARNING sms:wilhelmine: +15005550009, anna@example.org: pl4nted-secret"]
    log.write_text("\n".join([*("old" for _ in range(3000)), *lines]) + "\n")

    result, parts = bundle_of(tmp_path, SAFETY_MONITOR_LOG__FILE=str(log), **PRIVATE)

    assert result.status == 0, result.stderr
    assert set(parts) == {
        *("versions.json", "settings.json", "doctor.txt", "journal.json", "health.json", "log.txt"),
        *("models/scream.md", "models/signs.md", "models/motions.md"),
    }
    whole = "\n".join([*parts, *parts.values()])
    assert [word for word in PLANTED if word.lower() in whole.lower()] == []
    settings = json.loads(parts["settings.json"])
    assert settings["fusion"]["threshold"] == 0.77
    assert settings["camera"] == {"source": "rtsp://127.0.0.1:9/…"}
    assert settings["mysql"] == {"url": "(set)"}
    assert settings["mqtt"] == {"host": "(set)", "commands": "2 entries", "port": 1884}  # no word of what is not set
    assert settings["contacts"] == "1 entries"
    assert json.loads(parts["journal.json"])["incidents"]["closed"] == 1
    assert json.loads(parts["journal.json"])["deliveries"] == {"pending": 1}
    assert parts["log.txt"].splitlines()[-2:] == [
        "10:00:00 INFO armed",
        "10:00:01 WARNING sms:***: ***, ***: ***",
    ]
    assert len(parts["log.txt"].splitlines()) == 2000
    assert "numpy" in json.loads(parts["versions.json"])["packages"]
    assert "opencv" in parts["doctor.txt"]
    assert "no station answers" in parts["health.json"] or "serves no pages" in parts["health.json"]


def test_a_log_that_was_just_put_aside_is_still_told(tmp_path: Path) -> None:
    (tmp_path / "station.log.1").write_text("10:00:00 ERROR what went wrong\n")
    (tmp_path / "station.log").write_text("10:00:01 INFO goes on\n")
    told = log_lines(Settings(log=LogSettings(file=tmp_path / "station.log")))
    assert told == ["10:00:00 ERROR what went wrong", "10:00:01 INFO goes on"]


def test_a_station_that_is_broken_gives_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_text("no journal, but long enough to be read as one" * 100)
    log = tmp_path / "missing" / "station.log"
    result, parts = bundle_of(
        tmp_path,
        SAFETY_MONITOR_LOG__FILE=str(log),
        SAFETY_MONITOR_HEARING__MODEL="screem",
        SAFETY_MONITOR_WEB__PORT="9",
    )
    assert result.status == 0, result.stderr
    assert "error" in json.loads(parts["journal.json"])
    assert "no station answers on port 9" in json.loads(parts["health.json"])["error"]
    assert "no model 'screem'" in parts["models/screem.md"]

    again = safety_monitor(tmp_path, "support-bundle", "--output", str(tmp_path / "bundle.zip"))
    assert again.status == 2
    assert "bundle.zip: is there already" in again.stderr


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="no HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="broken off"),
    ],
)
def test_another_program_on_the_port_of_the_pages_is_no_station(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as other:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1 << 16)
                client.sendall(said)

        other.submit(answer)
        told = health(Settings(web=Web(host="127.0.0.1", port=server.getsockname()[1])))
    assert "no station answers on port" in json.loads(told)["error"]


def test_a_station_that_serves_https_and_is_not_well_says_why(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)  # nobody on this machine vouches for it
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    unwell = '{"ok": false, "reasons": ["the disk is full"]}'
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as station:

        def answer() -> None:
            client, _ = server.accept()
            with context.wrap_socket(client, server_side=True) as secured:
                secured.recv(1 << 16)
                head = f"HTTP/1.1 503 Service Unavailable\r\nContent-Length: {len(unwell)}\r\n\r\n"
                secured.sendall(f"{head}{unwell}".encode())

        station.submit(answer)
        port = server.getsockname()[1]
        told = health(Settings(web=Web(host="127.0.0.1", port=port, certificate=certificate, key=key)))
    assert json.loads(told)["reasons"] == ["the disk is full"]
