"""Hours of scene time in minutes, and more to do than any day brings: `python -m benchmarks.soak [--minutes 30]`.

Four parts, each for a share of the time:

- scenes: the demo scene over and over, with talk and ordinary hands between, through both senses, fusion, journal,
  evidence, outbox, a siren that only counts and a webhook. What alarms although it should not is counted, and what
  does not although it should. Hands are judged from the landmarks that the scene is drawn from; in one pass out of
  fifty, and in a few at the beginning, MediaPipe looks at every picture. With `--data` the sound between is that of
  recorded conversations and rooms (the shipped model was trained on some of them).
- screams: a scream every second, for up to an hour.
- hands: four hands at 15 pictures a second, each making the Signal for Help, for up to an hour.
- load: up to 10,000 incidents as fast as the journal takes them, each delivered.

However short the time, each part does so much that something can go wrong.

Memory, threads, open files and queues are measured all the while. They may not grow from the second quarter of a part
to its last. Exit status 1 if one did, if an incident got lost, or if there was a false alarm.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from audio.blocks import SAMPLE_RATE, Samples
from benchmarks.delivery import Siren, Tap
from benchmarks.endless import heard, judged, other_sound, scene_hands
from benchmarks.growth import Growth
from benchmarks.machine import described
from gesture.capture import Frame
from gesture.detector import GestureDetector, HandJudge
from gesture.hands import Hand
from gesture.keypoint_classifier import SignClassifier
from gesture.point_history_classifier import MotionClassifier
from safety_monitor.actions.webhook import Webhook
from safety_monitor.config import Settings
from safety_monitor.config.sources import load_settings
from safety_monitor.delivery import DeliveryState
from safety_monitor.demo.scene import EXPECTED, FPS, HEIGHT, SECONDS, WIDTH, picture_at, sound
from safety_monitor.demo.scream import room_noise, scream
from safety_monitor.emergency import EmergencyGestures
from safety_monitor.evidence import make_recorder
from safety_monitor.identity import Identity
from safety_monitor.incident import Evidence, Incident, Moment, Sense, State
from safety_monitor.journal.file import JournalError
from safety_monitor.journal.incidents import Journal
from safety_monitor.live import LiveView
from safety_monitor.running import make_dispatch
from safety_monitor.senses import gesture_moment, load_gesture_detector
from safety_monitor.sensing import Inputs, ReadySense, RunningSense
from safety_monitor.station import Station

SHARES = {"scenes": 0.5, "screams": 0.15, "hands": 0.15, "load": 0.2}
QUIET_FROM_S, QUIET_TO_S = 10.0, 38.0
"""The stretch of the scene that is played again after it, so that its incidents do not run into each other."""
PERIOD_S = SECONDS + QUIET_TO_S - QUIET_FROM_S
LOOK_EVERY, FIRST_LOOKS = 50, range(2, 6)
"""In one pass out of so many MediaPipe looks at every picture, and in a few at the beginning: what it works in comes to
its full size over some thousands of pictures, and is no growth."""
HOUR_S = 3600.0
LEAST_S, LEAST_INCIDENTS = 20.0, 20
INCIDENTS = 10_000
SAMPLES = 60
"""Measurements in a part."""
QUEUE = 64
"""Most deliveries that may wait at once."""


@dataclass(slots=True)
class Part:
    """What one part came to.

    Attributes:
        scene_s: seconds of scene time, 0 where there is none.
        wall_s: seconds that it took.
        incidents: confirmed.
        missed: incidents that should have been, a line each.
        false_alarms: incidents that should not.
        lost: incidents that are not in the journal, or whose deliveries did not all end.
        memory_mb: at the end.
        grown: what grew, a line each.
    """

    name: str
    scene_s: float = 0.0
    wall_s: float = 0.0
    incidents: int = 0
    missed: list[str] = field(default_factory=list)
    false_alarms: int = 0
    lost: int = 0
    memory_mb: float = 0.0
    grown: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether nothing is wrong; what was missed is a matter of the models and only told."""
        return not (self.false_alarms or self.lost or self.grown)


