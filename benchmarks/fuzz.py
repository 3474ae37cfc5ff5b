"""Thousands of damaged inputs for every parser of ours: `python -m benchmarks.fuzz [--count 3000] [TARGET ...]`.

Each input is a valid one that was damaged by chance: bits flipped, stretches cut out, doubled, zeroed or overwritten,
sizes made huge, the end missing. A parser may read it or refuse it with its own error of one line. Anything else is a
fault: another exception, a crash, no answer within the time limit, memory that grows. Inputs run in a process of their
own with limited memory; what ended it is told with its number, and `--first NUMBER --count 1` makes the same again.

Exit status 1 if there was a fault.
"""

import argparse
import gzip
import logging
import os
import random
import select
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np

from audio.blocks import SoundError
from audio.capture import open_sound
from audio.corpus import CorpusError, read_corpus
from benchmarks.machine import resident_mb
from gesture.capture import CameraError, open_camera
from gesture.point_history_classifier import MOTION_FEATURES
from gesture.tables import HandTable, PathTable, TableError, read_hands, read_paths, write_hands, write_paths
from media.container import MediaError, contents
from models.card import ModelError, read_card, read_labels
from models.hand_landmarker import PARTS, check, is_complete
from models.registry import SHIPPED
from models.runtime import TFLiteModel
from safety_monitor.config import SettingsError
from safety_monitor.config.page import template
from safety_monitor.config.sources import load_settings
from safety_monitor.web.analysis_process import limit
from tests.recordings import plain, tone, write_media

LIMIT_S = 60.0
"""Longest time for one input; generous, because a loaded machine is no fault."""
MEMORY_BYTES = 2 << 30
SETTLED = 50
"""Inputs, or a quarter of all, after which memory must not grow any more, in a process."""
GROWTH_MB = 64.0
"""Memory of a process may sway by this much."""
SIZES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
WORDS = (
    b"nan",
    b"inf",
    b"-1",
    b"1e999",
    b"9" * 400,
    b'"',
    b"\n",
    b"\r\n",
    b",",
    b"[",
    b"]]",
    b"\x00",
    b"\xff\xfe",
    "é".encode(),
)
MOTION_LABELS = 9
"""Outputs of the model for movements."""
Seeds = dict[str, bytes]
"""File name -> valid content."""


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The content with one to six things wrong with it."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        at = chance.randrange(len(data) + 1) if chance.random() < 0.5 else chance.randrange(min(len(data), 512) + 1)
        length = chance.choice((1, 4, 16, 256, 4096))
        kind = chance.randrange(8)
        if kind == 0:
            for place in (chance.randrange(len(data)) for _ in range(8) if data):
                data[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at : at + length] = chance.randbytes(length)
        elif kind == 2:
            data[at : at + length] = bytes(length)
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            data[at:at] = data[at : at + length]
        elif kind == 5:
            data[at : at + 4] = chance.choice(SIZES).to_bytes(4, chance.choice(("little", "big")))
        elif kind == 6:
            data[at : at + chance.randrange(3)] = chance.choice(WORDS)
        else:
            del data[at:]
    return bytes(data)


@dataclass(frozen=True, slots=True)
class Target:
    """One parser.

    Attributes:
        seeds: makes the valid inputs, in a folder that it may use.
        read: reads an input; whether there was something in it.
        refusal: what the parser raises as its own error.
    """

    seeds: Callable[[Path], Seeds]
    read: Callable[[Path], object]
    refusal: type[Exception]

    def parse(self, path: Path) -> bool:
        """Whether an input was read rather than refused."""
        try:
            return bool(self.read(path))
        except self.refusal:
            return False


def _media(suffix: str) -> Target:
    def seeds(folder: Path) -> Seeds:
        images = [plain(shade, 90, 120) for shade in range(0, 250, 40)] if suffix in (".mp4", ".webm", ".avi") else []
        path = write_media(
            folder / f"seed{suffix}", sound=tone(16_000, 3.0 if suffix == ".ogg" else 0.6), rate=16_000, images=images
        )
        return {f"damaged{suffix}": path.read_bytes()}

    return Target(seeds, _read_media, MediaError)


