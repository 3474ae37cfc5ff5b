"""From the event to the alarm call: `python -m benchmarks.latency [--data ../shared/data]`.

Two figures, each in media time plus compute time:

- scream: from the first sample of a scream to the call of the alarm. Media time is how much sound the decision needed;
  compute time is what passes from the delivery of the block that decided it.
- Signal for Help: from the frame on which the fingers have closed over the thumb to the call of the alarm, likewise.
  In the recorded scenes that is the frame that exchanges the picture of the tucked thumb for that of the closed hand.

The decision runs through the real detector, fusion and journal. Screams are synthesised like the demo scene's, from
other seeds, and with `--data` also the recorded ones of its manifest whose label is not weak (the shipped model may
have been trained on these). Hands are the drawn ones, at several paces, and with `--data` the recorded scenes.
"""

import argparse
import csv
import itertools
import json
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from audio.blocks import SAMPLE_RATE, Block
from audio.detector import ScreamDetector, ScreamModel
from audio.recording import read_clip
from benchmarks.machine import described
from gesture.capture import Frame, open_camera
from safety_monitor.config import Settings
from safety_monitor.config.sources import load_settings
from safety_monitor.demo.scene import FPS, hand_at, picture_of
from safety_monitor.demo.scream import room_noise, scream
from safety_monitor.emergency import EmergencyGestures
from safety_monitor.fusion import Fusion
from safety_monitor.incident import Moment, State
from safety_monitor.journal.incidents import Journal
from safety_monitor.senses import gesture_moment, load_gesture_detector, load_scream_classifier, sound_moment

BLOCK = 800
LEAD_S = 2.0
"""Quiet before each scream."""
SCREAMS = 40
SHOWN_S, CLOSING_S, CLOSED_S, GONE_S = 38.5, 42.2, 42.7, 45.0
"""Seconds of the demo scene: the hand is about to come, its fingers begin to close, have closed, it is gone."""
PACES = (0.7, 0.85, 1.0, 1.2, 1.4)
HELD_S, HALF_FRAME_S = 0.45, 1 / 30
"""How long a picture of a recorded scene is held at least, and half a frame of it."""
PHASES = (0.0, 0.5)
"""Frame times by which the camera is late; so the hand closes between other frames."""


@dataclass(slots=True)
class Delays:
    """Seconds from event to alarm call; what never alarmed is counted, not averaged away."""

    media: list[float] = field(default_factory=list)
    compute: list[float] = field(default_factory=list)
    missed: int = 0

    def row(self, name: str) -> tuple[str, ...]:
        """Name, count, missed, median and 95th percentile of the whole delay, median of each share."""
        if not self.media:
            return name, "0", str(self.missed), "-", "-", "-", "-"
        whole = [media + compute for media, compute in zip(self.media, self.compute, strict=True)]
        return (
            name,
            str(len(whole)),
            str(self.missed),
            f"{median(whole):.2f} s",
            f"{np.percentile(whole, 95):.2f} s",
            f"{median(self.media):.2f} s",
            f"{1000 * median(self.compute):.1f} ms",
        )


@dataclass(slots=True)
class Decider:
    """Fusion and journal as in the station; the alarm call is where the station would wake its channels."""

    settings: Settings
    journal: Journal

    def first_alarm(self, moments: Iterable[tuple[float, Moment]]) -> tuple[float, float] | None:
        """Source clock and compute time of the first alarm call.

        Args:
            moments: each with the `time.perf_counter()` at which its block or frame was delivered.
        """
        fusion = Fusion(self.settings.fusion.rules, new_id=lambda: str(uuid.uuid4()))
        for delivered, moment in moments:
            for incident in fusion.judge(moment):
                self.journal.record(incident)
                if incident.state is State.CONFIRMED:
                    return moment.at_s, time.perf_counter() - delivered
        return None


def heard(samples: NDArray[np.float32], model: ScreamModel) -> Iterator[tuple[float, Moment]]:
    """The moments of a stretch of sound, block by block."""
    detector = ScreamDetector(model)
    for begin in range(0, len(samples), BLOCK):
        delivered = time.perf_counter()
        for reading in detector.feed(Block(samples[begin : begin + BLOCK], begin / SAMPLE_RATE)):
            yield delivered, sound_moment(reading)


def seen(frames: Iterable[Frame], settings: Settings) -> Iterator[tuple[float, Moment]]:
    """The moments of a stretch of video, frame by frame."""
    detector = load_gesture_detector(settings)
    gestures = EmergencyGestures(settings.emergency.gestures)
    try:
        for frame in frames:
            delivered = time.perf_counter()
            yield delivered, gesture_moment(frame.at_s, detector.see(frame), gestures)
    finally:
        detector.close()


