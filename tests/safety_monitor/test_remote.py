"""A station commanded from far away does what a person at it could do, and no more."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from safety_monitor.actions.mqtt import Order, RefusedError
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.incident import Sense, State
from safety_monitor.journal.incidents import Journal
from safety_monitor.people.decision import Decisions, hash_of
from safety_monitor.remote import Remote
from safety_monitor.station import Station
from tests.idle_station import idle_station
from tests.web_site import PIN, incident_of

OLD, NEW, SILENT = incident_of(1), incident_of(2), incident_of(3)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    clock = iter(range(1_800_000_000, 1_900_000_000))
    journal = Journal(tmp_path, clock=lambda: float(next(clock)))
    yield journal
    journal.close()


@pytest.fixture
def station(journal: Journal) -> Iterator[Station]:
    dispatch = Dispatch(journal, [])
    station = idle_station(journal, dispatch, decisions=Decisions(journal, pin_hash=hash_of(PIN)))
    for incident in (OLD, NEW):
        journal.record(incident)
    journal.record(SILENT, silent=True)
    yield station
    dispatch.close()


@pytest.fixture
def remote(station: Station) -> Remote:
    return Remote(station)


def test_it_arms_and_disarms_and_shows_what_is_wrong(remote: Remote, station: Station) -> None:
    with pytest.raises(RefusedError, match="this takes the PIN"):
        remote.carry_out(Order("disarm"))
    assert remote.armed
    assert remote.carry_out(Order("disarm", pin=PIN)) == "disarmed"
    assert (remote.armed, station.armed) == (False, False)
    assert remote.carry_out(Order("arm")) == "armed"
    assert remote.armed
    assert remote.health() == {}
    station.view.opened(Sense.AUDIO, "microphone", True)
    station.view.opened(Sense.GESTURE, "camera", True)
    assert remote.health() == {"audio": "", "gesture": "", "station": ""}
    station.view.broke(Sense.AUDIO, "microphone: unplugged")
    assert remote.health()["audio"] == "audio: microphone: unplugged"


def test_without_an_id_the_newest_that_may_be_noticed_is_meant(remote: Remote, journal: Journal) -> None:
    assert remote.carry_out(Order("acknowledge")) == f"{NEW.id} is acknowledged"
    assert journal.show(NEW.id).transitions[-1].reason == "by MQTT"
    journal.record(replace(OLD, state=State.CLOSED))  # that it is quiet does not mean that somebody came
    assert remote.carry_out(Order("acknowledge")) == f"{OLD.id} is acknowledged"
    with pytest.raises(RefusedError, match="no incident waits to be acknowledged"):
        remote.carry_out(Order("acknowledge"))
    assert remote.carry_out(Order("acknowledge", SILENT.id)) == f"{SILENT.id} is acknowledged"


def test_what_is_no_text_is_refused_and_makes_nobody_doubt_the_journal(remote: Remote, journal: Journal) -> None:
    with pytest.raises(RefusedError, match="bytes that are no text"):
        remote.carry_out(Order("acknowledge", "\ud800"))
    with pytest.raises(RefusedError, match="the PIN is wrong"):
        remote.carry_out(Order("disarm", pin="\ud800"))
    assert not journal.file.doubted


def test_calling_off_takes_the_pin(remote: Remote, journal: Journal) -> None:
    for pin, why in (("", "this takes the PIN"), ("0000", "the PIN is wrong")):
        with pytest.raises(RefusedError, match=why):
            remote.carry_out(Order("cancel", pin=pin))
    with pytest.raises(RefusedError, match="no incident 'nosuch'"):
        remote.carry_out(Order("cancel", "nosuch", PIN))
    assert remote.carry_out(Order("cancel", pin=PIN)) == f"{NEW.id} is cancelled"
    assert journal.state_of(OLD.id) is State.CONFIRMED
