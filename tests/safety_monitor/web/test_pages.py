"""The pages in a real browser, over a site that is told what to show."""

import json
import re
import socket
import threading
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tomlkit
from nicegui import Client, core
from playwright.sync_api import Browser, BrowserContext, Page, Route, WebSocketRoute, expect
from pydantic import SecretStr

from audio.detector import SoundReading
from gesture.capture import Camera, Frame
from safety_monitor import running
from safety_monitor.actions.evidence import EvidenceStore
from safety_monitor.actions.message import Message
from safety_monitor.actions.outcome import Outcome
from safety_monitor.config import Settings
from safety_monitor.config.escalation import Acknowledge
from safety_monitor.config.station import EvidenceSettings
from safety_monitor.config.web import Web, WebToken, WebUser
from safety_monitor.demo.scene import FPS, picture_at, sound
from safety_monitor.demo.scream import room_noise, scream
from safety_monitor.dispatch.composing import Composer
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.dispatch.places import make_places
from safety_monitor.escalation import Nature, Planned, delivery_key
from safety_monitor.evidence import evidence_store
from safety_monitor.incident import Incident, Mark, Moment, Sense, State
from safety_monitor.journal.entry import Entry
from safety_monitor.journal.file import JournalError, JournalUnusableError
from safety_monitor.journal.incidents import Journal
from safety_monitor.learning import feedback
from safety_monitor.people.decision import decisions_of, hash_of
from safety_monitor.place import Place
from safety_monitor.supervision.supervisor import Ill
from safety_monitor.web import layout, settings_form, texts
from safety_monitor.web.access import hash_password, new_token
from safety_monitor.web.door import OF_ONE
from safety_monitor.web.guard import COOKIE
from safety_monitor.web.server import WebServer
from tests.browser import browser
from tests.idle_station import idle_station
from tests.web_site import DURESS_PIN, PIN, incident_of, stays

PASSWORD = "correct horse"
PATIENCE_MS = 60_000
USERS = (
    WebUser(name="vera", role="viewer", password_hash=hash_password(PASSWORD)),
    WebUser(name="otto", role="operator", password_hash=hash_password(PASSWORD)),
    WebUser(name="ada", role="admin", password_hash=hash_password(PASSWORD)),
)
TOKEN, TOKEN_HASH = new_token()


class Paper:
    """A channel for messages that writes down what it is asked; it may refuse the first alarm."""

    def __init__(self, name: str, *, refuses: bool = False) -> None:
        self.name = name
        self.asked: list[Message] = []
        self._refuses = refuses

    def deliver(self, message: Message) -> Outcome:
        self.asked.append(message)
        refused = self._refuses and [each.kind for each in self.asked].count("alarm") == 1
        return Outcome(ok=not refused, detail="mailbox full" if refused else "read", delivered=not refused)

    def check(self) -> Outcome:
        return Outcome(ok=True, detail="there")

    def close(self) -> None: ...


class Served:
    """A site that is served, with its station's view and journal to tell it what to show."""

    def __init__(self, home: Path, web: Web, acknowledge: Acknowledge) -> None:
        self.journal = Journal(home)
        self.sms, self.mail = Paper("sms:anna"), Paper("messages:mail", refuses=True)
        evidence = EvidenceSettings(after_s=1.0)
        mail = SecretStr("mailto://user:password@localhost?to=anna@example.org")
        self.settings = settings = Settings(
            home=home, web=web, acknowledge=acknowledge, evidence=evidence, messages={"mail": mail}
        )
        places = make_places(settings, self.journal)
        self.dispatch = Dispatch(self.journal, [self.sms, self.mail], composer=Composer("station", "", places.place))
        decisions = decisions_of(acknowledge, self.journal)
        self.station = idle_station(self.journal, self.dispatch, places=places, decisions=decisions)
        self.server = WebServer(settings)
        self.server.start(self.station)
        self.view = self.station.view
        self.view.opened(Sense.AUDIO, "microphone", False)
        self.view.opened(Sense.GESTURE, "camera", False)

    @property
    def url(self) -> str:
        return self.server.address

    def happen(self, incident: Incident) -> None:
        self.journal.record(incident)
        self.view.moved(incident)

    def close(self) -> None:
        for ending in self.station.at_end:
            ending()
        self.server.close()
        self.dispatch.close()
        self.journal.close()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser whose microphone hears a scream, again and again."""
    path = tmp_path_factory.mktemp("sound") / "scream.wav"
    heard = 0.01 * room_noise(6.0, 48_000)
    heard[48_000 : 3 * 48_000] += 0.8 * scream(2.0, 48_000)
    soundfile.write(path, np.clip(heard, -1, 1), 48_000)
    with browser(
        "--process-per-site",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={path}",
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One site for all tests here: there can be one in a process."""
    tokens = (WebToken(name="tests", role="operator", token_hash=TOKEN_HASH),)
    web, acknowledge = (
        Web(port=0, users=USERS, tokens=tokens, map_tiles="https://tiles.example.org/{z}/{x}/{y}.png"),
        Acknowledge(pin_hash=SecretStr(hash_of(PIN)), duress_pin_hash=SecretStr(hash_of(DURESS_PIN))),
    )
    served = Served(tmp_path_factory.mktemp("home"), web, acknowledge)
    yield served
    served.close()


