"""Incidents reach document databases once, over the real drivers."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from safety_monitor.delivery import DeliveryState, Result
from safety_monitor.escalation import Nature, Planned, delivery_key
from safety_monitor.identity import Identity
from safety_monitor.incident import Evidence, Sense, State
from safety_monitor.journal.incidents import Journal
from safety_monitor.place import Place
from tests.alarms import SCREAM, alarm
from tests.servers.firebase import FakeFirebase, fake_firebase
from tests.servers.trickle import trickling_server

STATION = Identity("22222222-0000-0000-0000-000000000002", "kiosk")
INCIDENT = replace(
    SCREAM,
    evidence=(Evidence(Sense.AUDIO, "scream", 0.95, 12.0), Evidence(Sense.GESTURE, "signal_for_help", 0.9, 13.5)),
    reason="scream 0.95",
)
MESSAGE = replace(alarm("mongodb", INCIDENT), place=Place(52.5, 13.4, 25.0, "Berlin", "settings"))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path)
    names = [("sms:anna", Nature.MESSAGE), ("mongodb", Nature.RECORD), ("firebase", Nature.RECORD)]
    planned = [Planned(delivery_key(INCIDENT.id, name, "alarm"), name, nature, "alarm") for name, nature in names]
    journal.record(INCIDENT, planned, "microphone default")
    yield journal
    journal.close()


@pytest.fixture
def firebase() -> Iterator[FakeFirebase]:
    pytest.importorskip("firebase_admin", reason="needs the extra firebase")
    with fake_firebase() as server:
        yield server


def fire(server: FakeFirebase, journal: Journal, **changes: Any) -> Any:
    from safety_monitor.actions.firebase import Firebase

    given: dict[str, Any] = {"credentials_file": None, "path": "incidents", "station": STATION, "threshold": 0.8}
    return Firebase(server.url, entry_of=journal.show, **given | changes)


@pytest.fixture
def mongo() -> Iterator[Any]:
    pytest.importorskip("pymongo", reason="needs the extra mongodb")
    from tests.servers.mongo import fake_mongo

    with fake_mongo() as server:
        yield server


def mongodb(server: Any, journal: Journal, **changes: Any) -> Any:
    from safety_monitor.actions.mongodb import MongoDB

    given: dict[str, Any] = {"database": "safety", "collection": "incidents", "station": STATION, "threshold": 0.8}
    return MongoDB(f"mongodb://127.0.0.1:{server.port}", entry_of=journal.show, **given | changes)


def test_mongodb_keeps_one_document_an_incident(mongo: Any, journal: Journal) -> None:
    out = mongodb(mongo, journal)
    assert out.check().ok
    outcome = out.deliver(MESSAGE)
    assert (outcome.ok, outcome.delivered) == (True, True)
    document = mongo.documents[INCIDENT.id]
    entry = journal.show(INCIDENT.id)
    assert document["timestamp"].replace(tzinfo=UTC) == datetime.fromisoformat(entry.opened_at)
    assert (document["source"], document["probability"], document["threshold"]) == ("microphone default", 0.91, 0.8)
    assert (document["is_scream"], document["alert_types"]) == (True, ["scream", "signal_for_help"])
    assert document["location"]["address"] == "Berlin"
    assert document["location"]["accuracy_m"] == 25.0
    assert (document["user"], document["device"]["id"]) == ("kiosk", STATION.id)
    assert document["response_status"] == "confirmed"
    assert [each["probability"] for each in document["features"]] == [0.95, 0.9]
    assert {each["channel"] for each in document["deliveries"].values()} == {"sms:anna", "firebase"}
    assert (document["notes"], document["duress"], document["test"]) == ("scream 0.95", False, False)
    out.close()


def test_mongodb_a_repeated_delivery_changes_nothing_and_a_change_updates(mongo: Any, journal: Journal) -> None:
    out = mongodb(mongo, journal)
    assert out.deliver(MESSAGE).ok
    before = dict(mongo.documents[INCIDENT.id])
    assert out.deliver(MESSAGE).ok
    assert (len(mongo.documents), mongo.documents[INCIDENT.id], mongo.updates) == (1, before, 2)
    journal.decide(INCIDENT.id, State.ACKNOWLEDGED, "by a person")
    assert out.deliver(replace(MESSAGE, kind="duress")).ok
    assert out.deliver(replace(MESSAGE, kind="update")).ok
    document = mongo.documents[INCIDENT.id]
    assert (document["response_status"], document["duress"]) == ("acknowledged", True)
    out.close()


def test_mongodb_that_does_not_answer_or_is_not_there(mongo: Any, journal: Journal) -> None:
    out = mongodb(mongo, journal, limits_s=(2.0, 0.3))
    assert out.check().ok
    mongo.mute = True
    outcome = out.deliver(MESSAGE)
    assert (outcome.ok, outcome.again) == (False, True)
    out.close()
    mongo.port = 1
    away = mongodb(mongo, journal, limits_s=(0.5, 0.5))
    outcome = away.deliver(MESSAGE)
    assert (outcome.ok, outcome.again) == (False, True)
    assert "refused" in outcome.detail
    away.close()


def test_mongodb_tells_no_password(mongo: Any, journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    from safety_monitor.actions.mongodb import MongoDB

    caplog.set_level("DEBUG")
    given: dict[str, Any] = {"database": "safety", "collection": "incidents", "station": STATION, "threshold": 0.8}
    told = ""
    for url in ("mongodb://u:planted%2Fword@127.0.0.1:1/", "mongodb://u:pl@nted@@:x/planted"):
        try:
            out = MongoDB(url, entry_of=journal.show, limits_s=(0.5, 0.5), **given)
        except ValueError as error:
            told += str(error)
        else:
            told += repr(out.deliver(MESSAGE))
            out.close()
    assert "planted" not in told + caplog.text


def test_firebase_keeps_one_node_an_incident(firebase: FakeFirebase, journal: Journal) -> None:
    out = fire(firebase, journal)
    assert out.check().ok
    for kind in ("alarm", "alarm", "duress", "update"):
        outcome = out.deliver(replace(MESSAGE, kind=kind))
        assert (outcome.ok, outcome.delivered) == (True, True)
    assert list(firebase.tree["incidents"]) == [INCIDENT.id]
    node = firebase.tree["incidents"][INCIDENT.id]
    assert (node["response_status"], node["duress"], node["is_scream"]) == ("confirmed", True, True)
    assert node["location"]["latitude"] == 52.5
    assert datetime.fromisoformat(node["timestamp"]) == datetime.fromisoformat(journal.show(INCIDENT.id).opened_at)
    out.close()


def test_firebase_a_failure_that_was_made_up_for_is_none_any_more(firebase: FakeFirebase, journal: Journal) -> None:
    out = fire(firebase, journal)
    for version, state in enumerate((DeliveryState.FAILED, DeliveryState.DELIVERED), start=1):
        key = delivery_key(INCIDENT.id, "sms:anna", "alarm")
        journal.outbox.finish([Result(key, version, state, "refused")])
        assert out.deliver(MESSAGE).ok
        assert firebase.tree["incidents"][INCIDENT.id].get("error", "") == ("sms:anna: refused", "")[version - 1]
        if state is DeliveryState.FAILED:
            journal.outbox.retry(key)
    out.close()


def test_firebase_that_refuses_does_not_answer_or_is_not_there(firebase: FakeFirebase, journal: Journal) -> None:
    out = fire(firebase, journal, answer_s=0.3)
    firebase.status = 401
    outcome = out.deliver(MESSAGE)
    assert (outcome.ok, outcome.again) == (False, True)
    assert "Permission denied" in outcome.detail
    firebase.status, firebase.mute = 200, True
    assert out.deliver(MESSAGE).again
    out.close()
    firebase.url = "http://127.0.0.1:1?ns=safety"
    away = fire(firebase, journal)
    outcome = away.deliver(MESSAGE)
    assert (outcome.ok, outcome.again) == (False, True)
    away.close()


def test_firebase_an_answer_that_trickles_in_keeps_nobody_waiting(firebase: FakeFirebase, journal: Journal) -> None:
    with trickling_server() as port:
        firebase.url = f"http://127.0.0.1:{port}?ns=safety"
        out = fire(firebase, journal, answer_s=0.2)
        outcome = out.deliver(MESSAGE)
    assert (outcome.ok, outcome.again) == (False, True)
    assert "no whole answer in time" in outcome.detail
    out.close()


def test_firebase_an_address_or_a_file_that_cannot_be_used_is_an_error(
    firebase: FakeFirebase, journal: Journal, tmp_path: Path
) -> None:
    (tmp_path / "account.json").write_text('{"type": "planted"}')
    with pytest.raises(ValueError):
        fire(firebase, journal, credentials_file=tmp_path / "account.json")
    with pytest.raises(OSError):
        fire(firebase, journal, credentials_file=tmp_path / "missing.json")
    firebase.url = "ftp://x"
    with pytest.raises(ValueError):
        fire(firebase, journal)
