"""No thread of the station ends at an error that nobody foresaw: each goes on, and is named."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from audio import route
from audio.blocks import Block
from audio.liveness import SoundFault
from media import lasting
from safety_monitor.actions.evidence import EvidenceStore
from safety_monitor.actions.place import Places
from safety_monitor.actions.recorder import Recorder
from safety_monitor.config import Settings
from safety_monitor.config.web import Web
from safety_monitor.delivery import DeliveryState
from safety_monitor.dispatch.channel_worker import LOOK_S
from safety_monitor.dispatch.troubles import Troubles
from safety_monitor.fusion import FusionRules
from safety_monitor.incident import Sense, State
from safety_monitor.journal.incidents import Journal
from safety_monitor.journal.outbox import Outbox
from safety_monitor.live import LiveView
from safety_monitor.people.decision_lookup import DecisionLookup
from safety_monitor.supervision.dead_man import pinging
from safety_monitor.supervision.systemd import told_to_systemd
from safety_monitor.web.server import WebServer
from tests.alarms import SCREAM
from tests.dispatching import confirm, settled
from tests.dispatching import running as dispatching
from tests.outlet import Outlet
from tests.waiting import LIMIT_S, until


def once(real: Callable[..., Any]) -> Callable[..., Any]:
    """The same, but the first call is a mistake of ours."""
    calls = iter([True])

    def call(*arguments: Any, **named: Any) -> Any:
        if next(calls, False):
            raise RuntimeError("a mistake of ours")
        return real(*arguments, **named)

    return call


def decisions_are_looked_up(home: Path, patch: pytest.MonkeyPatch) -> None:
    journal = Journal(home)
    journal.record(SCREAM)
    journal.decide(SCREAM.id, State.ACKNOWLEDGED, "by a person")
    patch.setattr(Journal, "state_of", once(Journal.state_of))
    lookup = DecisionLookup(journal)
    until(lambda: lookup.ask(SCREAM.id).open_state is State.ACKNOWLEDGED)
    lookup.close()


def systemd_hears(home: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("NOTIFY_SOCKET", str(home / "notify"))
    patch.setenv("WATCHDOG_USEC", "60000")
    patch.delenv("WATCHDOG_PID", raising=False)
    view = LiveView(FusionRules(), [Sense.AUDIO])
    view.opened(Sense.AUDIO, "microphone", True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.settimeout(LIMIT_S)
        end.bind(str(home / "notify"))
        with told_to_systemd(view, once(lambda: ())):
            until(lambda: b"WATCHDOG=1" in end.recv(4096))


def the_dead_mans_switch_is_held(home: Path, patch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def is_well() -> bool:
        asked.set()
        return False

    with pinging("http://127.0.0.1:9/", 0.01, once(is_well)):
        assert asked.wait(LIMIT_S)


def addresses_are_found(home: Path, patch: pytest.MonkeyPatch) -> None:
    places = Places(geocode=once(lambda latitude, longitude: "High Street 1"))
    places.report(SCREAM.id, 51.5, -0.1, 10.0)
    until(lambda: (place := places.place(SCREAM)) is not None and place.address == "High Street 1")
    places.close()


def evidence_is_kept(home: Path, patch: pytest.MonkeyPatch) -> None:
    store = EvidenceStore(home, keep_days=30.0, most_bytes=10**9)
    patch.setattr(EvidenceStore, "tidy", once(EvidenceStore.tidy))
    recorder = Recorder(store, before_s=1.0, after_s=0.0)
    recorder.hear(Block(np.zeros(16_000, np.float32), SCREAM.at_s))
    recorder.begin(SCREAM)
    until(lambda: [path.name for path in store.files(SCREAM.id)] == ["sound.flac"])
    recorder.close()


def channels_deliver(home: Path, patch: pytest.MonkeyPatch) -> None:
    journal, sms = Journal(home), Outlet("sms")
    with dispatching(journal, sms) as dispatch:
        patch.setattr(Outbox, "due", once(Outbox.due))
        confirm(dispatch)
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)


def help_that_is_late_is_noticed(home: Path, patch: pytest.MonkeyPatch) -> None:
    looked = threading.Event()
    real = Outbox.overdue

    def overdue(self: Outbox, asked_before: float) -> Any:
        looked.set()
        return real(self, asked_before)

    patch.setattr(Outbox, "overdue", once(overdue))
    with dispatching(Journal(home), Outlet("sms")):
        assert looked.wait(LIMIT_S + LOOK_S)


def what_hangs_is_noticed(home: Path, patch: pytest.MonkeyPatch) -> None:
    looked = threading.Event()

    def due(troubles: Troubles) -> list[str]:
        looked.set()
        return []

    patch.setattr(Troubles, "due", once(due))
    with dispatching(Journal(home)):
        assert looked.wait(LIMIT_S + LOOK_S)


@pytest.mark.parametrize(
    ("goes_on", "name"),
    [
        (decisions_are_looked_up, "decision-lookup"),
        (systemd_hears, "systemd"),
        (the_dead_mans_switch_is_held, "dead-man"),
        (addresses_are_found, "places"),
        (evidence_is_kept, "recorder"),
        (channels_deliver, "sms"),
        (help_that_is_late_is_noticed, "dispatch-journal"),
        (what_hangs_is_noticed, "dispatch-watch"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_fails_once_goes_on_and_is_named(
    goes_on: Callable[[Path, pytest.MonkeyPatch], None], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lasting, "AGAIN_S", (0.01,))
    goes_on(tmp_path, monkeypatch)
    assert lasting.failing() == (name,)


@pytest.mark.usefixtures("room")
def test_the_sound_server_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasting, "AGAIN_S", (0.01,))
    monkeypatch.setattr(route, "LOOK_S", 0.01)
    monkeypatch.setattr(route, "_source", once(lambda server: route.Source("usb", muted=True)))
    watch = route.Watch()
    watch.begin()
    until(lambda: watch.fault is SoundFault.MUTED)
    watch.close()


def test_pages_that_end_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web = WebServer(Settings(home=tmp_path, web=Web(port=0)))

    def ends(station: object) -> Any:
        raise SystemExit(3)  # as uvicorn does where it cannot start

    monkeypatch.setattr(web, "_make_server", ends)
    view = SimpleNamespace(ready=threading.Event())
    view.ready.set()
    web.start(SimpleNamespace(view=view, ending=False))  # type: ignore[arg-type]
    until(lambda: lasting.failing() == ("pages",))
    web.close()
