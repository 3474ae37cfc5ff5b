"""Messages arrive at a real mail server with what belongs to them; what goes wrong is told without the password."""

import io
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from email.message import Message as Mail
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from safety_monitor.actions import messages
from safety_monitor.actions.messages import Messages
from tests.alarms import alarm
from tests.servers.http import http_server
from tests.servers.mail import Mails, mail_server
from tests.servers.program import free_port
from tests.waiting import until

PASSWORD = "planted p@ss/word"
QUOTED = "planted%20p%40ss%2Fword"
MESSAGE = replace(
    alarm("messages:mail"),
    station="kiosk · Süd",
    text="A scream was heard <at> the kiosk. Größte Eile!\nhttps://www.openstreetmap.org/?mlat=52.5&mlon=13.4",
)


@pytest.fixture
def server() -> Iterator[Mails]:
    with mail_server(PASSWORD) as mails:
        yield mails


def channel(port: int, password: str = QUOTED, limit_s: float = 60.0) -> Messages:
    url = f"mailto://station:{password}@127.0.0.1:{port}/?from=station@example.org&to=anna@example.org"
    return Messages("mail", url, limit_s=limit_s)


def parts(mail: Mail) -> dict[str, Any]:
    """Content type -> what is in it."""
    return {part.get_content_type(): part for part in mail.walk() if not part.is_multipart()}


def test_a_mail_arrives_with_its_text_and_files(server: Mails, tmp_path: Path) -> None:
    sound, picture = tmp_path / "sound.flac", tmp_path / "picture.jpg"
    sound.write_bytes(b"fLaC" + bytes(1000))
    picture.write_bytes(b"\xff\xd8\xff" + bytes(1000))
    outcome = channel(server.port).deliver(replace(MESSAGE, attachments=(sound, picture, tmp_path / "gone.mp4")))
    assert (outcome.ok, outcome.delivered) == (True, False)
    assert "with 2 files" in outcome.detail
    (mail,) = server.taken
    assert server.recipients == ["anna@example.org"]
    assert mail["X-Safety-Monitor-Key"] == MESSAGE.key
    found = parts(mail)
    text = found["text/plain"].get_payload(decode=True).decode()
    assert "A scream was heard <at> the kiosk. Größte Eile!" in text
    assert "https://www.openstreetmap.org/?mlat=52.5&mlon=13.4" in text
    files = {part.get_filename(): part.get_payload(decode=True) for part in mail.walk() if part.get_filename()}
    assert files == {"sound.flac": sound.read_bytes(), "picture.jpg": picture.read_bytes()}


def test_every_message_is_sent_though_the_text_is_the_same(server: Mails) -> None:
    out = channel(server.port)
    assert [out.deliver(MESSAGE).ok for _ in range(3)] == [True, True, True]
    assert len(server.taken) == 3


@pytest.mark.parametrize("answer", ["451 try again later", "554 no"])
def test_a_refused_mail_is_tried_again(server: Mails, answer: str) -> None:
    out = channel(server.port)
    server.answer = answer
    outcome = out.deliver(MESSAGE)
    assert (outcome.ok, outcome.again) == (False, True)
    server.answer = "250 taken"
    assert out.deliver(MESSAGE).ok
    assert len(server.taken) == 1


def test_of_several_only_whoever_was_not_reached_is_told_again() -> None:
    with mail_server() as server:
        server.unknown = "ben@example.org"
        out = Messages("mail", f"{server.url},ben@example.org,eve@example.org")
        for _ in range(3):
            assert out.deliver(MESSAGE).again
        assert server.recipients == ["anna@example.org", "eve@example.org"]
        server.unknown = ""
        assert out.deliver(MESSAGE).ok
        assert server.recipients == ["anna@example.org", "eve@example.org", "ben@example.org"]
        assert out.deliver(replace(MESSAGE, key="another")).ok
        assert len(server.recipients) == 6


