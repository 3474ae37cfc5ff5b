"""Settings of seeing, through the whole path from a recording to an incident."""

import shutil
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from audio import liveness
from audio.blocks import BLOCK_SAMPLES, SAMPLE_RATE, Chunk, Samples, SoundError
from audio.live import Arrival, Live
from audio.liveness import SoundFault
from media.inbox import Inbox
from models.card import change_card
from models.hand_landmarker import default_path, is_complete
from models.registry import SHIPPED
from safety_monitor import senses
from safety_monitor.analysis import Analyst
from safety_monitor.config import Settings
from safety_monitor.demo.scene import FPS, picture_at
from safety_monitor.incident import Moment, Sense
from safety_monitor.learning.false_alarms import recordings, report, watch
from safety_monitor.live import LiveView
from safety_monitor.sensing import SenseError
from tests.heard import AT_MOST_AHEAD_S
from tests.hls_server import hls_server
from tests.recordings import write_media
from tests.stream_server import pictures, stream_server

FIRST_S, LAST_S = 39.2, 43.8
"""Part of the demo scene in which the Signal for Help is made once."""
STEP = 1.5 / FPS
CHUNK_S = BLOCK_SAMPLES / SAMPLE_RATE


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sign made twice in a row, at 10 frames a second."""
    once = [picture_at(round((FIRST_S + i * STEP) * FPS)) for i in range(int((LAST_S - FIRST_S) / STEP))]
    return write_media(tmp_path_factory.mktemp("clips") / "twice.mp4", images=once * 2)


@pytest.mark.skipif(not is_complete(default_path()), reason="the hand model file is not set up")
def test_where_the_sign_must_be_made_twice_it_counts_only_then(twice: Path, tmp_path: Path) -> None:
    confirmed = {}
    for repeats in (1, 2):
        settings = Settings.model_validate({"home": tmp_path, "seeing": {"help_sign_repeats": repeats}})
        with Analyst(settings) as analyst:
            steps = analyst.analyze(twice)["incidents"]
        (confirmed[repeats],) = [step["at_s"] for step in steps if step["state"] == "confirmed"]
    assert confirmed[1] < LAST_S - FIRST_S
    assert LAST_S - FIRST_S + 2 < confirmed[2] < 2 * (LAST_S - FIRST_S)


@pytest.mark.skipif(not is_complete(default_path()), reason="the hand model file is not set up")
def test_alarms_in_footage_are_counted_and_bounded(twice: Path, tmp_path: Path) -> None:
    settings = Settings.model_validate({"home": tmp_path})
    (tmp_path / "none.mp4").write_text("no film")
    (tmp_path / "._none.mp4").write_text("what a Mac leaves beside none.mp4")
    assert list(recordings(twice.parent)) == [twice]
    assert list(recordings(tmp_path)) == [tmp_path / "none.mp4"]
    watched = [watch(file, settings) for file in (twice, *recordings(tmp_path))]
    assert watched[0].alarms == {"signal_for_help": 1}  # one incident: the second sign belongs to it
    assert watched[0].in_view_s > 0.9 * watched[0].seconds > 7
    text = report(watched, settings)
    assert "twice.mp4: 1 of signal_for_help" in text
    assert "none.mp4: not a recording" in text
    hours = watched[0].seconds / 3600
    assert f"at most {4.744 / hours:.1f} an hour" in text


@pytest.mark.skipif(not is_complete(default_path()), reason="the hand model file is not set up")
def test_a_camera_that_comes_back_again_and_again_is_seen_by_the_detector_that_is_there(tmp_path: Path) -> None:
    model = Path(shutil.copy(default_path(), tmp_path))
    a_second = [picture_at(round(FIRST_S * FPS))] * 10
    with stream_server(pictures(a_second, len(a_second), threading.Event())) as address:
        settings = Settings.model_validate(
            {"home": tmp_path, "camera": {"source": address}, "seeing": {"hand_model": model}}
        )
        view = LiveView(settings.fusion.rules, [Sense.GESTURE])
        seen: list[int] = []
        ready = senses.load_seeing(
            settings, fast=False, view=view, note=lambda frame, readings: seen.append(len(readings))
        )
        model.unlink()  # a new one could not be made
        begun = time.monotonic()
        for _ in range(3):
            seen.clear()
            running = ready.open(begun)
            with pytest.raises(SenseError):
                list(running.moments)
            running.close()
            assert 1 in seen
        ready.close()


def test_ears_by_which_no_scream_would_be_an_emergency_are_refused(tmp_path: Path) -> None:
    mine = Path(shutil.copytree(SHIPPED / "scream", tmp_path / "models" / "scream"))
    change_card(mine, parameters={"persistence": {"limit": 6.0, "threshold": 5.5}})
    settings = Settings.model_validate({"home": tmp_path, "fusion": {"threshold": 0.9}})
    with pytest.raises(SenseError, match=r"^settings: fusion.threshold: must be less than 0.868"):
        senses.load_hearing(settings, fast=False, deaf=lambda at: False, view=LiveView(settings.fusion.rules, []))


@pytest.mark.skipif(not is_complete(default_path()), reason="the hand model file is not set up")
def test_pictures_that_are_sent_in_pieces_say_how_late_they_come(tmp_path: Path) -> None:
    film, options = [picture_at(0)] * 120, {"hls_time": "1", "hls_list_size": "0"}
    with hls_server(write_media(tmp_path / "live.m3u8", images=film, fps=12, options=options)) as address:
        settings = Settings.model_validate({"home": tmp_path, "camera": {"source": address}})
        view = LiveView(settings.fusion.rules, [Sense.GESTURE])
        ready = senses.load_seeing(settings, fast=False, view=view)
        running = ready.open(time.monotonic())
        assert any(moment.late_s > 0.5 for moment in running.moments)
        running.close()
        ready.close()


def faults_of(
    arrivals: Iterable[tuple[Samples, float]], home: Path, monkeypatch: pytest.MonkeyPatch
) -> list[SoundFault | None]:
    """What is noticed of a microphone that gives these chunks, each some seconds after it is opened; then it ends."""
    begun, inbox = 1_000.0, Inbox[Arrival](1_000)
    for number, (samples, after_s) in enumerate(arrivals):
        inbox.put(Arrival(Chunk(samples, SAMPLE_RATE, number * CHUNK_S), begun + after_s))
    inbox.end(SoundError("over"))
    source = Live("microphone", inbox, begun, 5.0, 0.25, lambda: None, clocked=True)
    monkeypatch.setattr(senses, "open_sound", lambda *arguments, **named: source)
    noticed: list[SoundFault | None] = []
    settings = Settings.model_validate({"home": home, "microphone": {"source": "microphone"}})
    view = LiveView(settings.fusion.rules, [Sense.AUDIO])
    ready = senses.load_hearing(settings, fast=False, deaf=lambda at: False, view=view, notice=noticed.append)
    with pytest.raises(SenseError, match="over"):
        list(ready.open(begun).moments)
    ready.close()
    return noticed


def test_a_microphone_that_hears_nothing_any_more_but_its_own_noise_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "FAINT_S", 2.0)
    noise = np.random.default_rng(0).normal(0, 3e-5, BLOCK_SAMPLES).astype(np.float32)
    loud = {0, 30, 99}
    heard = ((noise if number not in loud else 100 * noise, (number + 1) * CHUNK_S) for number in range(100))
    noticed = faults_of(heard, tmp_path, monkeypatch)
    assert SoundFault.FAINT not in noticed[:69]
    assert set(noticed[72:99]) == {SoundFault.FAINT}
    assert noticed[99] is None


def test_sound_that_is_sent_in_pieces_says_how_late_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    piece_s, chunks = 4.0, 80
    begun, inbox = 1_000.0, Inbox[Arrival](1_000)
    for number in range(5 * chunks):
        arrived = begun + (number // chunks + 1) * piece_s
        inbox.put(Arrival(Chunk(np.zeros(BLOCK_SAMPLES, np.float32), SAMPLE_RATE, number * CHUNK_S), arrived))
    inbox.end(SoundError("over"))
    source = Live("stream", inbox, begun, 5.0, 10.0, lambda: None)
    monkeypatch.setattr(senses, "open_sound", lambda *arguments, **named: source)
    settings = Settings.model_validate({"home": tmp_path, "microphone": {"source": "http://localhost/stream"}})
    view = LiveView(settings.fusion.rules, [Sense.AUDIO])
    ready = senses.load_hearing(settings, fast=False, deaf=lambda at: False, view=view)
    moments: list[Moment] = []
    with pytest.raises(SenseError, match="over"):
        moments.extend(ready.open(begun).moments)
    ready.close()
    assert max(moment.late_s for moment in moments) > piece_s - 1.0
    for moment in moments:
        came_s = moment.at_s + moment.late_s
        assert min(came_s % piece_s, -came_s % piece_s) <= AT_MOST_AHEAD_S


def test_a_microphone_that_gives_more_sound_than_time_passes_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, BLOCK_SAMPLES).astype(np.float32)
    heard = ((noise, (number + 1) * CHUNK_S / 2) for number in range(600))  # twice as much, of which half is left out
    noticed = faults_of(heard, tmp_path, monkeypatch)
    assert noticed[-1] is SoundFault.WRONG_RATE
