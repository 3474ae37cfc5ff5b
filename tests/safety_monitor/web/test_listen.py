"""A microphone elsewhere: sound in over a web socket, readings and incidents out."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from audio.blocks import Block
from audio.detector import ScreamDetector, SoundReading, load_scream_model
from safety_monitor import listeners
from safety_monitor.config.web import Web, WebToken, WebUser
from safety_monitor.demo.scream import room_noise, scream
from safety_monitor.incident import State
from safety_monitor.journal.incidents import Journal
from safety_monitor.listeners import Ears
from safety_monitor.place import Place
from safety_monitor.web.access import hash_password, new_token
from safety_monitor.web.site import Site
from tests.web_site import MakeSite, client_of

RATE = 48_000
PATH = f"ws://localhost/api/v1/listen?rate={RATE}"
TOKEN, TOKEN_HASH = new_token()
VIEWER, VIEWER_HASH = new_token()
WEB = Web(
    users=(WebUser(name="anna", role="operator", password_hash=hash_password("correct horse")),),
    tokens=(
        WebToken(name="phone", role="operator", token_hash=TOKEN_HASH),
        WebToken(name="reader", role="viewer", token_hash=VIEWER_HASH),
    ),
)


def pieces(seconds: float = 4.0) -> Iterator[bytes]:
    """A scream in a quiet room, as a browser sends it."""
    sound = 0.01 * room_noise(seconds, RATE)
    cry = scream(2.5, RATE)
    sound[RATE : RATE + len(cry)] += 0.8 * cry
    pcm = (np.clip(sound, -1, 1) * 32_767).astype("<i2")
    for begin in range(0, len(pcm), RATE // 10):
        yield pcm[begin : begin + RATE // 10].tobytes()


def until(socket: Any, **wanted: str) -> dict[str, Any]:
    """The first message in which these are so."""
    while True:
        message: dict[str, Any] = socket.receive_json()
        if all(message.get(key) == value for key, value in wanted.items()):
            return message


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound may come faster than time passes, so that a test need not last as long as its sound."""
    monkeypatch.setattr("audio.live.AHEAD_S", 60.0)