@pytest.fixture
def served(everything: Served) -> Iterator[Served]:
    """The same, as it was at first but for its journal."""
    yield everything
    everything.station.arm(True)
    while (incident := everything.view.snapshot().incident) is not None:
        everything.view.moved(replace(incident, state=State.CLOSED))
    everything.view.newest_unanswered = lambda: None
    everything.view.opened(Sense.AUDIO, "microphone", False)
    everything.view.opened(Sense.GESTURE, "camera", False)


@contextmanager
def window(chromium: Browser) -> Iterator[BrowserContext]:
    """A window of its own, with nothing in it."""
    expect.set_options(timeout=PATIENCE_MS)
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture(scope="module")
def loaded(chromium: Browser, everything: Served) -> Iterator[BrowserContext]:
    """A window with a page that stays open: what all have in common, and takes seconds to load, is kept with it."""
    with window(chromium) as context:
        context.new_page().goto(f"{everything.url}/login")
        yield context


@pytest.fixture
def context(loaded: BrowserContext) -> Iterator[BrowserContext]:
    """The same without pages, cookies and permissions."""
    yield loaded
    for page in loaded.pages[1:]:
        page.close()
    loaded.clear_cookies()
    loaded.clear_permissions()


@pytest.fixture
def stranger(context: BrowserContext) -> Page:
    """A page on which nobody has signed in."""
    return context.new_page()


@pytest.fixture(scope="module")
def session(chromium: Browser, everything: Served) -> str:
    """The key of an operator who has signed in."""
    with window(chromium) as context:
        page = context.new_page()
        sign_in(page, everything.url, "otto")
        page.wait_for_url(f"{everything.url}/")
        return next(cookie["value"] for cookie in context.cookies() if cookie["name"] == COOKIE)


@pytest.fixture
def page(served: Served, session: str, stranger: Page) -> Page:
    """The live page of an operator."""
    return live_page(stranger, served, session)


@pytest.fixture
def hurried(served: Served, session: str, chromium: Browser) -> Iterator[Page]:
    """The same in a window of its own, in which a test can have time go by."""
    with window(chromium) as context:
        page = live_page(context.new_page(), served, session)
        page.clock.install()
        yield page


def live_page(page: Page, served: Served, session: str) -> Page:
    """The page, once it shows that all is well."""
    page.context.add_cookies([{"name": COOKIE, "value": session, "url": served.url}])
    page.goto(served.url)
    expect(page.get_by_text(texts.ARMED, exact=True)).to_be_visible()
    return page


def sign_in(page: Page, url: str, name: str, password: str = PASSWORD) -> None:
    page.goto(url)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_the_live_page_shows_what_is_heard_and_seen_and_nothing_leaves(served: Served, page: Page) -> None:
    asked: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    served.view.saw(Frame(picture_at(round(40 * FPS)), 40.0), [])
    page.goto(served.url)
    expect(page.get_by_text("Watching and listening")).to_be_visible()
    expect(page.get_by_text("No hand in view.")).to_be_visible()
    served.view.heard(SoundReading(0.0, 1.0, "scream", {"scream": 0.61, "ambient": 0.39}, 0.44, -23.0))
    expect(page.get_by_text("-23 dBFS")).to_be_visible()
    expect(page.get_by_text("0.44")).to_be_visible()
    page.wait_for_function("document.getElementById('picture').naturalWidth === 640")
    served.view.broke(Sense.GESTURE, "the cable is out")
    expect(page.get_by_text("the cable is out")).to_be_visible()
    expect(page.get_by_text("Not all of the station works")).to_be_visible()
    expect(page.get_by_text("Watching and listening")).to_have_count(0)
    assert problems == []
    assert [url for url in asked if not url.startswith((served.url, "data:", "blob:"))] == []


