"""Thumbs up and down as drawn hands, seen by MediaPipe: `python -m safety_monitor.demo.thumbs`.

The pictures at hand show next to no thumb down. The demo scene's hand is posed, turned and bent at random, drawn, and
passed through MediaPipe as any picture; the landmarks go into `data/signs.csv.gz` with the source "drawn". They are
trained on, and never measured on.
"""

import sys

import numpy as np

from gesture.capture import Image
from gesture.detector import HandReading, PictureReader
from gesture.tables import BASE_DATA, DRAWN, HandTable, TableError, join, read_hands, write_hands
from models.card import ModelError
from safety_monitor.demo import poses
from safety_monitor.demo.hand import draw_hand
from safety_monitor.demo.scene import HEIGHT, WIDTH, room, rotation

TABLE = BASE_DATA / "signs.csv.gz"
COUNT = 300
THUMB_FROM, THUMB_TO = np.array([35.0, 25.0, 10.0]), np.array([70.0, 60.0, 60.0])
"""Directions of the thumb's bones in the palm's plane, in degrees."""
THUMB_LIFT = np.array([15.0, 8.0, 2.0])


def picture(down: bool, rng: np.random.Generator) -> Image:
    """One drawn thumb up or down, uint8 of shape (480, 640, 3), RGB; left hands as often as right ones."""
    fingers = poses.FIST.fingers + rng.normal(0, 4, (4, 4))
    fingers[:, 1:] -= rng.uniform(0, 30)
    thumb = np.stack([rng.uniform(THUMB_FROM, THUMB_TO), THUMB_LIFT], axis=1) + rng.normal(0, 6, (3, 2))
    roll = (-90 if down else 90) + rng.uniform(-45, 45)
    points = poses.skeleton(poses.Pose(fingers, thumb)) @ rotation(rng.uniform(-40, 40), rng.uniform(-50, 50), roll).T
    palm = rng.uniform(70, 110)
    points *= (palm, -palm, palm)
    middle = (points[:, :2].min(axis=0) + points[:, :2].max(axis=0)) / 2
    points[:, :2] += (WIDTH / 2, HEIGHT / 2) - middle
    image = draw_hand(points, room()[0])
    return np.ascontiguousarray(image[:, ::-1]) if rng.random() < 0.5 else image


def thumbs(count: int) -> HandTable:
    """Up to `count` hands, thumbs up and down in turn, as MediaPipe sees them; those that it misses are left out."""
    rng = np.random.default_rng(1)
    reader = PictureReader(max_hands=1)
    seen: list[tuple[str, HandReading]] = []
    try:
        for number in range(count):
            down = bool(number % 2)
            readings = reader.read(picture(down, rng))
            seen += [("thumb_down" if down else "thumb_up", reading) for reading in readings]
    finally:
        reader.close()
    drawn = np.full(len(seen), DRAWN)
    return HandTable(
        landmarks=np.array([reading.landmarks for _, reading in seen], np.float32),
        handedness=np.array([reading.handedness for _, reading in seen]),
        aspect=np.full(len(seen), HEIGHT / WIDTH, np.float32),
        label=np.array([label for label, _ in seen]),
        source=drawn,
        person=drawn,
        session=drawn,
        at_s=np.zeros(len(seen), np.float32),
    )


def main() -> int:
    """Put the drawn hands into the base data, in place of those there; exit status 1 where that cannot be done."""
    try:
        table = read_hands(TABLE)
        drawn = thumbs(COUNT)
    except (TableError, ModelError) as error:
        print(error, file=sys.stderr)
        return 1
    write_hands(TABLE, join([table.select(table.source != DRAWN), drawn]))
    print(f"{TABLE}: {len(drawn)} drawn hands")
    return 0


if __name__ == "__main__":
    sys.exit(main())
