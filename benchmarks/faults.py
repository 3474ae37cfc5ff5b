"""Faults put into a running station: `python -m benchmarks.faults [NAME...] [--list] [--page FILE]`.

A station with a microphone (PulseAudio), a network camera (MJPEG on loopback), MariaDB, Mosquitto, siren and voice is
broken in one way after the other, and mended again. Of each fault the table says after how long it was found, after how
long all was well again once it was mended, and how many emergencies were lost meanwhile: while the station is deaf
somebody makes the Signal for Help, in every other case somebody screams.

"Found" counts from the fault to the line in the log, "well again" from its end. Everything runs at its default limits,
but for the siren (2 s), the cool-down (4 s) and the longest wait of the outbox (5 s). What cannot be had on this
machine (a file system of the station's own, libfaketime) is left out and said so. About 40 minutes for all; `--page`
writes a page about it, too. Exit status 1 if a fault was not found or not over in time, an emergency was lost, or a
station could not be run to its end.
"""

import argparse
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.machine import described
from safety_monitor.demo.scene import FPS, picture_at, sound
from safety_monitor.journal.incidents import Journal
from tests.servers.hook import hook
from tests.servers.mariadb import MariaDB
from tests.servers.mosquitto import PASSWORD, USER, Mosquitto
from tests.sound_server import RATE, ROOM, SoundServer, sound_server
from tests.stream_server import Send, jpeg, part, stream_server
from tests.system.command import Running, running

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
LEARNT_S = 35.0
"""By then the usual view of the camera is known."""
DISK_BYTES = 500_000_000
OVERWRITTEN_BYTES = 8_192
OTHER = "another"
"""Name of a second microphone."""
CAMERA_FPS, VIEWS = 8.0, 11
PLAY = ("pacat", "--playback", "--raw")
FIRST = ("nice", "-n", "-15")
"""A player that waits for other programs leaves gaps: a room that is loud without end would not be."""
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
SLEEP = """\
import select, time
time.sleep = lambda seconds: select.select((), (), (), seconds) and None
"""
"""libfaketime takes the end of Python's own sleep, a time on the monotonic clock, for one on the wall clock."""
SETTINGS = {
    "ALARM__DURATION_S": "2",
    "FUSION__COOL_DOWN_S": "4",
    "OUTBOX__LONGEST_WAIT_S": f"{RETRY_S:g}",
    "MQTT__USERNAME": USER,
    "MQTT__PASSWORD": PASSWORD,
    "MQTT__HOST": "127.0.0.1",
}


# -- the world -------------------------------------------------------------------------------------------------------


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
        """Wait until every trouble that the station has told of is over."""

        def well() -> bool:
            told = (re.search(rf"({'|'.join(WORDS)})(\w+)", line) for line in list(self.station.log))
            last = {found[2]: found[1] for found in told if found}
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


# -- faults ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """A way to break the station.

    Attributes:
        name: in the table.
        make: breaks it; may give the `time.monotonic()` at which it did.
        mend: mends it; the same.
        found: what the log says once it is found.
        over: what it says once all is well.
        deaf: whether the emergency meanwhile has to be seen.
        at_once: whether the emergency does not wait until it is found: that is by what comes of it.
        needs: why it cannot be tried here; empty: it can.
        apart: faults of the same name share a station with each other, and with no others: nothing is well after them,
            or (under libfaketime) more than the fault is strange.
    """

    name: str
    make: Callable[[World], object]
    mend: Callable[[World], object]
    found: str
    over: str
    deaf: bool = False
    at_once: bool = False
    needs: Callable[[], str] = lambda: ""
    apart: str = ""


def hear(kind: str) -> Callable[[World], object]:
    """The microphone gives this."""
    return lambda world: setattr(world.noise, "kind", kind)


def see(shows: str) -> Callable[[World], object]:
    """The camera shows this."""
    return lambda world: setattr(world.camera, "shows", shows)


def unplug_sound(world: World) -> None:
    """The sound system dies."""
    world.sound.process.kill()
    world.sound.process.wait()


def plug_sound(world: World) -> None:
    """It is there again, with a new room."""
    world.sound = world.stack.enter_context(sound_server(world.sound.folder))
    world.noise = Noise(world.sound)


def unplug_microphone(world: World) -> None:
    """The sound system loses its microphone; what else was heard of the room goes with it."""
    world.noise.stop()
    world.sound.remove_room()


def mute(switch: str) -> Callable[[World], object]:
    """Somebody switches the microphone off in the sound settings, or on again."""
    return lambda world: world.sound.control("set-source-mute", f"{ROOM}.monitor", switch)


def suspend(switch: str) -> Callable[[World], object]:
    """The sound system puts the microphone to sleep, or wakes it."""
    return lambda world: world.sound.control("suspend-sink", ROOM, switch)


def change_rate(world: World) -> None:
    """What is recorded comes from another microphone, at another rate, from one moment to the next."""
    world.sound.control(
        "load-module", "module-remap-source", f"master={ROOM}.monitor", f"source_name={OTHER}", "rate=44100"
    )
    recordings = world.sound.control("list", "short", "source-outputs").split()
    world.sound.control("move-source-output", recordings[0], OTHER)


def plug_microphone(world: World) -> None:
    """It is there again, under another number and at another rate."""
    world.sound.add_room()
    world.noise = Noise(world.sound)


def fill_disk(world: World) -> None:
    """Not a byte more fits on the station's file system."""
    with suppress(OSError), (world.home / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)


