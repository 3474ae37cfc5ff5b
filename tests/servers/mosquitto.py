"""A Mosquitto broker of the test's own, that lets in one user."""

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.mariadb import free_port

ANSWER_S = 30.0
USER, PASSWORD = "station", "planted-mqtt-password"
PATH = os.environ.get("PATH", "") + ":/usr/sbin"


def missing_programs() -> list[str]:
    """What has to be installed before a broker can be started."""
    return [name for name in ("mosquitto", "mosquitto_passwd") if shutil.which(name, path=PATH) is None]


@dataclass
class Mosquitto:
    """A broker that can be stopped, frozen and started again on the same port."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

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
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([program, "-c", str(config)], stdout=log, stderr=log)
        deadline = time.monotonic() + ANSWER_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
                return
            except OSError:
                assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
                assert time.monotonic() < deadline, "Mosquitto does not answer"
                time.sleep(0.02)

    def stop(self) -> None:
        """As if its machine lost power."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """It still holds its connections, and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It answers again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
