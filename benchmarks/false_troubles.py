"""How near what is well comes to a trouble: `python -m benchmarks.false_troubles --data ../shared/data`.

Real recordings, as a microphone of 16 bits gives them, and real views, as a camera on a wall gives them that nobody is
in front of: two minutes of each, with the noise of its sensor, as JPEG or as a film (H.264) of few bits; by day, in
dim light at night, while a lamp goes on, while its exposure hunts, while somebody walks through, and while somebody
stands before it. Of each fault it prints the longest time without a break, beside the limit from which on it is a
trouble.

Exit status 1 if what is well is a trouble.
"""

import argparse
import csv
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
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
from safety_monitor.supervisor import SIGNS, Fault

Image = NDArray[np.uint8]
Weather = Callable[[Image, int, np.random.Generator], NDArray[np.floating]]
SECONDS = 120
LEAST_WIDTH = 300
Runs = dict[Fault, float]


def longest(faults: Iterable[Fault | None], step_s: float) -> Runs:
    """Of each fault the longest time without a break by any look that finds nothing, as the supervisor counts."""
    found: Runs = defaultdict(float)
    since_s = 0.0
    for fault in faults:
        since_s = 0.0 if fault is None else since_s + step_s
        if fault is not None:
            found[fault] = max(found[fault], since_s)
    return found


def sound(path: Path) -> Runs:
    """A recording, over and over for as long as any limit."""
    samples = np.round(read_clip(path) * 32_768) / 32_768
    blocks = [samples[at : at + BLOCK_SAMPLES].astype(np.float32) for at in range(0, len(samples), BLOCK_SAMPLES)]
    return longest((examine(block) for block in blocks), BLOCK_SAMPLES / SAMPLE_RATE)


# -- what a camera on a wall gives -------------------------------------------------------------------------------------


def day(image: Image, second: int, rng: np.random.Generator) -> NDArray[np.floating]:
    """Nothing happens."""
    return image + rng.normal(0, 3, image.shape)


def night(image: Image, second: int, rng: np.random.Generator) -> NDArray[np.floating]:
    """Little light, all its gain: a grey picture full of noise."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(float) * 0.35
    return np.repeat(grey[:, :, None], 3, axis=2) + rng.normal(0, 9, image.shape)


def lamps(image: Image, second: int, rng: np.random.Generator) -> NDArray[np.floating]:
    """A lamp at one side goes on after a minute, and all the rest is dimmer."""
    if second < SECONDS // 2:
        return day(image, second, rng)
    light = np.linspace(1.3, 0.35, image.shape[1])[None, :, None]
    return image * light + rng.normal(0, 4, image.shape)


def hunting(image: Image, second: int, rng: np.random.Generator) -> NDArray[np.floating]:
    """Its exposure goes up and down."""
    return np.asarray(image * (1 + 0.35 * np.sin(second / 3)) + rng.normal(0, 3, image.shape))


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
            stream.pix_fmt, stream.bit_rate = "yuv420p", 60_000
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


def shown(room: Image, weather: Weather, through: Callable[[Iterable[Image]], Iterator[Image]]) -> Runs:
    """What is found in a view, as a camera gives it."""
    return sight(through(pictures(room, weather)))


def views(data: Path, count: int) -> list[Image]:
    """Pictures that are wide enough to be one of a room, from all sources alike."""
    with (data / "gesture" / "manifest.csv").open(encoding="utf-8") as file:
        paths = [data / "gesture" / row["path"] for row in csv.DictReader(file)]
    found = []
    for path in sorted(paths, key=lambda path: hash_of(path)):
        image = cv2.imread(str(path)) if path.suffix.lower() in (".jpg", ".jpeg", ".png") else None
        if image is not None and image.shape[1] >= LEAST_WIDTH:
            found.append(np.ascontiguousarray(image[:, :, ::-1]).astype(np.uint8))
        if len(found) == count:
            break
    return found


def hash_of(path: Path) -> int:
    """The same order every time, and no source before the others."""
    return sum(byte * (number + 7) for number, byte in enumerate(path.name.encode())) * 2_654_435_761 % 2**32


def main() -> None:
    """Look, print, and say whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with audio/ and gesture/")
    parser.add_argument("--pictures", type=int, default=40, help="views")
    given = parser.parse_args()
    tries: list[tuple[str, Callable[[], Runs]]] = []
    clips = read_corpus(given.data / "audio")
    tries += [(f"{len(clips)} recordings", partial(sound, clip.path)) for clip in clips]
    rooms = views(given.data, given.pictures)
    for name, weather in WEATHERS.items():
        for kind, through in (("JPEG", as_jpeg), ("film", as_film)):
            title = f"{len(rooms)} views, {name}, {kind}"
            tries += [(title, partial(shown, room, weather, through)) for room in rooms]
    worst: dict[tuple[str, Fault], float] = {}
    troubles: dict[tuple[str, Fault], int] = defaultdict(int)
    for title, attempt in tries:
        for fault, run_s in attempt().items():
            worst[title, fault] = max(worst.get((title, fault), 0.0), run_s)
            troubles[title, fault] += run_s >= SIGNS[fault].limit_s
    table = Table("of", "fault", "longest", "limit", "troubles", title="What is well", caption=described())
    for title in dict.fromkeys(title for title, _ in tries):
        mine = [(fault, run_s) for (of, fault), run_s in worst.items() if of == title]
        for fault, run_s in mine:
            limit_s = SIGNS[fault].limit_s
            table.add_row(title, fault, f"{run_s:.0f} s", f"{limit_s:.0f} s", str(troubles[title, fault]))
        if not mine:
            table.add_row(title, "none", "", "", "0")
    Console(width=110).print(table)
    sys.exit(any(troubles.values()))


if __name__ == "__main__":
    main()
