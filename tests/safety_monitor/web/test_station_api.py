"""The station's routes of the REST API: its health, arming it, test alerts, models, figures."""

import shutil
import threading
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from models.registry import SHIPPED
from safety_monitor.actions.mqtt import Order, RefusedError
from safety_monitor.actions.outcome import Outcome
from safety_monitor.config.web import Web, WebToken, WebUser
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.incident import Sense
from safety_monitor.journal.incidents import Journal
from safety_monitor.remote import Remote
from safety_monitor.supervision.supervisor import Ill
from safety_monitor.web.access import hash_password, new_token
from safety_monitor.web.site import Site
from tests.outlet import Outlet
from tests.web_site import DURESS_PIN, PIN, MakeSite, client_of, incident_of

SOMEBODY = WebUser(name="anna", role="admin", password_hash=hash_password("correct horse"))


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


@pytest.mark.parametrize(
    "path", ["health", "metrics", "incidents", "incidents.csv", f"incidents/{1:032x}", "settings", "openapi.json", "no"]
)
def test_whoever_asks_for_the_head_alone_is_answered_as_whoever_asks_for_all(
    client: TestClient, site: Site, path: str
) -> None:
    site.journal.record(incident_of(1))
    whole, head = (client.request(method, f"/api/v1/{path}") for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (whole.status_code, b"")
    # What is counted in between may be a digit longer.
    lengths = [int(each.headers.get("content-length", 0)) for each in (whole, head)]
    assert lengths[1] == pytest.approx(lengths[0], abs=8 if path == "metrics" else 0)
    assert client.request("HEAD", "/api/v1/arm").status_code == 405


def test_health_says_what_is_wrong(client: TestClient, site: Site) -> None:
    answer = client.get("/api/v1/health")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["audio: not opened yet", "gesture: not opened yet"]
    site.view.opened(Sense.AUDIO, "microphone", False)
    site.view.opened(Sense.GESTURE, "camera", False)
    answer = client.get("/api/v1/health")
    well = {"ok": True, "armed": True, "reasons": [], "parts": [], "lag_s": {}}
    assert (answer.status_code, answer.json()) == (200, well)
    site.station.supervisor.check("journal", Ill("disk full"))
    site.station.supervisor.check(Sense.GESTURE, Ill("camera is in the dark", note=True))
    answer = client.get("/api/v1/health")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["journal: disk full"])
    parts = {part["about"]: (part["phase"], part["note"]) for part in answer.json()["parts"]}
    assert parts == {"journal": ("stalled", False), "gesture": ("stalled", True)}


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
