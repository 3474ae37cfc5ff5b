"""How fast seeing is: `python -m benchmarks.seeing [--data ../shared/data]`.

The same frames go through a bare MediaPipe loop and through the whole detector, in turns within one run, so that both
have the machine at its moods alike. Frames are the drawn hand of the demo scene, and with `--data` the recorded scenes.
Printed: frames a second of both, what the detector adds to a frame beyond MediaPipe, and the machine.
"""

import argparse
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import av
import numpy as np
from rich.console import Console
from rich.table import Table

from gesture.capture import Frame
from gesture.detector import HandJudge
from gesture.hands import HandFinder
from gesture.keypoint_classifier import SignClassifier
from gesture.point_history_classifier import MotionClassifier
from models.hand_landmarker import default_path
from safety_monitor.demo.scene import FPS, picture_at

DEMO_FRAMES = 200
FIRST_DEMO_FRAME = 500
ROUNDS = 1


def demo_frames() -> list[Frame]:
    """Some seconds of the demo scene."""
    return [Frame(picture_at(FIRST_DEMO_FRAME + i), i / FPS) for i in range(DEMO_FRAMES)]


def recorded_frames(path: Path) -> list[Frame]:
    """All frames of a recording."""
    with av.open(str(path)) as container:
        return [
            Frame(np.asarray(picture.to_ndarray(format="rgb24"), np.uint8), float(picture.time or 0.0))
            for picture in container.decode(video=0)
        ]


def measure(frames: Sequence[Frame], hands: int) -> tuple[float, float, list[float]]:
    """Seconds of the bare loop, seconds of the whole, and milliseconds that ours added to each frame."""
    bare_s, whole_s, added_ms = 0.0, 0.0, []
    for _ in range(ROUNDS):
        bare, ours = HandFinder(default_path(), hands), HandFinder(default_path(), hands)
        judge = HandJudge(SignClassifier.load(), MotionClassifier.load())
        for frame in frames:
            start = time.perf_counter()
            bare.find(frame.image, frame.at_s)
            middle = time.perf_counter()
            found = ours.find(frame.image, frame.at_s)
            seen = time.perf_counter()
            judge(found, frame.at_s, frame.image.shape[0] / frame.image.shape[1])
            end = time.perf_counter()
            bare_s += middle - start
            whole_s += end - middle
            added_ms.append((end - seen) * 1e3)
        bare.close()
        ours.close()
    return bare_s, whole_s, added_ms


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seeing")
    parser.add_argument("--data", type=Path, help="development data, for its recorded scenes")
    parser.add_argument("--hands", type=int, default=2, help="hands looked for")
    options = parser.parse_args()
    sources = {"demo scene": demo_frames()}
    if options.data:
        for path in sorted((options.data / "scenes").glob("*-1.mp4")):
            sources[path.stem] = recorded_frames(path)
    table = Table(title=f"Seeing, {options.hands} hands, {platform.machine()}, {os.cpu_count()} cores")
    for column in ("frames", "bare frames/s", "whole frames/s", "whole / bare", "added ms, median", "95th percentile"):
        table.add_column(column, justify="left" if column == "frames" else "right")
    for name, frames in sources.items():
        bare_s, whole_s, added_ms = measure(frames, options.hands)
        count = ROUNDS * len(frames)
        table.add_row(
            name,
            f"{count / bare_s:.1f}",
            f"{count / whole_s:.1f}",
            f"{bare_s / whole_s:.3f}",
            f"{median(added_ms):.2f}",
            f"{float(np.percentile(added_ms, 95)):.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
