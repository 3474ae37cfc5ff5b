"""How fast seeing is: `python -m benchmarks.seeing [--data ../shared/data]`.

The same frames go through a bare MediaPipe loop and through the whole detector, in turns within one run, so that both
have the machine at its moods alike. Frames are the drawn hand of the demo scene, and with `--data` the recorded scenes.
Printed: frames a second of both, what the detector adds to a frame beyond MediaPipe, and the machine. Then, for frames
that come in their own time as a camera's do: how long from a frame to its readings, in frame times, and how many frames
were overtaken by newer ones. Last, how soon a hand is noticed in a scene that was idle (`seeing.idle_after_s`).
"""

import argparse
import math
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import av
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.machine import described
from gesture.capture import Frame
from gesture.detector import GestureDetector, HandJudge
from gesture.hands import HandFinder
from gesture.keypoint_classifier import SignClassifier
from gesture.pace import Pace
from gesture.point_history_classifier import MotionClassifier
from media.inbox import Inbox
from models.hand_landmarker import default_path
from safety_monitor.demo.scene import FPS, picture_at

DEMO_FRAMES = 200
FIRST_DEMO_FRAME = 500
ROUNDS = 1
CAMERA_FPS = (15.0, 30.0)
WAKE_PHASES = 6
"""Tries, each with the hand one frame later between two looks."""


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


def delays(frames: Sequence[Frame], fps: float, hands: int) -> tuple[list[float], int]:
    """Seconds from a frame's arrival to its readings, at `fps` frames a second, and how many frames were overtaken.

    A thread hands frames over as `gesture.capture` does with a camera's: it never waits, and the newest one wins.
    """
    detector = GestureDetector(max_hands=hands)
    detector.see(frames[0])  # the first one loads what is loaded late
    inbox: Inbox[tuple[Frame, float]] = Inbox(1)
    start = time.monotonic() + 0.1

    def give() -> None:
        for number, frame in enumerate(frames):
            time.sleep(max(start + number / fps - time.monotonic(), 0.0))
            inbox.put((Frame(frame.image, 1.0 + number / fps), time.monotonic()))

    camera = threading.Thread(target=give, name="camera")
    camera.start()
    found = []
    while (arrival := inbox.take(2.0)) is not None:
        frame, at = arrival
        detector.see(frame)
        found.append(time.monotonic() - at)
    camera.join()
    detector.close()
    return found, inbox.dropped


def wake_times(fps: float, hands: int) -> list[tuple[float, float]]:
    """How soon a hand is noticed after a second of an idle scene, at every phase.

    Returns:
        Seconds from the first frame with the hand to the one in which it is found, and until that one is judged.
    """
    empty, shown = picture_at(0), [picture_at(FIRST_DEMO_FRAME + 100 + i) for i in range(8)]
    found = []
    for phase in range(WAKE_PHASES):
        detector, pace = GestureDetector(max_hands=hands), Pace(idle_after_s=0.5)
        quiet = round(fps) + phase
        for number in range(quiet + 20):
            at_s, hand = number / fps, number - quiet
            if not pace.due(at_s):
                continue
            begun = time.perf_counter()
            readings = detector.see(Frame(empty if hand < 0 else shown[hand % len(shown)], at_s))
            pace.looked(at_s, len(readings))
            if readings:
                found.append((hand / fps, hand / fps + time.perf_counter() - begun))
                break
        detector.close()
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seeing")
    parser.add_argument("--data", type=Path, help="development data, for its recorded scenes")
    parser.add_argument("--hands", type=int, default=2, help="hands looked for")
    options = parser.parse_args()
    sources = {"demo scene": demo_frames()}
    if options.data:
        for path in sorted((options.data / "scenes").glob("*-1.mp4")):
            sources[path.stem] = recorded_frames(path)
    table = Table(title=f"Seeing, {options.hands} hands, {described()}")
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
    table = Table(title="From a frame to its readings, demo scene")
    for column in ("camera", "frame times, median", "95th percentile", "overtaken"):
        table.add_column(column, justify="left" if column == "camera" else "right")
    for fps in CAMERA_FPS:
        found, overtaken = delays(sources["demo scene"], fps, options.hands)
        share = np.array(found) * fps
        table.add_row(
            f"{fps:.0f} frames/s",
            f"{float(np.median(share)):.2f}",
            f"{float(np.percentile(share, 95)):.2f}",
            f"{overtaken} of {DEMO_FRAMES}",
        )
    Console().print(table)
    for fps in CAMERA_FPS:
        woken = wake_times(fps, options.hands)
        waits, wholes = zip(*woken, strict=True) if woken else ((math.nan,), (math.nan,))
        print(
            f"idle scene, camera of {fps:.0f} frames/s: a hand noticed in {len(woken)} of {WAKE_PHASES} tries, at the "
            f"latest after {max(wholes):.2f} s; the frame that shows it comes after {max(waits):.2f} s"
        )


if __name__ == "__main__":
    main()