def make_room(world: World) -> None:
    """There is room again."""
    (world.home / "filler").unlink()


def freeze(how: str) -> Callable[[World], object]:
    """The station's file system answers to no writing any more, or does again."""
    return lambda world: subprocess.run(["fsfreeze", how, str(world.home)], check=True)


def hang_at_a_delivery(world: World) -> float:
    """The disk ceases to answer while a delivery is tried again and again; then somebody is in need once more."""
    world.database.stop()
    world.emergency(seen=False)
    freeze("-f")(world)
    time.sleep(2 * RETRY_S)  # the next attempt has met the disk
    world.emergency(seen=False)
    world.database.start()
    return time.monotonic()


def make_read_only(world: World) -> None:
    """The file system finds an error, and is read-only from then on."""
    found = subprocess.run(["findmnt", "-no", "SOURCE", str(world.home)], capture_output=True, text=True, check=True)
    Path(f"/sys/fs/ext4/{Path(found.stdout.strip()).name}/trigger_fs_error").write_text("a disk that fails")


def hold_journal(world: World) -> None:
    """Another program writes to the journal, and does not finish."""
    holder = world.holder = sqlite3.connect(world.home / "journal.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")


def let_go_of_journal(world: World) -> None:
    """It finishes."""
    assert world.holder is not None
    world.holder.close()


def kill_station(world: World) -> float:
    """The station is killed in the middle of an emergency, and started anew as systemd would."""
    world.calm()
    world.emergencies += 1
    before = len(world.station.transitions)
    world.sound.play(sound()[SCREAM])
    world.station.wait_for(lambda station: any(s["state"] == "confirmed" for s in station.transitions[before:]))
    world.seen += [s["incident"] for s in world.station.transitions[before:] if s["state"] == "confirmed"]
    world.station.process.kill()
    world.station.process.wait()
    killed = time.monotonic()
    world.start_again()
    return killed


def delete_journal(world: World) -> None:
    """Somebody deletes the journal while it is in use."""
    for path in world.home.glob("journal.sqlite*"):
        path.unlink()


def overwrite_journal(world: World) -> None:
    """The beginning of the journal is overwritten on the disk while it is in use."""
    path = world.home / "journal.sqlite"
    with closing(sqlite3.connect(path)) as journal:
        journal.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.write(b"\xff" * OVERWRITTEN_BYTES)


def set_clock(seconds: int) -> Callable[[World], object]:
    """The wall clock of the station jumps to so many seconds from the right time."""

    return lambda world: shift(world, seconds)


def clocks_change(change: float, ahead_s: float, *, held: bool) -> Callable[[World], float]:
    """Somebody screams shortly before the clocks of the time zone are put forward or back.

    Args:
        change: when they are, in seconds since 1970.
        ahead_s: how long before that the station's clock begins.
        held: whether the message has to wait for the change; else it has to come after the scream.
    """

    def change_them(world: World) -> float:
        begun = go_to(world, change - ahead_s)
        world.emergency(seen=False)
        time.sleep(max(0.0, begun + ahead_s - time.monotonic()))
        return begun + (ahead_s if held else OWN_SOUND_S)

    return change_them


