"""The REST API over a real journal."""

import asyncio
import io
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
from httpx import Response
from starlette.testclient import TestClient

from models.registry import SHIPPED
from safety_monitor.actions.mqtt import Order, RefusedError
from safety_monitor.actions.outcome import Outcome
from safety_monitor.config.web import Web, WebToken, WebUser
from safety_monitor.demo.scene import FPS, picture_at
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.incident import Sense, State
from safety_monitor.journal.incidents import Journal
from safety_monitor.remote import Remote
from safety_monitor.supervision.supervisor import Ill
from safety_monitor.web.access import hash_password, new_token
from safety_monitor.web.analysis_process import WAITING
from safety_monitor.web.site import Site
from tests.outlet import Outlet
from tests.web_site import DURESS_PIN, PIN, MakeSite, client_of, incident_of

SOMEBODY = WebUser(name="anna", role="admin", password_hash=hash_password("correct horse"))


@pytest.fixture(scope="module")
def picture() -> bytes:
    """The demo scene's hand, as a JPEG file."""
    return cv2.imencode(".jpg", picture_at(round(40.0 * FPS))[..., ::-1])[1].tobytes()


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("POST", "/api/v2/health", 404),
        ("GET", "/api/", 404),
        ("DELETE", "/api/v1/health", 405),
    ],
)
def test_an_address_that_is_none_is_answered_as_everything_else_is(
    client: TestClient, method: str, address: str, status: int
) -> None:
    answer = client.request(method, address)
    assert (answer.status_code, [*answer.json()]) == (status, ["detail"])
    assert answer.headers.get("allow") == ("GET" if status == 405 else None)


def test_health_says_what_is_wrong(client: TestClient, site: Site) -> None:
    answer = client.get("/api/v1/health")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["audio: not opened yet", "gesture: not opened yet"]
    site.view.opened(Sense.AUDIO, "microphone", False)
    site.view.opened(Sense.GESTURE, "camera", False)
    answer = client.get("/api/v1/health")
    well = {"ok": True, "armed": True, "reasons": [], "parts": [], "lag_s": {}}
    assert (answer.status_code, answer.json()) == (200, well)
    site.station.supervisor.check("journal", Ill("disk full", at_once=True))
    site.station.supervisor.check(Sense.GESTURE, Ill("camera is in the dark", note=True))
    answer = client.get("/api/v1/health")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["journal: disk full"])
    parts = {part["about"]: (part["phase"], part["note"]) for part in answer.json()["parts"]}
    assert parts == {"journal": ("failed", False), "gesture": ("stalled", True)}


def test_incidents_come_page_by_page_and_filtered(client: TestClient, journal: Journal) -> None:
    for number in range(7):
        journal.record(incident_of(number, sense=Sense.GESTURE if number % 2 else Sense.AUDIO))
    seen: list[str] = []
    after = ""
    while after is not None:
        page = client.get("/api/v1/incidents", params={"limit": 3, "after": after}).json()
        seen += [each["incident"] for each in page["incidents"]]
        after = page["older"]
    assert sorted(seen) == [f"{number:032x}" for number in range(7)]
    hands = client.get("/api/v1/incidents", params={"sense": "gesture"}).json()["incidents"]
    assert [each["labels"] for each in hands] == [["signal_for_help"]] * 3
    assert client.get("/api/v1/incidents", params={"state": "cancelled"}).json()["incidents"] == []


@pytest.mark.parametrize(
    "query", ["state=burning", "limit=0", "limit=1000", "after=nothing", "since=yesterday", "sense=nose"]
)
def test_a_wrong_filter_is_refused(client: TestClient, query: str) -> None:
    assert client.get(f"/api/v1/incidents?{query}").status_code == 422


def test_an_incident_is_acknowledged_then_cancelled(client: TestClient, journal: Journal) -> None:
    journal.record(incident_of(1))
    path = f"/api/v1/incidents/{1:032x}"
    assert client.post(f"{path}/ack").json()["state"] == "acknowledged"
    assert client.post(f"{path}/ack").status_code == 409
    assert client.post(f"{path}/cancel").json()["state"] == "cancelled"
    assert client.get(path).json()["state"] == "cancelled"
    assert journal.state_of(f"{1:032x}") is State.CANCELLED


def test_cancelling_takes_the_pin_where_there_is_one(make_site: MakeSite, journal: Journal) -> None:
    client = client_of(make_site(pin=True))
    journal.record(incident_of(1))
    path = f"/api/v1/incidents/{1:032x}/cancel"
    assert client.post(path).status_code == 403
    assert client.post(path, json={"pin": "1111"}).status_code == 403
    assert client.post(path, json={"pin": PIN}).json()["state"] == "cancelled"


