"""Incidents over the REST API and a real journal: found, decided about, with evidence, deliveries and export."""

import csv
import io
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from safety_monitor.config.web import Web, WebToken, WebUser
from safety_monitor.delivery import DeliveryState, Result
from safety_monitor.escalation import Nature, Planned, delivery_key
from safety_monitor.incident import Sense, State
from safety_monitor.journal.entry import Entry
from safety_monitor.journal.file import JournalError
from safety_monitor.journal.incidents import Journal
from safety_monitor.place import Place
from safety_monitor.web.access import hash_password, new_token
from safety_monitor.web.site import Site
from tests.web_site import PIN, MakeSite, client_of, incident_of

ID = f"{1:032x}"
PATH = f"/api/v1/incidents/{ID}"
TOKEN, TOKEN_HASH = new_token()


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


def test_evidence_is_listed_and_given_in_ranges(client: TestClient, site: Site) -> None:
    site.journal.record(incident_of(1))
    site.evidence.save(ID, "sound.flac", bytes(range(100)))
    (described,) = client.get(f"{PATH}/evidence").json()
    assert described == {"name": "sound.flac", "type": "audio/flac", "bytes": 100, "protected": False}
    part = client.get(f"{PATH}/evidence/sound.flac", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    assert part.headers["content-type"] == "audio/flac"
    assert client.get(f"{PATH[:-30]}/evidence/sound.flac").content == bytes(range(100))


@pytest.mark.parametrize("hangs", [False, True], ids=["it refuses", "it hangs"])
def test_evidence_that_cannot_be_read_is_told_in_one_line_and_keeps_nothing_else_up(
    client: TestClient, site: Site, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    site.journal.record(incident_of(1))
    site.evidence.save(ID, "sound.flac", b"x")
    over, folder = threading.Event(), site.settings.home / "evidence" / ID
    if hangs:
        monkeypatch.setattr("safety_monitor.web.site.ANSWER_S", 0.2)
        monkeypatch.setattr(type(site.evidence), "files", lambda *_: over.wait(60.0))
        why = "the disk has not answered for 0.2 s"
    else:
        shutil.rmtree(folder)
        folder.touch()  # no folder; a disk that fails, or belongs to somebody else, refuses in the same way
        why = "Not a directory"
    for path in ("", "/sound.flac"):
        answer = client.get(f"{PATH}/evidence{path}")
        assert (answer.status_code, answer.json()) == (503, {"detail": f"what was recorded cannot be read: {why}"})
    if not hangs:
        answer = client.post(f"{PATH}/protect", json={"protected": True})
        assert (answer.status_code, answer.json()["detail"].endswith(f": {why}")) == (409, True)
    assert client.post(f"{PATH}/ack").json()["state"] == "acknowledged"
    over.set()


def test_evidence_is_kept_for_good_until_somebody_lets_it_go(client: TestClient, site: Site) -> None:
    site.journal.record(incident_of(1))
    assert client.post(f"{PATH}/protect", json={"protected": True}).status_code == 409  # there is none
    site.evidence.save(ID, "sound.flac", b"x")
    (kept,) = client.post(f"{PATH}/protect", json={"protected": True}).json()
    assert kept["protected"]
    assert [each.protected for each in site.evidence.kept()] == [True]
    (gone,) = client.post(f"{PATH}/protect", json={"protected": False}).json()
    assert not gone["protected"]
    assert client.post(f"{PATH}/protect", json={}).status_code == 422


@pytest.mark.parametrize("name", ["nothing.flac", "%2e%2e", "%2e%2e%2f%2e%2e%2fjournal.sqlite", ".protected", "a%00"])
def test_no_other_file_can_be_had(client: TestClient, site: Site, name: str) -> None:
    site.journal.record(incident_of(1))
    site.evidence.save(ID, "sound.flac", b"x")
    site.evidence.protect(ID)
    assert client.get(f"{PATH}/evidence/{name}").status_code in (404, 422)


def test_a_delivery_that_failed_is_tried_again(client: TestClient, journal: Journal) -> None:
    key = delivery_key(ID, "sms:anna", "alarm")
    journal.record(incident_of(1), [Planned(key, "sms:anna", Nature.MESSAGE, "alarm")])
    journal.outbox.finish([Result(key, 1, DeliveryState.FAILED, "no credit")])
    assert client.post(f"{PATH}/retry", json={"key": "nothing"}).status_code == 404
    (delivery,) = client.post(f"{PATH}/retry", json={"key": key}).json()["deliveries"]
    assert (delivery["state"], delivery["detail"]) == ("pending", "no credit")
    journal.outbox.finish([Result(key, 2, DeliveryState.DELIVERED, "arrived")])
    assert client.post(f"{PATH}/retry", json={"key": key}).status_code == 409


@pytest.mark.parametrize("over", [False, True], ids=["open", "closed by itself before"])
def test_people_are_told_now_because_somebody_says_so(client: TestClient, journal: Journal, over: bool) -> None:
    assert client.post(f"{PATH}/alert", json={"channel": "sms"}).status_code == 404
    later = Planned(delivery_key(ID, "sms:anna", "alarm"), "sms:anna", Nature.MESSAGE, "alarm", after_s=600.0)
    journal.record(incident_of(1), [later])
    assert client.post(f"{PATH}/alert", json={"channel": "pigeon"}).status_code == 409
    both = {"sms:anna": Nature.MESSAGE, "sms:otto": Nature.MESSAGE}
    keys = journal.alert(ID, both)
    assert keys == [f"{ID}:sms:anna:alarm", f"{ID}:sms:otto:alarm"]  # what waited comes now, and not twice
    assert [job.key for name in both for job in journal.outbox.due(name)] == keys
    assert journal.alert(ID, {"sms:otto": Nature.MESSAGE}) == [f"{ID}:sms:otto:alarm:1"]
    if over:
        journal.record(incident_of(1, State.CLOSED))
        assert journal.alert(ID, {"sms:otto": Nature.MESSAGE}) == [f"{ID}:sms:otto:alarm:2"]
    journal.decide(ID, State.CANCELLED, "by a person")
    with pytest.raises(JournalError, match="is cancelled"):
        journal.alert(ID, both)


def test_people_say_what_it_was(client: TestClient, journal: Journal) -> None:
    journal.record(incident_of(1))
    assert client.post(f"{PATH}/mark", json={"mark": "false"}).json()["mark"] == "false"
    assert client.post(f"{PATH}/mark", json={"mark": "nonsense"}).status_code == 422
    assert client.post(f"{PATH}/mark", json={}).status_code == 409
    said = client.post(f"{PATH}/mark", json={"mark": "real", "note": '=HYPERLINK("x")'}).json()
    assert (said["mark"], said["state"]) == ("real", "confirmed")
    assert [(each["by"], each["mark"]) for each in said["remarks"]] == [
        ("this machine", "false"),
        ("this machine", "real"),
    ]
    (row,) = csv.DictReader(io.StringIO(client.get("/api/v1/incidents.csv").text))
    assert (row["mark"], row["notes"]) == ("real", '\'=HYPERLINK("x")')


def test_a_viewer_can_neither_mark_nor_keep_nor_retry_nor_alert(make_site: MakeSite, journal: Journal) -> None:
    users = (WebUser(name="vera", role="viewer", password_hash=hash_password("correct horse")),)
    tokens = (WebToken(name="reader", role="viewer", token_hash=TOKEN_HASH),)
    client = client_of(make_site(Web(users=users, tokens=tokens)), Authorization=f"Bearer {TOKEN}")
    journal.record(incident_of(1))
    assert client.get(f"{PATH}/evidence").status_code == 200
    assert client.post(f"{PATH}/mark", json={"mark": "real"}).status_code == 403
    assert client.post(f"{PATH}/protect", json={"protected": False}).status_code == 403
    assert client.post(f"{PATH}/retry", json={"key": "x"}).status_code == 403
    assert client.post(f"{PATH}/alert", json={"channel": "sms"}).status_code == 403


def test_the_table_is_taken_along(client: TestClient, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("safety_monitor.journal.search.EXPORTED", 3)
    monkeypatch.setattr("safety_monitor.web.export.AT_ONCE", 2)
    for number in range(1, 8):
        place = Place(52.5, 13.4, None, "", "browser") if number == 1 else None
        journal.record(incident_of(number, sense=Sense.GESTURE if number % 2 else Sense.AUDIO), place=place)
    answer = client.get("/api/v1/incidents.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="incidents.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert sorted(row["incident"] for row in rows) == [f"{number:032x}" for number in range(1, 8)]
    (there,) = [row for row in rows if row["latitude"]]
    assert (there["incident"], there["labels"], there["longitude"]) == (ID, "signal_for_help", "13.4")
    hands = client.get("/api/v1/incidents.json", params={"sense": "gesture"}).json()
    assert [each["labels"] for each in hands] == [["signal_for_help"]] * 4
    assert client.get("/api/v1/incidents.json", params={"state": "closed"}).json() == []


def test_however_many_look_or_sign_in_at_once_an_incident_is_answered(
    make_site: MakeSite, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The routes have forty threads, the event loop six on a small machine."""
    users = (WebUser(name="otto", role="operator", password_hash=hash_password("correct horse")),)
    tokens = (WebToken(name="wall", role="operator", token_hash=TOKEN_HASH),)
    site = make_site(Web(users=users, tokens=tokens))
    journal.record(incident_of(1))
    over, waiting = threading.Event(), threading.Semaphore(0)
    waited: list[bool] = []

    def hang(*_: object) -> tuple[Sequence[Entry], None]:
        waiting.release()
        waited.append(over.wait(60.0))
        return (), None

    monkeypatch.setattr(site.access, "sign_in", lambda *_: hang()[1])
    monkeypatch.setattr("safety_monitor.web.incident_api.find_incidents", hang)
    form = {"name": "otto", "password": "correct horse"}
    with client_of(site, Authorization=f"Bearer {TOKEN}") as client, ThreadPoolExecutor(100) as guests:
        for _ in range(50):
            guests.submit(client.get, "/api/v1/incidents")
            guests.submit(client.post, "/login", data=form)
        for _ in range(42):  # all forty of the routes, and the two for passwords
            assert waiting.acquire(timeout=60.0)
        assert client.post(f"{PATH}/ack").json()["state"] == "acknowledged"
        assert client.post(f"{PATH}/cancel").json()["state"] == "cancelled"
        assert client.post("/api/v1/disarm").json() == {"armed": False}
        assert not waited  # for as long as all these hang
        over.set()
