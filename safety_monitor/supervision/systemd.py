"""What systemd is told of a station that runs as its service: sd_notify(3) over its datagram socket.

`READY=1` once every sense was opened (or is known to be in trouble), `WATCHDOG=1` only while every part of the station
shows signs of life, so that a hang, in native code too, is ended by systemd, and `STATUS=` for `systemctl status`.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from media.lasting import lasting
from safety_monitor.live import LiveView

IDLE_S = 10.0
"""How often the status is looked at where systemd watches no time limit."""
SHARE = 3.0
"""Signs of life in one time limit: one that gets lost ends no station."""

log = logging.getLogger(__name__)


def notify(*facts: str) -> bool:
    """Tell systemd; whether there is one that listens."""
    if not is_service():
        return False
    address = os.environ["NOTIFY_SOCKET"]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)  # a systemd that does not listen must not stop the station
            sender.sendto("\n".join(facts).encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
    except OSError as error:
        log.warning("systemd cannot be told: %s", error.strerror)
        return False
    return True


def is_service() -> bool:
    """Whether systemd has started this process, and waits to be told of it."""
    return os.environ.get("NOTIFY_SOCKET", "")[:1] in ("/", "@")


def watchdog_s() -> float | None:
    """The time limit that systemd watches, in seconds; None: none, or not for this process."""
    limit, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not limit.isdigit() or int(limit) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(limit) / 1e6


@contextmanager
def told_to_systemd(view: LiveView, stale: Callable[[], Sequence[object]]) -> Iterator[None]:
    """Keep systemd informed during the block; does nothing where the station is not its service.

    Args:
        view: of the station.
        stale: the parts that show no sign of life, a line each as text; empty if all do.
    """
    if not is_service():
        yield
        return
    over = threading.Event()
    lasting("systemd", lambda: _tell(view, stale, over), over)
    try:
        yield
    finally:
        over.set()
        notify("STOPPING=1")


def _tell(view: LiveView, stale: Callable[[], Sequence[object]], over: threading.Event) -> None:
    while not view.ready.wait(1.0):
        if over.is_set():
            return
    limit_s = watchdog_s()
    status = status_of(view)
    notify("READY=1", f"STATUS={status}")
    while not over.wait(min(limit_s / SHARE, IDLE_S) if limit_s else IDLE_S):
        dead = [str(each) for each in stale()]
        facts = [] if dead or limit_s is None else ["WATCHDOG=1"]
        if dead:
            log.error("systemd gets no sign of life: %s", "; ".join(dead))
        before, status = status, "; ".join(dead) or status_of(view)
        if status != before:
            facts.append(f"STATUS={status}")
        if facts:
            notify(*facts)


def status_of(view: LiveView) -> str:
    """How the station is, one line."""
    snapshot = view.snapshot()
    troubles = view.troubles()
    senses = "; ".join(f"{sense}: {health.name}" for sense, health in snapshot.health.items())
    return f"{'armed' if snapshot.armed else 'disarmed'}; {'; '.join(troubles) if troubles else senses}"
