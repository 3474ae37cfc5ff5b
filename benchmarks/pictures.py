"""Make the pictures of the guides anew: `python -m benchmarks.pictures`."""

import tempfile
from pathlib import Path

import cv2

from gesture.capture import Frame
from gesture.collect import Collector, Panel
from gesture.collect_window import draw
from gesture.collection import Collection
from gesture.detector import GestureDetector
from gesture.rows import SIGNS, Origin
from safety_monitor.demo.scene import FPS, picture_at

DOCS = Path(__file__).resolve().parent.parent / "docs"
FIRST_FRAME, LAST_FRAME = 500, 620


def collect_window(path: Path) -> None:
    """The window of the collection mode, with the drawn hand of the demo scene."""
    detector = GestureDetector(max_hands=1)
    with tempfile.TemporaryDirectory() as folder:
        collection = Collection(Path(folder))
        collection.add_label(SIGNS, "my_sign")
        panel = Panel(SIGNS, "my_sign", automatic=True, rate=5)
        collector = Collector(collection, detector, Origin("demo", "me", "s1"), panel)
        shown = None
        for number in range(FIRST_FRAME, LAST_FRAME):
            image = picture_at(number)
            collector.see(Frame(image, number / FPS))
            if collector.readings:
                shown = draw(image, collector)
        if shown is None:
            raise RuntimeError("no hand was seen in the demo scene")
        cv2.imwrite(str(path), shown, [cv2.IMWRITE_JPEG_QUALITY, 80])
    detector.close()


if __name__ == "__main__":
    collect_window(DOCS / "collect.jpg")
    print(DOCS / "collect.jpg")
