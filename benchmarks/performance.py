"""Every benchmark in one run, written to one page: `make bench`, `python -m benchmarks.performance [--data DIR]`.

Each figure stands beside its reference, measured in the same run on the same machine: a bare MediaPipe loop, YAMNet and
librosa's features at the station's rate of decisions, a bare SQLite insert. With `--data` (development data) also the
recorded scenes and screams and YAMNet are measured. Takes about ten minutes on two cores that have nothing else to do.

Exit status 1 if a benchmark failed; the page then says which.
"""

import argparse
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import described

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
INSERTS = 300
LIMIT_S = 480.0
"""Longest time for one benchmark."""


@dataclass(frozen=True, slots=True)
class Part:
    """One benchmark.

    Attributes:
        title: as a heading.
        module: that is run.
        options: in any case.
        with_data: further ones where there is development data; {data} stands for its folder.
    """

    title: str
    module: str
    options: tuple[str, ...] = ()
    with_data: tuple[str, ...] = ()

    def command(self, data: Path | None) -> list[str]:
        """What to run."""
        further = [option.format(data=data) for option in self.with_data] if data else []
        return [sys.executable, "-m", f"benchmarks.{self.module}", *self.options, *further]


PARTS = {
    "station": Part(
        "Both senses live",
        "station",
        ("--seconds", "30", "--json"),
        ("--yamnet", "{data}/reference/yamnet/yamnet.tflite"),
    ),
    "latency": Part("From the event to the alarm call", "latency", (), ("--data", "{data}")),
    "hearing": Part("Hearing", "hearing"),
    "seeing": Part("Seeing", "seeing", (), ("--data", "{data}")),
    "delivery": Part("Delivery", "delivery", ("--incidents", "100000")),
    "web": Part("Pages", "web", ("--pages", "50", "--seconds", "8", "--incidents", "100000")),
    "soak": Part("Soak", "soak", ("--minutes", "1")),
}


@dataclass(frozen=True, slots=True)
class Result:
    """What a benchmark printed, and how long it took; `trouble` says in a line why there is nothing."""

    output: str
    took_s: float
    trouble: str = ""


def run(part: Part, data: Path | None) -> Result:
    """Run one benchmark to its end."""
    begun = time.monotonic()
    try:
        done = subprocess.run(
            part.command(data),
            cwd=ROOT,
            env=os.environ | {"COLUMNS": "118"},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Result("", time.monotonic() - begun, f"took longer than {LIMIT_S:.0f} s")
    last = [line for line in done.stderr.splitlines() if line.strip()][-1:] or ["see its own output"]
    trouble = f"ended with status {done.returncode}: {last[0]}" if done.returncode else ""
    return Result(done.stdout.rstrip(), time.monotonic() - begun, trouble)


def sqlite_inserts_per_s() -> float:
    """Rows a second into a bare SQLite file, each in a transaction that is on the disk, as the journal's are."""
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder) / "bare.sqlite")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT)")
        database.commit()
        begun = time.perf_counter()
        for number in range(INSERTS):
            database.execute("INSERT INTO rows VALUES (?, ?)", (number, "x" * 300))
            database.commit()
        return INSERTS / (time.perf_counter() - begun)


def rows(output: str) -> list[list[str]]:
    """The cells of every row of the printed tables."""
    split = ([cell.strip() for cell in re.split(r"[│┃|]", line)[1:-1]] for line in output.splitlines())
    return [row for row in split if row]


