"""The mailbox that e-mails come from, tried against a mail server."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import apprise
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import AuthResult

from safety_monitor.actions import mailbox
from safety_monitor.actions.mailbox import Mailbox, MailError, known_server, server_of, sign_in
from safety_monitor.actions.messages import Messages
from tests.servers.certificate import make_certificate
from tests.servers.program import free_port

SENDER, PASSWORD = "shop@example.org", "planted:p@ss'w/rd$ "


@dataclass
class Server:
    """A mail server that lets one user in.

    Attributes:
        encrypted: its port where STARTTLS is to be had.
        bare: the one where nothing is encrypted.
        tried: user and password of all who wanted to sign in.
    """

    encrypted: int
    bare: int
    tried: list[tuple[bytes, bytes]] = field(default_factory=list)

    def __call__(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        self.tried.append((given.login, given.password))
        return AuthResult(handled=False, success=self.tried[-1] == (SENDER.encode(), PASSWORD.encode()))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its certificate is trusted."""
    certificate, key = make_certificate(tmp_path_factory.mktemp("mail"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    found = Server(free_port(), free_port())
    with ExitStack() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        for port, its in ((found.encrypted, context), (found.bare, None)):
            controller = Controller(
                Sink(), hostname="127.0.0.1", port=port, tls_context=its, authenticator=found, auth_require_tls=False
            )
            controller.start()
            running.callback(controller.stop)
        yield found


def test_signing_in_says_whether_mails_can_be_sent(server: Server) -> None:
    found = sign_in(SENDER, "127.0.0.1", server.encrypted, SENDER, PASSWORD)
    assert (found.encryption, found.bare) == ("starttls", False)
    assert server.tried[-1] == (SENDER.encode(), PASSWORD.encode())
    assert not sign_in(SENDER, "127.0.0.1", server.bare, "", "").bare


def test_of_the_usual_ports_the_one_with_encryption_is_taken(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for ports in ((server.bare, server.encrypted), (server.encrypted, server.bare)):
        monkeypatch.setattr(mailbox, "PORTS", ports)
        assert sign_in(SENDER, "127.0.0.1", None, SENDER, PASSWORD).port == server.encrypted
    monkeypatch.setattr(mailbox, "PORTS", (server.bare, 1))
    assert sign_in(SENDER, "127.0.0.1", None, SENDER, PASSWORD).port == server.bare


def test_a_password_is_not_sent_where_others_could_read_it(server: Server) -> None:
    server.tried.clear()
    found = sign_in(SENDER, "127.0.0.1", server.bare, SENDER, PASSWORD)
    assert (found.encryption, found.bare) == ("insecure", True)
    assert not server.tried


@pytest.mark.parametrize(
    ("host", "given_port", "password", "message"),
    [
        ("127.0.0.1", None, "wrong", "refuses this user name and password"),
        ("127.0.0.1", 1, PASSWORD, "127.0.0.1, port 1: Connection refused"),
        ("mail.invalid", 587, PASSWORD, "mail.invalid: no such server was found"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(
    host: str, given_port: int | None, password: str, message: str, server: Server
) -> None:
    with pytest.raises(MailError, match=message) as caught:
        sign_in(SENDER, host, given_port or server.encrypted, SENDER, password)
    assert PASSWORD not in str(caught.value)


def test_a_station_finds_out_that_its_mailbox_does_not_let_it_in_any_more(server: Server) -> None:
    def check(port: int, password: str, more: str = "") -> tuple[bool, bool, str]:
        address = Mailbox(SENDER, "127.0.0.1", port, SENDER, password).to("anna@example.org")
        outcome = Messages("anna", address + more).check()
        assert password not in outcome.detail
        return outcome.ok, outcome.again, outcome.detail

    assert check(server.encrypted, PASSWORD) == (
        True,
        False,
        "127.0.0.1 lets the station in; not tried without a message",
    )
    refused = check(server.encrypted, "changed-since")
    assert refused[:2] == (False, False)
    assert "refuses this user name and password" in refused[2]
    assert check(1, PASSWORD) == (False, True, "127.0.0.1, port 1: Connection refused")
    assert check(1, PASSWORD, "&verify=no")[0]  # whom it would trust is not known here
    relay = Mailbox(SENDER, "127.0.0.1", 1, encryption="insecure").to("anna@example.org")
    assert Messages("anna", relay).check().ok


@pytest.mark.parametrize(
    "given",
    [
        Mailbox(SENDER, "smtp.example.org", 587, SENDER, PASSWORD, "starttls"),
        Mailbox("me@gmail.com", "smtp.gmail.com", 465, "me@gmail.com", PASSWORD, "ssl"),
        Mailbox(SENDER, "relay", 25, encryption="insecure"),
    ],
)
def test_apprise_reads_of_the_address_what_was_meant(given: Mailbox) -> None:
    plugin: Any = apprise.Apprise.instantiate(given.to("anna+shop@example.org"))
    assert (plugin.smtp_host, plugin.port, plugin.secure_mode) == (given.host, given.port, given.encryption)
    assert (plugin.user or "", plugin.password or "") == (given.user, given.password)
    assert (plugin.from_addr[1], plugin.targets) == (given.sender, [(False, "anna+shop@example.org")])


def test_the_server_of_a_known_provider_need_not_be_known() -> None:
    assert known_server("me@gmail.com") == "smtp.gmail.com"
    assert known_server("me@example.org") == ""


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("smtp.example.org", ("smtp.example.org", None)),
        ("smtp.example.org:465", ("smtp.example.org", 465)),
        ("smtp example", None),
        ("smtp.example.org:mail", None),
        ("smtp.example.org:", None),
        ("smtp.example.org:0", None),
        ("smtp.example.org:65536", None),
        ("smtp.example.org:²", None),
        ("https://example.org", None),
    ],
)
def test_a_server_is_written_with_its_port_or_without(text: str, server: tuple[str, int | None] | None) -> None:
    if server is None:
        with pytest.raises(MailError):
            server_of(text)
    else:
        assert server_of(text) == server
