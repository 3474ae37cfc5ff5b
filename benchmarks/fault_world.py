"""A station that hears, sees and tells people, and what surrounds it, to be broken by `benchmarks.faults`."""

import os
import re
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from safety_monitor.demo.scene import FPS, picture_at, sound
from tests.servers.mariadb import MariaDB
from tests.servers.mosquitto import Mosquitto
from tests.sound_server import RATE, ROOM, SoundServer
from tests.stream_server import Send, jpeg, part
from tests.system.command import Running

Image = NDArray[np.uint8]
SCREAM = slice(int(4.0 * RATE), int(8.0 * RATE))
HELP = (38.5, 45.0)
"""Seconds of the demo scene between which the hand makes the Signal for Help."""
LIMIT_S = 150.0
"""What is not found or over by then counts as never."""
EMERGENCY_S = 60.0
OWN_SOUND_S = 2.0
"""So long siren and voice may still be heard after an incident is over."""
WORDS = ("trouble: ", "works again: ")
"""Before the name of a part, in the log."""
RETRY_S = 5.0
"""Longest wait of the outbox before it tries again."""
CAMERA_FPS, VIEWS = 8.0, 11
PLAY = ("pacat", "--playback", "--raw")
FIRST = ("nice", "-n", "-15")
"""A player that waits for other programs leaves gaps: a room that is loud without end would not be."""


def room(seed: int) -> Image:
    """A picture with edges of all sizes, as rooms have."""
    rng = np.random.default_rng(seed)
    image = np.full((480, 640, 3), 120, np.uint8)
    for _ in range(60):
        x, y = int(rng.integers(0, 640)), int(rng.integers(0, 480))
        shade = [int(value) for value in rng.integers(20, 235, 3)]
        cv2.rectangle(image, (x, y), (x + int(rng.integers(16, 180)), y + int(rng.integers(16, 180))), shade, -1)
    return image


def blurred(image: Image, sigma: float) -> Image:
    """Out of focus."""
    return cv2.GaussianBlur(image, (0, 0), sigma).astype(np.uint8)


def as_filmed(image: Image) -> list[bytes]:
    """The same view several times, each with the noise of a camera, as JPEG.

    So many that two a second apart are never the same.
    """
    rng = np.random.default_rng(0)
    return [jpeg((image + rng.normal(0, 4, image.shape)).clip(0, 255).astype(np.uint8)) for _ in range(VIEWS)]


class Camera:
    """A network camera that shows what it is told to."""

    def __init__(self) -> None:
        self.shows = "room"
        here = room(1)
        self._views = {
            "room": as_filmed(here),
            "frozen": as_filmed(here)[:1],
            "black": as_filmed((here * 0.02).astype(np.uint8)),
            "covered": as_filmed(np.full_like(here, 90)),
            "overexposed": as_filmed(np.full_like(here, 253)),
            "blurred": as_filmed(blurred(here, 10)),
            "moved": as_filmed(room(2)),
            "torn": [jpeg(room(seed)) for seed in range(10, 60)],
            "garbage": [np.random.default_rng(0).bytes(4_000)],
        }
        first, last = (int(at_s * FPS) for at_s in HELP)
        step = FPS / CAMERA_FPS
        self._sign = [jpeg(picture_at(int(number))) for number in np.arange(first, last, step)]
        self.signing = threading.Event()

    def answer(self, send: Send) -> None:
        """What a connection gets, until the camera is told to be dead."""
        for number in count():
            if self.shows in ("dead", "refused"):
                return
            if self.signing.is_set():  # again and again, as one who needs help does
                for picture in self._sign:
                    send(part(picture))
                    time.sleep(1 / CAMERA_FPS)
            if self.shows != "hangs":
                view = self._views[self.shows]
                send(part(view[number % len(view)]))
            time.sleep(1 / CAMERA_FPS)