def synthesised_screams() -> Iterator[NDArray[np.float32]]:
    """Screams from different seeds and of different lengths."""
    for seed in range(100, 100 + SCREAMS):
        yield scream(1.0 + (seed % 5) / 4, SAMPLE_RATE, seed).astype(np.float32)


def recorded_screams(data: Path) -> Iterator[NDArray[np.float32]]:
    """Recorded screams from their first loud sample on (a tenth of their peak)."""
    with (data / "audio" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == "scream" and row["source"] != "emogator"]
    for row in rows:
        clip = read_clip(data / "audio" / row["path"])
        yield clip[int(np.argmax(np.abs(clip) > 0.1 * np.abs(clip).max())) :]


def scream_delays(screams: Iterable[NDArray[np.float32]], decider: Decider, model: ScreamModel) -> Delays:
    """Delay of each scream after `LEAD_S` of quiet room."""
    delays = Delays()
    quiet = (0.002 * room_noise(LEAD_S, SAMPLE_RATE)).astype(np.float32)
    for samples in screams:
        whole = np.concatenate([quiet, samples, quiet])
        note(delays, decider.first_alarm(heard(whole, model)), LEAD_S)
    return delays


def drawn_hands(pace: float, phase: float) -> Iterator[Frame]:
    """The demo scene's Signal for Help at `pace` times its speed, with a camera's noise."""
    for number in range(int((GONE_S - SHOWN_S) / pace * FPS)):
        at_s = (number + phase) / FPS
        yield Frame(picture_of(hand_at(SHOWN_S + at_s * pace), number), at_s)


def gesture_delays(decider: Decider, data: Path | None) -> dict[str, Delays]:
    """Delay of each Signal for Help, drawn and recorded."""
    drawn = Delays()
    for pace, phase in itertools.product(PACES, PHASES):
        alarm = decider.first_alarm(seen(drawn_hands(pace, phase), decider.settings))
        note(drawn, alarm, (CLOSED_S - SHOWN_S) / pace, (CLOSING_S - SHOWN_S) / pace)
    found = {"Signal for Help, drawn": drawn}
    if data is not None:
        recorded = found["Signal for Help, recorded scenes"] = Delays()
        for path in sorted((data / "scenes").glob("*.json")):
            for event in json.loads(path.read_text())["expect"]:
                if event["kind"] in ("gesture", "both"):
                    video, begin_s = str(path.with_suffix(".mp4")), event["at_s"][0]
                    alarm = decider.first_alarm(seen(open_camera(video, fast=True), decider.settings))
                    note(recorded, alarm, exchanged_s(open_camera(video, fast=True), begin_s), begin_s)
    return found


def exchanged_s(frames: Iterable[Frame], begin_s: float) -> float:
    """When the picture of the closed hand begins: the greatest change of picture within `HELD_S` of `begin_s`.

    Scenes hold each of their pictures for about half a second, and say from when on an alarm is expected; where a
    scream is expected as well, that is earlier than the hand closes.
    """
    greatest, found_s, before = -1.0, begin_s, None
    for frame in frames:
        coarse = frame.image[::8, ::8].astype(np.int16)
        if before is not None and -HALF_FRAME_S <= frame.at_s - begin_s < HELD_S:
            change = float(np.abs(coarse - before).mean())
            if change > greatest:
                greatest, found_s = change, frame.at_s
        before = coarse
    return found_s


def note(delays: Delays, alarm: tuple[float, float] | None, onset_s: float, begun_s: float | None = None) -> None:
    """Add one event's delay; an alarm before the event is none of it, but it may come before the event is over.

    Args:
        delays: to add to.
        alarm: source clock and compute time of the alarm call; None: there was none.
        onset_s: from where the delay counts.
        begun_s: from where on an alarm belongs to the event; None: from `onset_s`.
    """
    if alarm is None or alarm[0] < (onset_s if begun_s is None else begun_s):
        delays.missed += 1
        return
    delays.media.append(alarm[0] - onset_s)
    delays.compute.append(alarm[1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of recordings with audio/manifest.csv and scenes/")
    data: Path | None = parser.parse_args().data
    with tempfile.TemporaryDirectory() as home:
        settings = load_settings(environ={"SAFETY_MONITOR_HOME": home})
        decider = Decider(settings, Journal(settings.home))
        model = load_scream_classifier(settings)
        found = {"scream, synthesised": scream_delays(synthesised_screams(), decider, model)}
        if data is not None:
            found["scream, recorded"] = scream_delays(recorded_screams(data), decider, model)
        found |= gesture_delays(decider, data)
    table = Table(title=f"Event to alarm call, {described()}")
    for column in ("event", "alarms", "missed", "median", "95 %", "media", "compute"):
        table.add_column(column, justify="left" if column == "event" else "right")
    for name, delays in found.items():
        table.add_row(*delays.row(name))
    Console().print(table)


if __name__ == "__main__":
    main()