def go_to(world: World, moment: float) -> float:
    """Set the wall clock of the station to a moment in seconds since 1970; when that was by `time.monotonic()`."""
    shift(world, moment - time.time())
    return time.monotonic()


def shift(world: World, seconds: float) -> None:
    """The wall clock of the station is off by so much from now on, at no moment by anything else."""
    assert world.clock is not None
    new = world.clock.with_suffix(".new")
    new.write_text(f"{seconds:+.3f}s\n")
    new.replace(world.clock)


def skip_to(moment: float, ahead_s: float) -> Callable[[World], float]:
    """It is nearly so late; gives the `time.monotonic()` at which it is."""
    return lambda world: go_to(world, moment - ahead_s) + ahead_s


def strike(module: str, number: signal.Signals) -> Callable[[World], object]:
    """A worker process gets a signal."""

    def do(world: World) -> None:
        for pid in world.children(module):
            os.kill(pid, number)

    return do


def nothing(world: World) -> None:
    """It mends itself."""


def small_disk() -> str:
    """Whether the station's home is a file system of its own."""
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists():
        return "needs root and loop devices, for a file system of the station's own"
    missing = [name for name in ("mkfs.ext4", "fsfreeze", "findmnt") if _which(name) is None]
    return f"needs {', '.join(missing)}" if missing else ""


def fake_time() -> str:
    """Whether the clock can be shifted."""
    return "" if Path(FAKETIME).exists() else "needs libfaketime (Debian: libfaketime)"


