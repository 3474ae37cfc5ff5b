"""Pictures of every page, of a station before which the demo scene is played over and over.

    python -m tests.screenshots FOLDER [PAGE ...]

Each page is taken light, dark and on a phone; the kiosk as the screen on a wall. The alarm is off; those who
are told are a mail server of ours.
"""

import itertools
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from audio.blocks import SAMPLE_RATE
from safety_monitor.config.detection import TrainingSettings
from safety_monitor.demo.scene import FPS, SECONDS, picture_at, sound
from safety_monitor.learning.training import train
from tests.browser import browser
from tests.recordings import write_media
from tests.servers.mail import mail_server
from tests.servers.mosquitto import PASSWORD, USER, Mosquitto
from tests.servers.program import free_port
from tests.stream_server import endless_sound, pictures, stream_server
from tests.system.command import PROGRAM, environment, running
from tests.system.test_teaching import collected

PATIENCE_MS = 300_000
QUALITY = 72
FORMS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "is_mobile": True},
}
WALL: dict[str, Any] = {"viewport": {"width": 1280, "height": 720}, "color_scheme": "dark"}
TEXT = """\
[station]
name = "Front desk"
[alarm]
enabled = false
[speech]
enabled = false
[place]
latitude = 52.5163
longitude = 13.3777
address = "1st floor, behind the lift"
[mqtt]
host = "127.0.0.1"
"""


def scene(stop: threading.Event) -> Iterator[Any]:
    """The scene's pictures without an end."""
    for number in itertools.cycle(range(0, round(SECONDS * FPS), 2)):
        if stop.is_set():
            return
        yield picture_at(number)


def told(share: float, text: str) -> None:
    """How far the training is."""
    print(f"\r{share:4.0%} {text:60}", end="", file=sys.stderr)


def show_live(page: Page) -> None:
    page.wait_for_function("document.getElementById('picture').naturalWidth > 0")
    expect(page.get_by_text(re.compile("Hits: [5-9]"))).to_be_visible()  # while the scream is heard
    expect(page.get_by_text("Emergency: Scream")).to_be_visible()


def show_incidents(page: Page) -> None:
    while not page.get_by_role("row").nth(1).is_visible():  # until the scene has brought the first one
        page.wait_for_timeout(1000)
        page.reload()


def show_incident(page: Page) -> None:
    show_incidents(page)
    page.get_by_role("row").nth(1).get_by_role("link").first.click()
    expect(page.get_by_text("Time line", exact=True)).to_be_visible()
    expect(page.get_by_text("Clip", exact=True)).to_be_visible()  # when what came after the trigger has passed
    page.wait_for_timeout(2000)  # for the map


def show_analyse(page: Page) -> None:
    with tempfile.TemporaryDirectory() as folder:
        recording = write_media(Path(folder, "evening.wav"), sound=sound(), rate=SAMPLE_RATE)
        page.locator("input[type=file]").first.set_input_files(recording)
        expect(page.get_by_role("img", name="Spectrogram")).to_be_visible()
    page.wait_for_timeout(2000)  # for the chart


def show_collect(page: Page) -> None:
    page.wait_for_function("document.getElementById('picture').naturalWidth > 0")
    expect(page.get_by_role("table")).to_contain_text("My sign")
    expect(page.get_by_text("Hands in view: 1")).to_be_visible()  # when the scene comes to them


def show_retrain(page: Page) -> None:
    expect(page.get_by_text("The new model, not in use")).to_be_visible()


def show_settings(page: Page) -> None:
    page.get_by_label("Find a setting").fill("probability confirms")
    expect(page.get_by_label("Threshold", exact=True)).to_be_visible()


def show_kiosk(page: Page) -> None:
    expect(page.get_by_text("I am watching and listening").or_(page.get_by_text("Emergency noticed"))).to_be_visible()


PAGES = {
    "live": ("/", show_live),
    "incidents": ("/incidents", show_incidents),
    "incident": ("/incidents", show_incident),
    "analyse": ("/analyse", show_analyse),
    "collect": ("/collect", show_collect),
    "retrain": ("/retrain", show_retrain),
    "settings": ("/settings", show_settings),
    "api": ("/api", lambda page: expect(page.get_by_text("/api/v1/health").first).to_be_visible()),
    "kiosk": ("/kiosk", show_kiosk),
}


def main(folder: Path, wanted: list[str]) -> None:
    """Make the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = Mosquitto(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        broker.start()
        stack.callback(broker.stop)
        (home / "station.toml").write_text(TEXT + f'port = {broker.port}\nusername = "{USER}"\n')
        collected(home, "my_sign", 60)
        if "retrain" in wanted:
            train(home, "signs", TrainingSettings().passes, told)
        camera = stack.enter_context(stream_server(pictures(scene(stop), FPS / 2, stop)))
        microphone = stack.enter_context(stream_server(endless_sound(sound(), stop), "audio/wav", "/sound.wav"))
        stack.callback(stop.set)
        port = str(free_port())
        mails = stack.enter_context(mail_server())
        variables = environment(
            home,
            SAFETY_MONITOR_WEB__PORT=port,
            SAFETY_MONITOR_MQTT__PASSWORD=PASSWORD,
            SAFETY_MONITOR_MESSAGES__MAIL=mails.url,
            PATH=f"{PROGRAM.parent}:{os.environ['PATH']}",  # it is called by its name, not by where it lies here
        )
        station = stack.enter_context(running(home, "--camera", camera, "--mic", microphone, environ={}, **variables))
        station.wait_for(lambda station: any(" pages: " in line for line in station.log))
        chromium = stack.enter_context(browser())
        expect.set_options(timeout=PATIENCE_MS)
        for name in wanted:
            path, show = PAGES[name]
            for form, options in {"wall": WALL}.items() if name == "kiosk" else FORMS.items():
                context = chromium.new_context(**options)
                page = context.new_page()
                page.set_default_timeout(PATIENCE_MS)
                page.goto(f"http://127.0.0.1:{port}{path}")
                show(page)
                page.evaluate("window.scrollTo(0, 0)")
                page.wait_for_timeout(500)  # for what moves
                page.screenshot(path=folder / f"{name}-{form}.jpg", type="jpeg", quality=QUALITY)
                context.close()
                print(folder / f"{name}-{form}.jpg", flush=True)


if __name__ == "__main__":
    unknown = set(sys.argv[2:]) - set(PAGES)
    if len(sys.argv) < 2 or unknown:
        sys.exit(f"usage: python -m tests.screenshots FOLDER [{' '.join(PAGES)}]")
    main(Path(sys.argv[1]), sys.argv[2:] or list(PAGES))