def test_a_scream_becomes_an_incident_with_its_position_and_its_sound(
    make_site: MakeSite, journal: Journal, at_once: None
) -> None:
    site = make_site(WEB)
    client = client_of(site, Authorization=f"Bearer {TOKEN}")
    with client.websocket_connect(PATH) as socket:
        assert socket.receive_json() == {"type": "ready", "threshold": 0.8}
        socket.send_text("nonsense")
        assert until(socket, type="problem")["detail"] == "neither sound nor a position"
        socket.send_json({"latitude": 52.5, "longitude": 13.4, "accuracy_m": 12.0})
        for piece in pieces():
            socket.send_bytes(piece)
        reading = until(socket, type="reading", label="scream")
        assert reading["probabilities"]["scream"] == max(reading["probabilities"].values())
        assert (reading["deaf"], reading["armed"]) == (False, True)
        told = until(socket, type="incident", state="confirmed")
        site.decisions.decide(told["incident"], State.ACKNOWLEDGED)
        answer: dict[str, Any] = {}
        while answer.get("state") != "acknowledged":  # the sound goes on meanwhile, as it does in a room
            socket.send_bytes(bytes(2 * RATE // 5))
            answer = socket.receive_json()
        assert answer["incident"] == told["incident"]
    site.listeners.close()
    entry = journal.show(told["incident"])
    assert [step.state for step in entry.transitions] == [
        State.PENDING,
        State.CONFIRMED,
        State.ACKNOWLEDGED,
        State.CLOSED,
    ]
    assert entry.source == "page (phone)"
    assert entry.place == Place(52.5, 13.4, 12.0, "", "browser")
    assert [path.name for path in site.evidence.files(told["incident"])] == ["sound.flac"]


def test_a_disarmed_station_hears_and_opens_nothing(client: TestClient, site: Site, at_once: None) -> None:
    site.station.arm(False)
    with client.websocket_connect(PATH) as socket:
        for piece in pieces():
            socket.send_bytes(piece)
        assert until(socket, type="reading", label="scream")["armed"] is False
    site.listeners.close()
    assert site.journal.list() == []


def test_an_incident_of_ears_that_fail_ends_as_all_do(
    make_site: MakeSite, journal: Journal, at_once: None, caplog: pytest.LogCaptureFixture
) -> None:
    site = make_site(WEB)

    class Failing(ScreamDetector):
        def feed(self, block: Block) -> list[SoundReading]:
            incident = site.view.snapshot().incident
            if incident is not None and incident.state is State.CONFIRMED:
                raise RuntimeError("a mistake of ours")
            return super().feed(block)

    site.listeners.ears = Ears(lambda: Failing(load_scream_model()), lambda: None)
    with client_of(site, Authorization=f"Bearer {TOKEN}").websocket_connect(PATH) as socket:
        for piece in pieces():
            socket.send_bytes(piece)
        ended = until(socket, type="ended")
    assert ended["detail"] == "ended in an unforeseen way; see the station's log"
    site.listeners.close()
    assert "a mistake of ours" in caplog.text
    assert [entry.incident.state for entry in journal.list()] == [State.CLOSED]
    assert site.view.snapshot().unanswered is not None


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        (PATH, VIEWER, 403),
        (PATH, "wrong", 401),
        ("ws://localhost/api/v1/listen?rate=1", TOKEN, 422),
        ("ws://localhost/api/v1/listen?rate=many", TOKEN, 422),
        (f"ws://localhost/api/v1/listen?rate={'9' * 5000}", TOKEN, 422),
    ],
    ids=["viewer", "stranger", "too low", "no number", "too many digits"],
)
def test_who_may_not_or_cannot_be_heard_is_told_so(make_site: MakeSite, path: str, token: str, status: int) -> None:
    client = client_of(make_site(WEB), Authorization=f"Bearer {token}")
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect(path):
        pass
    assert refused.value.status_code == status


def test_there_is_room_for_so_many_and_no_more(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "LISTENERS", 1)
    with client.websocket_connect(PATH) as socket:
        socket.receive_json()
        with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect(PATH):
            pass
    assert refused.value.status_code == 503
    assert refused.value.json()["detail"] == "1 microphones are listened to already"


@pytest.mark.parametrize(("sound", "code"), [(b"odd", 1007), (bytes(RATE + 2), 1009)])
def test_what_is_no_sound_ends_it(client: TestClient, sound: bytes, code: int) -> None:
    with client.websocket_connect(PATH) as socket:
        socket.receive_json()
        socket.send_bytes(sound)
        with pytest.raises(WebSocketDisconnect) as ended:
            until(socket, type="ended")
    assert ended.value.code == code


def test_where_no_sound_comes_it_ends_and_may_be_tried_again(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audio.live.PUSHED_QUIET_S", 0.1)
    with client.websocket_connect(PATH) as socket:
        assert socket.receive_json()["type"] == "ready"
        assert "no sound" in until(socket, type="ended")["detail"]
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_json()
    assert ended.value.code == 1000  # 1008 is for whoever has signed out


def test_another_site_cannot_listen(client: TestClient) -> None:
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect(PATH, headers={"Origin": "http://evil.example"}),
    ):
        pass
    assert refused.value.status_code == 403


def test_a_system_that_gives_no_more_threads_costs_a_connection_and_no_place(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site(WEB)
    client = client_of(site, Authorization=f"Bearer {TOKEN}")
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name == "listener":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        for _ in range(listeners.LISTENERS):
            with pytest.raises(WebSocketDenialResponse) as refusal, client.websocket_connect(PATH):
                pass
            assert refusal.value.status_code == 503
    with client.websocket_connect(PATH) as socket:
        assert socket.receive_json()["type"] == "ready"
    site.listeners.close()
