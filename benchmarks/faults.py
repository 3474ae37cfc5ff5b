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
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.fault_kinds import (
    CHANGES,
    CLOCK,
    FAKETIME,
    FAULTS,
    HOURS,
    LOCKED,
    Fault,
    find_program,
    nothing,
    small_disk,
)
from benchmarks.fault_world import RETRY_S, Camera, Noise, World
from benchmarks.machine import described
from safety_monitor.journal.incidents import Journal
from tests.servers.hook import hook
from tests.servers.mariadb import MariaDB
from tests.servers.mosquitto import PASSWORD, USER, Mosquitto
from tests.sound_server import sound_server
from tests.stream_server import stream_server
from tests.system.command import Running, running

LEARNT_S = 35.0
"""By then the usual view of the camera is known."""
DISK_BYTES = 500_000_000
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
02:30, after the moment at which it is due: in spring the change, in autumn 02:30 for the second time. Below zero it
is where libfaketime showed the real time for a moment, and that lay outside the armed hours of the scene.

Written by `python -m benchmarks.faults --page FILE`; what the station does about each is told in
[operating.md](operating.md#troubles).

{table}

{remarks}
"""


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
        if apart == LOCKED:
            server.lock()
            environ["PULSE_SERVER"] = server.door
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
    missing = [name for name in ("pulseaudio", "pacat", "mariadbd", "mosquitto") if find_program(name) is None]
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


if __name__ == "__main__":
    main()