def test_whoever_sees_the_pages_writes_nothing_into_the_log(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    page.evaluate(
        """new Promise((done) => window.socket.emit(
            "log", { client_id: window.clientId, level: "error", message: "sms:anna failed: no such number" }, done))"""
    )
    assert "sms:anna" not in caplog.text


def test_a_stranger_fills_no_log(served: Served, stranger: Page, caplog: pytest.LogCaptureFixture) -> None:
    stranger.goto(f"{served.url}/login")
    # It is refused, and the next one tells that the first was dealt with.
    for _ in range(2):
        stranger.evaluate("new Promise((done) => (new WebSocket('/api/v1/listen').onclose = done))")
    assert caplog.text == ""


def test_what_a_model_calls_a_sound_is_a_name_on_the_pages_and_no_more(served: Served, page: Page) -> None:
    label = 'dog" onmouseover="document.title = 1'
    served.view.heard(SoundReading(0.0, 1.0, label, {label: 0.61, "scream": 0.39}, 0.44, -23.0))
    bar = page.get_by_label(texts.label(label))
    expect(bar).to_be_visible()
    assert bar.get_attribute("onmouseover") is None


def test_a_page_that_has_lost_its_station_does_not_go_on_to_say_that_all_is_well(served: Served, page: Page) -> None:
    expect(page.get_by_text(texts.ALL_QUIET)).to_be_visible()
    page.evaluate("window.socket.disconnect()")
    expect(page.get_by_text("Connection lost.")).to_be_visible()
    expect(page.get_by_text(texts.ALL_QUIET)).to_be_hidden()
    expect(page.get_by_text(texts.ARMED, exact=True)).to_be_hidden()
    page.evaluate("window.socket.connect()")
    expect(page.get_by_text(texts.ALL_QUIET)).to_be_visible()


def test_while_the_disk_hangs_the_live_page_counts_nothing_down_and_shows_the_next_emergency(
    served: Served, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    waits = incident_of(13)
    key = delivery_key(waits.id, "sms:anna", "alarm")
    served.journal.record(waits, [Planned(key, "sms:anna", Nature.MESSAGE, "alarm", after_s=6000.0)])

    def hang(incident_id: str) -> Entry:
        over.wait(PATIENCE_MS / 1000)
        raise JournalError(f"{incident_id}: the disk hangs")

    served.view.newest_unanswered = lambda: (replace(waits, state=State.CLOSED), 1.0)
    expect(page.get_by_text("Closed, not answered: Scream")).to_be_visible()
    expect(page.get_by_text("Unless somebody acknowledges")).to_be_visible()
    monkeypatch.setattr(served.journal, "show", hang)
    expect(page.get_by_text("Unless somebody acknowledges")).to_be_hidden(timeout=PATIENCE_MS / 3)
    served.view.moved(incident_of(5))
    expect(page.get_by_text("Emergency: Scream")).to_be_visible(timeout=PATIENCE_MS / 3)
    over.set()


def test_an_address_without_a_page_says_so_and_shows_the_way_back(served: Served, page: Page) -> None:
    for address, status in (("/nothing", 404), ("/static/nothing.js", 404)):
        answer = page.goto(f"{served.url}{address}")
        assert answer is not None
        assert answer.status == status
        expect(page.get_by_role("heading")).to_have_text(served.settings.station.name)
        expect(page.get_by_text("There is nothing at this address.")).to_be_visible()
    answers = [page.request.get(f"{served.url}{address}") for address in ("/api/v1/nothing", "/nothing")]
    assert [(answer.status, [*answer.json()]) for answer in answers] == [(404, ["detail"])] * 2
    page.get_by_role("link", name="To the live page").click()
    expect(page.get_by_text(texts.ARMED, exact=True)).to_be_visible()


def test_an_incident_is_acknowledged_and_called_off_with_the_pin(served: Served, page: Page) -> None:
    served.happen(incident_of(1))
    expect(page.get_by_text("Emergency: Scream")).to_be_visible()
    page.get_by_role("button", name="Acknowledge").press("Enter")
    expect(page.get_by_role("dialog").get_by_role("button", name="Back")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Acknowledged.")).to_be_visible()
    assert served.journal.state_of(f"{1:032x}") is State.ACKNOWLEDGED
    served.view.moved(incident_of(1, State.ACKNOWLEDGED))
    expect(page.get_by_text("Acknowledged: Scream")).to_be_visible()  # or the button could go under the pointer
    expect(page.get_by_text("A person has taken it on.", exact=True)).to_be_visible()
    page.get_by_role("button", name="Call off").click()
    dialog = page.get_by_role("dialog", name="Call off")
    dialog.get_by_label("PIN").fill("1111")
    dialog.get_by_role("button", name="Call off").click()
    expect(page.get_by_text("the PIN is wrong")).to_be_visible()
    expect(dialog.get_by_label("PIN")).to_be_focused()
    page.keyboard.type(PIN)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Called off.")).to_be_visible()
    assert served.journal.state_of(f"{1:032x}") is State.CANCELLED


def test_nobody_is_told_any_more_of_what_was_called_off_after_it_was_over(served: Served, page: Page) -> None:
    incident = incident_of(40)
    served.journal.record(incident)
    served.journal.record(replace(incident, state=State.CLOSED, reason="quiet for 30 s"))
    page.goto(f"{served.url}/incidents/{incident.id}")
    expect(page.get_by_role("button", name="E-mail")).to_be_enabled()
    served.journal.decide(incident.id, State.CANCELLED, "by otto")
    expect(page.get_by_text("Closed, called off: Scream")).to_be_visible()
    expect(page.get_by_role("button", name="E-mail")).to_be_disabled()
    expect(page.get_by_text(re.compile(r"UTC · 0\.90, threshold 0\.80"))).to_be_visible()  # when it was, and why


def test_a_key_that_is_held_and_a_button_pressed_twice_count_a_wrong_pin_once(served: Served, stranger: Page) -> None:
    page = stranger
    sign_in(page, served.url, "ada")
    page.get_by_role("button", name="Disarm").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("PIN").fill("1111")
    for _ in range(6):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    for _ in range(2):
        expect(dialog.get_by_label("PIN")).to_have_value("")
        dialog.get_by_label("PIN").fill("1111")
        dialog.get_by_role("button", name="Disarm").dblclick()
    expect(dialog.get_by_label("PIN")).to_have_value("")
    dialog.get_by_label("PIN").fill(PIN)
    dialog.get_by_role("button", name="Disarm").click()
    expect(page.get_by_text("Disarmed: what is noticed")).to_be_visible()


def test_a_key_that_is_held_signs_in_once(served: Served, stranger: Page) -> None:
    tries: list[Route] = []
    stranger.goto(f"{served.url}/login")
    stranger.route("**/login", lambda route: tries.append(route))
    stranger.get_by_label("Name").fill("vera")
    stranger.get_by_label("Password").fill("wrong")
    with stranger.expect_request("**/login"):
        stranger.keyboard.down("Enter")
    for _ in range(5):
        stranger.keyboard.down("Enter")
        stranger.wait_for_timeout(20)  # as often as a keyboard says it
    stranger.keyboard.up("Enter")
    tries[-1].continue_()
    expect(stranger.get_by_role("alert")).to_have_text("Name or password is wrong.")
    assert len(tries) == 1


def test_an_emergency_that_nobody_has_answered_stays_in_view_when_it_is_quiet_again(served: Served, page: Page) -> None:
    kiosk = page.context.new_page()
    kiosk.goto(f"{served.url}/kiosk")
    served.happen(incident_of(8))
    served.view.moved(incident_of(8, State.CLOSED))
    served.view.newest_unanswered = lambda: (incident_of(8, State.CLOSED), 1.0)
    expect(page.get_by_text("Closed, not answered: Scream")).to_be_visible()
    expect(page.get_by_text("Nothing to report")).to_have_count(0)
    expect(kiosk.get_by_text("Nobody has answered yet.")).to_be_visible()
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Acknowledged.")).to_be_visible()
    assert served.journal.state_of(incident_of(8).id) is State.ACKNOWLEDGED


def test_a_dialog_stays_while_the_incident_moves_on_behind_it(served: Served, page: Page) -> None:
    served.view.moved(incident_of(7))
    page.get_by_role("button", name="Call off").click()
    pin = page.get_by_role("dialog").get_by_label("PIN")
    pin.fill("12")
    served.view.moved(incident_of(7, State.ACKNOWLEDGED))
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    expect(pin).to_have_value("12")


def test_a_viewer_sees_and_cannot_act(served: Served, stranger: Page) -> None:
    page = stranger
    sign_in(page, served.url, "vera", "wrong")
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    expect(page.get_by_label("Name")).to_have_value("vera")
    expect(page.get_by_label("Password")).to_be_focused()
    sign_in(page, served.url, "vera")
    assert page.get_by_role("link", name="Analyse").count() == 0
    served.happen(incident_of(2))
    expect(page.get_by_text("Emergency: Scream")).to_be_visible()
    assert page.get_by_role("button", name="Acknowledge").count() == 0
    assert page.get_by_role("button", name="Disarm").count() == 0
    refused = page.request.post(f"{served.url}/api/v1/incidents/{2:032x}/ack")
    assert refused.status == 403
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.goto(served.url)
    expect(page.get_by_label("Password")).to_be_visible()


def test_an_operator_disarms_and_arms(served: Served, page: Page) -> None:
    told = len(served.sms.asked)
    page.get_by_role("button", name="Disarm").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("PIN")).to_be_focused()
    page.keyboard.press("Enter")  # nothing is done by mistake
    expect(page.get_by_text("this takes the PIN")).to_be_visible()
    assert served.station.armed
    for pin, messages in ((PIN, 0), (DURESS_PIN, 1)):
        dialog.get_by_label("PIN").fill(pin)
        dialog.get_by_role("button", name="Disarm").click()
        expect(page.get_by_text("Disarmed: what is noticed")).to_be_visible()
        assert not served.station.armed
        page.get_by_role("button", name="Arm", exact=True).click()
        expect(page.get_by_text("Watching and listening")).to_be_visible()
        assert served.station.armed
        while len(served.sms.asked) < told + messages:
            page.wait_for_timeout(20)
        page.get_by_role("button", name="Disarm").click()
    dialog.get_by_role("button", name="Back").click()
    assert [message.kind for message in served.sms.asked[told:]] == ["duress"]
    assert "disarmed or changed by somebody who is being FORCED" in served.sms.asked[-1].text


def test_who_has_signed_out_sees_and_does_nothing_more_on_a_page_that_is_still_open(
    served: Served, stranger: Page, context: BrowserContext
) -> None:
    page, other = stranger, context.new_page()
    sign_in(page, served.url, "otto")  # this session ends
    expect(page.get_by_text(texts.ARMED, exact=True)).to_be_visible()
    other.goto(served.url)
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_label("Password")).to_be_visible()
    page.get_by_role("button", name="Disarm").click()
    expect(page.get_by_label("Password")).to_be_visible()
    assert served.station.armed


def test_what_was_typed_is_there_when_a_phone_comes_back_and_one_that_listens_is_not_loaded_anew(
    served: Served, page: Page, context: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    listens = context.new_page()
    listens.goto(f"{served.url}/analyse")
    listens.wait_for_function("window.did_handshake")
    listens.evaluate("window.listened = true")
    served.happen(incident_of(11))
    page.goto(f"{served.url}/incidents/{incident_of(11).id}")
    page.get_by_label("Note").fill("it was the kettle")
    monkeypatch.setattr(core.app.config, "reconnect_timeout", 0.1)  # of all other pages
    for each in (page, listens):
        each.evaluate("window.socket.disconnect()")
    page.wait_for_timeout(1000)
    for each in (page, listens):
        each.evaluate("window.socket.connect()")
        expect(each.get_by_text("Connection lost.")).to_be_hidden()
    page.get_by_role("button", name="Add the note").click()
    expect(page.get_by_text("it was the kettle").first).to_be_visible()
    expect(page.get_by_label("Note")).to_have_value("")
    assert [remark.text for remark in served.journal.show(incident_of(11).id).remarks] == ["it was the kettle"]
    assert listens.evaluate("window.listened")
    listens.close()


def test_a_link_in_a_mailbox_leads_whoever_is_signed_in_to_the_incident(served: Served, page: Page) -> None:
    served.happen(incident_of(9))
    link = f'<a href="{served.url}/incidents/{incident_of(9).id}">open</a>'
    page.context.route("http://mail.example/**", lambda route: route.fulfill(body=link, content_type="text/html"))
    page.goto("http://mail.example/")
    page.get_by_role("link").click()
    expect(page.get_by_text("Emergency: Scream")).to_be_visible()


def test_a_page_that_never_finds_its_station_does_not_say_that_all_is_well(served: Served, hurried: Page) -> None:
    page = hurried
    page.route_web_socket("**/_nicegui_ws/**", lambda socket: socket.close())
    page.route("**/_nicegui_ws/**", lambda route: route.abort())
    for path, lost in (("/kiosk", "No connection to the station"), ("/", "Connection lost.")):
        page.goto(f"{served.url}{path}")
        expect(page.get_by_text(lost)).to_be_hidden()
        page.clock.fast_forward(5_000)
        expect(page.get_by_text(lost)).to_be_visible()


def test_why_it_did_not_alarm_is_told(served: Served, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr(served.view, "clock", lambda: clock)
    evidence = incident_of(1).evidence[0]
    weak = type(evidence)(evidence.sense, evidence.label, 0.62, 0.0)
    served.view.judged(Moment(Sense.AUDIO, 0.0, (weak,)))
    page.goto(served.url)
    expect(page.get_by_text("Nothing has come near an alarm.")).to_be_visible()
    clock += 10.0
    expect(page.get_by_text("0.62 is below the threshold 0.80")).to_be_visible()


def test_the_kiosk_tells_a_stranger_what_is_the_case(served: Served, page: Page) -> None:
    page.goto(f"{served.url}/kiosk")
    expect(page.get_by_text("I am watching and listening")).to_be_visible()
    served.view.moved(incident_of(1))
    expect(page.get_by_text("Emergency noticed")).to_be_visible()
    served.view.moved(incident_of(1, State.ACKNOWLEDGED))
    expect(page.get_by_text("Somebody has answered")).to_be_visible()
    served.view.moved(incident_of(1, State.CLOSED))
    served.station.arm(False)
    expect(page.get_by_text("This station is switched off")).to_be_visible()
    served.view.broke(Sense.AUDIO, "unplugged")
    expect(page.get_by_text("This station is not working properly")).to_be_visible()
    page.evaluate("window.socket.disconnect()")
    expect(page.get_by_text("No connection to the station")).to_be_visible()


def test_incidents_are_found_by_filter_and_page(served: Served, page: Page) -> None:
    for number in range(100, 130):
        served.journal.record(incident_of(number, sense=Sense.GESTURE if number == 107 else Sense.AUDIO))
    confirmed = served.journal.count_by_state()[State.CONFIRMED]
    page.goto(f"{served.url}/incidents?state=confirmed")
    expect(page.get_by_role("row")).to_have_count(1 + 25)
    page.get_by_role("button", name="Older").click()
    expect(page.get_by_role("row")).to_have_count(1 + confirmed - 25)
    page.goto(f"{served.url}/incidents?sense=gesture")
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("row").nth(1).get_by_role("link").click()
    expect(page.get_by_text("Emergency: Signal for Help")).to_be_visible()
    served.journal.decide(f"{107:032x}", State.CANCELLED, "by a person")
    expect(page.get_by_text("Cancelled: Signal for Help")).to_be_visible()
    served.journal.record(incident_of(108, State.CLOSED))
    page.goto(f"{served.url}/incidents?state=closed")
    expect(page.get_by_text("Closed, not answered")).to_be_visible()
    served.journal.decide(f"{108:032x}", State.ACKNOWLEDGED, "by a person")
    page.reload()
    expect(page.get_by_text("Closed, answered")).to_be_visible()


def test_a_scream_at_the_browser_s_microphone_is_told_placed_played_tried_again_and_marked(
    served: Served, page: Page, context: BrowserContext, chromium: Browser
) -> None:
    context.grant_permissions(["microphone", "geolocation"], origin=served.url)
    context.set_geolocation({"latitude": 52.5, "longitude": 13.4, "accuracy": 12})
    page.goto(f"{served.url}/analyse")
    expect(page.get_by_role("button", name="SMS")).to_be_disabled()
    page.get_by_role("button", name="Listen", exact=True).click()
    expect(page.get_by_text("Position: known to 12 m")).to_be_visible()
    expect(page.get_by_text("Emergency: Scream")).to_be_visible()
    expect(page.get_by_text("SMS to anna: arrived")).to_have_count(1)
    page.get_by_role("button", name="SMS").click()
    expect(page.get_by_text("SMS to anna: arrived")).to_have_count(2)
    alarms = [message for message in served.sms.asked if message.kind == "alarm"]
    assert [message.place for message in alarms] == [Place(52.5, 13.4, 12.0, "", "browser")] * 2
    entry = served.journal.list(1)[0]
    assert entry.source == "page (otto)"

    tiles: list[str] = []

    def no_internet(route: Route) -> None:
        tiles.append(route.request.url)
        route.abort()

    context.route("https://tiles.example.org/**", no_internet)
    incident = context.new_page()  # the other one listens on, so that what follows the scream is recorded, too
    incident.goto(f"{served.url}/incidents/{entry.incident.id}")
    incident.wait_for_function("document.querySelector('audio')?.duration > 1")
    incident.wait_for_function("document.querySelector('img.spectrogram').naturalWidth > 20")
    expect(incident.get_by_text("52.50000, 13.40000 · within 12 m")).to_be_visible()
    expect(incident.locator(".leaflet-marker-icon")).to_be_visible()
    assert tiles
    expect(incident.get_by_text("mailbox full")).to_be_visible()
    incident.get_by_role("button", name="Try again").click()
    expect(incident.get_by_text("mail (alarm): arrived")).to_be_visible()
    incident.get_by_role("button", name="Keep this evidence").click()
    expect(incident.get_by_text("Kept for good.")).to_be_visible()
    assert evidence_store(served.settings).is_protected(entry.incident.id)
    incident.get_by_role("button", name="False alarm").click()
    expect(incident.get_by_role("button", name="False alarm", pressed=True)).to_be_visible()
    incident.get_by_label("Note").fill("a <b>kettle</b>")
    incident.get_by_role("button", name="Add the note").click()
    expect(incident.get_by_text("a <b>kettle</b>")).to_be_visible()
    said = served.journal.show(entry.incident.id)
    assert (said.mark, [remark.by for remark in said.remarks]) == (Mark.FALSE, ["otto", "otto"])
    page.get_by_role("button", name="Stop listening").click()

    other = chromium.new_context()
    viewer = other.new_page()
    sign_in(viewer, f"{served.url}/incidents/{entry.incident.id}", "vera")
    expect(viewer.get_by_text("a <b>kettle</b>")).to_be_visible()
    expect(viewer.get_by_text("Kept for good.")).to_be_visible()
    for name in ("Acknowledge", "Call off", "SMS", "False alarm", "Try again", "Add the note", "Let it go"):
        assert viewer.get_by_role("button", name=name).count() == 0
    other.close()


def test_a_connection_that_dies_without_a_word_does_not_look_as_if_the_station_listened(
    served: Served, hurried: Page
) -> None:
    page = hurried
    reading = {"label": "ambient", "probabilities": {"ambient": 1.0}, "scream": 0.0, "level_dbfs": -40.0}
    called = []
    tries = 8  # while a router starts anew

    def station(socket: WebSocketRoute) -> None:
        called.append(socket)
        if 2 < len(called) <= tries:
            socket.close()
            return
        socket.send(json.dumps({"type": "ready"}))
        socket.send(json.dumps({"type": "reading", "deaf": False, "armed": True, **reading}))

    page.context.grant_permissions(["microphone"], origin=served.url)
    page.route_web_socket("**/api/v1/listen**", station)
    page.goto(f"{served.url}/analyse")
    page.get_by_role("button", name="Listen", exact=True).click()
    expect(page.get_by_text("It hears: Ambient")).to_be_visible()
    page.clock.fast_forward(6_000)
    expect(page.get_by_text("Nothing comes back from the station")).to_be_visible()
    page.clock.fast_forward(16_000)
    expect(page.get_by_text("The station does not hear this microphone. ")).to_be_visible()
    expect(page.get_by_text("It hears: Ambient")).to_be_visible()
    assert len(called) == 2
    called[-1].close(code=1000, reason="no sound for 15 s")  # during a telephone call
    expect(page.get_by_text("The station does not hear this microphone (no sound for 15 s)")).to_be_visible()
    while len(called) <= tries:
        assert page.get_by_text("Not listening any more").count() == 0
        page.clock.fast_forward(1_000)
    expect(page.get_by_text("It hears: Ambient")).to_be_visible()


def test_a_journal_that_cannot_be_read_does_not_look_like_one_without_incidents(
    served: Served, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def broken() -> Iterator[None]:
        raise JournalUnusableError("journal.sqlite: cannot be read: disk I/O error")
        yield

    served.happen(incident_of(10))
    one = f"{served.url}/incidents/{incident_of(10).id}"
    page.goto(one)
    expect(page.get_by_text("Emergency: Scream")).to_be_visible()
    with monkeypatch.context() as patch:
        patch.setattr(served.journal.file, "reading", broken)
        expect(page.get_by_role("alert")).to_contain_text("disk I/O error")  # on the page that was open
        for address in (one, f"{served.url}/incidents"):
            page.goto(address)
            expect(page.get_by_role("alert")).to_contain_text("disk I/O error")
            assert page.get_by_text(re.compile("^There (is no|has been no|are no)")).count() == 0
        assert page.request.get(f"{served.url}/api/v1/incidents").status == 503


@pytest.mark.parametrize("why", ["Not a directory", "the disk has not answered"])
def test_an_incident_whose_recordings_cannot_be_read_is_taken_on_all_the_same(
    served: Served, page: Page, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    incident = incident_of(12 if why == "Not a directory" else 14)
    over = threading.Event()
    served.happen(incident)
    folder = served.settings.home / "evidence" / incident.id
    folder.parent.mkdir(exist_ok=True)
    folder.touch()  # no folder; a disk that fails, or belongs to somebody else, refuses in the same way
    if why != "Not a directory":
        monkeypatch.setattr(EvidenceStore, "files", lambda *_: over.wait(PATIENCE_MS / 1000))
    page.goto(f"{served.url}/incidents/{incident.id}")
    expect(page.get_by_role("alert")).to_contain_text(why)
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Acknowledged.")).to_be_visible()
    assert served.journal.state_of(incident.id) is State.ACKNOWLEDGED
    over.set()
    folder.unlink()


@pytest.mark.parametrize("path", ["/incidents?state=x&after=y&since=z", "/incidents/nothing", "/incidents/%00"])
def test_made_up_addresses_find_nothing(served: Served, page: Page, path: str) -> None:
    page.goto(served.url + path)
    expect(page.get_by_text("There")).to_be_visible()


def test_a_recording_is_judged_on_the_page(served: Served, page: Page, tmp_path: Path) -> None:
    path = tmp_path / "<b>scream.wav"
    soundfile.write(path, sound()[4 * 16_000 : 8 * 16_000], 16_000)
    page.goto(f"{served.url}/analyse")
    page.set_input_files("input[type=file]", path)
    expect(page.get_by_text("Scream", exact=True)).to_be_visible()
    expect(page.get_by_text("Verdict: <b>scream.wav")).to_be_visible()
    page.wait_for_function("document.querySelector('img.spectrogram').naturalWidth > 50")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as JSON").click()
    assert '"label": "scream"' in Path(download.value.path()).read_text()


def test_what_is_no_recording_is_refused_on_the_page(served: Served, page: Page, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"#EXTM3U\nfile:///etc/passwd\n")
    page.goto(f"{served.url}/analyse")
    page.set_input_files("input[type=file]", path)
    expect(page.get_by_text("not a recording or picture")).to_be_visible()


def test_two_gigabytes_without_a_length_are_cut_off_at_the_limit(served: Served) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    piece = b"10000\r\n" + b"\0" * 0x10000 + b"\r\n"
    sent = 0
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST /api/v1/analyze HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"Authorization: Bearer " + TOKEN.encode() + b"\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        )
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        connection.sendall(b"%x\r\n%s\r\n" % (len(head), head))
        try:
            while sent < 2 << 30:
                connection.sendall(piece)
                sent += 0x10000
        except OSError:
            pass  # the station has had enough
    assert sent < 300e6


def test_a_client_that_dawdles_keeps_nobody_waiting(served: Served, page: Page) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    with ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(socket.create_connection((host, int(port))))
            connection.sendall(b"POST /api/v1/analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n")
        assert page.request.get(f"{served.url}/api/v1/health").status == 200


def test_who_only_asks_for_pages_does_not_fill_the_memory(
    served: Served, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "CROWD", 3)
    monkeypatch.setattr(layout, "CALL_BACK_S", 0.3)
    open_before = len(Client.instances)
    for _ in range(6):
        assert page.request.get(served.url).status == 200
        page.wait_for_timeout(350)  # longer than that
    assert len(Client.instances) <= open_before + 2
    expect(page.get_by_text(texts.ALL_QUIET)).to_be_visible()  # a page that is looked at stays


def test_a_crowd_of_strangers_and_a_head_without_an_end_keep_nobody_out(served: Served, page: Page) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    address = host, int(port)
    with ExitStack() as stack:
        crowd = [stack.enter_context(socket.create_connection(address)) for _ in range(OF_ONE + 50)]
        assert page.request.get(f"{served.url}/api/v1/health").status == 200
        assert sum(stays(connection) for connection in crowd) <= OF_ONE
    with socket.create_connection(address) as connection, pytest.raises(OSError, match=r"reset|pipe"):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 50_000_000)
    expect(page.get_by_text(texts.ALL_QUIET)).to_be_visible()  # this page has stayed


def test_on_a_phone_another_camera_is_chosen_by_its_name_and_nothing_is_wider_than_that(
    served: Served, stranger: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_form, "list_cameras", lambda: [Camera(2, "HD Webcam C525")])
    stranger.set_viewport_size({"width": 390, "height": 844})
    sign_in(stranger, f"{served.url}/settings", "ada")
    find = stranger.get_by_label("Find a setting")
    find.fill("what the station sees with")
    stranger.get_by_role("button", name="Which are there?").click()
    stranger.get_by_role("button", name="HD Webcam C525").click()
    expect(stranger.get_by_role("textbox", name="Source")).to_have_value("HD Webcam C525")
    expect(stranger.get_by_text(texts.UNSAVED)).to_be_visible()
    find.fill("duress pin")
    expect(stranger.get_by_text("SAFETY_MONITOR_ACKNOWLEDGE__DURESS_PIN_HASH")).to_be_visible()
    assert stranger.evaluate("document.documentElement.scrollWidth") <= 390
    find.fill("cool down quiet")
    expect(stranger.get_by_text("within “Within (seconds)”; what comes on several")).to_be_visible()


def test_where_to_sign_in_is_no_wider_than_a_phone(served: Served, stranger: Page) -> None:
    stranger.set_viewport_size({"width": 360, "height": 700})
    stranger.goto(f"{served.url}/login")
    expect(stranger.get_by_label("Name")).to_be_visible()
    assert stranger.evaluate("document.documentElement.scrollWidth") <= 360


def test_on_a_phone_an_address_in_a_note_and_a_path_in_a_trouble_make_nothing_wider(served: Served, page: Page) -> None:
    address = "https://files.example.org/" + 8 * "reports_of_the_night" + "/1.docx"
    served.journal.record(incident_of(31))
    served.journal.remark(incident_of(31).id, address, by="otto")
    page.set_viewport_size({"width": 360, "height": 700})
    served.station.supervisor.check("disk", Ill(f"{address} cannot be written"))
    try:
        expect(page.get_by_text(f"Disk: {address} cannot be written")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    finally:
        served.station.supervisor.check("disk", None)
    page.goto(f"{served.url}/incidents/{incident_of(31).id}")
    expect(page.get_by_text(address)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_password_that_is_taken_out_again_is_not_set(served: Served, stranger: Page) -> None:
    file = served.settings.home / "station.toml"
    kept = hash_password(PASSWORD)
    file.write_text(f'[[web.users]]\nname = "ada"\nrole = "admin"\npassword_hash = "{kept}"\n')
    try:
        sign_in(stranger, f"{served.url}/settings", "ada")
        stranger.get_by_text("The pages and the REST API.").click()
        password = stranger.get_by_label("New password")
        password.fill("anything")
        expect(stranger.get_by_text(texts.UNSAVED)).to_be_visible()
        password.fill("")
        expect(stranger.get_by_text(texts.NO_CHANGES)).to_be_visible()
    finally:
        file.unlink()


def test_a_policy_is_called_and_shown_as_somebody_likes(served: Served, stranger: Page) -> None:
    file, name = served.settings.home / "station.toml", 'seen \\x "quietly"'
    table = {"name": name, "triggers": ["any"], "steps": [{"actions": ["all"]}]}
    file.write_text(tomlkit.dumps({"policies": [table]}))
    try:
        sign_in(stranger, f"{served.url}/settings", "ada")
        stranger.get_by_label("Find a setting").fill("which incidents the first policy")
        shown = stranger.get_by_role("region", name=name, exact=True)
        expect(shown.get_by_role("textbox", name="Name")).to_have_value(name)
        expect(shown.get_by_role("button", name=f"Remove {name}", exact=True)).to_be_visible()
    finally:
        file.unlink()


def test_what_comes_of_a_mark_is_told_though_the_button_was_drawn_anew(
    served: Served, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = threading.Event()
    monkeypatch.setattr(feedback, "put_aside", lambda settings, entry: drawn.wait(PATIENCE_MS / 1000) and ())
    served.journal.record(incident_of(32))
    page.goto(f"{served.url}/incidents/{incident_of(32).id}")
    try:
        page.get_by_role("button", name="Real").click()
        expect(page.get_by_role("button", name="Real", pressed=True)).to_be_visible()
    finally:
        drawn.set()
    expect(page.get_by_text("put aside")).to_be_visible()


def test_a_gesture_that_is_added_does_not_take_the_place_of_the_signal_for_help(served: Served, stranger: Page) -> None:
    file = served.settings.home / "station.toml"
    sign_in(stranger, f"{served.url}/settings", "ada")
    stranger.get_by_label("Find a setting").fill("which gestures mean")
    expect(stranger.get_by_role("textbox", name="Sequence")).to_have_value("signal_for_help")
    stranger.get_by_role("button", name="Add to Gestures").click()
    expect(stranger.get_by_role("textbox", name="Sequence")).to_have_count(2)
    stranger.get_by_role("textbox", name="Sign").last.fill("fist")
    stranger.get_by_role("button", name="Save").click()
    try:
        expect(stranger.get_by_text("Saved. It comes into force")).to_be_visible()
        assert tomllib.loads(file.read_text())["emergency"]["gestures"] == [
            {"sequence": "signal_for_help"},
            {"sign": "fist"},
        ]
        stranger.get_by_role("button", name="Remove Gestures 1").click()
        stranger.get_by_role("button", name="Save").click()
        expect(stranger.get_by_role("textbox", name="Sequence")).to_have_count(1)
        expect(stranger.get_by_text("Saved. It comes into force")).to_be_visible()
        assert tomllib.loads(file.read_text())["emergency"]["gestures"] == [{"sign": "fist"}]
    finally:
        file.unlink(missing_ok=True)


def test_a_press_on_acknowledge_is_not_lost_when_a_trouble_comes(served: Served, page: Page) -> None:
    served.happen(incident_of(34))
    button = page.get_by_role("button", name="Acknowledge")
    pressed = button.get_attribute("id")  # what a press names
    served.station.supervisor.check("disk", Ill("full"))
    try:
        expect(page.get_by_text("Disk: full")).to_be_visible()
        expect(button).to_have_id(pressed or "")
    finally:
        served.station.supervisor.check("disk", None)


def test_a_press_on_start_again_is_not_lost_when_more_comes_to_wait_for_that(served: Served, stranger: Page) -> None:
    file = served.settings.home / "station.toml"
    sign_in(stranger, f"{served.url}/settings", "ada")
    change = partial(stranger.request.put, headers={"Origin": served.url})
    waits = stranger.get_by_text(re.compile("^The station must start again for: "))
    try:
        assert change(f"{served.url}/api/v1/settings/station.name", data={"value": "corridor"}).ok
        expect(waits).to_contain_text("Station")
        pressed = stranger.get_by_role("button", name="Start again now").get_attribute("id")  # what a press names
        assert change(f"{served.url}/api/v1/settings/evidence.before_s", data={"value": 4}).ok
        expect(waits).to_contain_text("Evidence")
        expect(stranger.get_by_role("button", name="Start again now")).to_have_id(pressed or "")
    finally:
        file.unlink(missing_ok=True)


def test_a_start_that_takes_a_while_to_be_checked_is_made_or_refused_in_words(
    served: Served, stranger: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = served.settings.home / "station.toml"
    sign_in(stranger, f"{served.url}/settings", "ada")
    stranger.get_by_label("Find a setting").fill("what the station is called")
    stranger.get_by_role("textbox", name="Name").fill("corridor")
    stranger.get_by_role("button", name="Save").click()
    expect(stranger.get_by_text("Saved. It comes into force")).to_contain_text("But: nobody elsewhere is told of an")
    closed = threading.Event()
    monkeypatch.setattr(running, "check_start", lambda settings: closed.wait(PATIENCE_MS / 1000))
    try:
        served.view.moved(incident_of(33))
        stranger.get_by_role("button", name="Start again now").click()
        dialog = stranger.get_by_role("dialog")
        dialog.get_by_role("button", name="Start again now").click()
        expect(dialog).to_have_count(0)
        closed.set()
        expect(stranger.get_by_text("an incident is open; end it first")).to_be_visible()
        expect(stranger.get_by_text("The station starts again. This page")).to_have_count(0)
    finally:
        closed.set()
        file.unlink()
