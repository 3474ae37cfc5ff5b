"""How near what is well comes to a trouble: `python -m benchmarks.false_troubles --data ../shared/data`.

Real recordings, as a microphone of 16 bits gives them, and real views, as a camera on a wall gives them that nobody is
in front of: two minutes of each, with the noise of its sensor, as JPEG or as a film (H.264) of few bits; by day, in
dim light at night, while a lamp goes on, while its exposure hunts, while somebody walks through, and while somebody
stands before it. Of each fault it prints the longest time without a break, beside the limit from which on it is a
trouble, and how many troubles an hour there may be at most, as far as so many hours can say (95 %, Poisson).

Recordings take about a minute; views are gone through, each in all that may happen, until `--minutes` have passed.
All of it is faster than real time. Exit status 1 if what is well is a trouble.
"""

import argparse
import csv
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from audio.blocks import BLOCK_SAMPLES, SAMPLE_RATE
from audio.corpus import read_corpus
from audio.liveness import examine
from audio.recording import read_clip
from benchmarks.machine import described
from gesture.liveness import Scene, glance, look
from models.rate_bound import rate_bound
from safety_monitor.supervision.supervisor import SIGNS, Fault

Image = NDArray[np.uint8]
Weather = Callable[[Image, int, np.random.Generator], NDArray[np.floating]]
SECONDS = 120
LEAST_WIDTH = 300
Runs = dict[Fault, float]
"""Of each fault the longest time without a break."""
Tried = tuple[str, float, Runs]
"""What of, how many seconds of it, and what was found."""


def longest(faults: Iterable[Fault | None], step_s: float) -> Runs:
    """Of each fault the longest time without a break by any look that finds nothing, as the supervisor counts."""
    found: Runs = defaultdict(float)
    since_s = 0.0
    for fault in faults:
        since_s = 0.0 if fault is None else since_s + step_s
        if fault is not None:
            found[fault] = max(found[fault], since_s)
    return found


def sound(path: Path) -> Tried:
    """What is found in a recording."""
    samples = np.round(read_clip(path) * 32_768) / 32_768
    blocks = [samples[at : at + BLOCK_SAMPLES].astype(np.float32) for at in range(0, len(samples), BLOCK_SAMPLES)]
    return "recordings", len(samples) / SAMPLE_RATE, longest(map(examine, blocks), BLOCK_SAMPLES / SAMPLE_RATE)


# -- what a camera on a wall gives -------------------------------------------------------------------------------------


def noise(image: Image, rng: np.random.Generator, sigma: float) -> NDArray[np.float32]:
    """Of a sensor."""
    return np.float32(sigma) * rng.standard_normal(image.shape, np.float32)


def day(image: Image, second: int, rng: np.random.Generator) -> NDArray[np.floating]:
    """Nothing happens."""
    return image + noise(image, rng, 3)


