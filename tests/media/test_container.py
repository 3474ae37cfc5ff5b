from pathlib import Path

import numpy as np
import pytest

from audio.blocks import SAMPLE_RATE
from audio.capture import open_sound
from gesture.capture import open_camera
from media.container import Contents, MediaError, contents, display_name
from tests.recordings import plain, tone, write_media


@pytest.mark.parametrize(
    ("src", "shown"),
    [
        ("/home/me/scene.mp4", "scene.mp4"),
        ("pulse", "pulse"),
        ("http://camera/stream", "http://camera/stream"),
        ("http://user:secret@camera:81/stream?token=secret#x", "http://camera:81/stream"),
        ("rtsp://user:se@cr/et@camera/1", "rtsp://camera/1"),
        ("HTTPS://user@camera", "HTTPS://camera"),
        ("rtsp://user:se?cr@et@camera:81/1?x=y", "rtsp://camera:81/1"),
        ("rtsp://user:se#cret@camera", "rtsp://camera"),
        ("http://camera/picture?pwd=se@cret", "http://camera/picture"),
        ("rtsp://camera/user=me_password=secret_channel=1.sdp", "rtsp://camera/user=me_password=…_channel=1.sdp"),
        ("http://camera/cgi;PWD=secret;x=1", "http://camera/cgi;PWD=…;x=1"),
    ],
)
def test_no_name_shows_a_password(src: str, shown: str) -> None:
    assert display_name(src) == shown


def test_a_password_that_ends_the_address_is_hinted_at_and_not_shown() -> None:
    with pytest.raises(MediaError, match=r"rtsp://127\.0\.0\.1:9/1: .*; in a password write .*%23 for #") as refusal:
        contents("rtsp://user:se#cret@127.0.0.1:9/1")
    assert "user" not in str(refusal.value)


def test_contents_are_told_without_decoding(tmp_path: Path) -> None:
    sound, images = tone(48_000, 2.0), [plain(9, 9, 9)] * 20
    both = contents(str(write_media(tmp_path / "both.mp4", sound=sound, images=images)))
    assert (both.sound, both.picture) == (True, True)
    assert both.duration_s == pytest.approx(2.0, abs=0.1)
    assert contents(str(write_media(tmp_path / "tone.wav", sound=sound))) == Contents(2.0, sound=True, picture=False)
    film = contents(str(write_media(tmp_path / "film.webm", images=images)))
    assert (film.sound, film.picture) == (False, True)


def test_what_is_no_recording_has_no_contents(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    for path in (tmp_path / "text.mp4", tmp_path, tmp_path / "missing.mp4"):
        with pytest.raises(MediaError, match=path.name):
            contents(str(path))


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm"])
def test_sound_and_picture_of_one_recording_have_one_clock(tmp_path: Path, ending: str) -> None:
    sound = tone(48_000, 4.0)
    sound[: 2 * 48_000] = 0
    images = [plain(0, 0, 0)] * 20 + [plain(255, 255, 255)] * 20
    path = str(write_media(tmp_path / f"clap{ending}", sound=sound, images=images))
    heard = [
        block.at_s + np.argmax(np.abs(block.samples) > 0.25) / SAMPLE_RATE
        for block in open_sound(path, fast=True)
        if np.abs(block.samples).max() > 0.25
    ]
    seen = [frame.at_s for frame in open_camera(path, fast=True) if frame.image.mean() > 128]
    assert heard[0] == pytest.approx(2.0, abs=0.03)
    assert seen[0] == pytest.approx(2.0, abs=0.03)