@pytest.mark.parametrize("body", [b'{"pin": ["24\\ud8005"]}', b'{"\\ud800": 1}', b'{"pin": 1e999}', b"{"])
def test_what_is_malformed_is_told_and_not_repeated(client: TestClient, journal: Journal, body: bytes) -> None:
    journal.record(incident_of(1))
    headers = {"Content-Type": "application/json"}
    answer = client.post(f"/api/v1/incidents/{1:032x}/cancel", content=body, headers=headers)
    assert (answer.status_code, "24" in answer.text) == (422, False)


def test_an_unknown_incident_is_not_found(client: TestClient) -> None:
    assert client.get("/api/v1/incidents/nothing").status_code == 404
    assert client.post("/api/v1/incidents/nothing/ack").status_code == 404


def test_arming_and_disarming(client: TestClient, site: Site) -> None:
    assert client.post("/api/v1/disarm").json() == {"armed": False}
    assert not site.station.armed
    assert client.post("/api/v1/arm").json() == {"armed": True}
    assert site.station.armed


def test_wrong_pins_are_counted_over_all_ways_in_together(make_site: MakeSite, journal: Journal) -> None:
    journal.record(incident_of(1))
    site = make_site(pin=True)
    client, remote = client_of(site), Remote(site.station)
    for _ in range(2):
        assert client.post("/api/v1/disarm", json={"pin": "0000"}).json() == {"detail": "the PIN is wrong"}
        with pytest.raises(RefusedError, match="the PIN is wrong"):
            remote.carry_out(Order("cancel", pin="0000"))
    path = f"/api/v1/incidents/{incident_of(1).id}/cancel"
    assert client.post(path, json={"pin": "0000"}).json() == {"detail": "the PIN is wrong"}
    assert "too many wrong PINs" in client.post(path, json={"pin": PIN}).json()["detail"]
    with pytest.raises(RefusedError, match="too many wrong PINs"):
        remote.carry_out(Order("disarm", pin=PIN))


def test_disarming_takes_the_pin_and_the_duress_pin_tells_everybody_unseen(
    make_site: MakeSite, journal: Journal, tmp_path: Path
) -> None:
    sms = Outlet("sms:anna")
    other = Journal(tmp_path / "other")
    dispatch = Dispatch(other, [sms])
    site = make_site(pin=True, dispatch=dispatch)
    client = client_of(site)
    for body in (None, {}, {"pin": "1111"}):
        assert client.post("/api/v1/disarm", json=body).status_code == 403
        assert site.station.armed
    quietly = client.post("/api/v1/disarm", json={"pin": PIN})
    site.station.arm(True)
    forced = client.post("/api/v1/disarm", json={"pin": DURESS_PIN})
    dispatch.close()
    assert (forced.status_code, forced.json()) == (quietly.status_code, quietly.json()) == (200, {"armed": False})
    assert not site.station.armed
    assert [message.kind for message in sms.messages] == ["duress"]
    assert sms.messages[0].text.startswith(
        "EMERGENCY at station: disarmed or changed by somebody who is being FORCED to. Help is needed.\nDo not call or"
    )
    assert (other.list(), other.outbox.list(), other.outbox.count()) == ([], [], {})
    other.close()


def test_a_test_alert_says_what_came_of_each_channel(make_site: MakeSite, tmp_path: Path) -> None:
    alarm, mail = Outlet("alarm"), Outlet("email", [Outcome(ok=False, detail="no network", again=True)])
    journal = Journal(tmp_path / "other")
    dispatch = Dispatch(journal, [alarm, mail])
    try:
        client = client_of(make_site(dispatch=dispatch))
        both = client.post("/api/v1/test-alert").json()
        assert [(each["channel"], each["ok"], each["detail"]) for each in both] == [
            ("alarm", True, "done"),
            ("email", False, "no network"),
        ]
        (one,) = client.post("/api/v1/test-alert", json={"channel": "alarm"}).json()
        assert one["delivered"]
        assert client.post("/api/v1/test-alert", json={"channel": "fax"}).status_code == 404
        assert [message.kind for message in alarm.messages] == ["test", "test"]
        assert journal.list(5) == []
    finally:
        dispatch.close()
        journal.close()


def test_only_an_admin_sends_a_test_alert(make_site: MakeSite) -> None:
    token, token_hash = new_token()
    web = Web(tokens=(WebToken(name="t", role="operator", token_hash=token_hash),), users=(SOMEBODY,))
    client = client_of(make_site(web), Authorization=f"Bearer {token}")
    assert client.post("/api/v1/test-alert").status_code == 403
    assert client.get("/api/v1/models").status_code == 200