def night(image: Image, second: int, rng: np.random.Generator) -> NDArray[np.floating]:
    """Little light, all its gain: a grey picture full of noise."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) * np.float32(0.35)
    return np.repeat(grey[:, :, None], 3, axis=2) + noise(image, rng, 9)


def lamps(image: Image, second: int, rng: np.random.Generator) -> NDArray[np.floating]:
    """A lamp at one side goes on after a minute, and all the rest is dimmer."""
    if second < SECONDS // 2:
        return day(image, second, rng)
    light = np.linspace(1.3, 0.35, image.shape[1], dtype=np.float32)[None, :, None]
    return image * light + noise(image, rng, 4)


def hunting(image: Image, second: int, rng: np.random.Generator) -> NDArray[np.floating]:
    """Its exposure goes up and down."""
    return np.asarray(image * np.float32(1 + 0.35 * np.sin(second / 3)) + noise(image, rng, 3))


def somebody(image: Image, second: int, rng: np.random.Generator) -> NDArray[np.floating]:
    """Now and then somebody walks through, half as wide as the picture."""
    seen = image.copy()
    place = second % 20
    if place < 6:
        width = image.shape[1]
        begin = place * width // 6 - width // 4
        seen[image.shape[0] // 8 :, max(begin, 0) : max(begin + width // 2, 0)] = (52, 44, 60)
    return day(seen, second, rng)


def visitor(image: Image, second: int, rng: np.random.Generator) -> NDArray[np.floating]:
    """After a minute somebody stands before it for half a minute, and moves a little."""
    seen = image.copy()
    if 60 <= second < 90:
        shift = int(rng.integers(-8, 8))
        width = image.shape[1]
        seen[image.shape[0] // 6 :, width // 5 + shift : 4 * width // 5 + shift] = (120, 96, 80)
    return day(seen, second, rng)


WEATHERS: dict[str, Weather] = {
    "day": day,
    "night": night,
    "a lamp goes on": lamps,
    "exposure hunts": hunting,
    "people pass": somebody,
    "a visitor": visitor,
}


def pictures(image: Image, weather: Weather) -> Iterator[Image]:
    """A picture a second."""
    rng = np.random.default_rng(0)
    for second in range(SECONDS):
        yield weather(image, second, rng).clip(0, 255).astype(np.uint8)


def as_jpeg(images: Iterable[Image]) -> Iterator[Image]:
    """As a webcam gives them."""
    for image in images:
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
        yield np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def as_film(images: Iterable[Image]) -> Iterator[Image]:
    """As a cheap network camera gives them: few bits, and whole pictures as seldom as x264 makes them by itself."""
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        with av.open(file.name, "w") as film:
            stream = film.add_stream("libx264", rate=5)
            stream.pix_fmt, stream.bit_rate, stream.codec_context.thread_count = "yuv420p", 60_000, 1
            for number, image in enumerate(images):
                if not number:
                    stream.height, stream.width = (size - size % 2 for size in image.shape[:2])
                even = np.ascontiguousarray(image[: stream.height, : stream.width])
                for packet in stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")):
                    film.mux(packet)
            for packet in stream.encode(None):
                film.mux(packet)
        with av.open(file.name) as film:
            for frame in film.decode(video=0):
                yield frame.to_ndarray(format="rgb24").astype(np.uint8)


def sight(images: Iterable[Image]) -> Runs:
    """What is found in a picture a second."""

    def faults() -> Iterator[Fault | None]:
        scene = Scene()
        for image in images:
            scene, fault = look(scene, glance(image))
            yield fault

    return longest(faults(), 1.0)


def shown(path: Path, ends: float) -> list[Tried]:
    """What is found in a view in all that may happen, as a camera gives it.

    Nothing after `ends`, a `time.monotonic()`, and of a picture that is too narrow to be one of a room.
    """
    image = cv2.imread(str(path)) if time.monotonic() < ends else None
    if image is None or image.shape[1] < LEAST_WIDTH:
        return []
    room = np.ascontiguousarray(image[:, :, ::-1]).astype(np.uint8)
    tried: list[Tried] = []
    for name, weather in WEATHERS.items():
        if time.monotonic() < ends:
            seen = list(pictures(room, weather))
            for kind, through in (("JPEG", as_jpeg), ("film", as_film)):
                tried.append((f"{name}, {kind}", float(SECONDS), sight(through(seen))))
    return tried


def one_of_several() -> None:
    """What a process begins with: others have the other cores."""
    os.nice(5)
    cv2.setNumThreads(1)


def views(data: Path) -> list[Path]:
    """Pictures, from all sources alike."""
    with (data / "gesture" / "manifest.csv").open(encoding="utf-8") as file:
        paths = [data / "gesture" / row["path"] for row in csv.DictReader(file)]
    return sorted((path for path in paths if path.suffix.lower() in (".jpg", ".jpeg", ".png")), key=hash_of)


def hash_of(path: Path) -> int:
    """The same order every time, and no source before the others."""
    return sum(byte * (number + 7) for number, byte in enumerate(path.name.encode())) * 2_654_435_761 % 2**32


def main() -> None:
    """Look, print, and say whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with audio/ and gesture/")
    parser.add_argument("--minutes", type=float, default=8.0, help="for views")
    given = parser.parse_args()
    begun = time.monotonic()
    with ProcessPoolExecutor(initializer=one_of_several) as pool:
        clips = [clip.path for clip in read_corpus(given.data / "audio")]
        heard = list(pool.map(sound, clips, chunksize=20))
        ends = time.monotonic() + given.minutes * 60
        seen = [one for many in pool.map(partial(shown, ends=ends), views(given.data)) for one in many]
    table = Table("of", "times", "fault", "longest", "limit", "troubles", title="What is well")
    for title in dict.fromkeys(title for title, _, _ in (*heard, *seen)):
        mine = [runs for name, _, runs in (*heard, *seen) if name == title]
        worst = {fault: [runs.get(fault, 0.0) for runs in mine] for fault in sorted({f for runs in mine for f in runs})}
        rows: list[tuple[str, ...]] = [
            (
                fault,
                f"{max(runs_s):.0f} s",
                f"{SIGNS[fault].limit_s:.0f} s",
                str(sum(is_trouble(fault, s) for s in runs_s)),
            )
            for fault, runs_s in worst.items()
        ]
        for row in rows or [("none", "", "", "0")]:
            table.add_row(title, str(len(mine)), *row)
    sums = {"sound": total(heard), "sight": total(seen)}
    table.caption = "\n".join(
        [
            *(
                f"{name}: {count} troubles in {hours:.1f} h, at most {rate_bound(count, hours):.2f} an hour (95 %)"
                for name, (count, hours) in sums.items()
            ),
            f"{time.monotonic() - begun:.0f} s on {described()}",
        ]
    )
    Console(width=110).print(table)
    sys.exit(any(count for count, _ in sums.values()))


def is_trouble(fault: Fault, run_s: float) -> bool:
    """Whether a fault that lasts for so long is one."""
    return run_s >= SIGNS[fault].limit_s


def total(tried: Iterable[Tried]) -> tuple[int, float]:
    """Troubles, and hours in which they were."""
    count, seconds = 0, 0.0
    for _, lasts_s, runs in tried:
        count += sum(is_trouble(fault, run_s) for fault, run_s in runs.items())
        seconds += lasts_s
    return count, seconds / 3600


if __name__ == "__main__":
    main()
