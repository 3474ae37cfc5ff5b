"""A sound system of the tests' own: PulseAudio with a sink that nobody hears and everybody can record."""

import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from safety_monitor.actions.alarm import Alarm
from safety_monitor.actions.own_sound import OwnSound
from safety_monitor.actions.speech import Speech

RATE = 16_000
ANSWER_S = 60.0
"""How long a test waits for what must come; only a broken program makes it wait that long."""


@dataclass(slots=True)
class Recording:
    """What the sink plays, from the moment this was made."""

    process: subprocess.Popen[bytes]
    chunks: "queue.Queue[bytes]"

    def stop(self) -> NDArray[np.float32]:
        """Mono samples at `RATE`, full scale 1."""
        self.process.terminate()
        self.process.wait()
        data = b"".join(iter(lambda: self.chunks.get(timeout=ANSWER_S), b""))
        return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / np.float32(32_768)


@dataclass(frozen=True, slots=True)
class SoundSystem:
    """A private PulseAudio server with one null sink."""

    pid: int

    def record(self) -> Recording:
        """Start to record; returns when the first samples have come."""
        process = subprocess.Popen(
            ["parec", "-d", "room.monitor", "--format=s16le", f"--rate={RATE}", "--channels=1", "--latency-msec=50"],
            stdout=subprocess.PIPE,
        )
        recording = Recording(process, queue.Queue())
        begun = threading.Event()

        def read() -> None:
            assert process.stdout is not None
            while chunk := os.read(process.stdout.fileno(), 65_536):
                recording.chunks.put(chunk)
                begun.set()
            recording.chunks.put(b"")

        threading.Thread(target=read, daemon=True).start()
        assert begun.wait(ANSWER_S), "the sink gives no sound to record"
        return recording


@pytest.fixture
def no_sound_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any sound device."""
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/none")
    monkeypatch.setenv("SDL_AUDIODRIVER", "alsa")
    empty = tmp_path / "asound.conf"
    empty.write_text("", encoding="utf-8")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(empty))


@pytest.fixture
def sound_system(monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundSystem]:
    """A machine whose only sound device is a null sink."""
    if shutil.which("pulseaudio") is None or shutil.which("parec") is None:
        pytest.skip("needs PulseAudio (packages pulseaudio, pulseaudio-utils)")
    with tempfile.TemporaryDirectory(prefix="pulse") as folder:  # short: a socket's path has at most 107 characters
        socket = f"{folder}/native"
        for name in ("HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH"):
            monkeypatch.setenv(name, folder)
        monkeypatch.setenv("PULSE_SERVER", f"unix:{socket}")
        monkeypatch.setenv("SDL_AUDIODRIVER", "pulseaudio")
        server = subprocess.Popen(
            [
                *("pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm"),
                *("-L", f"module-native-protocol-unix socket={socket} auth-anonymous=1"),
                *("-L", "module-null-sink sink_name=room"),
            ],
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + ANSWER_S
        while subprocess.run(["pactl", "info"], capture_output=True, check=False).returncode:
            assert server.poll() is None, "PulseAudio ended by itself"
            assert time.monotonic() < deadline, "PulseAudio does not answer"
            time.sleep(0.05)
        yield SoundSystem(server.pid)
        server.kill()
        server.wait()


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
