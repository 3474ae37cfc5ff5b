"""Collecting: keys do what users of the two-model programs know, in a window and without."""

import select
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from gesture.capture import Frame
from gesture.collect import ESCAPE, Collector, Panel, in_terminal, keyboard, press, summary
from gesture.collection import TABLES, Collection
from gesture.detector import HandReading
from gesture.rows import MOTIONS, SIGNS, Origin
from gesture.tables import read_hands, read_paths
from tests.moving_hand import MovingHand

IMAGE = np.zeros((480, 640, 3), np.uint8)
LABELS = ["open", "closed"]


class NoHand:
    """Sees nothing."""

    def see(self, frame: Frame) -> list[HandReading]:
        return []


def keys(panel: Panel, pressed: Sequence[str]) -> Panel:
    for key in pressed:
        panel = press(panel, key, LABELS)
    return panel


def frames(seconds: float, rate: float = 15) -> list[Frame]:
    return [Frame(IMAGE, i / rate) for i in range(int(seconds * rate))]


@pytest.fixture
def collector(tmp_path: Path) -> Collector:
    collection = Collection(tmp_path)
    for kind in (SIGNS, MOTIONS):
        for label in LABELS:
            collection.add_label(kind, label)
    return Collector(collection, MovingHand(), Origin("test", "anna", "s1"))


def test_keys() -> None:
    start = Panel()
    assert keys(start, "h").mode == MOTIONS
    assert keys(start, "n").mode is None
    assert keys(start, "hk").mode == SIGNS
    assert keys(start, "1").label == "closed"
    assert keys(start, "1").once
    assert keys(start, "7") == start
    assert keys(start, "n1").label is None
    assert keys(start, "1h").label is None
    assert keys(start, "p").paused
    assert not keys(start, "pp").paused
    assert keys(start, "a1").automatic
    assert not keys(start, "a1").once
    assert keys(start, "q").done
    assert keys(start, "Q").done
    assert keys(start, ESCAPE).done
    assert keys(start, "x") == start
    assert keys(start, "²") == start  # a key of its own on a French keyboard


def test_a_new_label_is_typed() -> None:
    assert keys(Panel(), [*"lnew, q", "\x7f", "\n"]).label == "new"
    assert keys(Panel(label="open"), [*"lab", ESCAPE]) == Panel(label="open")
    assert not keys(Panel(), [*"lq", "\n"]).done


def test_hands_at_the_keyboard_are_no_rows_of_the_label_before(collector: Collector) -> None:
    collector.panel = Panel(SIGNS, "open", automatic=True)
    collector.see(Frame(IMAGE, 0.0))
    for number, key in enumerate("lnew", start=1):
        collector.key(key)
        collector.see(Frame(IMAGE, float(number)))
    assert collector.counts == {(SIGNS, "open"): 1}
    collector.key("\n")
    collector.see(Frame(IMAGE, 9.0))
    assert read_hands(collector.collection.folder / TABLES[SIGNS]).label.tolist() == ["open", "new"]


def test_what_is_typed_and_read_as_a_label_that_is_there_is_not_taken(collector: Collector) -> None:
    for key in [*"0lFist", "\n"]:
        collector.key(key)
    assert collector.message == "'Fist' is called 'fist' here already: choose that, or another name"
    collector.see(Frame(IMAGE, 0.0))
    assert collector.counts == {(SIGNS, "open"): 1}
    assert collector.trouble == ""


def test_a_digit_logs_one_row(collector: Collector) -> None:
    for frame in frames(1):
        collector.see(frame)
    collector.key("1")
    for frame in frames(1):
        collector.see(frame)
    table = read_hands(collector.collection.folder / TABLES[SIGNS])
    assert table.label.tolist() == ["closed"]
    assert (table.person[0], table.session[0], table.source[0], table.handedness[0]) == ("anna", "s1", "test", "right")


def test_undo_and_counts(collector: Collector) -> None:
    for _ in range(3):
        collector.key("0")
        collector.see(Frame(IMAGE, 1.0))
    collector.key("u")
    assert collector.counts[SIGNS, "open"] == 2
    assert len(read_hands(collector.collection.folder / TABLES[SIGNS])) == 2
    for _ in range(3):
        collector.key("u")
    assert "nothing to take back" in collector.message
    assert summary(collector, recorded=True) == "collected: nothing"


def test_rows_of_everybody_are_counted_beside_those_of_this_session(collector: Collector) -> None:
    ben = Collector(
        collector.collection, MovingHand(), Origin("test", "ben", "s2"), Panel(SIGNS, "open", automatic=True)
    )
    for frame in frames(1):
        ben.see(frame)
    collector.look_up()
    for key in "01u":
        collector.key(key)
        collector.see(Frame(IMAGE, 9.0))
    assert collector.choices() == ["0 open 1 (6 in all)", "1 closed 0 (0 in all)"]