def test_a_mail_refused_with_its_files_is_sent_without(server: Mails, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(bytes(200_000))
    message = replace(MESSAGE, attachments=(clip,))
    out = channel(server.port)
    server.answer = "552 message too large"
    assert out.deliver(message).again
    assert server.largest > 200_000
    server.answer = "250 taken"
    assert out.deliver(message).ok
    assert all(part.get_filename() is None for part in server.taken[0].walk())


def test_a_wrong_password(server: Mails) -> None:
    outcome = channel(server.port, password="another-planted-one").deliver(MESSAGE)
    assert (outcome.ok, outcome.again) == (False, True)
    assert "535" in outcome.detail
    assert "another-planted-one" not in outcome.detail


def test_a_server_that_is_not_there(server: Mails) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        outcome = channel(closed.getsockname()[1]).deliver(MESSAGE)
    assert (outcome.ok, outcome.again) == (False, True)
    assert "Connection refused" in outcome.detail


def test_a_server_that_never_says_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        out = channel(mute.getsockname()[1], limit_s=0.3)
        outcome = out.deliver(MESSAGE)
        assert (outcome.ok, outcome.again) == (False, True)
        assert "within 0.3 s" in outcome.detail
        assert "still busy" in out.deliver(MESSAGE).detail
        monkeypatch.setattr(messages, "LEFT_BEHIND_S", 0.0)
        monkeypatch.setattr(messages, "MOST_LEFT_BEHIND", 2)
        for told in ("within 0.3 s", "still busy"):
            assert told in out.deliver(MESSAGE).detail


def test_an_emergency_does_not_wait_for_a_test_that_hangs() -> None:
    released = threading.Event()

    class HangsAtTests(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if b"only tried" in self.rfile.read(int(self.headers["Content-Length"])):
                released.wait()
            self.send_response(200)
            self.end_headers()

    with http_server(HangsAtTests) as address:
        out = Messages("x", address.replace("http", "json"), limit_s=1.0)
        tested = out.deliver(replace(MESSAGE, key="t", kind="test", text="only tried"))
        emergency, trouble = out.deliver(MESSAGE), out.deliver(replace(MESSAGE, key="u", kind="trouble"))
        released.set()
    assert "within 1 s" in tested.detail
    assert emergency.ok
    assert "still busy" in trouble.detail


def test_what_is_taken_when_its_time_is_over_does_not_come_again() -> None:
    posts, released = 0, threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            nonlocal posts
            posts += 1
            released.wait()
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

    with http_server(Slow) as address:
        out = Messages("x", address.replace("http", "json"), limit_s=1.0)
        outcome = out.deliver(MESSAGE)
        released.set()
        assert (outcome.ok, outcome.again) == (False, True)
        until(lambda: out.deliver(MESSAGE).ok)
    assert posts == 1


def test_what_goes_wrong_on_the_way_is_told_in_words() -> None:
    for host, cause in ((f"127.0.0.1:{free_port()}", "Connection refused"), ("nowhere.invalid", "")):
        detail = Messages("x", f"json://{host}/x").deliver(MESSAGE).detail
        assert cause in detail
        assert "ConnectionPool" not in detail


def test_an_address_that_nobody_understands_is_refused_without_repeating_it() -> None:
    for url in ("planted://x", "mailto://planted", "", "https://"):
        with pytest.raises(ValueError) as caught:
            Messages("x", url)
        assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("ntfys://", "would reach nobody: ntfy needs a recipient in it"),
        ("ntfys://ntfy.example.org", "would reach nobody"),
        ("tgram://123456789:planted_abcdefghijkl/", "would reach nobody: Telegram"),
        ("mqtt://planted.example.org", "would reach nobody"),
        ("signal://127.0.0.1/+15005550006/12", "would reach nobody"),
        ("mailtos://u:planted@example.org?to=banana", "somebody whom it names is not written as E-Mail has it"),
        ("whatsapp://planted@12345678/", "would reach nobody"),
        ("46elks://planted:planted@planted", "would reach nobody"),
        ("cm://aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/", "would reach nobody"),
        ("kook://planted1234/", "would reach nobody"),
        ("notifiarr://planted1234/", "would reach nobody"),
        ("serwersms://planted:planted1@12345678/", "would reach nobody"),
        ("wxteams://planted1234/", "would reach nobody"),
        ("syslog://", "would reach nobody elsewhere: Syslog is only seen on this machine"),
        ("46elks://user:password@+15005550006", ""),
        ("kook://abcd1234/12345678/", ""),
        ("kodi://example.org", ""),
        ("notifiarr://abcd1234/12345678", ""),
        ("serwersms://user:password@12345678/+447700900123", ""),
        ("ntfys://shop-k7m2x9q4", ""),
        ("ntfys://ntfy.example.org/topic", ""),
        ("tgram://123456789:abcdefghijklmnop/12345/", ""),
        ("mailtos://user:password@example.org", ""),
        ("json://127.0.0.1", ""),
        ("discord://123456789/abcdef", ""),
        ("sns://AHIAJGNT76XIMXDBIJYA/bu1dHSdO22pfaaVy-wmNsdljF4C07D3bndi9PQJ9/us-east-2/+15005550006", ""),
        ("pover://user@token", ""),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", ""),
    ],
)
def test_an_address_that_would_reach_nobody_is_refused_before_an_emergency(url: str, wrong: str) -> None:
    if not wrong:
        assert Messages("x", url).name == "messages:x"
        return
    with pytest.raises(ValueError, match=wrong) as caught:
        Messages("x", url)
    assert "planted" not in str(caught.value)


def test_passwords_and_tokens_are_told_to_nobody(
    server: Mails, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    log = io.StringIO()  # as the station logs; pytest's own also hears what never gets there
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        told = ""
        for url in (
            f"json://planted-user:planted-password@127.0.0.1:{port}/planted-path?+X-Token=planted-header",
            f"ntfy://planted-token@127.0.0.1:{port}/planted-topic",
        ):
            out = Messages("x", url)
            told += repr(out) + repr(out.deliver(MESSAGE)) + repr(out.check())
        mail = channel(server.port)
        server.answer = "554 no"
        told += repr(mail) + repr(mail.deliver(MESSAGE))
    logging.getLogger().removeHandler(handler)
    told += log.getvalue() + "".join(capfd.readouterr())
    assert "planted" not in told
    assert PASSWORD not in told