def _read_media(path: Path) -> bool:
    holds, read = contents(str(path)), False
    with suppress(SoundError, CameraError):  # what came before the damage counts as read
        if holds.sound:
            for block in open_sound(str(path), fast=True):
                assert np.isfinite(block.samples).all()
                read = True
        if holds.picture:
            for frame in open_camera(str(path), fast=True):
                assert frame.image.dtype == np.uint8
                read = True
    return read


def _pictures(folder: Path) -> Seeds:
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    return {f"damaged{kind}": cv2.imencode(kind, image)[1].tobytes() for kind in (".jpg", ".png", ".webp", ".bmp")}


def _read_picture(path: Path) -> bool:
    return [frame.image.ndim for frame in open_camera(str(path), fast=True)] == [3]


def _hand_tables(folder: Path) -> Seeds:
    numbers = np.random.default_rng(0).random((3, 21, 3), np.float32)
    texts = np.array(["fist", "palm", "none"])
    few = np.ones(3, np.float32)
    table = HandTable(numbers, np.array(["left", "right", "left"]), few, texts, texts, texts, texts, few)
    write_hands(folder / "hands.csv", table)
    plain = (folder / "hands.csv").read_bytes()
    return {"hands.csv": plain, "hands.csv.gz": gzip.compress(plain, mtime=0)}


def _path_tables(folder: Path) -> Seeds:
    texts = np.array(["wave", "still"])
    table = PathTable(
        np.random.default_rng(0).random((2, 16, 2), np.float32), texts, texts, texts, texts, np.ones(2, np.float32)
    )
    write_paths(folder / "paths.csv", table)
    return {"paths.csv": (folder / "paths.csv").read_bytes()}


def _labels(folder: Path) -> Seeds:
    return {"labels.csv": "\ufefffist,Faust\npalm\n\nnone\n".encode()}


def _settings(folder: Path) -> Seeds:
    own = {"alarm": {"volume": 0.5}, "contacts": [{"name": "anna", "sms": "+15005550009"}]}
    return {
        "station.toml": template(own).encode(),
        "short.toml": b'home = "x"\n[emergency]\ngestures = [{ sign = "fist", held_s = 2 }]\n[web]\nport = 0\n'
        b'[[policies]]\nname = "a"\n[[policies.steps]]\nactions = ["all"]\n[mqtt]\nhost = "h"\n',
    }


def _shipped(name: str) -> Callable[[Path], Seeds]:
    """A file of the model for movements."""
    return lambda folder: {name: (SHIPPED / "motions" / name).read_bytes()}


def _read_card(path: Path) -> object:
    for name in ("model.tflite", "labels.csv"):
        if not (path.parent / name).exists():
            (path.parent / name).symlink_to(SHIPPED / "motions" / name)
    return read_card(path.parent)


def _run_network(path: Path) -> bool:
    TFLiteModel(path).try_out([(1, MOTION_FEATURES)], MOTION_LABELS)
    return True


def _hand_models(folder: Path) -> Seeds:
    with zipfile.ZipFile(folder / "hands.task", "w") as task:
        for name, _, _ in PARTS:
            task.writestr(name, bytes(500))
    return {"hands.task": (folder / "hands.task").read_bytes()}


def _check_hand_model(path: Path) -> bool:
    is_complete(path)
    check(path)
    return True


def _manifests(folder: Path) -> Seeds:
    for name in ("a.wav", "b.wav"):  # recordings that are not there are refused
        (folder / name).touch()
    head = b"path,label,source,group,license,seconds\n"
    return {"manifest.csv": head + b"a.wav,scream,x,g1,CC0,1.5\nb.wav,ambient,y,g2,CC0,2\n"}


TARGETS = {
    **{kind: _media(f".{kind}") for kind in ("wav", "mp3", "mp4", "webm", "flac", "ogg", "avi")},
    "picture": Target(_pictures, _read_picture, CameraError),
    "hands": Target(_hand_tables, lambda path: np.isfinite(read_hands(path).landmarks).all(), TableError),
    "movements": Target(_path_tables, lambda path: np.isfinite(read_paths(path).paths).all(), TableError),
    "labels": Target(_labels, read_labels, ModelError),
    "manifest": Target(_manifests, read_corpus, CorpusError),
    "settings": Target(_settings, lambda path: load_settings(path, environ={}), SettingsError),
    "card": Target(_shipped("card.md"), _read_card, ModelError),
    "tflite": Target(_shipped("model.tflite"), _run_network, ModelError),
    "task": Target(_hand_models, _check_hand_model, ModelError),
}


