"""What systemd hears of a station, over a real datagram socket."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from safety_monitor.fusion import FusionRules
from safety_monitor.incident import Sense
from safety_monitor.live import LiveView
from safety_monitor.supervision.systemd import notify, told_to_systemd, watchdog_s
from tests.system.command import environment, running

LIMIT_S = 60.0


@dataclass
class Systemd:
    """The end of the socket that systemd would hold."""

    path: str
    socket: socket.socket

    def hear(self, wanted: str) -> list[str]:
        """Everything up to the first fact that begins so.

        Raises:
            TimeoutError: it does not come.
        """
        heard: list[str] = []
        while not any(fact.startswith(wanted) for fact in heard):
            heard += self.socket.recv(4096).decode().splitlines()
        return heard


@contextmanager
def systemd(address: str) -> Iterator[Systemd]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.settimeout(LIMIT_S)
        end.bind(address.replace("@", "\0", 1))
        yield Systemd(address, end)


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    with systemd(str(tmp_path / "notify")) as there:
        monkeypatch.setenv("NOTIFY_SOCKET", there.path)
        monkeypatch.setenv("WATCHDOG_USEC", "60000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield there


def a_view() -> LiveView:
    return LiveView(FusionRules(), [Sense.AUDIO])


def test_ready_is_told_when_the_senses_are_and_signs_of_life_follow(listener: Systemd) -> None:
    view = a_view()
    with told_to_systemd(view, lambda: ()):
        view.opened(Sense.AUDIO, "front microphone", True)
        assert listener.hear("STATUS") == ["READY=1", "STATUS=armed; audio: front microphone"]
        assert listener.hear("WATCHDOG") == ["WATCHDOG=1"]
        view.broke(Sense.AUDIO, "unplugged")
        assert "STATUS=armed; audio: unplugged" in listener.hear("STATUS")
    assert "STOPPING=1" in listener.hear("STOPPING")


def test_without_a_sign_of_life_from_every_part_systemd_gets_none(listener: Systemd) -> None:
    view, asked = a_view(), threading.Semaphore(0)
    dead: list[str] = []

    def stale() -> list[str]:
        asked.release()
        return list(dead)

    view.opened(Sense.AUDIO, "microphone", True)
    with told_to_systemd(view, stale):
        listener.hear("WATCHDOG")
        dead.append("gesture: hangs")
        heard = listener.hear("STATUS=gesture: hangs")
        while asked.acquire(blocking=False):
            pass
        for _ in range(5):
            assert asked.acquire(timeout=LIMIT_S)
        listener.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.socket.recv(4096)
        listener.socket.settimeout(LIMIT_S)
        dead.clear()
        heard = listener.hear("WATCHDOG")
        assert "WATCHDOG=1" in heard


def test_an_abstract_socket_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    with systemd(f"@safety-monitor-{os.getpid()}") as there:
        monkeypatch.setenv("NOTIFY_SOCKET", there.path)
        assert notify("READY=1")
        assert there.hear("READY") == ["READY=1"]


@pytest.mark.parametrize("address", ["", "relative", "/nonexistent/notify"])
def test_where_nobody_listens_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not notify("READY=1")


@pytest.mark.parametrize(
    ("usec", "pid", "limit_s"),
    [("30000000", "", 30.0), ("", "", None), ("0", "", None), ("x", "", None), ("30000000", "1", None)],
)
def test_the_time_limit_counts_if_it_is_for_us(
    usec: str, pid: str, limit_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", pid)
    assert watchdog_s() == limit_s


def test_the_station_tells_its_life_to_systemd(tmp_path: Path) -> None:
    with systemd(str(tmp_path / "notify")) as there:
        variables = {"NOTIFY_SOCKET": there.path, "WATCHDOG_USEC": "900000"}
        sources = ("--camera", "off", "--mic", "demo")
        with running(tmp_path / "home", *sources, environ=environment(tmp_path / "home"), **variables) as station:
            heard = there.hear("READY=1")
            assert "STATUS=armed; audio: demo" in heard
            assert not any(fact.startswith("WATCHDOG") for fact in heard[: heard.index("READY=1")])
            there.hear("WATCHDOG=1")
            there.hear("WATCHDOG=1")
            assert station.stop() == 0
            assert "STOPPING=1" in there.hear("STOPPING=1")


def test_as_a_service_it_waits_for_what_is_missing_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "home" / "journal.sqlite").mkdir(parents=True)
    with systemd(str(tmp_path / "notify")) as there:
        sources = ("--camera", "off", "--mic", "no such microphone")
        environ = environment(tmp_path / "home")
        with running(tmp_path / "home", *sources, environ=environ, NOTIFY_SOCKET=there.path) as station:
            heard = there.hear("READY=1")
            assert any("no such microphone" in fact for fact in heard if fact.startswith("STATUS="))
            station.wait_for(lambda station: any("trouble: journal" in line for line in station.log))
            assert any("incidents are only kept in memory" in line for line in station.log)
            assert station.stop() == 0