HEADS = ("fault", "found after", "well again after", "emergencies", "lost")
PAGE = """\
# Broken on purpose

A station with a microphone (PulseAudio), a network camera (MJPEG), MariaDB, Mosquitto, siren and voice, broken in one
way after the other while it runs, and mended again. While each fault lasts somebody is in need: a scream or, where
the station cannot hear, the Signal for Help. *Found* counts from the fault to the station's word about it, *well
again* from its end until all is well (a part is trusted again once it has been well for six seconds); `–` is where
nothing of the kind is to be seen. Lost is an emergency for which nobody was called.

As *summer time* begins and ends, somebody screams just before the change of clocks, and the incident lasts over it.
Found is the message about it: in spring quiet hours until 02:30 held it back, and it counts from the change, with which
they end; in autumn they were over before, and it counts from the scream. Well again is the end of the armed hours at
02:30, after the moment at which it is due: in spring the change, in autumn 02:30 for the second time.

Written by `python -m benchmarks.faults --page FILE`; what the station does about each is told in
[operating.md](operating.md#troubles).

{table}

{remarks}
"""
CLOCK, FORWARD, BACK = "clock", "clocks forward", "clocks back"
CHANGES = {
    FORWARD: datetime(2027, 3, 28, 1, tzinfo=UTC).timestamp(),
    BACK: datetime(2027, 10, 31, 1, tzinfo=UTC).timestamp(),
}
"""When clocks in Berlin change: after 01:59:59 comes 03:00:00, after 02:59:59 comes 02:00:00."""
HOURS = {
    "SCHEDULE__ARMED": '[{"begin": "12:00", "end": "02:30"}]',
    "LIMITS__QUIET_FROM": "01:00",
    "LIMITS__QUIET_UNTIL": "02:30",
    "LIMITS__QUIET_CHANNELS": '["webhook"]',
    "WEBHOOK__SECRET": "only on this machine",
    "FUSION__COOL_DOWN_S": "20",
}
"""Hours that end at a time that is left out, or comes twice; and an incident that lasts over the change."""
HEARD, SEEN = "works again: audio", "works again: gesture"
FAULTS = [
    Fault("microphone: digital silence", hear("silent"), hear("noise"), "trouble: audio:.*silence", HEARD, deaf=True),
    Fault("microphone: one value", hear("stuck"), hear("noise"), "trouble: audio:.*one value", HEARD, deaf=True),
    Fault("microphone: clipped", hear("clipped"), hear("noise"), "trouble: audio:.*too loud", HEARD, deaf=True),
    Fault("microphone: unplugged", unplug_microphone, plug_microphone, "trouble: audio:.*lost", HEARD, deaf=True),
    Fault(
        "microphone: put to sleep",
        suspend("1"),
        suspend("0"),
        "trouble: audio:.*no sound",
        HEARD,
        deaf=True,
    ),
    Fault("microphone: another rate", change_rate, nothing, f"{OTHER} takes the place of", "", apart="microphone"),
    Fault("microphone: muted", mute("1"), mute("0"), "trouble: audio:.*muted", HEARD, deaf=True),
    Fault("sound system killed", unplug_sound, plug_sound, "trouble: audio:", HEARD, deaf=True),
    Fault(
        "sound system frozen",
        lambda world: world.sound.process.send_signal(signal.SIGSTOP),
        lambda world: world.sound.process.send_signal(signal.SIGCONT),
        "trouble: audio:",
        HEARD,
        deaf=True,
    ),
    Fault("camera: same picture", see("frozen"), see("room"), "trouble: gesture:.*same picture", SEEN),
    Fault("camera: black", see("black"), see("room"), "trouble: gesture:.*dark", SEEN),
    Fault("camera: covered", see("covered"), see("room"), "trouble: gesture:.*covered", SEEN),
    Fault("camera: over-exposed", see("overexposed"), see("room"), "trouble: gesture:.*blinded", SEEN),
    Fault("camera: out of focus", see("blurred"), see("room"), "trouble: gesture:.*focus", SEEN),
    Fault("camera: turned away", see("moved"), see("room"), "trouble: gesture:.*usually", SEEN),
    Fault("camera: torn pictures", see("torn"), see("room"), "trouble: gesture:", SEEN),
    Fault("camera: garbage", see("garbage"), see("room"), "trouble: gesture:", SEEN),
    Fault("camera: hangs", see("hangs"), see("room"), "trouble: gesture:", SEEN),
    Fault("camera: stream dead", see("dead"), see("room"), "trouble: gesture:", SEEN),
    Fault("camera: not allowed any more", see("refused"), see("room"), "access denied.*trying again", SEEN),
    Fault(
        "MariaDB killed",
        lambda world: world.database.stop(),
        lambda world: world.database.start(),
        "mysql failed",
        "mysql: ",
        at_once=True,
    ),
    Fault(
        "Mosquitto killed",
        lambda world: world.broker.stop(),
        lambda world: world.broker.start(),
        "mqtt failed",
        "mqtt: .* shows",
        at_once=True,
    ),
    Fault("siren killed", strike("alarm_process", signal.SIGKILL), nothing, "", "siren sounded", at_once=True),
    Fault("siren stopped", strike("alarm_process", signal.SIGSTOP), nothing, "", "alarm failed: siren", at_once=True),
    Fault("voice killed", strike("speech_process", signal.SIGKILL), nothing, "", "speech: said", at_once=True),
    Fault("voice stopped", strike("speech_process", signal.SIGSTOP), nothing, "", "speech failed: voice", at_once=True),
    Fault("station killed", kill_station, nothing, "", " armed$", at_once=True),
    Fault("journal deleted", delete_journal, nothing, "journal: was damaged", "journal: was damaged"),
    Fault("journal overwritten", overwrite_journal, nothing, "journal: was damaged", "journal: was damaged"),
    Fault("journal held", hold_journal, let_go_of_journal, "trouble: journal", "works again: journal"),
    Fault(
        "disk full", fill_disk, make_room, "trouble: (disk|journal)", "works again: (disk|journal)", needs=small_disk
    ),
    Fault("disk hangs", freeze("-f"), freeze("-u"), "trouble: journal", "works again: journal", needs=small_disk),
    Fault(
        "disk hangs at a delivery",
        hang_at_a_delivery,
        freeze("-u"),
        "mysql: .* written",
        "mysql: closed written",
        needs=small_disk,
    ),
    Fault("disk read-only for good", make_read_only, nothing, "trouble: journal", "", needs=small_disk, apart="disk"),
    Fault(
        "clock an hour on",
        set_clock(3600),
        set_clock(0),
        "clock was set by [+]",
        "clock was set by -",
        needs=fake_time,
        apart=CLOCK,
    ),
    Fault(
        "clock an hour back",
        set_clock(-3600),
        set_clock(0),
        "clock was set by -",
        "clock was set by [+]",
        needs=fake_time,
        apart=CLOCK,
    ),
    Fault(
        "summer time begins",
        clocks_change(CHANGES[FORWARD], 20.0, held=True),
        nothing,
        "webhook: ",  # what was held back in the quiet hours
        "disarmed",
        needs=fake_time,
        apart=FORWARD,
    ),
    Fault(
        "summer time ends",
        clocks_change(CHANGES[BACK], 6.0, held=False),
        skip_to(CHANGES[BACK] + 1800.0, 5.0),
        "webhook: ",
        "disarmed",
        needs=fake_time,
        apart=BACK,
    ),
]


