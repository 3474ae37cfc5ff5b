"""A MariaDB server of the test's own: it can be stopped, frozen and started again, and keeps its data."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from safety_monitor.actions.mysql import COLLATION
from tests.servers.program import Program

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


@dataclass
class MariaDB:
    """A server with an empty database `safety` and a user who may do all in it."""

    folder: Path

    def __post_init__(self) -> None:
        self.program = Program(self.folder / "log", speaks_first=True)
        self.port = self.program.port

    @property
    def url(self) -> str:
        """As in the settings."""
        from urllib.parse import quote

        return f"mysql+mysqlconnector://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/safety"

    @property
    def engine(self) -> Engine:
        """To look into it."""
        return create_engine(self.url, connect_args={"collation": COLLATION})

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
        self.program.start(
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
            ]
        )

    def stop(self) -> None:
        """As if its machine lost power."""
        self.program.stop()

    def as_root(self, statement: str) -> None:
        """Do what only the one whose server it is may do."""
        root = create_engine(
            "mysql+mysqlconnector://root@/safety",
            connect_args={"unix_socket": f"{self.folder}/socket", "collation": COLLATION},
        )
        with root.begin() as connection:
            connection.execute(text(statement))
        root.dispose()

    @staticmethod
    def _as_root() -> list[str]:
        return ["--user=root"] if os.getuid() == 0 else []


@contextmanager
def mariadb() -> Iterator[MariaDB]:
    """A server that is not started yet; a test is skipped where there is none."""
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: mariadb-server-core mariadb-client-core)")
    folder = Path(tempfile.mkdtemp(prefix="maria-"))  # short: a socket's path has at most 107 characters
    server = MariaDB(folder)
    try:
        server.install()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
