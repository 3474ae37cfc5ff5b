import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from audio import microphone
from audio.blocks import BLOCK_SAMPLES, SAMPLE_RATE, Block, SoundError
from audio.capture import open_sound
from audio.microphone import list_devices
from tests.heard import A_TONE, AT_MOST_AHEAD_S, ahead_s, frequency, joined, level
from tests.recordings import tone
from tests.sound_server import SoundServer, sound_server


def test_a_microphone_hears_the_room(room: SoundServer) -> None:
    start = time.monotonic()
    with closing(open_sound("default", start=start)) as source:
        assert source.live
        blocks = iter(source)
        first = next(blocks)
        assert first.at_s >= 0.0
        assert ahead_s(first, start) <= 0.0
        with room.playing(tone(SAMPLE_RATE, 60.0, hertz=1_000.0)):
            heard: list[Block] = []
            # On a busy machine the player stumbles now and then: a second without a gap is waited for.
            while len(heard) < 20:
                block = next(blocks)
                assert ahead_s(block, start) <= AT_MOST_AHEAD_S
                heard = [*heard, block] if level(block.samples) == pytest.approx(A_TONE, rel=0.02) else []
                assert block.at_s < 50.0, "nothing like the tone is heard"
        assert frequency(joined(heard)) == pytest.approx(1_000, abs=2)


@pytest.mark.parametrize("src", ["pulse", "PUL", "0"])
def test_a_microphone_is_found_by_its_number_its_name_or_a_part_of_it(room: SoundServer, src: str) -> None:
    with closing(open_sound(src)) as source:
        assert source.name in ("pulse", "default")
        assert len(next(iter(source)).samples) == BLOCK_SAMPLES


def test_a_sound_server_that_refuses_is_named_and_heard_once_it_does_not(
    room: SoundServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULSE_SERVER", room.door)
    room.lock("another-key")
    with pytest.raises(SoundError, match="the sound server refuses this user: access denied"):
        open_sound("default")
    room.lock()
    with closing(open_sound("default")) as source:
        assert len(next(iter(source)).samples) == BLOCK_SAMPLES


def test_a_late_reader_loses_the_oldest_sound_and_is_told(room: SoundServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "KEPT_ITEMS", 4)
    source = open_sound("default")
    blocks = iter(source)
    first = next(blocks)
    while source.dropped < 30:  # 1.5 s
        threading.Event().wait(0.05)
    assert next(blocks).at_s > first.at_s + 1.4
    source.close()


LISTENER = """
import sys
from audio.blocks import SoundError
from audio.capture import open_sound
blocks = iter(open_sound("default"))
next(blocks)
print("hearing", flush=True)
try:
    for block in blocks:
        pass
except SoundError as error:
    print(error, flush=True)
sys.stdin.readline()
source = open_sound("default")
print(len(next(iter(source)).samples), flush=True)
source.close()
"""


def test_a_sound_system_that_goes_ends_the_iteration_and_can_be_used_again(sound_system: SoundServer) -> None:
    # In a process of its own: the sound library may be left with a thread that never ends, and must still exit.
    environment = sound_system.environment
    with subprocess.Popen(
        [sys.executable, "-c", LISTENER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as listener:
        assert listener.stdin is not None
        assert listener.stdout is not None
        assert listener.stdout.readline() == "hearing\n"
        sound_system.process.kill()
        sound_system.process.wait()
        assert listener.stdout.readline().startswith("default: ")
        with sound_server(sound_system.folder):
            listener.stdin.write("\n")
            listener.stdin.flush()
            assert listener.stdout.readline() == f"{BLOCK_SAMPLES}\n"
            assert listener.wait(60) == 0


def test_a_sound_system_that_freezes_hangs_nobody_and_is_heard_again_once_it_thaws(
    sound_system: SoundServer,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FREEZER],
        env=sound_system.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as listener:
        assert listener.stdin is not None
        assert listener.stdout is not None
        assert listener.stdout.readline() == "ready\n"
        sound_system.process.send_signal(signal.SIGSTOP)
        listener.stdin.write("\n")
        listener.stdin.flush()
        for _ in range(2):  # the second time at once: what hangs is not begun again
            assert "has not answered" in listener.stdout.readline()
        sound_system.process.send_signal(signal.SIGCONT)
        assert listener.stdout.readline() == f"{BLOCK_SAMPLES}\n"
        assert listener.wait(60) == 0


FREEZER = """
import sys
import time
from audio import microphone
microphone.OPEN_LIMIT_S = 1.0
from audio.blocks import SoundError
from audio.capture import open_sound
from audio.microphone import SoundHungError
import sounddevice
print("ready", flush=True)
sys.stdin.readline()
for _ in range(2):
    try:
        open_sound("default")
    except SoundHungError as error:
        print(error, flush=True)
while True:
    try:
        source = open_sound("default")
        break
    except SoundError:
        time.sleep(0.2)
print(len(next(iter(source)).samples), flush=True)
source.close()
"""


def test_an_unknown_device_is_refused_and_those_that_are_there_are_named(room: SoundServer) -> None:
    names = {device.name for device in list_devices()}
    assert names == {"default", "pulse"}
    assert [device.name for device in list_devices() if device.default] == ["default"]
    for src in ("no such thing", "99"):
        with pytest.raises(SoundError, match=rf"{src}: no .*there are: .*pulse") as refusal:
            open_sound(src)
        assert "\n" not in str(refusal.value)


def test_without_any_device_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path / 'nobody'}")
    if list_devices():
        pytest.skip("this machine has a sound device")
    with pytest.raises(SoundError, match="connect a microphone"):
        open_sound("default")
