"""What sounds, and a machine on which nothing can."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from safety_monitor.actions.alarm import Alarm
from safety_monitor.actions.own_sound import OwnSound
from safety_monitor.actions.speech import Speech
from tests.sound_server import SPEAKER, SoundServer


@pytest.fixture
def no_sound_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any sound device."""
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/none")
    monkeypatch.setenv("SDL_AUDIODRIVER", "alsa")
    empty = tmp_path / "asound.conf"
    empty.write_text("", encoding="utf-8")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(empty))


@pytest.fixture
def own_sound() -> OwnSound:
    return OwnSound()


@pytest.fixture
def alarm(own_sound: OwnSound) -> Iterator[Alarm]:
    alarm = Alarm(own_sound, volume=0.5, duration_s=1.5)
    yield alarm
    alarm.close()


@pytest.fixture
def speech(own_sound: OwnSound) -> Iterator[Speech]:
    speech = Speech(own_sound, text="Emergency. {what}.", limit_s=20.0)
    yield speech
    speech.close()


@pytest.fixture(params=["muted", "turned down to nothing", "no loudspeaker is there"])
def silenced(request: pytest.FixtureRequest, room: SoundServer) -> Iterator[str]:
    """Why nobody hears what is played, in a sound system that takes it all the same."""
    if request.param == "muted":
        room.control("set-sink-mute", SPEAKER, "1")
    elif request.param == "turned down to nothing":
        room.control("set-sink-volume", SPEAKER, "0")
    else:
        room.control("load-module", "module-null-sink", "sink_name=auto_null")
        room.control("set-default-sink", "auto_null")
    yield request.param
    room.control("set-sink-mute", SPEAKER, "0")
    room.control("set-sink-volume", SPEAKER, "100%")
    room.control("set-default-sink", SPEAKER)
