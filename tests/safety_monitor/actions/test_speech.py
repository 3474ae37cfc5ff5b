import os
import shutil
import signal
import tempfile
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from safety_monitor import memory_folder
from safety_monitor.actions.message import Message
from safety_monitor.actions.own_sound import OwnSound
from safety_monitor.actions.speech import Speech, announcement
from safety_monitor.config import Settings
from safety_monitor.incident import Evidence, Incident, Sense, State
from tests.sound_server import RATE, SoundServer


def incident(*labels: str) -> Incident:
    return Incident("0", State.CONFIRMED, 1.0, 0.9, tuple(Evidence(Sense.AUDIO, x, 0.9, 1.0) for x in labels), "")


def message(*labels: str) -> Message:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Message("0:speech:alarm", "alarm", incident(*labels), "kiosk", at, "", None, (), "")


@pytest.mark.parametrize(
    ("template", "labels", "said"),
    [
        ("Emergency. {what}.", ["scream"], "Emergency. A scream was heard."),
        ("{what} at {station}", ["signal_for_help"], "The signal for help was seen at the hall"),
        ("{what}", ["signal_for_help", "scream"], "A scream was heard and the signal for help was seen"),
        ("{what}", ["thumb_tucked"], "Thumb tucked was seen"),
        ("Help {is} coming", ["scream"], "Help {is} coming"),
    ],
)
def test_says_what_was_noticed(template: str, labels: list[str], said: str) -> None:
    assert announcement(template, replace(message(*labels), station="the hall")) == said


@pytest.mark.parametrize(
    ("help_called", "said"),
    [(True, "Emergency. A scream was heard. Help is being called."), (False, "Emergency. A scream was heard.")],
)
def test_help_is_promised_only_where_somebody_is_told(help_called: bool, said: str) -> None:
    assert announcement(Settings().speech.text, replace(message("scream"), help_called=help_called)) == said