def cells(output: str, first: str) -> list[str]:
    """The cells of a printed table's row that begins so; empty if there is none."""
    return next((row for row in rows(output) if row[0].startswith(first)), [])


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the summary.

    Attributes:
        what: was measured.
        found: a number and its unit.
        aim: "≤" or "≥" and a number in the same unit; empty if there is none.
        reference: what was measured beside it.
    """

    what: str
    found: str
    aim: str = ""
    reference: str = ""

    @property
    def met(self) -> str:
        """Whether the aim is met, in a word."""
        if not self.aim:
            return ""
        found, aim = (float(re.findall(r"[0-9.]+", text)[0]) for text in (self.found, self.aim))
        return "met" if (found <= aim if self.aim.startswith("≤") else found >= aim) else "**missed**"


def station_figures(output: str) -> list[Figure]:
    """Of `benchmarks.station --json`."""
    live = json.loads(output)
    hearing = live["hearing"]
    others = ", ".join(f"{name} {share:.3f}" for name, share in hearing.items() if name != "our detector")
    both = f"both senses live, {live['pictures_per_s']:.0f} pictures/s, {live['decisions_per_s']:.1f} decisions/s"
    bare = f"bare MediaPipe loop at 30 pictures/s: {live['bare_mediapipe']:.2f}"
    return [
        Figure("from the command to hearing", f"{live['hears_s']:.1f} s"),
        Figure("from the command to armed", f"{live['start_s']:.1f} s"),
        Figure("resident memory when armed", f"{live['memory_mb']:.0f} MB"),
        Figure(both, f"{live['whole']:.2f} cores", "≤ 1", bare),
        Figure("of that inside MediaPipe and the networks", f"{live['native']:.0%}", "≥ 80 %"),
        Figure("hearing at its rate of decisions", f"{hearing['our detector']:.3f} cores", "", others),
        Figure("age of a picture when it is judged", f"{1000 * live['picture_age_s']:.0f} ms"),
        Figure("age of a sound when it is judged", f"{1000 * live['sound_age_s']:.0f} ms"),
    ]


LATENCY_AIMS = {
    "scream, synthesised": ("≤ 0.7 s", "≤ 1.0 s"),
    "scream, recorded": ("≤ 0.7 s", "≤ 1.0 s"),
    "Signal for Help, drawn": ("≤ 0.4 s", "≤ 0.5 s"),
    "Signal for Help, recorded": ("≤ 0.4 s", "≤ 0.5 s"),
}
"""By the event's beginning: median and 95th percentile from it to the alarm call."""


def latency_figures(output: str) -> list[Figure]:
    """Of `benchmarks.latency`: from the first sample, or the closing of the hand, to the alarm call."""
    found = []
    for event, aims in LATENCY_AIMS.items():
        if not (row := cells(output, event)):
            continue
        name, alarms, missed, *delays = row
        for what, delay, aim in zip(("median", "95 %"), delays, aims, strict=False):
            if delay != "-":
                found.append(Figure(f"{name}: to alarm call, {what}", delay, aim))
        of_all = int(alarms) + int(missed)
        share = f"{int(alarms) / of_all:.0%}" if of_all else "0%"
        found.append(Figure(f"{name}: alarmed", share, "≥ 95 %", f"{missed} of {of_all} missed"))
    return found


def hearing_figures(output: str) -> list[Figure]:
    """Of `benchmarks.hearing`: what the first model costs."""
    line = re.search(
        r"loads in ([\d.]+) s, real-time factor ([\d.]+) at (\S+) decisions/s, ([\d.]+) at 4,.* ([\d.]+) MB", output
    )
    if line is None:
        return []
    loaded_s, factor, rate, at_four, megabytes = line.groups()
    return [
        Figure(
            "hearing, real-time factor at 4 decisions/s", at_four, "≤ 0.03", f"at the {rate}/s of the station: {factor}"
        ),
        Figure("the scream model is loaded in", f"{loaded_s} s", "≤ 1 s"),
        Figure("size of the scream model", f"{megabytes} MB", "≤ 10 MB"),
    ]


def seeing_figures(output: str) -> list[Figure]:
    """Of `benchmarks.seeing`: the worst of all scenes and cameras."""
    scenes = [row for row in rows(output) if len(row) == 7 and row[-1] in ("met", "MISSED")]
    cameras = [row for row in rows(output) if len(row) == 5 and row[-1] in ("met", "MISSED")]
    wakes = re.findall(r"noticed in (\d+) of (\d+) tries, at the latest after ([\d.]+) s", output)
    found = []
    if scenes:
        slowest = min(scenes, key=lambda row: float(row[3]))
        added = max(scenes, key=lambda row: float(row[4]))
        bare = f"{slowest[0]}: {slowest[2]} of {slowest[1]} frames/s"
        found += [
            Figure("seeing, frames/s of a bare MediaPipe loop's, slowest scene", slowest[3], "≥ 0.95", bare),
            Figure("seeing, added to a frame, median, slowest scene", f"{added[4]} ms", "≤ 1 ms", added[0]),
        ]
    if cameras:
        latest = max(cameras, key=lambda row: float(row[1]))
        found.append(Figure("from a frame to its readings, median", f"{latest[1]} frame times", "≤ 1.5", latest[0]))
    if wakes:
        tries = f"{sum(int(seen) for seen, _, _ in wakes)} of {sum(int(all_) for _, all_, _ in wakes)} tries"
        latest_s = max((wake[2] for wake in wakes), key=float)
        found.append(Figure("a hand in an idle scene is noticed, at the latest", f"{latest_s} s", "≤ 0.3 s", tries))
    return found


