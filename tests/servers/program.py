"""A server program of a test's own, on a port of its own: it can be stopped, frozen and started again."""

import random
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ANSWER_S = 60.0


def free_port() -> int:
    """A port on which nothing listens now.

    It is none of those that the system gives to whoever connects (from 32768 on): it could be gone before it is used.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


@dataclass
class Program:
    """A program that serves on `port`.

    Attributes:
        log: file for what it says.
        speaks_first: whether it greets whoever connects.
        port: on 127.0.0.1.
        process: None while it does not run.
    """

    log: Path
    speaks_first: bool = False
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str]) -> None:
        """Run; returns when it takes connections."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + ANSWER_S
        while not self._answers():
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            assert time.monotonic() < deadline, f"{command[0]} does not answer"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                return not self.speaks_first or bool(connection.recv(1))
        except OSError:
            return False

    def stop(self) -> None:
        """As if its machine lost power."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """It holds its connections, and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It answers again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
