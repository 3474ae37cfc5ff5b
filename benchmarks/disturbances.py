"""What disturbed pictures cost: `python -m benchmarks.disturbances --data ../shared/data [--pictures 6]`.

Pictures of the development data, drawn by chance, some of each source and sign, are mirrored, turned, darkened, made
noisy, compressed or blurred, and given to the reader of still pictures as it ships.
Printed: in how many a hand is found at all, in how many of these its sign is the right one, and how many hands without
a sign are taken for a part of the Signal for Help. Other hands of these people were trained on: the table tells what a
disturbance costs, not how good the reader is with other people.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.machine import described
from gesture.capture import Image
from gesture.detector import PictureReader
from gesture.prepare import SEEN
from gesture.signal_for_help import NONE, STAGES

Picture = tuple[str, Path]
ROLL_CHANGES = ("thumb_up", "thumb_down")
"""Signs that a turned picture shows no longer."""


def chosen_pictures(data: Path, each: int, rng: np.random.Generator) -> list[Picture]:
    """Sign and file of up to `each` pictures of every source and sign."""
    files = defaultdict(list)
    with (data / "gesture" / "manifest.csv").open(newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            kind, *place = Path(row["path"]).parts
            if kind == "pictures":
                seen = SEEN.get((place[0], row["label"]), NONE if row["pose"] == "other" else row["pose"])
                if seen:
                    files[place[0], seen].append(data / "gesture" / row["path"])
    return [(sign, paths[i]) for (_, sign), paths in sorted(files.items()) for i in rng.permutation(len(paths))[:each]]


def turned(image: Image, degrees: float) -> Image:
    """The whole picture, turned about its middle, its edge drawn out."""
    height, width = image.shape[:2]
    side = int(np.hypot(height, width)) + 1
    down, across = (side - height) // 2, (side - width) // 2
    wide = cv2.copyMakeBorder(image, down, down, across, across, cv2.BORDER_REPLICATE)
    middle = wide.shape[1] / 2, wide.shape[0] / 2
    matrix = cv2.getRotationMatrix2D(middle, degrees, 1)
    return np.asarray(
        cv2.warpAffine(wide, matrix, (wide.shape[1], wide.shape[0]), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def noisy(image: Image, light: float, sigma: float, rng: np.random.Generator) -> Image:
    """With a share of its light and with noise of so many steps of 255."""
    return np.clip(image * light + rng.normal(0, sigma, image.shape), 0, 255).astype(np.uint8)


def compressed(image: Image, quality: int) -> Image:
    """After JPEG."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def disturbances(rng: np.random.Generator) -> dict[str, Callable[[Image], Image]]:
    """By name, what is done to a picture."""
    return {
        "as it is": lambda image: image,
        "mirrored": lambda image: np.asarray(image[:, ::-1], np.uint8),
        **{f"turned by {angle}°": lambda image, angle=angle: turned(image, angle) for angle in (-60, -30, 30, 60)},  # type: ignore[misc]
        "30 % of the light": lambda image: noisy(image, 0.3, 0, rng),
        "12 % of the light, noise 5": lambda image: noisy(image, 0.12, 5, rng),
        "noise 20": lambda image: noisy(image, 1, 20, rng),
        "JPEG, quality 30": lambda image: compressed(image, 30),
        "JPEG, quality 12": lambda image: compressed(image, 12),
        "blurred": lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), max(image.shape[:2]) / 150), np.uint8),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.disturbances")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="development data")
    parser.add_argument("--pictures", type=int, default=6, help="of each source and sign")
    options = parser.parse_args()
    rng = np.random.default_rng(20)
    pictures = chosen_pictures(options.data, options.pictures, rng)
    reader = PictureReader()
    table = Table(title=f"Disturbed pictures, {len(pictures)} of each, {described()}")
    for column in ("disturbance", "hand found", "sign right", "no sign taken for a part"):
        table.add_column(column, justify="left" if column == "disturbance" else "right")
    for name, disturb in disturbances(rng).items():
        found = right = none = parts = asked = 0
        for sign, path in pictures:
            if name.startswith("turned") and sign in ROLL_CHANGES:
                continue
            asked += 1
            image = np.asarray(cv2.imread(str(path)), np.uint8)
            readings = reader.read(np.ascontiguousarray(disturb(image)[:, :, ::-1]))
            if not readings:
                continue
            # The largest hand is the one that the picture is of.
            seen = max(readings, key=lambda reading: float(np.ptp(reading.landmarks[:, 1]))).sign
            found += 1
            right += seen == sign
            none += sign == NONE
            parts += sign == NONE and seen in STAGES
        table.add_row(name, f"{found} of {asked}", f"{right} of {found}", f"{parts} of {none}")
    reader.close()
    Console().print(table)


if __name__ == "__main__":
    main()
