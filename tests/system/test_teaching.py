"""A person who cannot program teaches a running station, and sets it up, on its pages."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, TimeoutError, expect

from gesture.collection import TABLES, Collection
from gesture.rows import SIGNS, Origin, sign_row
from gesture.tables import BASE_DATA, read_hands
from models.card import read_card
from models.in_use import Comparison, note_comparison
from models.registry import SHIPPED
from safety_monitor.demo.scene import FPS, picture_at
from safety_monitor.learning.training import CANDIDATE
from safety_monitor.web.access import hash_password
from tests.browser import browser
from tests.servers.program import free_port
from tests.stream_server import pictures, stream_server
from tests.system.command import Running, environment, running

PASSWORD = "correct horse"
PATIENCE_MS, TRAINING_MS = 60_000, 600_000
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

[acknowledge]

[training]
passes = 1

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
    with stream_server(pictures(cycle(palm), 3, stop)) as address:
        yield address
        stop.set()


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taught]:
    home, port = tmp_path_factory.mktemp("home"), str(free_port())
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


def sign_in(page: Page, taught: Taught, name: str) -> None:
    page.goto(taught.url)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Live")).to_be_visible()


def signed_in(chromium: Browser, taught: Taught, name: str) -> Page:
    page = chromium.new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    sign_in(page, taught, name)
    return page


@pytest.fixture(scope="module")
def admin(chromium: Browser, taught: Taught) -> Page:
    return signed_in(chromium, taught, "ada")


def test_a_gesture_is_collected_while_the_key_is_held(taught: Taught, admin: Page) -> None:
    admin.goto(f"{taught.url}/collect")
    admin.get_by_role("button", name="Disarm").click()
    admin.get_by_role("dialog").get_by_role("button", name="Disarm").click()
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
    expect(admin.get_by_role("dialog")).to_have_count(0)  # it takes the focus with it as it goes
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


def test_a_model_is_trained_and_in_use_only_when_told_to(taught: Taught, admin: Page) -> None:
    models = taught.home / "models"
    collected(taught.home, "my_sign", 60)
    admin.goto(f"{taught.url}/retrain")
    signs = admin.get_by_role("region", name="Sign (a still hand)")
    expect(signs.get_by_text("My sign")).to_be_visible()
    signs.get_by_role("button", name="Train").click()
    expect(signs.get_by_text("Training …")).to_be_visible()
    signs.get_by_role("button", name="Cancel").click()
    expect(signs.get_by_text("Not trained: cancelled")).to_be_visible()
    signs.get_by_role("button", name="Train").click()
    expect(signs.get_by_text("The new model, not in use")).to_be_visible(timeout=TRAINING_MS)
    expect(signs.get_by_role("row", name="My sign")).to_contain_text("–")  # the model in use does not know it
    assert not (models / "signs").exists()
    used = admin.request.get(f"{taught.url}/api/v1/models").json()
    assert next(model["shipped"] for model in used if model["in_use"] and model["task"] == "signs")
    worse = Comparison({"recall": 0.5}, {"recall": 1.0})  # however good it has become
    note_comparison(models / f"signs{CANDIDATE}", read_card(SHIPPED / "signs"), worse)
    admin.reload()
    expect(signs.get_by_text("It should not take the place of the model in use: recall")).to_be_visible()
    expect(signs.get_by_role("button", name="Put in use")).to_have_count(0)
    signs.get_by_role("button", name="Use it all the same").click()
    admin.get_by_role("dialog").get_by_role("button", name="Use it all the same").click()
    expect(admin.get_by_text("The station must start again for: Model signs")).to_be_visible()
    assert "my_sign" in read_card(models / "signs").labels
    assert "tensorflow" not in maps_of(taught.station.process.pid)
    signs.get_by_role("button", name="Go back").click()
    expect(admin.get_by_text("is in use again")).to_be_visible()
    assert not (models / "signs").exists()


def collected(home: Path, label: str, count: int) -> None:
    """Rows of a gesture, as several people would show it."""
    table = read_hands(BASE_DATA / "signs.csv.gz")
    hands = table.select((table.source == "tomnlittle") & (table.session == "Y"))
    collection = Collection(home / "gestures")
    for i in range(count):
        origin = Origin("camera", f"person {i // 20}", "s1")
        collection.add(SIGNS, sign_row(label, origin, "right", i / 5, float(hands.aspect[i]), hands.landmarks[i]))


def maps_of(pid: int) -> str:
    """Files that a process has mapped."""
    return Path(f"/proc/{pid}/maps").read_text()


def test_settings_are_changed_and_what_is_wrong_is_refused(taught: Taught, admin: Page) -> None:
    file = taught.home / "station.toml"
    admin.goto(f"{taught.url}/settings")
    assert "argon2" not in admin.content()
    expect(admin.get_by_text("Everything is saved.")).to_be_visible()
    admin.get_by_label("Find a setting").fill("threshold")
    threshold = admin.get_by_label("Threshold", exact=True)
    expect(threshold).to_have_value("0.8")
    threshold.fill("80")
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_text("fusion.threshold: must be at most 0.98")).to_be_visible()
    assert file.read_text() == TEXT
    threshold.fill("0.7")
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_text("Saved, and in force.")).to_be_visible()
    assert file.read_text() == TEXT.replace("0.8", "0.7")
    admin.get_by_label("Find a setting").fill("pages")
    expect(admin.get_by_label("New password")).to_have_count(2)
    assert "argon2" not in admin.content()
    admin.get_by_role("button", name="Add to Tokens").click()
    program = admin.get_by_role("region", name="Tokens 1")
    program.get_by_role("textbox", name="Name").fill("wall")
    program.get_by_role("button", name="Make a new token").click()
    dialog = admin.get_by_role("dialog", name="Make a new token")
    token = dialog.locator(".font-mono").inner_text()
    dialog.get_by_role("button", name="I have copied it").click()
    admin.get_by_label("Find a setting").fill("what the station is called")
    expect(admin.get_by_role("button", name='Collapse "Station"')).to_be_visible()
    admin.get_by_role("textbox", name="Name").fill("lobby")
    admin.get_by_role("button", name="Save").click()
    expect(admin.get_by_text(re.compile("The station must start again for: .*Station"))).to_be_visible()
    sure = admin.get_by_role("dialog").get_by_role("button", name="Start again now")
    for _ in range(5):  # the page may move under the pointer while it shows what was saved
        admin.get_by_role("button", name="Start again now").first.click()
        with suppress(TimeoutError):
            sure.wait_for(timeout=10_000)
            break
    sure.click()
    expect(admin.get_by_role("button", name="Sign in")).to_be_visible()  # sessions end with the station
    assert admin.title().startswith("Sign in")
    expect(admin.get_by_role("heading")).to_have_text("lobby")
    answer = admin.request.get(f"{taught.url}/api/v1/models", headers={"Authorization": f"Bearer {token}"})
    assert answer.status == 200


def test_a_viewer_can_neither_collect_nor_train_nor_set(taught: Taught, chromium: Browser) -> None:
    page = signed_in(chromium, taught, "vera")
    for path in ("analyse", "collect", "retrain", "settings"):
        assert page.get_by_role("link", name=path.capitalize()).count() == 0
        page.goto(f"{taught.url}/{path}")
        expect(page.get_by_text("Your role does not allow this.")).to_be_visible()
        assert page.get_by_role("main").get_by_role("button").count() == 0
    assert page.request.post(f"{taught.url}/api/v1/test-alert").status == 403
    page.close()
