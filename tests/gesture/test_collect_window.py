"""The window of the collection mode: what it shows, and that it takes keys."""

import subprocess
import sys
from pathlib import Path
from shutil import which

import numpy as np
import pytest

from gesture.capture import Frame
from gesture.collect import ESCAPE, Collector, Panel
from gesture.collect_window import GROUND, MARGIN, draw, key_of
from gesture.collection import TABLES, Collection
from gesture.rows import SIGNS, Origin
from gesture.tables import read_hands
from tests.moving_hand import MovingHand

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("code", "key"),
    [
        (ord("k"), "k"),
        (ord("0"), "0"),
        (0x1B, ESCAPE),
        (0x0D, "\r"),
        (ord("k") | 0x100000, "k"),  # Num Lock, where the system tells
        (-0x24, "Ü"),
        (-1, None),  # none was pressed
        (0xFF51, None),  # an arrow
        (0xFFBE, None),  # F1
        (0x6D1, None),  # a letter that has no code of its own
    ],
)
def test_keys_by_their_codes(code: int, key: str | None) -> None:
    assert key_of(code) == key


@pytest.mark.parametrize(
    ("size", "shown"), [((480, 640), (480, 640)), ((1080, 1920), (540, 960)), ((100, 100), (540, 540))]
)
def test_the_picture_keeps_its_place_between_the_lines(
    size: tuple[int, int], shown: tuple[int, int], tmp_path: Path
) -> None:
    image = np.full((*size, 3), 200, np.uint8)
    image[:, : size[1] // 2] = (250, 0, 0)  # red on the left, in a mirror on the right
    collector = Collector(Collection(tmp_path), MovingHand(), Origin("test", "anna", "s1"), Panel(SIGNS, "open"))
    before = draw(image, collector)
    for number in range(20):
        collector.see(Frame(image, number / 15))
    collector.key("0")
    after = draw(image, collector)
    assert after.shape == before.shape  # a window that grows and shrinks all the time cannot be read
    height, width = shown
    assert after.shape[1] == width
    above = next(row for row, pixel in enumerate(before[:, 2]) if (pixel == 200).all())
    picture = before[above : above + height]
    assert (picture[:, 2] == 200).all()
    assert (picture[:, -2] == (0, 0, 250)).all()
    assert not (before[above + height :] == 200).all(axis=2).any()
    changed = (after != before).any(axis=2)
    assert changed[:above].any()  # the lines
    assert changed[above : above + height, width // 2 :].any()  # the hand, mirrored
    assert not changed[above + height :].any()  # the keys


def test_lines_fit_a_narrow_window_however_many_labels_there_are(tmp_path: Path) -> None:
    collection = Collection(tmp_path)
    collector = Collector(collection, MovingHand(), Origin("test", "anna", "s1"))
    few = draw(np.zeros((480, 640, 3), np.uint8), collector)
    for number in range(14):
        collection.add_label(SIGNS, f"a_sign_with_a_name_{number}")
    many = draw(np.zeros((480, 640, 3), np.uint8), collector)
    assert many.shape[0] > few.shape[0]
    assert set(np.unique(many[:, -MARGIN:])) <= {0, GROUND}  # of the picture, and of the lines' ground


WINDOW_TEST = """
import subprocess, sys, threading
from itertools import count
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[1])
from gesture.capture import Frame
from gesture.collect import Collector
from gesture.collect_window import WINDOW, in_window
from gesture.collection import Collection
from gesture.rows import Origin
from tests.moving_hand import MovingHand
from tests.waiting import until

STEPS = [
    ("1", lambda: collector.counts["signs", "closed"] == 1),
    ("0", lambda: collector.counts["signs", "open"] == 1),
    ("l", lambda: collector.panel.naming == ""),
    ("m", lambda: collector.panel.naming == "m"),
    ("Left", lambda: True),  # no letter
    ("e", lambda: collector.panel.naming == "me"),
    ("Return", lambda: collector.panel.label == "me"),
    ("a", lambda: collector.counts["signs", "me"] >= 2),
    ("q", lambda: True),
]

def type_them():
    window = subprocess.check_output(["xdotool", "search", "--sync", "--name", WINDOW], text=True).split()[0]
    for key, done in STEPS:
        subprocess.run(["xdotool", "key", "--window", window, key], check=True)
        until(done)

def frames():
    threading.Thread(target=type_them, daemon=True).start()
    for number in count():
        yield Frame(np.zeros((480, 640, 3), np.uint8), number / 30)

collection = Collection(Path(sys.argv[2]))
for label in ("open", "closed"):
    collection.add_label("signs", label)
collector = Collector(collection, MovingHand(), Origin("test", "anna", "s1"))
in_window(collector, frames())
"""


@pytest.mark.skipif(not (which("Xvfb") and which("xdotool")), reason="Xvfb and xdotool are not installed")
def test_the_window_takes_keys(tmp_path: Path) -> None:
    done = subprocess.run(
        ["xvfb-run", "-a", sys.executable, "-c", WINDOW_TEST, ROOT, tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second, *others = read_hands(tmp_path / TABLES[SIGNS]).label.tolist()
    assert (first, second, set(others)) == ("closed", "open", {"me"})
