"""How often the emergency gestures of the settings alarm for nothing, in footage that holds no emergency."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from gesture.capture import VIDEOS, CameraError, open_camera
from media.folders import files_in
from models.rate_bound import rate_bound
from safety_monitor.config import Settings
from safety_monitor.emergency import EmergencyGestures
from safety_monitor.fusion import Fusion
from safety_monitor.incident import State
from safety_monitor.senses import gesture_moment, load_gesture_detector, pace_of, see


@dataclass(slots=True)
class Watched:
    """What a recording gave.

    Attributes:
        name: of its file.
        seconds: how long it lasts.
        in_view_s: how much of that shows a hand.
        alarms: incidents that were confirmed, by gesture.
        trouble: why it could not be judged to its end; empty if it could.
    """

    name: str
    seconds: float = 0.0
    in_view_s: float = 0.0
    alarms: Counter[str] = field(default_factory=Counter)
    trouble: str = ""


def recordings(place: Path) -> Iterator[Path]:
    """The file itself, or all recordings in a folder and those below it, by name; what is hidden is none."""
    if place.is_dir():
        yield from files_in(place, VIDEOS)
    else:
        yield place


def watch(file: Path, settings: Settings) -> Watched:
    """Judge the pictures of a recording as the station would; incidents by sound are not looked for.

    Raises:
        SenseError: a model cannot be used.
    """
    watched = Watched(file.name)
    detector = load_gesture_detector(settings)
    gestures = EmergencyGestures(settings.emergency.gestures)
    numbers = count(1)
    fusion = Fusion(settings.fusion.rules, new_id=lambda: str(next(numbers)))
    try:
        for at_s, readings in see(open_camera(str(file), fast=True), detector, pace_of(settings)):
            step_s = max(at_s - watched.seconds, 0.0)
            watched.seconds = at_s
            watched.in_view_s += step_s if readings else 0.0
            for incident in fusion.judge(gesture_moment(at_s, readings, gestures)):
                if incident.state is State.CONFIRMED:
                    watched.alarms.update(incident.labels)
    except CameraError as error:
        watched.trouble = str(error)
    finally:
        detector.close()
    return watched


def report(watched: list[Watched], settings: Settings) -> str:
    """Alarms by gesture, and what so much footage can say of their rate, as text."""
    hours = sum(one.seconds for one in watched) / 3600
    in_view = sum(one.in_view_s for one in watched) / 3600
    lines = [one.trouble for one in watched if one.trouble]
    lines += [f"{one.name}: {number} of {label}" for one in watched for label, number in sorted(one.alarms.items())]
    lines.append(f"{len(watched)} recordings, {hours:.2f} h, hands in view for {in_view:.2f} h")
    for label in dict.fromkeys(gesture.label for gesture in settings.emergency.gestures):
        alarms = sum(one.alarms[label] for one in watched)
        bound = f"bound it to at most {rate_bound(alarms, hours):.1f} an hour (95 %)" if hours else "say nothing"
        lines.append(f"{label}: {alarms} false alarms; the footage here can {bound}")
    return "\n".join(lines)