class Noise:
    """What is always to be heard in a room; played into the sound system until it is stopped."""

    def __init__(self, server: SoundServer) -> None:
        self.kind = "noise"
        self._process = subprocess.Popen(
            [
                *(FIRST if os.geteuid() == 0 else ()),
                *PLAY,
                f"--device={ROOM}",
                "--format=float32le",
                "--channels=1",
                f"--rate={RATE}",
                "--latency-msec=1000",
            ],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=server.environment,
        )
        threading.Thread(target=self._play, daemon=True).start()

    def _play(self) -> None:
        rng = np.random.default_rng(0)
        noise = (rng.normal(0, 0.002, RATE // 10)).astype("<f4")
        kinds = {
            "noise": noise,
            "silent": np.zeros_like(noise),
            "stuck": np.full_like(noise, 0.25),
            "clipped": np.sign(np.sin(np.arange(len(noise)) * 0.3)).astype("<f4"),
        }
        assert self._process.stdin is not None
        with suppress(OSError):
            while True:
                self._process.stdin.write(kinds[self.kind].tobytes())

    def stop(self) -> None:
        """Fall silent for good."""
        self._process.kill()


@dataclass
class World:
    """Everything around the station, and the station."""

    station: Running
    folder: Path
    home: Path
    sound: SoundServer
    noise: Noise
    camera: Camera
    database: MariaDB
    broker: Mosquitto
    clock: Path | None
    stack: ExitStack
    start: Callable[[], Running]
    """Starts the station."""
    holder: sqlite3.Connection | None = None
    """Has the journal."""
    emergencies: int = 0
    seen: list[str] = field(default_factory=list)
    _times: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        threading.Thread(target=self._stamp, daemon=True).start()

    def _stamp(self) -> None:
        """Note when each line of the log came."""
        while True:
            lines = len(self.station.log)
            self._times += [time.monotonic()] * (lines - len(self._times))
            time.sleep(0.05)

    def said(self, pattern: str, since: int, begun: float, limit_s: float = LIMIT_S) -> float | None:
        """Seconds from `begun` until the station said it in its log, from line `since` on; None if it does not."""
        while True:
            for number in range(since, len(self._times)):
                if re.search(pattern, self.station.log[number]):
                    return self._times[number] - begun
            if time.monotonic() - begun > limit_s or self.station.process.poll() is not None:
                return None
            time.sleep(0.1)

    def calm(self) -> None:
        """Wait until the last emergency is over, and what the station itself sounded has been heard out."""

        def calm() -> bool:
            last = {step["incident"]: step["state"] for step in list(self.station.transitions)}
            return not {"pending", "confirmed", "acknowledged"} & set(last.values())

        self._wait(calm, EMERGENCY_S)
        time.sleep(OWN_SOUND_S)

    def healthy(self) -> None:
        """Wait until every trouble that the station has told of is over.

        But for what a clock set by months means for old evidence: that lasts for hours, so that people can look.
        """

        def well() -> bool:
            told = (re.search(rf"({'|'.join(WORDS)})(\w+)", line) for line in list(self.station.log))
            last = {found[2]: found[1] for found in told if found and found[2] != "clock"}
            return set(last.values()) <= {WORDS[1]}

        self._wait(well, LIMIT_S)

    def _wait(self, true: Callable[[], bool], limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while not true() and time.monotonic() < deadline and self.station.process.poll() is None:
            time.sleep(0.1)

    def start_again(self) -> None:
        """Start the station anew, as systemd would; what it said before stays known."""
        old = self.station
        self.station = self.start()
        self.station.log[:0] = old.log
        self.station.transitions[:0] = old.transitions

    def children(self, module: str) -> list[int]:
        """Processes of the station that run a module."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, IndexError, ValueError):
                parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
                if parent == self.station.process.pid and module in (path / "cmdline").read_text():
                    found.append(int(path.name))
        return found

    def emergency(self, *, seen: bool) -> bool:
        """Somebody screams, or makes the sign; whether the station called for help."""
        self.calm()
        self.emergencies += 1
        before = len(self.station.transitions)
        if seen:
            self.camera.signing.set()
        else:
            self.sound.play(sound()[SCREAM])
        deadline = time.monotonic() + EMERGENCY_S
        confirmed = ""
        while time.monotonic() < deadline:
            steps = list(self.station.transitions[before:])
            confirmed = next((step["incident"] for step in steps if step["state"] == "confirmed"), "")
            if confirmed:
                self.camera.signing.clear()
            if confirmed and any(step["incident"] == confirmed and step["state"] == "closed" for step in steps):
                break
            time.sleep(0.1)
        self.camera.signing.clear()
        if confirmed:
            self.seen.append(confirmed)
        return bool(confirmed)