@dataclass(slots=True)
class House:
    """A station's home, its journal and its outbox with what it delivers to.

    Attributes:
        settings: with a home of its own.
    """

    settings: Settings
    journal: Journal = field(init=False)
    hook: Tap = field(init=False)

    def __post_init__(self) -> None:
        self.journal = Journal(self.settings.home)
        self.hook = Tap()

    def channels(self) -> list[Any]:
        """A siren that counts, and a webhook."""
        station = Identity("00000000-0000-0000-0000-000000000001", "soak")
        return [Siren(), Webhook(f"http://127.0.0.1:{self.hook.port}/", "secret-of-soak", station=station)]

    def waiting(self) -> int:
        """Deliveries that are still to be done."""
        counts = self.journal.outbox.count()
        return counts.get(DeliveryState.PENDING, 0) + counts.get(DeliveryState.SENDING, 0)

    def lost(self, confirmed: Sequence[str]) -> int:
        """How many of these incidents are not in the journal, or have a delivery that did not get through."""
        lost = 0
        for incident_id in confirmed:
            deliveries = self.journal.show(incident_id).deliveries
            alarms = [each for each in deliveries if each.kind == "alarm"]
            made = [each.state in ("sent", "delivered") for each in alarms]
            lost += len(made) != 2 or not all(made)
        return lost

    def close(self) -> None:
        """Give all back."""
        self.hook.close()
        self.journal.close()


def nowhere(incident: Incident) -> None:
    """Where an incident happened: not known."""


def run_station(
    house: House, name: str, senses: dict[Sense, Callable[[LiveView], Iterator[Moment]]], minutes: float
) -> tuple[Part, list[Incident]]:
    """Run a station on moments until they end, watched all the while; the part, and every transition."""
    settings, told = house.settings, list[Incident]()
    view = LiveView(settings.fusion.rules, tuple(senses))
    recorder = make_recorder(settings)
    dispatch = make_dispatch(settings, house.journal, house.channels(), nowhere, recorder)

    def ready(sense: Sense, moments: Callable[[LiveView], Iterator[Moment]]) -> Callable[[], ReadySense]:
        running = RunningSense(f"{name} {sense}", False, moments(view), lambda: None)
        return lambda: ReadySense(sense, lambda start: running)

    load = {sense: ready(sense, moments) for sense, moments in senses.items()}
    station = Station(
        Inputs(load=load, source="soak", live=False),
        rules=settings.fusion.rules,
        journal=house.journal,
        dispatch=dispatch,
        on_transition=told.append,
        view=view,
        recorder=recorder,
    )
    part = Part(name)
    growth = Growth(house.waiting, max(0.05, 60 * minutes / SAMPLES))
    begun = time.monotonic()
    summary = station.run()
    part.wall_s = time.monotonic() - begun
    part.memory_mb, part.grown, longest = growth.end()
    if longest > QUEUE:
        part.grown.append(f"queue: {longest}")
    part.scene_s = summary.watched_s
    confirmed = [incident.id for incident in told if incident.state is State.CONFIRMED]
    part.incidents = len(confirmed)
    part.lost = house.lost(confirmed) + len(summary.troubles)
    return part, told


def time_up(minutes: float) -> Callable[[], bool]:
    """Whether so long has passed since this was asked first: loading is not counted."""
    begun: float | None = None

    def is_up() -> bool:
        nonlocal begun
        begun = begun or time.monotonic()
        return time.monotonic() - begun > 60 * minutes

    return is_up


