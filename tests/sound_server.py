"""A sound system of the test's own: PulseAudio with a room that is listened to and a speaker that is recorded."""

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.servers.program import free_port

ROOM, SPEAKER = "room", "speaker"
RATE = 16_000
# Without norewinds a sink that nothing plays into is heard up to two seconds late.
SCRIPT = f"""
load-module module-native-protocol-unix auth-anonymous=1 socket={{socket}}
load-module module-null-sink sink_name={ROOM} rate=48000 norewinds=1
load-module module-null-sink sink_name={SPEAKER} rate=48000 norewinds=1
set-default-source {ROOM}.monitor
set-default-sink {SPEAKER}
"""
PLAYER = (
    *("pacat", "--playback", "--raw", f"--device={ROOM}", "--format=float32le", "--channels=1", f"--rate={RATE}"),
    "--latency-msec=500",  # so much is there in advance: a busy machine leaves no gap
)
READY = "Daemon startup complete"

Samples = NDArray[np.float32]


def missing_programs() -> list[str]:
    """What has to be installed before a server can be started."""
    return [program for program in ("pulseaudio", "pacat", "parec") if shutil.which(program) is None]


@dataclass(frozen=True)
class SoundServer:
    """A running server.

    Attributes:
        folder: where its files are; a server started there anew can be reached as this one was.
        environment: of a process that shall hear and sound through it. Its default microphone is the room, its default
            output the speaker.
        process: the server; kill it to see what happens when a device goes.
        door: where it is reached by those that have a key, once `lock` was called.
    """

    folder: Path
    environment: dict[str, str]
    process: subprocess.Popen[str]
    door: str

    def play(self, samples: Samples) -> None:
        """Sound in the room, heard by whoever listens to the microphone; returns when it is over."""
        subprocess.run(PLAYER, input=samples.astype("<f4").tobytes(), env=self.environment, check=True)

    @contextmanager
    def playing(self, samples: Samples) -> Iterator[None]:
        """Sound in the room for as long as the block lasts, if there is enough of it."""
        with tempfile.TemporaryFile() as file:
            file.write(samples.astype("<f4").tobytes())
            file.seek(0)
            with subprocess.Popen(PLAYER, stdin=file, env=self.environment) as process:
                try:
                    yield
                finally:
                    process.kill()

    def control(self, *command: str) -> str:
        """What `pactl` says to a command."""
        done = subprocess.run(["pactl", *command], env=self.environment, check=True, capture_output=True, text=True)
        return done.stdout

    def remove_room(self) -> None:
        """Unplug the microphone."""
        loaded = self.control("list", "short", "modules").splitlines()
        self.control("unload-module", next(line.split()[0] for line in loaded if f"sink_name={ROOM}" in line))

    def add_room(self) -> None:
        """Plug it in again; it has another number, and another rate."""
        self.control("load-module", "module-null-sink", f"sink_name={ROOM}", "rate=44100", "norewinds=1")
        self.control("set-default-source", f"{ROOM}.monitor")

    def lock(self, key: str = "cookie") -> None:
        """Let nobody in by the door but with this key, and send away who came in by it.

        Args:
            key: the one that all have whom `environment` was given; any other is nobody's.
        """
        module = "module-native-protocol-tcp"
        if module in self.control("list", "short", "modules"):
            self.control("unload-module", module)
        _, host, port = self.door.split(":")
        self.control("load-module", module, f"listen={host}", f"port={port}", f"auth-cookie={self.folder / key}")

    @contextmanager
    def recorder(self) -> Iterator["Recorder"]:
        """Record what comes out of the speaker; it is running when the block begins."""
        program = ["parec", "--raw", f"--device={SPEAKER}.monitor", "--format=float32le", "--channels=1"]
        with subprocess.Popen(
            [*program, f"--rate={RATE}", "--latency-msec=50"], stdout=subprocess.PIPE, env=self.environment
        ) as process:
            recorder = Recorder(process)
            try:
                recorder.wait_for(lambda samples: len(samples) > 0)
                yield recorder
            finally:
                process.kill()
                recorder.reader.join()  # before its pipe is closed under it


class Recorder:
    """What a speaker has given so far: float32, mono, at `RATE`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._data = bytearray()
        self._more = threading.Condition()
        self._ended = False
        self.reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self.reader.start()

    @property
    def samples(self) -> Samples:
        """Everything up to now."""
        with self._more:
            return np.frombuffer(bytes(self._data[: len(self._data) // 4 * 4]), "<f4")

    def wait_for(self, heard: Callable[[Samples], bool], timeout: float = 60.0) -> Samples:
        """Wait until `heard` is true of everything recorded, and give that.

        Raises:
            AssertionError: it was not heard.
        """
        with self._more:
            assert self._more.wait_for(lambda: heard(self.samples) or self._ended, timeout), "not heard"
            assert heard(self.samples), "not heard before the recording ended"
            return self.samples

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        while data := os.read(process.stdout.fileno(), 65_536):
            with self._more:
                self._data += data
                self._more.notify_all()
        with self._more:
            self._ended = True
            self._more.notify_all()


@contextmanager
def sound_server(folder: Path) -> Iterator[SoundServer]:
    """Start a server whose files all lie in `folder`, and end it after the block."""
    socket, script = folder / "socket", folder / "server.pa"
    script.write_text(SCRIPT.format(socket=socket))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PULSE_")},
        "PULSE_RUNTIME_PATH": str(folder),
        "PULSE_STATE_PATH": str(folder),
        "PULSE_COOKIE": str(folder / "cookie"),
        "PULSE_SERVER": f"unix:{socket}",
    }
    options = ["--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--log-target=stderr", "--log-level=info"]
    with subprocess.Popen(
        ["pulseaudio", "-n", f"--file={script}", *options],
        stderr=subprocess.PIPE,
        env={**environment, "HOME": str(folder)},
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            log = []
            for line in process.stderr:
                log.append(line)
                if READY in line:
                    break
            else:
                raise AssertionError("the sound server did not start:\n" + "".join(log))
            threading.Thread(target=process.stderr.read, daemon=True).start()  # or it would wait for a reader
            yield SoundServer(folder, environment, process, f"tcp:127.0.0.1:{free_port()}")
        finally:
            process.kill()
