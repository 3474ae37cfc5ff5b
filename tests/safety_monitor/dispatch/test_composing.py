"""What a channel is given: the foremost of several, known again by all it tells; and a message without what hangs."""

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from safety_monitor.actions.message import UNNOTICED, Message
from safety_monitor.delivery import Job, Turn
from safety_monitor.dispatch import composing
from safety_monitor.dispatch.composing import Composer, foremost, together
from safety_monitor.escalation import Kind
from safety_monitor.incident import Incident, State
from safety_monitor.place import Place
from tests.alarms import OPENED_AT, SCREAM, alarm
from tests.outlet import Outlet

HALL = Place(52.5, 13.4, None, "hall", "settings")
JOB = Job("k", 1, "sms", "alarm", Turn.FRESH, 0, 0.0, None, "", (), False, SCREAM, OPENED_AT.isoformat())


def message(minute: int, kind: Kind = "alarm", state: State = State.CONFIRMED, *, discreet: bool = False) -> Message:
    incident = replace(SCREAM, id=str(minute), state=state)
    opened_at = OPENED_AT + timedelta(minutes=minute)
    return replace(alarm("sms", incident), kind=kind, opened_at=opened_at, text=f"text {minute}", discreet=discreet)


@pytest.mark.parametrize(
    ("messages", "minute"),
    [
        ([message(1), message(2)], 2),
        ([message(1), message(2, "update", State.ACKNOWLEDGED), message(3, "trouble", State.CLOSED)], 1),
        ([message(1), message(2, state=State.CANCELLED)], 1),
        ([message(1, state=State.CLOSED), message(2, state=State.ACKNOWLEDGED)], 1),
        ([message(1, "update"), message(2, "trouble")], 2),
    ],
)
def test_the_newest_emergency_that_waits_for_somebody_comes_first(messages: list[Message], minute: int) -> None:
    for order in (messages, messages[::-1]):
        assert foremost(order) is messages[minute - 1]
        assert together(order).text.startswith(f"text {minute}\nHeld back until now, too: {len(messages) - 1}\n")


def test_several_are_known_again_by_all_that_they_tell() -> None:
    one, two, three = message(1), message(2), message(3)
    whole = together([one, two, three])
    assert (whole.key, whole.besides) == (together([three, one, two]).key, 2)
    assert whole.key.startswith(three.key)
    assert whole.key != together([two, three]).key
    assert together([replace(three, reference="SM1"), one]).reference == "", "the earlier one did not tell the rest"


@pytest.mark.parametrize(("discreet", "others_are", "times"), [(False, True, 1), (True, True, 0), (False, False, 0)])
def test_what_must_not_be_noticed_is_said_where_the_one_in_full_does_not(
    discreet: bool, others_are: bool, times: int
) -> None:
    text = together([message(1, discreet=others_are), message(2, discreet=discreet)]).text
    assert text.count(UNNOTICED) == times


def composer(place: Place | Exception | threading.Event, asked: list[str] | None = None) -> Composer:
    def look(incident: Incident) -> Place | None:
        if asked is not None:
            asked.append(incident.id)
        if isinstance(place, threading.Event):
            place.wait(60.0)
            return None
        if isinstance(place, Exception):
            raise place
        return place

    return Composer("kiosk", "", place=look, evidence=lambda incident_id: (Path("picture.jpg"),))


def written_by(composer: Composer, channel: Outlet) -> Message:
    return composer.message(JOB, channel, help_called=True, now=OPENED_AT.timestamp() + 3600.0)


def test_a_message_has_its_place_its_evidence_and_its_age() -> None:
    written = written_by(composer(HALL), Outlet("sms"))
    assert (written.place, written.attachments, written.help_called) == (HALL, (Path("picture.jpg"),), True)
    assert "60 minutes ago\nhall\n" in written.text


def test_a_message_goes_without_a_place_that_cannot_be_had_in_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(composing, "EVIDENCE_S", 0.05)
    hangs = threading.Event()
    for place in (hangs, ValueError("broken")):
        written = written_by(composer(place), Outlet("sms"))
        assert (written.place, written.attachments) == (None, (Path("picture.jpg"),))
        assert "EMERGENCY at kiosk" in written.text
    hangs.set()
    assert [line for line in caplog.messages if line.endswith("left out of a message")] == [
        "place cannot be had in time; left out of a message",
        "place cannot be had; left out of a message",
    ]


def test_a_sound_asks_for_no_place() -> None:
    asked: list[str] = []
    assert written_by(composer(HALL, asked), Outlet("alarm", heard=True)).attachments == ()
    assert asked == []
