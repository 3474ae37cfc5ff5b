"""What the running station does not follow yet, and how it starts again to follow it."""

import os
import sys
import threading
from collections.abc import Iterable

from safety_monitor.station import Station
from safety_monitor.supervision.supervisor import Ill
from safety_monitor.supervision.systemd import is_service


class RestartError(Exception):
    """The station does not start again now; the text is one line that says why."""


class Restart:
    """Remembers why a restart is wanted; may be used from any thread.

    Args:
        station: the running one.
    """

    def __init__(self, station: Station) -> None:
        self._station = station
        self._wanted: dict[str, None] = {}
        self._lock = threading.Lock()

    @property
    def wanted_for(self) -> tuple[str, ...]:
        """What waits for it."""
        with self._lock:
            return tuple(self._wanted)

    def want(self, what: Iterable[str]) -> None:
        """Something changed that only a start takes up; until then that stands under Health."""
        with self._lock:
            self._wanted |= dict.fromkeys(what)
            wanted = ", ".join(self._wanted)
        if wanted:
            waits = Ill(f"changed, and not in use before the station is started anew: {wanted}", note=True)
            self._station.supervisor.check("settings", waits)

    def check(self) -> None:
        """See whether it may start again now.

        Raises:
            RestartError: an incident is open, which would be lost sight of.
        """
        if self._station.view.snapshot().incident is not None:
            raise RestartError("an incident is open; end it first")

    def now(self) -> None:
        """End the station so that it starts again; returns before it has.

        Raises:
            RestartError: see `check`.
        """
        self.check()
        self._station.restart()


def start_again() -> None:
    """Run this very command anew in this very process, so that whoever started it keeps it.

    As a service of systemd it only returns, to end. Systemd was told that it stops: it would watch it no longer, and
    kill what runs on in this process after TimeoutStopSec. It starts it again once it has ended.
    """
    if is_service():
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(sys.stderr.fileno(), 2)  # where native libraries were silenced it leads nowhere
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