def scenes(house: House, minutes: float, data: Path | None) -> Part:
    """See the module's text."""
    settings, is_up = house.settings, time_up(minutes)
    scene = sound()
    quiet = slice(round(QUIET_FROM_S * SAMPLE_RATE), round(QUIET_TO_S * SAMPLE_RATE))
    between = other_sound(data, QUIET_TO_S - QUIET_FROM_S) if data else None
    hands = scene_hands()
    first, last = round(QUIET_FROM_S * FPS), round(QUIET_TO_S * FPS)
    passes = threading.Semaphore(0)
    over = threading.Event()
    played = 0

    def sounds() -> Iterator[Samples]:
        nonlocal played
        is_up()
        while not over.is_set():
            passes.release()
            yield scene
            yield scene[quiet] if between is None else next(between)
            played += 1
            if is_up():
                over.set()
        passes.release()

    def pictures(view: LiveView) -> Iterator[Moment]:
        """In step with the sound: a pass begins when the sound has begun one."""
        gestures = EmergencyGestures(settings.emergency.gestures)
        judge = HandJudge(SignClassifier.load(), MotionClassifier.load())
        numbers = [*range(len(hands)), *range(first, last)]
        detector: GestureDetector | None = None  # loaded once, as a station does: MediaPipe leaves memory behind
        turn = 0
        while passes.acquire() and not over.is_set():
            begin_s = turn * PERIOD_S
            turn += 1
            if turn % LOOK_EVERY and turn not in FIRST_LOOKS:
                for step, number in enumerate(numbers):
                    at_s = begin_s + step / FPS
                    yield gesture_moment(at_s, judge(hands[number], at_s, HEIGHT / WIDTH), gestures)
                continue
            detector = detector or load_gesture_detector(settings)
            for step, number in enumerate(numbers):
                frame = Frame(picture_at(number), begin_s + step / FPS)
                readings = detector.see(frame)
                view.saw(frame, readings)
                yield gesture_moment(frame.at_s, readings, gestures)
        if detector is not None:
            detector.close()

    part, told = run_station(
        house,
        "scenes",
        {Sense.AUDIO: lambda view: heard(sounds(), settings, view), Sense.GESTURE: pictures},
        minutes,
    )
    confirmed = {incident.id: incident for incident in told if incident.state is State.CONFIRMED}
    part.false_alarms = sum(
        not any(expected(label, incident.at_s) for label in incident.labels) for incident in confirmed.values()
    )
    # What comes while an incident is open belongs to it, and talk between may have kept that open.
    noticed = {expected(each.label, each.at_s) for step in told if step.id in confirmed for each in step.evidence}
    wanted = {(turn, each.label) for turn in range(1, played + 1) for each in EXPECTED}
    part.missed = [f"{label} of pass {turn}" for turn, label in sorted(wanted.difference(noticed))]
    return part


def expected(label: str, at_s: float) -> tuple[int, str] | None:
    """Which pass of the scene, from 1, holds such a thing at such a time, and its label; None: none does."""
    turn, at_s = divmod(at_s, PERIOD_S)
    held = any(each.label == label and each.at_s[0] <= at_s <= each.at_s[1] + 0.5 for each in EXPECTED)
    return (round(turn) + 1, label) if held else None


def screams(house: House, minutes: float) -> Part:
    """See the module's text."""
    is_up = time_up(minutes)
    voices = [scream(0.6, SAMPLE_RATE, seed).astype(np.float32) for seed in range(20)]

    def sounds() -> Iterator[Samples]:
        for second in range(round(HOUR_S)):
            if is_up() and second >= LEAST_S:
                return
            stretch = (0.002 * room_noise(1.0, SAMPLE_RATE)).astype(np.float32)
            voice = voices[second % len(voices)]
            stretch[: len(voice)] += voice * 0.7
            yield stretch

    part, _ = run_station(house, "screams", {Sense.AUDIO: lambda view: heard(sounds(), house.settings, view)}, minutes)
    part.missed = [] if part.incidents else ["all of them"]
    most = 1 + int(part.scene_s / house.settings.fusion.longest_s)
    if part.incidents > most:
        part.grown.append(f"{part.incidents} incidents of one stretch of screams; at most {most} are of use")
    return part


def four_hands(house: House, minutes: float, hands: list[list[Hand]]) -> Part:
    """See the module's text; each hand is that of the scene's Signal for Help, in a quarter of the picture."""
    is_up = time_up(minutes)
    sign = [found[0].landmarks for found in hands[round(38.6 * FPS) : round(45.0 * FPS)] if found]

    def found() -> Iterator[tuple[float, Sequence[Hand]]]:
        for number in range(round(HOUR_S * FPS)):
            if is_up() and number >= LEAST_S * FPS:
                return
            quarters = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5))
            shown = [sign[(number + 11 * place) % len(sign)] for place in range(len(quarters))]
            yield (
                number / FPS,
                [
                    Hand(np.asarray(points * 0.5 + [*corner, 0.0], np.float32), "right", 0.9)
                    for points, corner in zip(shown, quarters, strict=True)
                ],
            )

    part, _ = run_station(house, "hands", {Sense.GESTURE: lambda view: judged(found(), house.settings)}, minutes)
    part.missed = [] if part.incidents else ["all of them"]
    return part


