"""Rows from what the running station sees: whole, counted, and never at the cost of detection."""

import threading
from pathlib import Path

import numpy as np
import pytest

from gesture.capture import Frame
from gesture.collection import TABLES, TWO_MODEL, Collection
from gesture.detector import HandReading
from gesture.rows import MOTIONS, SIGNS, Origin
from gesture.tables import BASE_DATA, read_hands, read_paths
from safety_monitor.fusion import FusionRules
from safety_monitor.incident import Sense
from safety_monitor.learning.collecting import LiveCollecting
from safety_monitor.live import LiveView

IMAGE = np.zeros((480, 640, 3), np.uint8)
FRAMES = 40
"""Of a hand, four a second; so that every one of them is due."""


@pytest.fixture(scope="module")
def hands() -> list[HandReading]:
    table = read_hands(BASE_DATA / "signs.csv.gz").select(np.arange(FRAMES))
    return [
        HandReading(0.25 * i, 1, "right", points + np.array([0.02 * i, 0, 0], np.float32), "fist", {"fist": 1.0})
        for i, points in enumerate(table.landmarks)
    ]


@pytest.fixture
def view() -> LiveView:
    return LiveView(FusionRules(), [Sense.GESTURE])


def ended() -> None:
    """Wait until every closed session has done what it was asked for."""
    for thread in threading.enumerate():
        if thread.name == "collect":
            thread.join(30)


def show(view: LiveView, hands: list[HandReading]) -> None:
    for hand in hands:
        view.saw(Frame(IMAGE, hand.at_s), [hand])


def test_two_sessions_write_one_file_and_every_row_is_whole(
    view: LiveView, hands: list[HandReading], tmp_path: Path
) -> None:
    sessions = {
        name: LiveCollecting(view, Collection(tmp_path), Origin("camera", name, "s1")) for name in ("anna", "ben")
    }
    for name, session in sessions.items():
        session.choose(SIGNS, f"sign_of_{name}")
        session.record(True)
    show(view, hands)
    for session in sessions.values():
        session.record(False)
        session.close()
    show(view, hands)  # nobody takes these any more
    ended()
    rows = read_hands(tmp_path / TABLES[SIGNS])
    for name, session in sessions.items():
        assert (rows.person[rows.label == f"sign_of_{name}"] == name).sum() == FRAMES
        assert session.progress.rows == {(SIGNS, f"sign_of_{name}"): FRAMES}
    assert len((tmp_path / TWO_MODEL[SIGNS]).read_text().splitlines()) == 2 * FRAMES


def test_counts_are_of_this_session_and_of_everybody(view: LiveView, hands: list[HandReading], tmp_path: Path) -> None:
    for person in ("anna", "ben"):
        session = LiveCollecting(view, Collection(tmp_path), Origin("camera", person, "s1"))
        session.choose(SIGNS, "mine")
        session.record(True)
        show(view, hands)
        session.undo()
        session.close()
        ended()
    assert session.progress.rows == {(SIGNS, "mine"): FRAMES - 1}
    assert session.progress.total == {"mine": 2 * (FRAMES - 1)}
    assert session.progress.message == "took back one row of mine"


def test_without_recording_nothing_is_kept_and_a_movement_needs_its_span(
    view: LiveView, hands: list[HandReading], tmp_path: Path
) -> None:
    session = LiveCollecting(view, Collection(tmp_path), Origin("camera", "anna", "s1"))
    session.choose(MOTIONS, "mine")
    show(view, hands)
    session.record(True)
    show(view, [HandReading(h.at_s + 20, h.hand, "right", h.landmarks, h.sign, h.sign_probabilities) for h in hands])
    session.close()
    ended()
    assert not (tmp_path / TABLES[SIGNS]).exists()
    paths = read_paths(tmp_path / TABLES[MOTIONS])
    assert 0 < len(paths) < FRAMES
