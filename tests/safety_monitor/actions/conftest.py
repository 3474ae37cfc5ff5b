"""What sounds, and a machine on which nothing can."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from safety_monitor.actions.alarm import Alarm
from safety_monitor.actions.own_sound import OwnSound
from safety_monitor.actions.speech import Speech


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
