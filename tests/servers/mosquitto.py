"""A Mosquitto broker of the test's own, that lets in one user."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.program import Program

USER, PASSWORD = "station", "planted-mqtt-password"
PATH = os.environ.get("PATH", "") + ":/usr/sbin"


def missing_programs() -> list[str]:
    """What has to be installed before a broker can be started."""
    return [name for name in ("mosquitto", "mosquitto_passwd") if shutil.which(name, path=PATH) is None]


@dataclass
class Mosquitto:
    """A broker that can be stopped, frozen and started again on the same port."""

    folder: Path

    def __post_init__(self) -> None:
        self.program = Program(self.folder / "log")
        self.port = self.program.port

    def start(self) -> None:
        """Run; returns when it takes connections."""
        passwords = self.folder / "passwords"
        if not passwords.exists():
            program = shutil.which("mosquitto_passwd", path=PATH)
            assert program is not None
            subprocess.run([program, "-b", "-c", str(passwords), USER, PASSWORD], check=True, capture_output=True)
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
            + ("user root\n" if os.getuid() == 0 else "")
        )
        program = shutil.which("mosquitto", path=PATH)
        assert program is not None
        self.program.start([program, "-c", str(config)])

    def stop(self) -> None:
        """As if its machine lost power."""
        self.program.stop()


@contextmanager
def mosquitto(folder: Path) -> Iterator[Mosquitto]:
    """A running broker; a test is skipped where there is none."""
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: mosquitto)")
    broker = Mosquitto(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