def test_speaks_again_and_again(room: SoundServer, speech: Speech, own_sound: OwnSound) -> None:
    for _ in range(2):
        with room.recorder() as recorder:
            begun = time.monotonic()
            outcome = speech.deliver(message("scream"))
            ended = time.monotonic()
            samples = recorder.samples
        assert outcome.ok
        assert outcome.detail == "said: Emergency. A scream was heard."
        size = RATE // 20
        level = np.sqrt((samples[: len(samples) // size * size].reshape(-1, size) ** 2).mean(axis=1))
        assert (level > 0.01).sum() / 20 > 1.0, "there was not a second of voice in the room"
        assert own_sound.deaf_at((begun + ended) / 2)
        assert not own_sound.deaf_at(ended + own_sound.tail_s + 0.001)


def test_the_siren_is_hushed_exactly_while_it_speaks(room: SoundServer, own_sound: OwnSound) -> None:
    hushed: list[bool] = []
    speech = Speech(own_sound, text="Help.", answered="{station}: answered.", limit_s=20.0, hush=hushed.append)
    assert speech.deliver(message("scream")).detail == "said: Help."
    assert hushed == [True, False]
    assert speech.answers
    assert speech.deliver(replace(message("scream"), kind="update")).detail == "said: kiosk: answered."
    speech.close()


def test_a_hung_voice_is_ended_and_the_next_words_are_said(room: SoundServer, own_sound: OwnSound) -> None:
    speech = Speech(own_sound, text="Help.", limit_s=6.0)
    assert speech.check().ok
    hung = speech.pid
    os.kill(hung, signal.SIGSTOP)
    outcome = speech.deliver(message("scream"))
    assert not outcome.ok
    assert outcome.detail.startswith("was not done within 6 s")
    assert speech.pid != hung
    assert not own_sound.deaf_at(time.monotonic() + 10)
    assert speech.deliver(message("scream")).ok
    speech.close()


@pytest.mark.usefixtures("room")
def test_what_takes_longer_than_the_limit_is_said_to_its_end(own_sound: OwnSound) -> None:
    speech = Speech(own_sound, text="", rate=160, limit_s=5.0)
    outcome = speech.say(
        "There is an emergency in the corridor beside the stairs of the north wing. Somebody will be there."
    )
    speech.close()
    assert outcome.ok


def test_a_hung_sound_system_does_not_hang_the_voice(room: SoundServer, own_sound: OwnSound) -> None:
    speech = Speech(own_sound, text="Help.", limit_s=2.0)
    room.process.send_signal(signal.SIGSTOP)
    outcome = speech.deliver(message("scream"))
    speech.close()
    assert not outcome.ok
    assert "\n" not in outcome.detail


def test_speaks_though_no_disk_takes_a_file(
    room: SoundServer, own_sound: OwnSound, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nothing can be written here"))
    speech = Speech(own_sound, text="Help.", limit_s=60.0)
    with room.recorder() as recorder:
        assert speech.deliver(message("scream")).ok
        recorder.wait_for(lambda samples: bool(np.abs(samples).max() > 0.02))
    speech.close()


@pytest.mark.parametrize("memory", ["/proc", "/nowhere"])
def test_where_memory_has_no_room_what_is_played_lies_on_the_disk(
    own_sound: OwnSound, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, memory: str
) -> None:
    monkeypatch.setattr(memory_folder, "MEMORY", Path(memory))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    speech = Speech(own_sound, text="Help.")
    assert Path(speech._folder.name).parent == tmp_path
    speech.close()


def test_can_be_interrupted_and_leaves_no_files_behind(room: SoundServer, own_sound: OwnSound) -> None:
    speech = Speech(own_sound, text="Help.", limit_s=60.0)
    folder = Path(speech._folder.name)
    outcomes = []
    speaking = threading.Thread(target=lambda: outcomes.append(speech.say("one two three four five " * 40)))
    with room.recorder() as recorder:
        speaking.start()
        recorder.wait_for(lambda samples: bool(np.abs(samples).max() > 0.02))
    assert list(folder.glob("*.wav")), "this test looks in the wrong place"
    speech.interrupt()
    speaking.join()
    assert outcomes[0].ok
    assert outcomes[0].detail == "voice stopped"
    assert speech.deliver(message("scream")).ok
    assert not list(folder.glob("*.wav"))
    speech.close()
    assert not folder.exists()


def test_words_that_the_sound_settings_silence_have_failed(silenced: str, speech: Speech) -> None:
    for outcome in (speech.check(), speech.say("Hello.")):
        assert not outcome.ok
        assert silenced in outcome.detail


@pytest.mark.usefixtures("no_sound_system")
def test_without_a_sound_device_it_says_so_in_one_line(speech: Speech, capfd: pytest.CaptureFixture[str]) -> None:
    delivered = speech.deliver(message("scream"))
    for outcome in (delivered, speech.check()):
        assert not outcome.ok
        assert outcome.detail.startswith("no sound device can be opened (")
        assert "\n" not in outcome.detail
    assert delivered.detail.endswith("; not said: Emergency. A scream was heard.")
    assert capfd.readouterr().out == "", "standard output belongs to the station's own lines"


@pytest.mark.usefixtures("no_sound_system")
def test_a_folder_that_the_system_has_cleared_away_is_made_again(speech: Speech) -> None:
    shutil.rmtree(speech._folder.name)
    assert "audio open error" in speech.say("Help is near.").detail


def test_without_aplay_it_says_what_to_install(
    own_sound: OwnSound, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    speech = Speech(own_sound, text="Help.", limit_s=20.0)
    outcome = speech.deliver(message("scream"))
    speech.close()
    assert not outcome.ok
    assert outcome.detail.startswith("aplay is missing, install the package alsa-utils; not said: ")


def test_nothing_to_say_is_a_failure(speech: Speech) -> None:
    assert not speech.say("  ").ok