@dataclass(slots=True)
class Outcome:
    """What became of one target's inputs."""

    read: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)
    grown_mb: float = 0.0


def worker(name: str, first: int, count: int) -> NoReturn:
    """Parse inputs and say on stdout what became of each; runs in a process of its own."""
    target = TARGETS[name]
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder_name:
        folder = Path(folder_name)
        seeds = target.seeds(folder)
        limit(MEMORY_BYTES, 3600)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # decoders complain of every damage
        settled: float | None = None
        for number in range(first, first + count):
            chance = random.Random(f"{name} {number}")
            file, content = chance.choice(sorted(seeds.items()))
            path = folder / file
            path.write_bytes(damaged(content, chance))
            print(f"begin {number}", flush=True)
            try:
                said = "read" if target.parse(path) else "refused"
            except BaseException:
                said = "fault " + " | ".join(traceback.format_exc().strip().splitlines()[-3:])
            print(said, flush=True)
            if number - first == max(SETTLED, count // 4):
                settled = resident_mb()
        print(f"grown {0.0 if settled is None else resident_mb() - settled}", flush=True)
    sys.exit(0)


def fuzz(name: str, first: int, count: int) -> Outcome:
    """Let a worker parse inputs of a target; one that ends before its time is started again behind what ended it."""
    outcome = Outcome()
    following = first
    while following < first + count:
        command = [sys.executable, "-m", "benchmarks.fuzz", "--worker", "--first", str(following)]
        rest = first + count - following
        with subprocess.Popen([*command, "--count", str(rest), name], stdout=subprocess.PIPE) as process:
            reason = ""
            for line in _lines(process):
                word, _, what = line.partition(" ")
                if word == "begin":
                    following = int(what) + 1
                elif word == "read":
                    outcome.read += 1
                elif word == "refused":
                    outcome.refused += 1
                elif word == "fault":
                    outcome.faults.append(f"{following - 1}: {what}")
                elif word == "grown":
                    outcome.grown_mb = max(outcome.grown_mb, float(what))
                elif word == "hang":
                    reason = f"no answer within {LIMIT_S:g} s"
            status = process.wait()
        if status != 0:
            outcome.faults.append(f"{following - 1}: {reason or f'the process ended with status {status}'}")
            if not reason and rest == first + count - following:
                break  # it did not even begin
    if outcome.grown_mb > GROWTH_MB:
        outcome.faults.append(f"memory grew by {outcome.grown_mb:.0f} MB")
    return outcome


def _lines(process: "subprocess.Popen[bytes]") -> Iterator[str]:
    """What a worker says; one that says nothing for too long is ended, and "hang" said in its place."""
    assert process.stdout is not None
    buffer = b""
    while True:
        there, _, _ = select.select([process.stdout], [], [], LIMIT_S)
        if not there:
            process.kill()
            yield "hang"
            return
        data = os.read(process.stdout.fileno(), 65536)
        if not data:
            return
        *whole, buffer = (buffer + data).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, print a table, and say whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--count", type=int, default=3000, help="inputs of each target")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"unknown target {min(unknown)}; known: {', '.join(TARGETS)}")
    if given.worker:
        worker(given.targets[0], given.first, given.count)
    line = "{:<10} {:>7} {:>7} {:>8} {:>7} {:>12} {:>7}"
    print(line.format("target", "inputs", "read", "refused", "faults", "memory grew", "took"))
    faults = []
    for name in given.targets or TARGETS:
        begun = time.monotonic()
        found = fuzz(name, given.first, given.count)
        faults += [f"{name} {fault}" for fault in found.faults]
        grown, took = f"{found.grown_mb:.1f} MB", f"{time.monotonic() - begun:.0f} s"
        numbers = (given.count, found.read, found.refused, len(found.faults))
        print(line.format(name, *numbers, grown, took), flush=True)
    for fault in faults[:50]:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
