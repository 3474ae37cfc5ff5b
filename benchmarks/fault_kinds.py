"""What can go wrong, and how it is done and mended: the faults of `benchmarks.faults`."""

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.fault_world import OWN_SOUND_S, RETRY_S, SCREAM, Noise, World
from safety_monitor.demo.scene import sound
from tests.sound_server import ROOM, sound_server

OVERWRITTEN_BYTES = 8_192
OTHER = "another"
"""Name of a second microphone."""
LOCKED = "sound server with a key"
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
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


def lock_out(world: World) -> None:
    """The sound system asks for another key, and ends every recording of those that do not have it."""
    world.sound.lock("another-key")


def let_in(world: World) -> None:
    """The station's key is good again."""
    world.sound.lock()


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
    missing = [name for name in ("mkfs.ext4", "fsfreeze", "findmnt") if find_program(name) is None]
    return f"needs {', '.join(missing)}" if missing else ""


def fake_time() -> str:
    """Whether the clock can be shifted."""
    return "" if Path(FAKETIME).exists() else "needs libfaketime (Debian: libfaketime)"


def find_program(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")


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
    Fault(
        "microphone: not allowed any more",
        lock_out,
        let_in,
        "refuses this user: access denied.*trying again",
        HEARD,
        deaf=True,
        apart=LOCKED,
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
    Fault("siren stopped", strike("alarm_process", signal.SIGSTOP), nothing, "", "alarm failed: ", at_once=True),
    Fault("voice killed", strike("speech_process", signal.SIGKILL), nothing, "", "speech: said", at_once=True),
    Fault("voice stopped", strike("speech_process", signal.SIGSTOP), nothing, "", "speech failed: ", at_once=True),
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
