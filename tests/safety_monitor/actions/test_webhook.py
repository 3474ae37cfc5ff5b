"""Posts reach a real HTTP server that checks their signature as a receiver should."""

import io
import json
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from safety_monitor.actions.webhook import Webhook, verified
from safety_monitor.identity import Identity
from safety_monitor.place import Place
from tests.alarms import OPENED_AT as NOW
from tests.alarms import SCREAM as INCIDENT
from tests.alarms import alarm
from tests.servers.certificate import make_certificate
from tests.servers.http import http_server
from tests.servers.trickle import trickling_server

SECRET = "planted-secret"
MESSAGE = replace(
    alarm("webhook"),
    text="Größte Eile",
    place=Place(52.5, 13.4, None, "Berlin", "settings"),
    attachments=(Path("evidence/sound.flac"),),
)


@dataclass
class Receiver:
    """What a receiver got and believed, and how it answers."""

    url: str = ""
    believed: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    refused: int = 0
    asked: int = 0
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    mute: bool = False
    now: datetime = NOW
    released: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def parse_request(self) -> bool:
            state.asked += 1
            return super().parse_request()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if state.mute:
                state.released.wait()
                return
            status = state.status
            given = (self.headers["X-Safety-Monitor-Timestamp"], self.headers["X-Safety-Monitor-Signature"])
            if not verified(SECRET, *given, body, state.now):
                state.refused += 1
                status = 401
            elif status < 300:
                state.believed.append(json.loads(body))
                state.keys.append(self.headers["Idempotency-Key"])
            self.send_response(status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.end_headers()

    with http_server(Handler) as address:
        state.url = f"{address}/planted-path/1"
        yield state
        state.released.set()


def channel(receiver: Receiver, secret: str = SECRET, answer_s: float = 10.0) -> Webhook:
    station = Identity("22222222-0000-0000-0000-000000000002", "kiosk")
    return Webhook(receiver.url, secret, station=station, limits_s=(5.0, answer_s), clock=NOW.timestamp)


def test_a_signed_post_is_believed(receiver: Receiver) -> None:
    outcome = channel(receiver).deliver(MESSAGE)
    assert (outcome.ok, outcome.delivered) == (True, True)
    (got,) = receiver.believed
    assert receiver.keys == [MESSAGE.key]
    assert got["incident"] == INCIDENT.id
    assert (got["kind"], got["state"], got["labels"], got["text"]) == ("alarm", "confirmed", ["scream"], "Größte Eile")
    assert got["station"] == {"id": "22222222-0000-0000-0000-000000000002", "name": "kiosk"}
    assert got["place"]["map_link"] == "https://www.openstreetmap.org/?mlat=52.500000&mlon=13.400000"
    assert (got["files"], got["opened_at"]) == (["sound.flac"], "2026-05-04T03:02:01.000+00:00")


def test_a_message_without_a_place(receiver: Receiver) -> None:
    assert channel(receiver).deliver(replace(MESSAGE, place=None)).ok
    assert receiver.believed[0]["place"] is None


def test_another_secret_and_an_old_post_are_not_believed(receiver: Receiver) -> None:
    outcome = channel(receiver, secret="guessed").deliver(MESSAGE)
    assert (outcome.ok, outcome.again) == (False, False)
    assert "401" in outcome.detail
    receiver.now = NOW + timedelta(minutes=6)
    assert not channel(receiver).deliver(MESSAGE).ok
    assert (receiver.refused, receiver.believed) == (2, [])


def test_a_changed_body_is_not_believed() -> None:
    from safety_monitor.actions.webhook import signature

    stamp = str(int(NOW.timestamp()))
    good = signature(SECRET, stamp, b'{"state": "confirmed"}')
    assert verified(SECRET, stamp, good, b'{"state": "confirmed"}', NOW)
    assert not verified(SECRET, stamp, good, b'{"state": "cancelled"}', NOW)
    assert not verified(SECRET, str(int(stamp) + 1), good, b'{"state": "confirmed"}', NOW)


@pytest.mark.parametrize(
    ("status", "headers", "again", "wait_s"),
    [
        (400, {}, False, None),
        (404, {"Retry-After": "3"}, False, None),
        (302, {"Location": "http://127.0.0.1:1/"}, False, None),
        (408, {}, True, None),
        (429, {"Retry-After": "30"}, True, 30.0),
        (503, {"Retry-After": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, True, 90.0),
        (500, {"Retry-After": "soon"}, True, None),
        (503, {"Retry-After": "²"}, True, None),
    ],
)
def test_every_status_is_understood(
    receiver: Receiver, status: int, headers: dict[str, str], again: bool, wait_s: float | None
) -> None:
    receiver.status, receiver.headers = status, headers
    outcome = channel(receiver).deliver(MESSAGE)
    assert (outcome.ok, outcome.again, outcome.retry_after_s) == (False, again, wait_s)
    assert f"HTTP {status}" in outcome.detail


def test_a_receiver_that_does_not_answer_or_is_not_there(receiver: Receiver) -> None:
    receiver.mute = True
    outcome = channel(receiver, answer_s=0.3).deliver(MESSAGE)
    assert (outcome.ok, outcome.again) == (False, True)
    assert "no answer in time" in outcome.detail
    receiver.url = "http://127.0.0.1:1/planted-path"
    for outcome in (channel(receiver).deliver(MESSAGE), channel(receiver).check()):
        assert (outcome.ok, outcome.again) == (False, True)
        assert "Connection refused" in outcome.detail


def test_an_answer_that_trickles_in_keeps_nobody_waiting() -> None:
    with trickling_server() as port:
        url = f"http://127.0.0.1:{port}/planted-path"
        outcome = Webhook(url, SECRET, station=Identity("1", "kiosk"), limits_s=(0.5, 0.5)).deliver(MESSAGE)
    assert (outcome.ok, outcome.again) == (False, True)
    assert "no whole answer in time" in outcome.detail


def test_a_check_asks_for_nothing_by_which_a_receiver_might_act(receiver: Receiver) -> None:
    assert channel(receiver).check().ok
    assert channel(receiver).deliver(MESSAGE).ok  # behind the check
    assert receiver.asked == 1


def test_a_check_trusts_whom_a_post_trusts(receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with closing(context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)) as server:

        def answer() -> None:
            for _ in range(2):
                with suppress(ssl.SSLError):
                    server.accept()[0].close()

        threading.Thread(target=answer, daemon=True).start()
        receiver.url = f"https://127.0.0.1:{server.getsockname()[1]}/planted-path"
        outcome = channel(receiver).check()
        assert (outcome.ok, outcome.again) == (False, True)
        assert "certificate" in outcome.detail
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert channel(receiver).check().ok
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert "proxy" in channel(receiver).check().detail


def test_secret_and_path_are_told_to_nobody(receiver: Receiver, capfd: pytest.CaptureFixture[str]) -> None:
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        told = ""
        for status in (204, 400, 500):
            receiver.status = status
            out = channel(receiver)
            told += repr(out) + repr(out.deliver(MESSAGE)) + repr(out.check())
        receiver.url = "http://planted.invalid/planted-path"
        told += repr(channel(receiver).deliver(MESSAGE)).replace("planted.invalid", "")
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert "planted" not in (told + log.getvalue() + "".join(capfd.readouterr())).replace("planted.invalid", "")
