"""How the pages bear on the station: many open live pages beside detection, and a journal of a million incidents.

    python -m benchmarks.web [--pages 50] [--seconds 20] [--incidents 1000000]

Runs the demo scene as the installed command does, first with nobody looking, then with many who do what a browser on
the live page does, without drawing it: they hold its web socket, and ask for picture and spectrogram again and again.
Then fills a journal, and times its pages and its export.
"""

import argparse
import asyncio
import json
import os
import re
import sqlite3
import statistics
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import socketio

from benchmarks.machine import described, processor_s, resident_mb
from safety_monitor.incident import Evidence, Incident, Sense, State
from safety_monitor.journal.incidents import Journal
from safety_monitor.journal.search import Search, export_incidents, find_incidents
from safety_monitor.web.export import csv_lines, json_lines
from tests.servers.program import free_port
from tests.system.command import running

PICTURE_EVERY_S = 0.3
BROWSER_WAIT_S = 20.0
"""How long socket.io's client in a browser waits for its connection; the one of Python waits for a second."""


def quiet_s(address: str) -> dict[str, float]:
    """For each sense, how long ago it last said something."""
    with urllib.request.urlopen(f"{address}/api/v1/metrics") as answer:  # noqa: S310
        lines = answer.read().decode().splitlines()
    marker = 'sense_quiet_seconds{sense="'
    return {line.split('"')[1]: float(line.split()[-1]) for line in lines if marker in line}


def wait_until_served(address: str) -> None:
    """Until the pages answer."""
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{address}/api/v1/health")  # noqa: S310
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the station does not serve its pages")


async def look(address: str, web: aiohttp.ClientSession) -> None:
    """Be one open live page, until cancelled."""
    async with web.get(address) as answer:
        found = re.search(r"client_id[\"']*: *[\"']([0-9a-f-]{36})", (await answer.text()).replace("&quot;", '"'))
    if found is None:
        raise SystemExit("the live page names no client")
    identity = f"client_id={found[1]}&tab_id={uuid.uuid4()}&document_id={uuid.uuid4()}&next_message_id=0"
    socket_ = socketio.AsyncClient(http_session=web)
    await socket_.connect(
        f"{address}?{identity}&implicit_handshake=true",
        socketio_path="/_nicegui_ws/socket.io",
        transports=["websocket"],
        wait_timeout=BROWSER_WAIT_S,
    )
    try:
        while True:
            for picture in ("picture.jpg", "spectrogram.png"):
                async with web.get(f"{address}/live/{picture}") as answer:
                    await answer.read()
            await asyncio.sleep(PICTURE_EVERY_S)
    finally:
        await socket_.disconnect()


async def measure(address: str, station: int, pages: int, seconds: float) -> tuple[float, float, float, float]:
    """See `with_pages`."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as web:
        lookers = [asyncio.create_task(look(address, web)) for _ in range(pages)]
        await asyncio.sleep(3.0)  # until all have opened
        waits: list[float] = []
        process = Path("/proc", str(station))
        begin, before = time.monotonic(), processor_s(process)
        while time.monotonic() - begin < seconds:
            waits += (await asyncio.to_thread(quiet_s, address)).values()
            await asyncio.sleep(0.2)
        share = (processor_s(process) - before) / (time.monotonic() - begin)
        memory = resident_mb(station)
        ended = [looker for looker in lookers if looker.done()]
        for looker in lookers:
            looker.cancel()
        await asyncio.gather(*lookers, return_exceptions=True)
        if ended:
            raise SystemExit(f"{len(ended)} of {pages} pages ended: {ended[0].exception()}")
    return statistics.median(waits), max(waits), share, memory


def with_pages(pages: int, seconds: float) -> tuple[float, float, float, float]:
    """Median and longest time since a sense last spoke (s), the station's share of a core, and its memory (MB)."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as home:
        variables = {"SAFETY_MONITOR_WEB__PORT": str(port)}
        with running(Path(home), "--camera", "demo", "--mic", "demo", environ=os.environ, **variables) as station:
            wait_until_served(address)
            return asyncio.run(measure(address, station.process.pid, pages, seconds))


def fill(journal: Journal, incidents: int) -> None:
    """Write so many closed incidents, the quick way: only their rows."""
    evidence = (Evidence(Sense.AUDIO, "scream", 0.9, 0.0),)
    journal.record(Incident("0" * 32, State.CONFIRMED, 0.0, 0.9, evidence, "0.90, threshold 0.80"))
    with sqlite3.connect(journal.path) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(incidents)")]
        row = dict(zip(names, connection.execute("SELECT * FROM incidents").fetchone(), strict=True))

        def rows() -> "object":
            for number in range(1, incidents):
                at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1_600_000_000 + 60 * number)) + ".000+00:00"
                labels = json.dumps(["signal_for_help" if number % 1000 == 0 else "scream"])
                changed = {"id": f"{number:032x}", "state": "closed", "opened_at": at, "labels": labels}
                yield tuple((row | changed)[name] for name in names)

        marks = ",".join("?" * len(names))
        connection.executemany(f"INSERT INTO incidents VALUES ({marks})", rows())  # type: ignore[arg-type]  # noqa: S608


def search_ms(journal: Journal, search: Search, after: str = "") -> float:
    """Milliseconds for a page of 25."""
    begin = time.perf_counter()
    find_incidents(journal.file, search, after, 25)
    return 1000 * (time.perf_counter() - begin)


def export_times(pieces: Iterator[str]) -> tuple[float, float, int]:
    """Milliseconds until the first piece, seconds until the last, and bytes of all."""
    begin = time.perf_counter()
    size = len(next(pieces).encode())
    first_ms = 1000 * (time.perf_counter() - begin)
    size += sum(len(piece.encode()) for piece in pieces)
    return first_ms, time.perf_counter() - begin, size


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--incidents", type=int, default=1_000_000)
    wanted = parser.parse_args()
    print(f"{described()}\n")
    print("| open live pages | since a sense spoke, median | longest | station's share of a core | memory |")
    print("|---|---|---|---|---|")
    for pages in (0, 1, wanted.pages):
        median, longest, share, memory = with_pages(pages, wanted.seconds)
        print(
            f"| {pages} | {1000 * median:.0f} ms | {1000 * longest:.0f} ms | {share:.2f} | {memory:.0f} MB |",
            flush=True,
        )
    with tempfile.TemporaryDirectory() as home:
        journal = Journal(Path(home))
        fill(journal, wanted.incidents)
        print(f"\n| page of 25 out of {wanted.incidents} incidents | time |\n|---|---|")
        middle = "2021-01-01T00:00:00.000+00:00~0"
        for name, search, after in (
            ("newest", Search(), ""),
            ("after a moment in the middle", Search(), middle),
            ("by a rare state", Search(state=State.CONFIRMED), ""),
            ("by a label that one in a thousand has", Search(label="signal_for_help"), ""),
            ("by a label that none has", Search(label="nothing"), ""),
        ):
            print(f"| {name} | {min(search_ms(journal, search, after) for _ in range(3)):.0f} ms |")
        print(f"\n| export of {wanted.incidents} incidents | first row after | all after | size |\n|---|---|---|---|")
        for kind, lines in (("CSV", csv_lines), ("JSON", json_lines)):
            first_ms, all_s, size = export_times(lines(export_incidents(journal.file, Search())))
            print(f"| {kind} | {first_ms:.0f} ms | {all_s:.1f} s | {size / 1e6:.0f} MB |")
        journal.close()


if __name__ == "__main__":
    main()
