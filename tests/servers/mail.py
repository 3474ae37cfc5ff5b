"""A mail server that takes every mail."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any

from aiosmtpd.controller import Controller

from tests.servers.program import free_port


@dataclass
class Mails:
    """What it got."""

    port: int
    subjects: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """As in the settings, to anna."""
        return f"mailto://127.0.0.1:{self.port}/?from=station@example.org&to=anna@example.org"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content)
        self.subjects.append(str(mail["Subject"]))
        self.files += [name for part in mail.walk() if (name := part.get_filename())]
        return "250 taken"


@contextmanager
def mail_server() -> Iterator[Mails]:
    """A running server."""
    mails = Mails(free_port())
    controller = Controller(mails, hostname="127.0.0.1", port=mails.port)
    controller.start()
    try:
        yield mails
    finally:
        controller.stop()