def test_logging_by_itself_keeps_to_its_rate(collector: Collector) -> None:
    collector.panel = Panel(SIGNS, "open", automatic=True, rate=4)
    for frame in frames(5, rate=30):
        collector.see(frame)
    assert 19 <= collector.counts[SIGNS, "open"] <= 21
    collector.key("p")
    before = collector.counts.copy()
    for frame in frames(5, rate=30):
        collector.see(frame)
    assert collector.counts == before


def test_movements_need_their_span(collector: Collector) -> None:
    collector.panel = Panel(MOTIONS, "open", automatic=True, rate=30)
    for frame in frames(1.0, rate=30):
        collector.see(frame)
    assert collector.counts[MOTIONS, "open"] == 0
    for frame in [Frame(IMAGE, 1 + i / 30) for i in range(30)]:
        collector.see(frame)
    table = read_paths(collector.collection.folder / TABLES[MOTIONS])
    assert len(table) == collector.counts[MOTIONS, "open"] > 15
    assert (np.diff(table.paths[-1][:, 0]) > 0).all()


def test_it_is_said_what_logging_waits_for(tmp_path: Path) -> None:
    collector = Collector(Collection(tmp_path), NoHand(), Origin("test", "anna", "s1"))
    assert collector.state() == "signs: no label yet: L asks for one"
    collector.collection.add_label(MOTIONS, "wave")
    collector.key("h")
    assert collector.state() == "motions: no label yet: L asks for one, 0 to 9 choose one"
    collector.key("0")
    collector.see(Frame(IMAGE, 0.0))
    assert collector.state() == "motions: wave, as soon as a hand is in view"
    collector.seer = MovingHand()
    for frame in frames(1):
        collector.see(frame)
    assert collector.state() == "motions: wave, as soon as a hand has been in view for 1.2 s"
    for frame in frames(2)[15:]:
        collector.see(frame)
    assert collector.state() == "motions: wave, logged by key"
    collector.key("n")
    assert collector.state() == "nothing is logged: K logs hands, H movements"


def test_without_a_hand_nothing_is_logged(tmp_path: Path) -> None:
    panel = Panel(SIGNS, "open", automatic=True)
    collector = Collector(Collection(tmp_path), NoHand(), Origin("test", "anna", "s1"), panel)
    for frame in frames(2):
        collector.see(frame)
    assert collector.collection.counts(SIGNS) == {}


def test_the_terminal_alone_will_do(collector: Collector) -> None:
    typed = iter([*"0", None, *"p", None, *"p1", None, *"lwa", None, *"ve\n", None, *"q"])
    said: list[str] = []
    counted: list[str] = []
    in_terminal(collector, frames(3), said.append, counted.append, lambda: next(typed, None))
    assert counted == ["open: 1 rows", "closed: 1 rows", "new label: wa_ (Enter takes it, Escape does not)"]
    assert said == [
        "signs: open, as soon as a hand is in view",
        "signs: open, paused",
        "signs: closed, logged by key",
        "signs: wave, logged by key",
    ]
    assert summary(collector, recorded=False) == "collected: 1 of closed, 1 of open"


@pytest.mark.skipif(sys.platform == "win32", reason="has no such terminals")
def test_keys_that_were_typed_between_two_frames_all_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    import pty

    hands, terminal = pty.openpty()
    with open(hands, "wb", buffering=0) as typing, open(terminal, encoding="utf-8") as typed:
        monkeypatch.setattr(sys, "stdin", typed)
        with keyboard() as next_key:
            assert next_key() is None
            for text in ("lgrüß\n0", "q", ESCAPE, "\x1b[A\x1bOB\x1b[3~p"):
                typing.write(text.encode())
                select.select([terminal], [], [])
                assert "".join(iter(next_key, None)) == ("p" if text.endswith("p") else text)  # arrows are no keys


def test_of_a_recording_it_is_said_how_much_shows_no_hand(tmp_path: Path) -> None:
    collector = Collector(Collection(tmp_path), NoHand(), Origin("test", "anna", "s1"), Panel(SIGNS, "open"))
    for frame in frames(1):
        collector.see(frame)
    assert summary(collector, recorded=True) == "collected: nothing; no hand was seen in 15 of 15 pictures"


def test_a_row_that_the_disk_refuses_is_told_of(collector: Collector) -> None:
    table = collector.collection.folder / TABLES[SIGNS]
    table.mkdir()  # where no file can be: as a full disk, it refuses every row
    collector.key("0")
    for frame in frames(1):
        collector.see(frame)
    assert collector.message == collector.trouble == f"{table}: Is a directory"
    table.rmdir()
    collector.see(Frame(IMAGE, 2.0))
    assert collector.counts[SIGNS, "open"] == 1
