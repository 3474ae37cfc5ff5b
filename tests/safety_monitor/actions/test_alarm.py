import threading
import time
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from safety_monitor.actions.alarm import Alarm
from safety_monitor.actions.message import Message
from safety_monitor.actions.own_sound import OwnSound
from safety_monitor.incident import Incident, State
from tests.safety_monitor.actions.conftest import RATE, SoundSystem

MESSAGE = Message(
    key="0:alarm:alarm",
    kind="alarm",
    incident=Incident("0", State.CONFIRMED, 1.0, 0.9, (), ""),
    station="kiosk",
    opened_at=datetime(2026, 1, 1, tzinfo=UTC),
    text="",
    place=None,
    attachments=(),
    reference="",
)


def pitch_and_level(samples: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strongest frequency in Hz and RMS of each twentieth of a second."""
    size = RATE // 20
    pieces = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(pieces * np.hanning(size), 4 * size))
    return spectrum.argmax(axis=1) * RATE / (4 * size), np.sqrt((pieces**2).mean(axis=1))


def test_the_siren_is_heard_for_its_time_and_sweeps(
    sound_system: SoundSystem, alarm: Alarm, own_sound: OwnSound
) -> None:
    recording = sound_system.record()
    begun = time.monotonic()
    outcome = alarm.deliver(MESSAGE)
    ended = time.monotonic()
    samples = recording.stop()
    assert outcome.ok
    pitch, level = pitch_and_level(samples)
    loud = level > 0.1
    assert 1.0 < loud.sum() / 20 < 2.0, "not as long as it was asked for"
    assert pitch[loud].min() < 800
    assert pitch[loud].max() > 1200
    assert np.mean((pitch[loud] > 600) & (pitch[loud] < 1600)) > 0.9
    assert own_sound.deaf_at((begun + ended) / 2)
    assert not own_sound.deaf_at(begun - 0.001)
    assert not own_sound.deaf_at(ended + own_sound.tail_s + 0.001)


def test_volume_is_obeyed(sound_system: SoundSystem, own_sound: OwnSound) -> None:
    levels = []
    for volume in (0.8, 0.2):
        alarm = Alarm(own_sound, volume=volume, duration_s=0.8)
        recording = sound_system.record()
        assert alarm.deliver(MESSAGE).ok
        levels.append(pitch_and_level(recording.stop())[1].max())
        alarm.close()
    assert levels[0] / levels[1] == pytest.approx(4, rel=0.25)


def test_an_interrupted_siren_falls_silent_and_the_next_one_sounds(
    sound_system: SoundSystem, own_sound: OwnSound
) -> None:
    alarm = Alarm(own_sound, volume=0.5, duration_s=300.0)
    recording = sound_system.record()
    outcomes = []
    sounding = threading.Thread(target=lambda: outcomes.append(alarm.deliver(MESSAGE)))
    sounding.start()
    heard = b""
    while np.abs(np.frombuffer(heard, "<i2")).max(initial=0) < 3_000:  # until the siren is in the sink
        heard = recording.chunks.get(timeout=60)
    alarm.interrupt()
    sounding.join()
    recording.stop()
    assert outcomes[0].ok
    assert "stopped after" in outcomes[0].detail
    assert not own_sound.deaf_at(time.monotonic() + 10)
    assert alarm.sound(0.2).ok
    alarm.close()


def test_the_siren_is_quiet_while_the_voice_speaks(sound_system: SoundSystem, alarm: Alarm) -> None:
    recording = sound_system.record()
    alarm.hush(True)
    assert alarm.sound(0.6).ok
    hushed = pitch_and_level(recording.stop())[1].max()
    recording = sound_system.record()
    alarm.hush(False)
    assert alarm.sound(0.6).ok
    assert pitch_and_level(recording.stop())[1].max() > 5 * hushed > 0


@pytest.mark.usefixtures("no_sound_system")
def test_without_a_sound_device_it_says_so_in_one_line(alarm: Alarm, capfd: pytest.CaptureFixture[str]) -> None:
    for outcome in (alarm.deliver(MESSAGE), alarm.check()):
        assert not outcome.ok
        assert outcome.detail.startswith("no sound device can be opened")
        assert "\n" not in outcome.detail
    assert capfd.readouterr().out == "", "standard output belongs to the station's own lines"


def test_an_unknown_driver_is_a_failure_too(monkeypatch: pytest.MonkeyPatch, own_sound: OwnSound) -> None:
    monkeypatch.setenv("SDL_AUDIODRIVER", "tin can")
    alarm = Alarm(own_sound)
    outcome = alarm.deliver(MESSAGE)
    alarm.close()
    assert not outcome.ok
    assert "tin can" in outcome.detail
