import threading
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from safety_monitor.actions.alarm import Alarm
from safety_monitor.actions.own_sound import OwnSound
from tests.alarms import alarm as message
from tests.sound_server import RATE, Samples, SoundServer, sound_server

MESSAGE = message("alarm")


def pitch_and_level(samples: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strongest frequency in Hz and RMS of each twentieth of a second."""
    size = RATE // 20
    pieces = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(pieces * np.hanning(size), 4 * size))
    return spectrum.argmax(axis=1) * RATE / (4 * size), np.sqrt((pieces**2).mean(axis=1))


def test_the_siren_is_heard_for_its_time_and_sweeps(room: SoundServer, alarm: Alarm, own_sound: OwnSound) -> None:
    with room.recorder() as recorder:
        begun = time.monotonic()
        outcome = alarm.deliver(MESSAGE)
        ended = time.monotonic()
        pitch, level = pitch_and_level(recorder.samples)
    assert outcome.ok
    loud = level > 0.1
    assert 1.0 < loud.sum() / 20 < 2.0, "not as long as it was asked for"
    assert pitch[loud].min() < 800
    assert pitch[loud].max() > 1200
    assert np.mean((pitch[loud] > 600) & (pitch[loud] < 1600)) > 0.9
    assert own_sound.deaf_at((begun + ended) / 2)
    assert not own_sound.deaf_at(begun - 0.001)
    assert not own_sound.deaf_at(ended + own_sound.tail_s + 0.001)


def test_volume_is_obeyed(room: SoundServer, own_sound: OwnSound) -> None:
    levels = []
    for volume in (0.8, 0.2):
        alarm = Alarm(own_sound, volume=volume, duration_s=0.8)
        with room.recorder() as recorder:
            assert alarm.deliver(MESSAGE).ok
            levels.append(pitch_and_level(recorder.samples)[1].max())
        alarm.close()
    assert levels[0] / levels[1] == pytest.approx(4, rel=0.25)


def is_loud(samples: Samples) -> bool:
    return bool(np.abs(samples).max() > 0.1)


def sound_until_heard(sounding: threading.Thread, room: SoundServer) -> None:
    with room.recorder() as recorder:
        sounding.start()
        recorder.wait_for(is_loud)


def end(server: SoundServer) -> None:
    server.process.terminate()
    server.process.wait()


def test_an_interrupted_siren_falls_silent_and_the_next_one_sounds(room: SoundServer, own_sound: OwnSound) -> None:
    alarm = Alarm(own_sound, volume=0.5, duration_s=300.0)
    outcomes = []
    sounding = threading.Thread(target=lambda: outcomes.append(alarm.deliver(MESSAGE)))
    sound_until_heard(sounding, room)
    alarm.interrupt()
    sounding.join()
    assert outcomes[0].ok
    assert "stopped after" in outcomes[0].detail
    assert not own_sound.deaf_at(time.monotonic() + 10)
    assert alarm.sound(0.2).ok
    alarm.close()


def test_the_siren_sounds_on_when_the_sound_server_is_back(room: SoundServer, own_sound: OwnSound) -> None:
    alarm = Alarm(own_sound, volume=0.5, duration_s=300.0)
    sounding = threading.Thread(target=alarm.deliver, args=(MESSAGE,), daemon=True)
    sound_until_heard(sounding, room)
    end(room)
    with sound_server(room.folder) as server, server.recorder() as recorder:
        recorder.wait_for(is_loud)
        alarm.interrupt()
        sounding.join()
    alarm.close()


def test_a_siren_whose_sound_server_is_gone_for_good_has_failed(room: SoundServer, own_sound: OwnSound) -> None:
    outcomes = []
    alarm = Alarm(own_sound, volume=0.5, duration_s=3.0)
    sounding = threading.Thread(target=lambda: outcomes.append(alarm.deliver(MESSAGE)))
    sound_until_heard(sounding, room)
    end(room)
    sounding.join()
    alarm.close()
    assert not outcomes[0].ok
    assert outcomes[0].detail.startswith("no sound device can be opened")


def test_the_siren_is_quiet_while_the_voice_speaks(room: SoundServer, alarm: Alarm) -> None:
    levels = []
    for hushed in (True, False):
        alarm.hush(hushed)
        with room.recorder() as recorder:
            assert alarm.sound(0.6).ok
            levels.append(pitch_and_level(recorder.samples)[1].max())
    assert levels[1] > 5 * levels[0] > 0


def test_a_siren_that_the_sound_settings_silence_has_failed(silenced: str, alarm: Alarm) -> None:
    for outcome in (alarm.check(), alarm.sound(0.2)):
        assert not outcome.ok
        assert silenced in outcome.detail


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
