"""How fast seeing is, beside its targets: `python -m benchmarks.seeing [--data ../shared/data]`.

The same frames go through a bare MediaPipe loop – picture in, result out, nothing done with it – and through the whole
detector, frame by frame within one run and each of the two first in turn, so that both have the machine at its moods
alike. Frames are the drawn hand of the demo scene, and with `--data` the recorded scenes. Printed: frames a second of
both, by how much a frame takes longer outside of MediaPipe's call than in the bare loop, and the machine. Then, for
frames that come in their own time as a camera's do: how long from a frame to its readings, in frame times, and how
many frames were overtaken by newer ones. Last, how soon a hand is noticed in a scene that was idle
(`seeing.idle_after_s`). Every line says whether its target is met; on a machine that has other things to do the
targets mean nothing.
"""

import argparse
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import av
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.machine import described
from gesture.capture import Frame
from gesture.detector import GestureDetector
from gesture.hands import HandFinder
from gesture.pace import Pace
from media.inbox import Inbox
from models.hand_landmarker import default_path
from safety_monitor.demo.scene import FPS, picture_at

DEMO_FRAMES = 200
FIRST_DEMO_FRAME = 500
CAMERA_FPS = (15.0, 30.0)
ROUNDS = 4
"""How often each scene is seen: MediaPipe's own time differs by more from frame to frame than ours adds."""
WAKE_PHASES = 6
"""Tries, each with the hand one frame later between two looks."""
LEAST_SHARE = 0.95
"""Target: frames a second of the whole beside those of the bare loop."""
MOST_ADDED_MS = 1.0
"""Target: milliseconds of a frame spent outside of MediaPipe, median."""
MOST_FRAME_TIMES = 1.5
"""Target: frame times from a frame to its readings, median."""
LATEST_WAKE_S = 0.3
"""Target: seconds until a hand is noticed in an idle scene, at the latest."""


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


class Bare:
    """MediaPipe and nothing of ours: what the detector is compared with."""

    def __init__(self, hands: int) -> None:
        import mediapipe

        self._mediapipe = mediapipe
        vision = mediapipe.tasks.vision
        self._landmarker: Any = vision.HandLandmarker.create_from_options(
            vision.HandLandmarkerOptions(
                base_options=mediapipe.tasks.BaseOptions(model_asset_path=str(default_path())),
                running_mode=vision.RunningMode.VIDEO,
                num_hands=hands,
            )
        )

    def see(self, frame: Frame) -> None:
        """Make MediaPipe's own picture of a frame, have it looked at, and let go of both."""
        picture = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=frame.image)
        self._landmarks(picture, frame.at_s)

    def _landmarks(self, picture: Any, at_s: float) -> Any:
        return self._landmarker.detect_for_video(picture, round(at_s * 1000))

    def close(self) -> None:
        self._landmarker.close()


@contextmanager
def timed_mediapipe(spent_s: list[float]) -> Iterator[None]:
    """Add up the seconds spent in MediaPipe's calls, whoever makes them."""

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(self: HandFinder | Bare, picture: Any, at_s: float) -> Any:
            start = time.perf_counter()
            found = call(self, picture, at_s)
            spent_s[0] += time.perf_counter() - start
            return found

        return measured

    with ExitStack() as stack:
        for finder in (HandFinder, Bare):
            stack.enter_context(patch.object(finder, "_landmarks", timed(finder._landmarks)))
        yield


@dataclass(slots=True)
class Measured:
    """Seconds of the bare loop and of the whole, and of each frame the milliseconds by which ours is longer outside of
    MediaPipe's call."""

    bare_s: float = 0.0
    whole_s: float = 0.0
    added_ms: list[float] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Frames a second of the whole, of those of the bare loop."""
        return self.bare_s / self.whole_s


def measure(frames: Sequence[Frame], hands: int) -> Measured:
    """The same frames through both, `ROUNDS` times from the start."""
    measured = Measured()
    for _ in range(ROUNDS):
        _measure_once(frames, hands, measured)
    return measured


def _measure_once(frames: Sequence[Frame], hands: int, measured: Measured) -> None:
    whole, bare = GestureDetector(max_hands=hands), Bare(hands)
    inside_s = [0.0]

    def timed(see: Callable[[Frame], object], frame: Frame) -> tuple[float, float]:
        """Seconds of a frame, and those of them outside of MediaPipe's call."""
        before = inside_s[0]
        start = time.perf_counter()
        see(frame)
        spent_s = time.perf_counter() - start
        return spent_s, spent_s - (inside_s[0] - before)

    with timed_mediapipe(inside_s):
        for number, frame in enumerate(frames):
            if number % 2:
                (bare_s, made_s), (whole_s, outside_s) = timed(bare.see, frame), timed(whole.see, frame)
            else:
                (whole_s, outside_s), (bare_s, made_s) = timed(whole.see, frame), timed(bare.see, frame)
            measured.bare_s += bare_s
            measured.whole_s += whole_s
            measured.added_ms.append((outside_s - made_s) * 1e3)
    bare.close()
    whole.close()


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
    table = Table(
        title=f"Seeing, {options.hands} hands, {described()}",
        caption=f"Targets: whole / bare at least {LEAST_SHARE}, added at most {MOST_ADDED_MS} ms (median)",
    )
    for column in ("frames", "bare frames/s", "whole frames/s", "whole / bare", "added ms, median", "95 %", "targets"):
        table.add_column(column, justify="left" if column == "frames" else "right")
    for name, frames in sources.items():
        measured = measure(frames, options.hands)
        added_ms = median(measured.added_ms)
        table.add_row(
            name,
            f"{len(measured.added_ms) / measured.bare_s:.1f}",
            f"{len(measured.added_ms) / measured.whole_s:.1f}",
            f"{measured.share:.3f}",
            f"{added_ms:.2f}",
            f"{float(np.percentile(measured.added_ms, 95)):.2f}",
            verdict(measured.share >= LEAST_SHARE and added_ms <= MOST_ADDED_MS),
        )
    Console().print(table)
    table = Table(
        title="From a frame to its readings, demo scene",
        caption=f"Target: at most {MOST_FRAME_TIMES} frame times (median)",
    )
    for column in ("camera", "frame times, median", "95 %", "overtaken", "target"):
        table.add_column(column, justify="left" if column == "camera" else "right")
    for fps in CAMERA_FPS:
        found, overtaken = delays(sources["demo scene"], fps, options.hands)
        share = np.array(found) * fps
        table.add_row(
            f"{fps:.0f} frames/s",
            f"{float(np.median(share)):.2f}",
            f"{float(np.percentile(share, 95)):.2f}",
            f"{overtaken} of {DEMO_FRAMES}",
            verdict(float(np.median(share)) <= MOST_FRAME_TIMES),
        )
    Console().print(table)
    for fps in CAMERA_FPS:
        woken = wake_times(fps, options.hands)
        waits, wholes = zip(*woken, strict=True) if woken else ((math.nan,), (math.nan,))
        print(
            f"idle scene, camera of {fps:.0f} frames/s: a hand noticed in {len(woken)} of {WAKE_PHASES} tries, at the "
            f"latest after {max(wholes):.2f} s; the frame that shows it comes after {max(waits):.2f} s; target of "
            f"{LATEST_WAKE_S} s: {verdict(len(woken) == WAKE_PHASES and max(wholes) <= LATEST_WAKE_S)}"
        )


def verdict(met: bool) -> str:
    """In a word whether a target is met."""
    return "met" if met else "MISSED"


if __name__ == "__main__":
    main()
