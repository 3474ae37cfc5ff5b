"""What was heard and seen around an incident can be played; what was no incident is nowhere."""

import io
import itertools
import threading
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from audio.blocks import SAMPLE_RATE, Block
from gesture.capture import Frame
from safety_monitor.actions.evidence import EvidenceStore
from safety_monitor.actions.recorder import Recorder, flac
from safety_monitor.incident import Incident, State

FIRST = "11111111-0000-0000-0000-000000000001"


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path, keep_days=30.0, most_bytes=10**9)


def confirmed(at_s: float) -> Incident:
    return Incident(FIRST, State.CONFIRMED, at_s, 0.9, (), "")


def play(recorder: Recorder, begin_s: int, end_s: int) -> None:
    """A source whose sound is as loud, and whose picture as bright, as it is late."""
    for second in range(begin_s, end_s):
        recorder.hear(Block(np.full(SAMPLE_RATE, second / 100, np.float32), float(second)))
        for tenth in range(10):
            image = np.full((720, 1281, 3), (second * 2, 0, 0), np.uint8)
            recorder.see(Frame(image, second + tenth / 10))


def heard(path: Path) -> list[float]:
    """The loudness of each second."""
    with av.open(str(path)) as container:
        samples = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
    whole = samples[: len(samples) // SAMPLE_RATE * SAMPLE_RATE]
    return [round(float(second.mean()) / 32_767, 2) for second in whole.reshape(-1, SAMPLE_RATE)]


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        (("sound",), ["sound.flac"]),
        (("picture",), ["picture.jpg"]),
        (("sound", "clip"), ["clip.mp4", "sound.flac"]),
        ((), []),
    ],
)
def test_only_what_the_policy_wants_is_kept(store: EvidenceStore, wanted: tuple[str, ...], kept: list[str]) -> None:
    recorder = Recorder(store, before_s=1.0, after_s=1.0, wanted=lambda incident: wanted)
    play(recorder, 0, 3)
    recorder.begin(confirmed(2.0))
    assert [path.name for path in recorder.files(FIRST)] == (["picture.jpg"] if "picture" in wanted else [])
    play(recorder, 3, 5)
    recorder.close()
    assert [path.name for path in store.files(FIRST)] == kept


def test_sound_picture_and_clip_reach_from_before_to_after(store: EvidenceStore) -> None:
    recorder = Recorder(store, before_s=3.0, after_s=2.0)
    play(recorder, 0, 20)
    recorder.begin(confirmed(20.0))
    (picture,) = recorder.files(FIRST)
    assert picture.name == "picture.jpg"
    image = cv2.imread(str(picture))
    assert image is not None
    assert image.shape == (360, 640, 3)
    assert abs(int(image[..., 2].mean()) - 38) <= 3
    assert image[..., 0].mean() < 5
    play(recorder, 20, 25)
    recorder.close()
    assert [path.name for path in store.files(FIRST)] == ["clip.mp4", "picture.jpg", "sound.flac"]
    assert heard(store.files(FIRST)[2]) == [0.17, 0.18, 0.19, 0.2, 0.21, 0.22]
    with av.open(str(store.files(FIRST)[0])) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].codec_context.name == "h264"
    assert 22 <= len(frames) <= 26
    assert abs(int(frames[0][..., 0].mean()) - 34) <= 6
    assert abs(int(frames[-1][..., 0].mean()) - 42) <= 6


def test_nothing_is_written_without_an_incident(store: EvidenceStore, tmp_path: Path) -> None:
    recorder = Recorder(store)
    play(recorder, 0, 5)
    recorder.close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_turned_off_is_not_kept(store: EvidenceStore) -> None:
    recorder = Recorder(store, sound=False, clip=False, before_s=1.0, after_s=1.0)
    play(recorder, 0, 5)
    recorder.begin(confirmed(3.0))
    recorder.close()
    assert [path.name for path in store.files(FIRST)] == ["picture.jpg"]


def test_a_station_without_a_camera_keeps_the_sound(store: EvidenceStore) -> None:
    recorder = Recorder(store, before_s=1.0, after_s=1.0)
    for second in range(5):
        recorder.hear(Block(np.zeros(SAMPLE_RATE, np.float32), float(second)))
    recorder.begin(confirmed(3.0))
    recorder.close()
    assert [path.name for path in store.files(FIRST)] == ["sound.flac"]


def test_the_last_picture_of_a_camera_that_died_long_ago_is_none_of_an_incident(store: EvidenceStore) -> None:
    recorder = Recorder(store, before_s=1.0, after_s=1.0)
    play(recorder, 0, 3)
    for second in range(3600, 3605):
        recorder.hear(Block(np.zeros(SAMPLE_RATE, np.float32), float(second)))
    recorder.begin(confirmed(3603.0))
    assert recorder.files(FIRST) == ()
    recorder.close()
    assert [path.name for path in store.files(FIRST)] == ["sound.flac"]


def test_a_source_that_begins_anew_does_not_mix_with_what_was_before(store: EvidenceStore) -> None:
    recorder = Recorder(store, before_s=2.0, after_s=1.0)
    play(recorder, 50, 60)
    play(recorder, 0, 5)
    recorder.begin(confirmed(3.0))
    recorder.close()
    assert heard(store.files(FIRST)[2]) == [0.01, 0.02, 0.03, 0.04]


@pytest.mark.parametrize("fps", [3, 12, 30])
def test_a_clip_takes_as_long_as_what_it_shows(store: EvidenceStore, fps: int) -> None:
    recorder = Recorder(store, before_s=3.0, after_s=2.0)
    for number in range(6 * fps):
        recorder.see(Frame(np.full((72, 128, 3), number, np.uint8), number / fps))
    recorder.begin(confirmed(3.0))
    recorder.close()
    with av.open(str(store.files(FIRST)[0])) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times[0] == 0.0
    assert times[-1] == pytest.approx(5.0, abs=0.4)


def test_a_camera_that_has_broken_costs_no_sound(store: EvidenceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("safety_monitor.actions.recorder.STILL_S", 0.5)
    saved = threading.Event()
    recorder = Recorder(store, before_s=2.0, after_s=1.0, saved=lambda incident_id: saved.set())
    play(recorder, 0, 10)
    recorder.begin(confirmed(10.0))
    tenths = itertools.count(100)
    while not saved.wait(0.05):  # sound goes on, at twice its speed
        tenth = next(tenths) / 10
        recorder.hear(Block(np.full(SAMPLE_RATE // 10, tenth // 1 / 100, np.float32), tenth))
    recorder.close()
    assert heard(store.files(FIRST)[-1])[:3] == [0.08, 0.09, 0.1]


def test_loud_sound_does_not_turn_over() -> None:
    with av.open(io.BytesIO(flac(np.full(SAMPLE_RATE, 3.0, np.float32))), "r") as container:
        samples = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
    assert samples.min() == 32_767