def test_models_are_listed_and_those_in_use_named(client: TestClient, tmp_path: Path) -> None:
    shutil.copytree(SHIPPED / "signs", tmp_path / "models" / "signs")
    (tmp_path / "models" / "broken").mkdir(parents=True)
    (tmp_path / "models" / "broken" / "card.md").write_text("nothing")
    models = client.get("/api/v1/models").json()
    used = {(each["name"], each["shipped"]) for each in models if each["in_use"]}
    assert used == {("signs", False), ("scream", True), ("motions", True)}
    (broken,) = [each for each in models if each["problem"]]
    assert broken["name"] == "broken"
    assert "open_palm" in next(each["labels"] for each in models if each["task"] == "signs")


def test_metrics_are_those_of_the_station(client: TestClient, site: Site, journal: Journal) -> None:
    journal.record(incident_of(1))
    site.view.opened(Sense.AUDIO, "microphone", False)
    answer = client.get("/api/v1/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert 'safety_monitor_sense_healthy{sense="audio"} 1.0' in lines
    assert 'safety_monitor_sense_healthy{sense="gesture"} 0.0' in lines
    assert 'safety_monitor_incidents{state="confirmed"} 1.0' in lines


def test_whoever_watches_the_station_is_told_in_time_that_its_journal_hangs(
    client: TestClient, site: Site, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.view.opened(Sense.AUDIO, "microphone", False)
    site.view.opened(Sense.GESTURE, "camera", False)
    over = threading.Event()
    for name in ("list", "count_by_state"):
        monkeypatch.setattr(journal, name, lambda *_: over.wait(60.0))
    assert client.get("/api/v1/health").json()["reasons"] == ["the journal has not answered for 2 s"]
    figures = client.get("/api/v1/metrics")
    assert (figures.status_code, "safety_monitor_healthy 0.0" in figures.text) == (200, True)
    over.set()


def test_a_picture_is_judged_and_its_name_only_shown(client: TestClient, picture: bytes, tmp_path: Path) -> None:
    answer = client.post("/api/v1/analyze", files={"file": ("../../hand.exe", picture, "text/html")})
    assert answer.status_code == 200, answer.text
    assert answer.json()["file"] == "hand.exe"
    assert answer.json()["signs"]
    assert not list(tmp_path.rglob("*hand*"))


def test_no_recording_is_refused(client: TestClient) -> None:
    for content in (b"", b"#EXTM3U\nfile:///etc/passwd\n", b"PK\x03\x04" + b"\0" * 100):
        assert client.post("/api/v1/analyze", files={"file": ("a.wav", content)}).status_code == 415


def test_a_damaged_recording_is_refused_without_a_path(client: TestClient) -> None:
    answer = client.post("/api/v1/analyze", files={"file": ("a.jpg", b"\xff\xd8\xff\xe0" + b"\0" * 1000)})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("a.jpg: ")


@pytest.mark.parametrize("form", [{}, {"data": {"file": "text"}}, {"files": {"other": ("a.wav", b"RIFF")}}])
def test_a_form_without_a_file_is_refused(client: TestClient, form: dict[str, dict[str, str]]) -> None:
    assert client.post("/api/v1/analyze", **form).status_code in (400, 422)


def test_a_claimed_size_is_refused_before_anything_is_read(make_site: MakeSite) -> None:
    client = client_of(make_site(Web(upload_mb=1)))
    assert client.post("/api/v1/analyze", headers={"Content-Length": str(2 << 30)}).status_code == 413


def test_an_endless_upload_is_ended_at_the_limit(make_site: MakeSite) -> None:
    client = client_of(make_site(Web(upload_mb=1)))
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        while sent < 8 << 20:
            sent += 1 << 16
            yield b"\0" * (1 << 16)

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert client.post("/api/v1/analyze", content=pieces(), headers=headers).status_code == 413


def test_a_recording_that_takes_too_long_is_given_up(make_site: MakeSite) -> None:
    client = client_of(make_site(Web(analysis_limit_s=0.05)))
    answer = client.post("/api/v1/analyze", files={"file": ("a.wav", silence_file())})
    assert answer.status_code == 422
    assert "longer than 0.05 s" in answer.json()["detail"]


def test_recordings_that_wait_for_their_turn_are_few_and_hold_up_nobody_else(site: Site) -> None:
    over = threading.Event()

    async def crowd() -> Response:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        waiting = [asyncio.create_task(site.analyses.in_turn(over.wait)) for _ in range(WAITING)]
        await asyncio.sleep(0)  # until all have begun to wait
        try:
            post = partial(client_of(site).post, "/api/v1/analyze", files={"file": ("a.wav", silence_file())})
            return await asyncio.to_thread(post)  # whoever acknowledges on a page needs such a thread, too
        finally:
            over.set()
            await asyncio.gather(*waiting)

    answer = asyncio.run(crowd())
    assert answer.status_code == 429
    assert "too many recordings are waiting" in answer.json()["detail"]


def silence_file() -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(16_000), 16_000, format="WAV")
    return buffer.getvalue()
