"""A key pressed in a call: only a post that Twilio signed does anything, and it takes an incident on once."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from starlette.testclient import TestClient
from twilio.request_validator import RequestValidator

from safety_monitor.config import Settings
from safety_monitor.config.channels import TwilioSettings
from safety_monitor.config.escalation import Acknowledge
from safety_monitor.config.web import Web, WebUser
from safety_monitor.escalation import Nature, Planned, delivery_key
from safety_monitor.incident import Incident, State
from safety_monitor.journal.incidents import Journal
from safety_monitor.web.access import hash_password
from safety_monitor.web.site import Site
from tests.servers.twilio import SID, TOKEN
from tests.web_site import MakeSite, client_of, incident_of

PUBLIC = "https://kiosk.example.org"
USERS = (WebUser(name="anna", role="viewer", password_hash=hash_password("correct horse")),)
TWILIO = TwilioSettings.model_validate({"account_sid": SID, "auth_token": TOKEN})
INCIDENT = incident_of(1)
PATH = f"/twilio/calls/{INCIDENT.id}/anna"


def with_calls(site: Site, **changes: object) -> Site:
    settings: Settings = site.settings.model_copy(update={"twilio": TWILIO, **changes})
    object.__setattr__(site, "settings", settings)
    return site


def press(client: TestClient, digits: str, path: str = PATH, *, token: str = TOKEN, public: str = PUBLIC) -> str:
    """What Twilio is answered when it posts a key; its status if that is not 200."""
    form = {"Digits": digits, "CallSid": "CA" + "0" * 32, "AccountSid": SID, "CallerCity": "", "To": "+15005550006"}
    signature = RequestValidator(token).compute_signature(public + path, form)
    headers = {"Host": "kiosk.example.org", "X-Twilio-Signature": signature}
    answer = client.post(path, data=form, headers=headers)
    return answer.text if answer.status_code == 200 else str(answer.status_code)


@pytest.fixture(params=[(), USERS], ids=["without users", "with users"])
def client(request: pytest.FixtureRequest, make_site: MakeSite, journal: Journal) -> TestClient:
    site = with_calls(make_site(Web(public_url=PUBLIC, users=request.param)))
    journal.record(INCIDENT)
    return client_of(site)


def test_a_key_takes_the_incident_on_once(client: TestClient, journal: Journal) -> None:
    assert "You have taken it on" in press(client, "1")
    assert "taken it on already" in press(client, "1")
    steps = [step for step in journal.show(INCIDENT.id).transitions if step.state is State.ACKNOWLEDGED]
    assert [(step.by, step.reason) for step in steps] == [("person", "key pressed in the call to anna")]


def test_another_key_has_it_told_again(client: TestClient, journal: Journal) -> None:
    said = ElementTree.fromstring(press(client, "7"))  # noqa: S314
    gather = said.find("Gather")
    assert gather is not None
    assert gather.get("action") == PUBLIC + PATH
    assert "a scream was heard" in "".join(gather.itertext())
    assert journal.state_of(INCIDENT.id) is State.CONFIRMED


def test_whoever_has_it_told_again_hears_again_how_long_ago_it_was(journal: Journal, make_site: MakeSite) -> None:
    journal.record(INCIDENT, at=journal.clock() - 2 * 3600.0)
    assert ", 2 hours ago." in press(client_of(with_calls(make_site(Web(public_url=PUBLIC)))), "7")


def test_whoever_has_it_told_again_hears_again_that_nobody_must_call_there(
    journal: Journal, make_site: MakeSite
) -> None:
    journal.record(replace(INCIDENT, state=State.CLOSED), silent=True)
    assert "Do not call or ring" in press(client_of(with_calls(make_site(Web(public_url=PUBLIC)))), "7")


def test_a_key_comes_in_time_though_it_has_been_quiet_since(client: TestClient, journal: Journal) -> None:
    journal.record(replace(INCIDENT, state=State.CLOSED))
    assert "You have taken it on" in press(client, "1")
    assert journal.show(INCIDENT.id).standing is State.ACKNOWLEDGED


def test_what_was_called_off_is_not_taken_on(client: TestClient, journal: Journal) -> None:
    journal.decide(INCIDENT.id, State.CANCELLED, "by a person")
    assert "called off already" in press(client, "1")
    assert journal.state_of(INCIDENT.id) is State.CANCELLED


@pytest.mark.parametrize("state", [State.CANCELLED, State.ACKNOWLEDGED])
def test_whoever_is_called_is_never_told_that_all_is_well_where_somebody_was_forced_to_say_so(
    client: TestClient, journal: Journal, state: State
) -> None:
    planned = [Planned(delivery_key(INCIDENT.id, "call:anna", "alarm"), "call:anna", Nature.MESSAGE, "alarm")]
    journal.record(replace(INCIDENT, state=State.CLOSED), planned)
    journal.decide(INCIDENT.id, state, "by a person", duress=True)
    for digits in ("1", "7"):
        said = press(client, digits)
        assert "FORCED to. Help is needed" in said
        assert "already" not in said
        assert "press 1" not in said


def test_of_two_who_press_at_the_same_moment_the_second_hears_that_somebody_has_taken_it_on(
    journal: Journal, make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = with_calls(make_site(Web(public_url=PUBLIC)))
    journal.record(INCIDENT)
    decide = site.decisions.decide

    def second(incident_id: str, state: State, *, reason: str) -> Incident:
        monkeypatch.undo()
        decide(incident_id, state, reason="key pressed in the call to ben")
        return decide(incident_id, state, reason=reason)

    monkeypatch.setattr(site.decisions, "decide", second)
    assert "taken it on already" in press(client_of(site), "1")


def test_a_test_call_shows_that_keys_arrive(client: TestClient) -> None:
    assert "This was a test" in press(client, "1", "/twilio/calls/test/anna")
    assert "could not do that" in press(client, "1", "/twilio/calls/nosuch/anna")


@pytest.mark.parametrize("how", ["wrong token", "other address", "nothing", "other form"])
def test_what_twilio_did_not_sign_is_refused(client: TestClient, journal: Journal, how: str) -> None:
    if how in ("nothing", "other form"):
        signature = RequestValidator(TOKEN).compute_signature(PUBLIC + PATH, {"Digits": "7"})
        headers = {"X-Twilio-Signature": signature} if how == "other form" else {}
        status = str(client.post(PATH, data={"Digits": "1"}, headers=headers).status_code)
    else:
        public = "https://other.example.org" if how == "other address" else PUBLIC
        status = press(client, "1", token="wrong" if how == "wrong token" else TOKEN, public=public)
    assert status == "403"
    assert journal.state_of(INCIDENT.id) is State.CONFIRMED


def test_nothing_else_passes_the_guard_that_way(client: TestClient) -> None:
    assert client.get(PATH, headers={"Host": "kiosk.example.org"}).status_code in (401, 421)
    other = client.post("/twilio/../api/v1/disarm", headers={"Host": "kiosk.example.org"})
    assert other.status_code in (401, 421)


@pytest.mark.parametrize(("public_url", "rules"), [("", Acknowledge()), (PUBLIC, Acknowledge(pin_to_acknowledge=True))])
def test_where_keys_are_not_taken_there_is_no_such_address(
    make_site: MakeSite, public_url: str, rules: Acknowledge
) -> None:
    client = client_of(with_calls(make_site(Web(public_url=public_url)), acknowledge=rules))
    assert client.post(PATH, data={"Digits": "1"}).status_code == 404
