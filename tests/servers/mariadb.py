"""A MariaDB server of the test's own: it can be stopped, frozen and started again, and keeps its data."""

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

ANSWER_S = 60.0
PASSWORD = "planted/p@ss w:rd"  # characters that must be encoded in an address
USER = "station"


def missing_programs() -> list[str]:
    """What has to be installed before a server can be started."""
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    return [
        name
        for name in ("mariadbd", "mariadb-install-db", "my_print_defaults")
        if shutil.which(name, path=path) is None
    ]


def free_port() -> int:
    """A port on which nothing listens now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class MariaDB:
    """A server with an empty database `safety` and a user who may do all in it."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As in the settings."""
        from urllib.parse import quote

        return f"mysql+mysqlconnector://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/safety"

    def install(self) -> None:
        """Make the data folder."""
        subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={self.folder}/data",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
                *self._as_root(),
            ],
            check=True,
            capture_output=True,
        )
        (self.folder / "init.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS safety;"
            f"CREATE USER IF NOT EXISTS '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';"
            f"GRANT ALL ON safety.* TO '{USER}'@'127.0.0.1';\n".replace(";", ";\n")
        )

    def start(self) -> None:
        """Run; returns when it takes connections."""
        program = shutil.which("mariadbd", path=os.environ.get("PATH", "") + ":/usr/sbin")
        assert program is not None
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    program,
                    "--no-defaults",
                    f"--datadir={self.folder}/data",
                    f"--socket={self.folder}/socket",
                    f"--pid-file={self.folder}/pid",
                    f"--port={self.port}",
                    "--bind-address=127.0.0.1",
                    f"--init-file={self.folder}/init.sql",
                    "--skip-name-resolve",
                    "--innodb-flush-log-at-trx-commit=2",
                    "--innodb-buffer-pool-size=32M",
                    *self._as_root(),
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + ANSWER_S
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                    if connection.recv(1):
                        return
            except OSError:
                assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
                assert time.monotonic() < deadline, "MariaDB does not answer"
                time.sleep(0.05)

    def stop(self) -> None:
        """As if its machine lost power."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """It still takes connections, and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It answers again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    @staticmethod
    def _as_root() -> list[str]:
        return ["--user=root"] if os.getuid() == 0 else []