# -- the run ---------------------------------------------------------------------------------------------------------


@contextmanager
def a_world(apart: str) -> Iterator[World]:
    """A station that hears and sees, with all that faults of this kind need; everything ends with the block."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-")))
        for name in ("sound", "mariadb", "mosquitto", "home"):
            (folder / name).mkdir()
        home = folder / "home"
        if not small_disk():
            image = folder / "disk"
            with image.open("wb") as file:
                file.truncate(DISK_BYTES)
            subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
            subprocess.run(["mount", "-o", "loop,errors=remount-ro", str(image), str(home)], check=True)
            stack.callback(subprocess.run, ["umount", "-l", str(home)], check=False)
        server = stack.enter_context(sound_server(folder / "sound"))
        noise = Noise(server)
        camera = Camera()
        allowed = lambda: camera.shows != "refused"  # noqa: E731
        address = stack.enter_context(stream_server(camera.answer, allowed=allowed))
        database, broker = MariaDB(folder / "mariadb"), Mosquitto(folder / "mosquitto")
        database.install()
        for each in (database, broker):
            each.start()
            stack.callback(each.stop)
        environ = dict(server.environment)
        clock = None
        if apart in (CLOCK, *CHANGES):
            clock = folder / "clock"
            begin_s = CHANGES[apart] - 3600.0 - time.time() if apart in CHANGES else 0.0
            clock.write_text(f"{begin_s:+.0f}s\n")
            (folder / "sitecustomize.py").write_text(SLEEP)
            environ |= {
                "PYTHONPATH": str(folder),
                "TZ": "Europe/Berlin",
                "LD_PRELOAD": FAKETIME,
                "FAKETIME_TIMESTAMP_FILE": str(clock),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        variables = {f"SAFETY_MONITOR_{name}": value for name, value in SETTINGS.items()}
        variables |= {
            "SAFETY_MONITOR_MYSQL__URL": database.url,
            "SAFETY_MONITOR_MQTT__PORT": str(broker.port),
        }

        if apart in CHANGES:
            receiver = stack.enter_context(hook())
            variables |= {f"SAFETY_MONITOR_{name}": value for name, value in HOURS.items()}
            variables["SAFETY_MONITOR_WEBHOOK__URL"] = receiver.url

        def start() -> Running:
            return stack.enter_context(running(home, "--camera", address, environ=environ, **variables))

        world = World(start(), folder, home, server, noise, camera, database, broker, clock, stack, start)
        stack.callback(lambda: world.noise.stop())
        stack.callback(subprocess.run, ["fsfreeze", "-u", str(home)], check=False, stderr=subprocess.DEVNULL)
        world.station.wait_until_armed()
        yield world


def put(world: World, fault: Fault) -> tuple[str, str, int, int]:
    """Break the station, have somebody in need, mend it: found after, over after, emergencies, lost."""
    before, since = world.emergencies, len(world.station.log)
    heard = len(world.seen)
    broken = time.monotonic()
    when = fault.make(world)
    broken = when if isinstance(when, float) else broken
    if fault.at_once and world.emergencies == before:
        world.emergency(seen=fault.deaf)
    found = world.said(fault.found, since, broken) if fault.found else None
    if world.emergencies == before:
        world.emergency(seen=fault.deaf)
    mended, mended_at = (since, broken) if fault.mend is nothing else (len(world.station.log), time.monotonic())
    when = fault.mend(world)
    mended_at = when if isinstance(when, float) else mended_at
    over = world.said(fault.over, mended, mended_at) if fault.over else None
    if fault.over:
        world.healthy()
    emergencies = world.emergencies - before
    lost = emergencies - (len(world.seen) - heard)
    return _seconds(found, fault.found), _seconds(over, fault.over), emergencies, lost


def run(faults: list[Fault], log: Path | None, rows: list[tuple[str, ...]]) -> str:
    """Put faults into one station, each a row of the table; gives what became of all emergencies."""
    with a_world(faults[0].apart) as world:
        time.sleep(LEARNT_S)
        for fault in faults:
            rows.append((fault.name, *map(str, put(world, fault))))
            print("  ".join(rows[-1]), flush=True)
        ended = world.station.process.poll() is not None
        world.station.stop()
        if log is not None:
            with log.open("a") as file:
                file.write("\n".join([*world.station.log, *map(str, world.station.transitions), ""]))
        copy = world.folder / "copy"  # its own disk may be read-only
        copy.mkdir()
        for path in world.home.glob("journal.sqlite*"):
            shutil.copy(path, copy)
        kept = {entry.incident.id for entry in Journal(copy).list(1000)}
    not_kept = [each for each in world.seen if each not in kept]
    besides = world.station.confirmed - set(world.seen)
    about = faults[0].name if len(faults) == 1 else f"{faults[0].name} to {faults[-1].name}"
    return (
        f"{about}: {world.emergencies} emergencies, {len(world.seen)} called for help, {len(not_kept)} of these not in "
        f"the journal, {len(besides)} alarms besides; the station {'ENDED' if ended else 'ran to the end'}."
    )


def _seconds(value: float | None, sought: str) -> str:
    if not sought:
        return "–"
    return "never" if value is None else f"{value:.1f} s"


def main() -> None:
    """Run what is asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="part of the names of the faults; all if none is given")
    parser.add_argument("--list", action="store_true", help="name the faults, and do nothing")
    parser.add_argument("--log", type=Path, help="file that gets what the stations say")
    parser.add_argument("--page", type=Path, help="file that gets the table as Markdown")
    arguments = parser.parse_args()
    chosen = [fault for fault in FAULTS if not arguments.names or any(name in fault.name for name in arguments.names)]
    if arguments.list:
        print("\n".join(fault.name for fault in FAULTS))
        return
    missing = [name for name in ("pulseaudio", "pacat", "mariadbd", "mosquitto") if _which(name) is None]
    if missing or not chosen:
        sys.exit(f"not installed: {', '.join(missing)}" if missing else "no fault has such a name; see --list")
    left_out = [f"{fault.name}: left out, {why_not}." for fault in chosen if (why_not := fault.needs())]
    chosen = [fault for fault in chosen if not fault.needs()]
    groups = [[fault for fault in chosen if fault.apart == apart] for apart in {fault.apart: None for fault in chosen}]
    busy = os.getloadavg()[0]
    rows: list[tuple[str, ...]] = []
    remarks = []
    for group in groups:
        try:
            remarks.append(run(group, arguments.log, rows))
        except (AssertionError, OSError, subprocess.SubprocessError) as error:  # what was measured before counts
            left = [fault.name for fault in group if fault.name not in {row[0] for row in rows}]
            why = (str(error) or type(error).__name__).splitlines()[-1]
            remarks.append(f"{', '.join(left) or 'the end of it'}: NOT MEASURED, {why}")
    load = f"{min(busy, os.getloadavg()[0]):.0f} to {max(busy, os.getloadavg()[0]):.0f} programs had something to do"
    remarks += [*left_out, f"Machine: {described()}; {load}."]
    table = Table(*HEADS, title="A broken station", caption="\n".join(remarks))
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    if arguments.page is not None:
        arguments.page.write_text(page(rows, remarks), encoding="utf-8")
    sys.exit(len(rows) < len(chosen) or any("never" in row or row[-1] != "0" for row in rows))


def page(rows: Sequence[Sequence[str]], remarks: Sequence[str]) -> str:
    """The result as Markdown."""
    lines = [f"| {' | '.join(cells)} |" for cells in (HEADS, ["---", *["---:"] * (len(HEADS) - 1)], *rows)]
    return PAGE.format(table="\n".join(lines), remarks="\n".join(f"- {remark}" for remark in remarks))


def _which(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")


if __name__ == "__main__":
    main()