def delivery_figures(output: str, inserts_per_s: float) -> list[Figure]:
    """Of `benchmarks.delivery`, with an empty journal."""
    found = []
    for what in ("confirmed to first byte, siren (call), median", "incidents through the journal"):
        if row := cells(output, what):
            reference = f"bare SQLite insert: {inserts_per_s:.0f} /s" if "journal" in what else ""
            found.append(Figure(what, row[1], "", reference))
    return found


def web_figures(output: str) -> list[Figure]:
    """Of `benchmarks.web`: the station's memory with the most pages open, and with none."""
    opened = [row for row in rows(output) if len(row) == 5 and row[4].endswith(" MB")]
    if not opened:
        return []
    none, most = opened[0], opened[-1]
    return [Figure(f"resident memory with {most[0]} live pages open", most[4], "", f"with {none[0]}: {none[4]}")]


def summary(found: dict[str, Result], inserts_per_s: float) -> list[str]:
    """The figures that matter most, each beside its aim and what it is measured against."""
    figures: list[Figure] = []
    for name, of_part in (
        ("station", station_figures),
        ("latency", latency_figures),
        ("hearing", hearing_figures),
        ("seeing", seeing_figures),
        ("web", web_figures),
        ("delivery", lambda output: delivery_figures(output, inserts_per_s)),
    ):
        if name in found and not found[name].trouble:
            figures += of_part(found[name].output)
    return [
        "| | found | aim | | reference in the same run |",
        "|---|---:|---:|---|---|",
        *(f"| {each.what} | {each.found} | {each.aim} | {each.met} | {each.reference} |" for each in figures),
    ]


def live_table(output: str) -> str:
    """What `benchmarks.station --json` printed, as a table of threads."""
    live: dict[str, Any] = json.loads(output)
    rows = [f"| {name} | {share:.3f} |" for name, share in live["threads"].items()]
    return "\n".join(["| thread | share of a core |", "|---|---:|", *rows])


def page(found: dict[str, Result], inserts_per_s: float, data: Path | None) -> str:
    """The whole page."""
    lines = [
        "# Performance",
        "",
        "Written by `make bench`; do not edit. Every figure is of the machine named here, and of this run.",
        "",
        f"- {described()}",
        f"- {datetime.now(UTC):%Y-%m-%d}; load when it was over: {os.getloadavg()[0]:.1f}",
        "- recordings: " + ("the development data as well" if data else "only what the benchmarks make themselves"),
        "",
        *summary(found, inserts_per_s),
        "",
        "The aims are the project's own. The delay of a scream counts from its first sample, that of a Signal for Help "
        "from the closing of the hand. Delivery and pages are measured beside a journal of 100,000 incidents.",
    ]
    for name, result in found.items():
        part = PARTS[name]
        shown = " ".join(["python -m", *part.command(None)[2:]])
        lines += ["", f"## {part.title}", "", f"`{shown}`, {result.took_s:.0f} s", ""]
        if result.trouble:
            lines += [f"**Failed**: {result.trouble}", ""]
        if name == "station" and not result.trouble:
            lines.append(live_table(result.output))
        elif result.output:
            lines += ["```", result.output, "```"]
    return "\n".join(lines).rstrip() + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the page, and say what failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of development data; left out if it is not there")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page to write")
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=tuple(PARTS), help="benchmarks to run")
    given = parser.parse_args(arguments)
    data = given.data if given.data is not None and given.data.is_dir() else None
    found = {}
    for name in given.only:
        print(f"{PARTS[name].title} …", flush=True)
        found[name] = run(PARTS[name], data)
        print(f"  {found[name].took_s:.0f} s {found[name].trouble}", flush=True)
    given.output.write_text(page(found, sqlite_inserts_per_s(), data), encoding="utf-8")
    print(given.output)
    return 1 if any(result.trouble for result in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