def load(house: House, minutes: float) -> Part:
    """See the module's text."""
    is_up = time_up(minutes)
    dispatch = make_dispatch(house.settings, house.journal, house.channels(), nowhere)
    part = Part("load")
    growth = Growth(house.waiting, max(0.05, 60 * minutes / SAMPLES))
    begun = time.monotonic()
    made: list[str] = []
    evidence = (Evidence(Sense.AUDIO, "scream", 0.93, 12.5),)
    while len(made) < INCIDENTS and (len(made) < LEAST_INCIDENTS or not is_up()):
        incident = Incident(str(uuid.uuid4()), State.CONFIRMED, 12.5, 0.93, evidence, "load")
        with suppress(JournalError):  # in such a hurry it may not answer in time: then it is done from memory
            dispatch.follow(incident)
        made.append(incident.id)
    while house.waiting():
        time.sleep(0.05)
    part.wall_s = time.monotonic() - begun
    part.memory_mb, part.grown, _ = growth.end()  # the outbox is filled faster than it can be emptied
    dispatch.close()
    part.incidents = len(made)
    part.lost = house.lost(made)
    return part


def soak(minutes: float, home: Path, data: Path | None = None, only: Sequence[str] = tuple(SHARES)) -> list[Part]:
    """Run the parts, each in a home of its own.

    Args:
        minutes: in all.
        home: a folder for the stations' homes.
        data: folder of recordings with audio/manifest.csv.
        only: names of parts.
    """
    parts = []
    hands = scene_hands() if "hands" in only else []
    whole = sum(SHARES[name] for name in only)
    for name in only:
        environ = {
            "SAFETY_MONITOR_HOME": str(home / name),
            "SAFETY_MONITOR_EVIDENCE__PICTURE": "off",
            "SAFETY_MONITOR_LIMITS__COOL_DOWN_S": "0",
            "SAFETY_MONITOR_LIMITS__MOST": "1000",
            "SAFETY_MONITOR_LIMITS__WITHIN_S": "1",
        }
        house = House(load_settings(environ=environ))
        share = minutes * SHARES[name] / whole
        try:
            if name == "scenes":
                parts.append(scenes(house, share, data))
            elif name == "screams":
                parts.append(screams(house, share))
            elif name == "hands":
                parts.append(four_hands(house, share, hands))
            else:
                parts.append(load(house, share))
        finally:
            house.close()
    return parts


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, print, and say whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="in all")
    parser.add_argument("--data", type=Path, help="folder of recordings with audio/manifest.csv")
    parser.add_argument("--only", nargs="+", choices=tuple(SHARES), default=tuple(SHARES), help="parts to run")
    parser.add_argument("--json", action="store_true", help="print a JSON object a part")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="soak-") as home:
        parts = soak(given.minutes, Path(home), given.data, given.only)
    if given.json:
        for part in parts:
            print(json.dumps(asdict(part)))
        return 0 if all(part.well for part in parts) else 1
    table = Table(title=f"Soak, {given.minutes:g} minutes, {described()}")
    for column in ("part", "scene time", "speed", "incidents", "missed", "false alarms", "lost", "memory", "grown"):
        table.add_column(column, justify="left" if column in ("part", "grown") else "right")
    for part in parts:
        table.add_row(
            part.name,
            f"{part.scene_s / 3600:.2f} h" if part.scene_s else "",
            f"{part.scene_s / part.wall_s:.0f} ×" if part.scene_s else f"{part.incidents / part.wall_s:.0f} /s",
            str(part.incidents),
            str(len(part.missed)),
            str(part.false_alarms),
            str(part.lost),
            f"{part.memory_mb:.0f} MB",
            "; ".join(part.grown) or "nothing",
        )
    console = Console(width=120)
    console.print(table)
    for part in parts:
        if part.missed:
            console.print(f"{part.name}, missed: {'; '.join(part.missed)}")
    return 0 if all(part.well for part in parts) else 1


if __name__ == "__main__":
    sys.exit(main())
