"""A mail server that takes every mail, or only those of whoever knows the password."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.servers.program import free_port


@dataclass
class Mails:
    """What it got, and how it answers.

    Attributes:
        port: on 127.0.0.1.
        taken: the mails.
        recipients: of these.
        answer: to a mail; it is taken only if that begins with 250.
        largest: bytes of the largest mail that was offered.
        unknown: somebody for whom no mail is taken.
    """

    port: int
    taken: list[Message] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    answer: str = "250 taken"
    largest: int = 0
    unknown: str = ""

    @property
    def url(self) -> str:
        """As in the settings, to anna."""
        return f"mailto://127.0.0.1:{self.port}/?from=station@example.org&to=anna@example.org"

    @property
    def subjects(self) -> list[str]:
        """Of all mails."""
        return [str(mail["Subject"]) for mail in self.taken]

    @property
    def files(self) -> list[str]:
        """Names of all attachments."""
        return [name for mail in self.taken for part in mail.walk() if (name := part.get_filename())]

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address == self.unknown:
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 known"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.largest = max(self.largest, len(envelope.content))
        if self.answer.startswith("250"):
            self.taken.append(message_from_bytes(envelope.content))
            self.recipients += envelope.rcpt_tos
        return self.answer


@contextmanager
def mail_server(password: str = "", certificate: tuple[Path, Path] | None = None) -> Iterator[Mails]:
    """A running server; with a password nobody sends mails without it, with certificate and key it has STARTTLS."""

    def log_in(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        right = data.password.decode() == password
        return AuthResult(success=right, handled=right)

    locked: dict[str, Any] = {"authenticator": log_in, "auth_require_tls": False, "auth_required": True}
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
        locked["tls_context"] = context
    mails = Mails(free_port())
    controller = Controller(mails, hostname="127.0.0.1", port=mails.port, **(locked if password else {}))
    controller.start()
    try:
        yield mails
    finally:
        controller.stop()
