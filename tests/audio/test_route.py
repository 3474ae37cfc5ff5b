"""The sound server says that our microphone is gone or muted, and no guess is needed."""

from contextlib import closing

import pytest

from audio import route
from audio.capture import open_sound
from audio.liveness import SoundFault
from audio.route import Route, Source, Watch, follow
from tests.sound_server import ROOM, SoundServer

USB, WEBCAM = Source("usb"), Source("webcam")
LOUDSPEAKER, SCREEN = Source("loudspeaker.monitor", output=True), Source("screen.monitor", output=True)
GONE, MUTED = SoundFault.UNPLUGGED, SoundFault.MUTED


@pytest.mark.parametrize(
    "story",
    [
        pytest.param([(None, None), (USB, None), (None, None), (USB, None)], id="not known"),
        pytest.param([(USB, None), (LOUDSPEAKER, GONE), (SCREEN, GONE), (None, None), (SCREEN, GONE)], id="gone"),
        pytest.param([(USB, None), (LOUDSPEAKER, GONE), (USB, None)], id="back"),
        pytest.param([(USB, None), (WEBCAM, None), (LOUDSPEAKER, GONE), (USB, None)], id="another in its place"),
        pytest.param([(SCREEN, None), (SCREEN, None), (LOUDSPEAKER, GONE), (SCREEN, None)], id="an output is wanted"),
        pytest.param([(USB, None), (Source("usb", muted=True), MUTED), (USB, None)], id="muted"),
    ],
)
def test_what_the_server_gives_is_followed(story: list[tuple[Source | None, SoundFault | None]]) -> None:
    now = Route()
    for source, fault in story:
        now = follow(now, source)
        assert now.fault is fault


def test_a_real_server_says_what_became_of_the_microphone(
    room: SoundServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(route, "LOOK_S", 0.05)
    with closing(open_sound("default")) as source, closing(Watch()) as watch:
        blocks = iter(source)

        def hear_until(fault: SoundFault | None) -> None:
            begun = next(blocks).at_s
            while watch.fault is not fault:
                assert next(blocks).at_s - begun < 30.0, fault

        next(blocks)  # it comes from the room
        watch.begin()
        while "no microphone" not in caplog.text:  # a room made of silence is an output, and says so
            next(blocks)
        assert watch.fault is None
        room.control("set-source-mute", f"{ROOM}.monitor", "1")
        hear_until(SoundFault.MUTED)
        room.control("set-source-mute", f"{ROOM}.monitor", "0")
        hear_until(None)
        room.remove_room()
        hear_until(SoundFault.UNPLUGGED)
        room.add_room()
        hear_until(None)
        room.control("load-module", "module-remap-source", f"master={ROOM}.monitor", "source_name=another")
        room.control("set-default-source", "another")
        while "another takes the place of room.monitor" not in caplog.text:
            next(blocks)
