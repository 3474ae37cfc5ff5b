"""Messages reach a server that answers as Twilio does; what it says is told truthfully, and nothing is sent twice."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from safety_monitor.actions.twilio import LONGEST_TEXT, Account, Medium, Twilio, mark, variables
from safety_monitor.escalation import Kind
from safety_monitor.incident import Evidence, Sense, State
from safety_monitor.local_time import when
from safety_monitor.place import Place
from tests.alarms import OPENED_AT as NOW
from tests.alarms import SCREAM, alarm
from tests.servers.trickle import trickling_server
from tests.servers.twilio import SID, TOKEN, FakeTwilio, fake_twilio

TO = "+15005550006"
INCIDENT = replace(SCREAM, confidence=0.97, evidence=(Evidence(Sense.GESTURE, "signal_for_help", 0.97, 13.5),))
PLACE = Place(52.520008, 13.404954, 25.0, "Alexanderplatz,\nBerlin", "settings")
MESSAGE = replace(
    alarm("sms:anna", INCIDENT),
    opened_at=NOW + timedelta(seconds=5),
    text=f"Emergency at kiosk: the signal for help was seen.\n{PLACE.map_link}",
    place=PLACE,
)


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    with fake_twilio() as server:
        yield server


def channel(server: FakeTwilio, medium: Medium = "sms", to: str = TO, **changes: Any) -> Twilio:
    account = Account(
        sid=SID, token=TOKEN, number="+15005550001", whatsapp_number="+15005550002", api_url=server.url, limit_s=5.0
    )
    return Twilio(medium, "anna", to, replace(account, **changes), now=lambda: NOW)


def test_an_sms_is_queued_and_later_delivered(twilio: FakeTwilio) -> None:
    out = channel(twilio)
    outcome = out.deliver(MESSAGE)
    assert (outcome.ok, outcome.delivered) == (True, False)
    assert "queued" in outcome.detail
    (sent,) = twilio.messages
    assert (sent["form"]["To"], sent["form"]["From"]) == (TO, "+15005550001")
    assert sent["body"].startswith(MESSAGE.text)
    assert outcome.reference == sent["sid"]
    for status in ("accepted", "queued", "sending", "sent"):
        twilio.set_status(status)
        assert out.follow(outcome.reference) is None
    twilio.set_status("delivered")
    followed = out.follow(outcome.reference)
    assert followed is not None
    assert (followed.ok, followed.delivered) == (True, True)


@pytest.mark.parametrize(
    ("code", "words", "again"),
    [(63016, "whatsapp_content_sid", False), (30005, "error 30005", False), (30003, "error 30003", True)],
)
def test_a_message_that_does_not_arrive_says_why(twilio: FakeTwilio, code: int, words: str, again: bool) -> None:
    out = channel(twilio)
    reference = out.deliver(MESSAGE).reference
    twilio.set_status("undelivered", code)
    followed = out.follow(reference)
    assert followed is not None
    assert (followed.ok, followed.delivered, followed.again) == (False, False, again)
    assert words in followed.detail


@pytest.mark.parametrize(
    ("answer", "words", "again", "wait_s"),
    [
        (21211, "not a number that can be reached", False, None),
        (20003, "account or token is wrong", False, None),
        (20429, "Too Many Requests", True, 7.0),
        (20500, "Internal Server Error", True, None),
        ("html", "not an answer of Twilio", True, None),
        ("drop", "Twilio cannot be reached", True, None),
    ],
)
def test_every_answer_is_understood(
    twilio: FakeTwilio, answer: int | str, words: str, again: bool, wait_s: float | None
) -> None:
    twilio.next = [answer]
    outcome = channel(twilio).deliver(MESSAGE)
    assert (outcome.ok, outcome.again, outcome.retry_after_s) == (False, again, wait_s)
    assert words in outcome.detail
    assert "\n" not in outcome.detail
    assert twilio.messages == []


def test_a_wrong_number_and_a_wrong_token_are_refused(twilio: FakeTwilio) -> None:
    assert "21211" in channel(twilio, to="+0").deliver(MESSAGE).detail
    denied = channel(twilio, token="another-planted-token")
    assert "20003" in denied.deliver(MESSAGE).detail
    assert "account or token is wrong" in denied.check().detail
    assert channel(twilio).check().ok


def test_a_server_that_does_not_answer(twilio: FakeTwilio) -> None:
    twilio.next = ["hang"]
    outcome = channel(twilio, limit_s=0.3).deliver(MESSAGE)
    assert (outcome.ok, outcome.again) == (False, True)
    assert "no answer from Twilio within 0.3 s" in outcome.detail


def test_an_answer_that_trickles_in_keeps_nobody_waiting(twilio: FakeTwilio) -> None:
    with trickling_server() as port:
        trickles = channel(twilio, limit_s=0.5, api_url=f"http://127.0.0.1:{port}")
        outcome = trickles.deliver(MESSAGE)
        assert trickles.follow("SM0") is None
    assert (outcome.ok, outcome.again) == (False, True)
    assert "no answer from Twilio within 0.5 s" in outcome.detail


def test_a_server_that_is_not_there() -> None:
    with fake_twilio() as server:
        gone = channel(server)
    outcome = gone.deliver(MESSAGE)
    assert (outcome.ok, outcome.again) == (False, True)
    assert "Connection refused" in outcome.detail
    assert gone.follow("SM0") is None


def test_what_was_taken_but_not_answered_is_not_sent_again(twilio: FakeTwilio) -> None:
    out = channel(twilio, limit_s=0.5)
    twilio.next = ["take and hang"]
    assert out.deliver(MESSAGE).again
    outcome = out.deliver(MESSAGE)
    assert (outcome.ok, outcome.reference) == (True, twilio.messages[0]["sid"])
    assert len(twilio.messages) == 1


def test_what_was_not_taken_is_sent_again(twilio: FakeTwilio) -> None:
    out = channel(twilio, limit_s=0.5)
    twilio.next = ["hang", 20500]
    assert out.deliver(MESSAGE).again
    assert out.deliver(MESSAGE).again
    assert out.deliver(MESSAGE).ok
    assert len(twilio.messages) == 1


def test_after_a_restart_nothing_is_sent_twice(twilio: FakeTwilio) -> None:
    """The first station was killed after Twilio had taken the message, and before the journal knew."""
    assert channel(twilio).deliver(MESSAGE).ok
    restarted = channel(twilio)
    before = replace(MESSAGE, opened_at=NOW - timedelta(minutes=1))
    assert restarted.deliver(before).reference == twilio.messages[0]["sid"]
    assert len(twilio.messages) == 1
    another = replace(before, key=f"{INCIDENT.id}:sms:anna:update")
    assert restarted.deliver(another).ok
    assert len(twilio.messages) == 2


def test_a_fresh_incident_is_sent_without_looking_first(twilio: FakeTwilio) -> None:
    assert channel(twilio).deliver(MESSAGE).ok
    assert twilio.requests == ["POST Messages"]


def test_a_known_reference_is_asked_for_and_not_sent_again(twilio: FakeTwilio) -> None:
    out = channel(twilio)
    reference = out.deliver(MESSAGE).reference
    assert out.deliver(replace(MESSAGE, reference=reference)).reference == reference
    twilio.set_status("delivered")
    assert out.deliver(replace(MESSAGE, reference=reference)).delivered
    assert len(twilio.messages) == 1
    twilio.set_status("undelivered", 30005)
    assert out.deliver(replace(MESSAGE, reference=reference)).reference != reference
    assert len(twilio.messages) == 2


def test_whatsapp_sends_the_approved_template(twilio: FakeTwilio) -> None:
    given = {"1": "{what}", "2": "{station}", "3": "{place}", "4": "{link}", "5": "{time}"}
    out = channel(twilio, "whatsapp", content_sid="HX" + "1" * 32, content_variables=given)
    assert out.deliver(MESSAGE).ok
    form = twilio.messages[0]["form"]
    assert (form["To"], form["From"]) == (f"whatsapp:{TO}", "whatsapp:+15005550002")
    assert form["ContentSid"] == "HX" + "1" * 32
    assert "Body" not in form
    assert json.loads(form["ContentVariables"]) == {
        "1": "EMERGENCY at kiosk: the signal for help was seen (97% sure).",
        "2": "kiosk",
        "3": "Alexanderplatz, Berlin",
        "4": PLACE.map_link,
        "5": when(MESSAGE.opened_at.isoformat(), zoned=True),
    }


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        ("update", "kiosk: called off"),
        ("trouble", "kiosk: trouble."),
        ("test", "TEST of kiosk"),
        ("duress", "EMERGENCY"),
    ],
)
def test_a_template_tells_what_kind_of_message_it_is(kind: Kind, begins: str) -> None:
    message = replace(MESSAGE, kind=kind, incident=replace(INCIDENT, state=State.CANCELLED))
    assert variables({"1": "{what}"}, message)["1"].startswith(begins)


def test_a_template_that_has_room_for_one_says_how_many_more_there_are(twilio: FakeTwilio) -> None:
    out = channel(twilio, "whatsapp", content_sid="HX" + "1" * 32, content_variables={"1": "{what}"})
    assert out.deliver(replace(MESSAGE, besides=3)).ok
    assert json.loads(twilio.messages[0]["form"]["ContentVariables"])["1"].endswith("Held back until now, too: 3 more.")


def test_whatsapp_without_a_template_sends_free_text(twilio: FakeTwilio) -> None:
    assert channel(twilio, "whatsapp").deliver(MESSAGE).ok
    assert twilio.messages[0]["body"].startswith(MESSAGE.text)


def test_a_template_without_a_place_has_no_empty_variable() -> None:
    filled = variables({"1": "{place}", "2": "{link}", "3": "{ref}", "4": "{unknown}"}, replace(MESSAGE, place=None))
    assert filled == {"1": "unknown", "2": "no map", "3": mark(MESSAGE), "4": "{unknown}"}


def test_a_call_reads_the_message_and_leaves_out_addresses(twilio: FakeTwilio) -> None:
    outcome = channel(twilio, "call").deliver(
        replace(MESSAGE, text='Help! <Berlin> & "more" https://example.org/x now')
    )
    assert (outcome.ok, outcome.delivered) == (True, False)
    form = twilio.calls[0]["form"]
    assert (form["To"], form["From"]) == (TO, "+15005550001")
    say = ElementTree.fromstring(form["Twiml"]).find("Say")  # noqa: S314
    assert say is not None
    assert (say.text, say.get("loop")) == ('Help! <Berlin> & "more" now', "2")


@pytest.mark.parametrize(("kind", "about"), [("alarm", INCIDENT.id), ("test", "test"), ("update", ""), ("duress", "")])
def test_a_call_about_an_emergency_asks_for_a_key(twilio: FakeTwilio, kind: Kind, about: str) -> None:
    assert channel(twilio, "call", public_url="https://kiosk.example.org").deliver(replace(MESSAGE, kind=kind)).ok
    gathers = ElementTree.fromstring(twilio.calls[0]["form"]["Twiml"]).findall("Gather")  # noqa: S314
    asked = [(each.get("action"), each.get("numDigits"), each.get("method")) for each in gathers]
    assert asked == [(f"https://kiosk.example.org/twilio/calls/{about}/anna", "1", "POST")] * (2 if about else 0)
    assert all(
        "Emergency at kiosk" in "".join(each.itertext()) and "press 1" in "".join(each.itertext()) for each in gathers
    )


@pytest.mark.parametrize(
    ("state", "asks"), [(State.CLOSED, True), (State.ACKNOWLEDGED, False), (State.CANCELLED, False)]
)
def test_a_call_that_comes_after_somebody_has_answered_asks_for_no_key(
    twilio: FakeTwilio, state: State, *, asks: bool
) -> None:
    late = replace(MESSAGE, incident=replace(INCIDENT, state=state))
    assert channel(twilio, "call", public_url="https://kiosk.example.org").deliver(late).ok
    assert ("press 1" in twilio.calls[0]["form"]["Twiml"]) is asks


def test_a_call_is_followed_to_its_end(twilio: FakeTwilio) -> None:
    out = channel(twilio, "call")
    reference = out.deliver(MESSAGE).reference
    for status in ("queued", "ringing", "in-progress"):
        twilio.set_status(status)
        assert out.follow(reference) is None
    twilio.set_status("completed")
    followed = out.follow(reference)
    assert followed is not None
    assert followed.delivered


def test_who_does_not_answer_is_called_again_but_not_for_ever(twilio: FakeTwilio) -> None:
    out = channel(twilio, "call")
    message = MESSAGE
    for _ in range(10):
        message = replace(message, reference=out.deliver(message).reference)
        twilio.set_status("no-answer")
        followed = out.follow(message.reference)
        assert followed is not None
        assert not followed.ok
        if not followed.again:
            break
    assert len(twilio.calls) == 3


def test_typography_does_not_double_the_price(twilio: FakeTwilio) -> None:
    assert channel(twilio).deliver(replace(MESSAGE, text="Süd – “Gate 3”…")).ok
    assert twilio.messages[0]["body"].startswith('Süd - "Gate 3"...\n')


@pytest.mark.parametrize("letter", ["x", "…"])
def test_a_long_text_is_cut_and_keeps_its_reference(twilio: FakeTwilio, letter: str) -> None:
    assert channel(twilio).deliver(replace(MESSAGE, text=letter * 5000)).ok
    body = twilio.messages[0]["body"]
    assert len(body) == LONGEST_TEXT
    assert body.endswith(mark(MESSAGE))


def test_the_token_is_told_to_nobody(
    twilio: FakeTwilio, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    told = ""
    for answer in (0, 21211, 20003, 20500, "html", "drop"):
        twilio.next = [answer]
        out = channel(twilio)
        told += repr(out) + repr(out.deliver(MESSAGE)) + repr(out.check())
    account = Account(sid=SID, token=TOKEN)
    told += repr(account) + caplog.text + "".join(capfd.readouterr())
    assert TOKEN not in told
    assert "Emergency at kiosk" not in caplog.text
