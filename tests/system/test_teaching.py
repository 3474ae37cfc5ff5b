"""A person who cannot program teaches a running station, and sets it up, on its pages."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from gesture.collection import SIGNS, TABLES
from gesture.tables import read_hands
from safety_monitor.demo.scene import FPS, picture_at
from safety_monitor.web.access import hash_password
from tests.browser import browser
from tests.stream_server import pictures, stream_server
from tests.system.command import Running, environment, running
from tests.system.test_pages import free_port

PASSWORD = "correct horse"
PATIENCE_MS = 60_000
TEXT = f"""\
# The station in the hall.
[station]
name = "hall"

[fusion]
threshold = 0.8  # tried on the 3rd of May

[alarm]
enabled = false

[speech]
enabled = false

[evidence]
enabled = false

[[web.users]]
name = "vera"
role = "viewer"
password_hash = "{hash_password(PASSWORD)}"

[[web.users]]
name = "ada"  # looks after it
role = "admin"
password_hash = "{hash_password(PASSWORD)}"
"""


@dataclass
class Taught:
    """A station whose camera sees one hand for ever."""

    station: Running
    home: Path
    url: str


@contextmanager
def hand_in_view() -> Iterator[str]:
    """A camera in the network that shows the demo scene's open palm, moving a little."""
    stop = threading.Event()
    palm = [picture_at(round(40.0 * FPS) + number) for number in range(2)]
    with stream_server(pictures(cycle(palm), 8, stop)) as address:
        yield address
        stop.set()


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taught]:
    home, port = tmp_path_factory.mktemp("home"), free_port()
    (home / "station.toml").write_text(TEXT)
    variables = environment(home, SAFETY_MONITOR_WEB__PORT=port)
    with (
        hand_in_view() as camera,
        running(home, "--camera", camera, "--mic", "off", environ={}, **variables) as station,
    ):
        station.wait_for(lambda station: any(" pages: " in line for line in station.log))
        yield Taught(station, home, f"http://127.0.0.1:{port}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


def signed_in(chromium: Browser, taught: Taught, name: str) -> Page:
    page = chromium.new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.goto(taught.url)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Live")).to_be_visible()
    return page


@pytest.fixture(scope="module")
def admin(chromium: Browser, taught: Taught) -> Page:
    return signed_in(chromium, taught, "ada")


def test_a_gesture_is_collected_while_the_key_is_held(taught: Taught, admin: Page) -> None:
    admin.goto(f"{taught.url}/collect")
    admin.get_by_role("button", name="Disarm").click()
    expect(admin.get_by_text("calls nobody")).to_be_visible()
    expect(admin.get_by_text("Hands in view: 1")).to_be_visible()
    admin.keyboard.down("Space")
    expect(admin.get_by_text("Choose a gesture first.")).to_be_visible()
    admin.keyboard.up("Space")
    admin.get_by_role("button", name="New gesture").click()
    admin.get_by_role("dialog").get_by_role("textbox").fill("my, sign")
    admin.get_by_role("dialog").get_by_role("button", name="Add").click()
    expect(admin.get_by_text("'my, sign' is no label")).to_be_visible()
    admin.get_by_role("dialog").get_by_role("textbox").fill("my_sign")
    admin.get_by_role("dialog").get_by_role("button", name="Add").click()
    admin.get_by_label("Person").fill("anna")
    admin.get_by_label("Session").fill("first")
    hold = admin.get_by_role("button", name="Hold to record")
    hold.hover()
    admin.mouse.down()
    expect(admin.get_by_text("Recording My sign")).to_be_visible()
    table = admin.get_by_role("table")
    expect(table).to_contain_text("My sign")
    admin.mouse.up()
    expect(admin.get_by_text("Not recording")).to_be_visible()
    file = taught.home / "gestures" / TABLES[SIGNS]
    rows = read_hands(file)
    assert set(rows.label) == {"my_sign"}
    assert (rows.person[0], rows.session[0]) == ("anna", "first")
    expect(table.get_by_role("row").nth(1)).to_contain_text(str(len(rows)))
    admin.get_by_role("button", name="Take back").click()
    expect(admin.get_by_text("took back one row of my_sign")).to_be_visible()
    assert len(read_hands(file)) == len(rows) - 1


def test_a_viewer_can_neither_collect_nor_train_nor_set(taught: Taught, chromium: Browser) -> None:
    page = signed_in(chromium, taught, "vera")
    for path in ("collect",):
        assert page.get_by_role("link", name=path.capitalize()).count() == 0
        page.goto(f"{taught.url}/{path}")
        expect(page.get_by_text("Your role does not allow this.")).to_be_visible()
        assert page.get_by_role("main").get_by_role("button").count() == 0
    assert page.request.post(f"{taught.url}/api/v1/test-alert").status == 403
    page.close()
