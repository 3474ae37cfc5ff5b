"""The offline twin of the station: a recording or picture in, what the station would make of it out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from audio.blocks import SoundError
from audio.capture import open_sound
from audio.detector import ScreamDetector, ScreamModel, SoundReading, judge_file
from gesture.capture import PICTURES, CameraError, open_camera
from gesture.detector import HandReading, PictureReader
from gesture.signal_for_help import NONE
from media.container import MediaError, contents
from safety_monitor.config import Settings
from safety_monitor.emergency import EmergencyGestures
from safety_monitor.fusion import Fusion
from safety_monitor.incident import Incident, State, incident_json
from safety_monitor.senses import (
    gesture_moment,
    hear,
    load_gesture_detector,
    load_picture_reader,
    load_scream_classifier,
    pace_of,
    see,
    sound_moment,
)

Reading = TypeVar("Reading")
FLICKER = 3


class Analyst:
    """Judges one file after another; what it can use again is loaded once, when the first file needs it.

    A context manager: leaving it gives the models back.
    """

    def __init__(self, settings: Settings, progress: Callable[[float], None] = lambda share: None) -> None:
        self._settings = settings
        self._progress = progress
        self._ears: ScreamModel | None = None
        self._reader: PictureReader | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reader is not None:
            self._reader.close()

    def analyze(self, file: Path) -> dict[str, Any]:
        """Everything the station would say of a file, as JSON values.

        A file that cannot be judged gives `file` and `error`; one that breaks in the middle gives what came before it,
        and `error`.

        Raises:
            SenseError: a model cannot be used, so that no file can be judged.
        """
        heard: list[SoundReading] = []
        seen: list[tuple[float, list[HandReading]]] = []
        duration_s = 0.0
        troubles: list[str] = []
        try:
            if file.suffix.lower() in PICTURES:
                seen += self._look_at(file)
            else:
                holds = contents(str(file))
                if not holds.sound and not holds.picture:
                    raise MediaError(f"{file}: holds neither sound nor pictures")
                duration_s = holds.duration_s or 0.0
                share = 0.5 if holds.sound and holds.picture else 1.0
                if holds.sound:
                    listening = self._counted(self._listen(file), lambda reading: reading.at_s, duration_s, 0.0, share)
                    troubles += self._collect(listening, heard)
                if holds.picture:
                    watching = self._counted(self._watch(file), lambda seen: seen[0], duration_s, 1.0 - share, share)
                    troubles += self._collect(watching, seen)
        except (MediaError, SoundError, CameraError) as error:
            troubles.append(str(error))
        if troubles and not heard and not seen:
            return {"file": str(file), "error": troubles[0]}
        probability, label = judge_file(heard, self._hearing()) if heard else (None, None)
        return {
            "file": str(file),
            "duration_s": round(max([duration_s, *(reading.at_s for reading in heard[-1:])]), 3),
            "scream_probability": None if probability is None else round(probability, 6),
            "label": label,
            "segments": [_segment(reading) for reading in heard],
            "signs": [_sign(reading) for _, readings in seen for reading in readings],
            "movements": [_movement(reading) for _, readings in seen for reading in readings if reading.movement],
            "incidents": [incident_json(incident) for incident in self._incidents(heard, seen)],
            **({"error": troubles[0]} if troubles else {}),
        }

    def _counted(
        self, found: Iterator[Reading], at_s: Callable[[Reading], float], duration_s: float, done: float, share: float
    ) -> Iterator[Reading]:
        """The same; `progress` is told how much of the whole work is done by then, where that is known."""
        for reading in found:
            yield reading
            if duration_s > 0:
                self._progress(done + share * min(at_s(reading) / duration_s, 1.0))

    @staticmethod
    def _collect(found: Iterator[Reading], into: list[Reading]) -> list[str]:
        """Take what comes until the end, or until the file breaks; then what it broke with."""
        try:
            into.extend(found)
        except (SoundError, CameraError) as error:
            return [str(error)]
        return []

    def _hearing(self) -> ScreamModel:
        if self._ears is None:
            self._ears = load_scream_classifier(self._settings)
        return self._ears

    def _listen(self, file: Path) -> Iterator[SoundReading]:
        return hear(open_sound(str(file), fast=True), ScreamDetector(self._hearing()))

    def _watch(self, file: Path) -> Iterator[tuple[float, list[HandReading]]]:
        detector = load_gesture_detector(self._settings)  # a fresh one: hands of another recording are other hands
        try:
            yield from see(open_camera(str(file), fast=True), detector, pace_of(self._settings))
        finally:
            detector.close()

    def _look_at(self, file: Path) -> list[tuple[float, list[HandReading]]]:
        if self._reader is None:
            self._reader = load_picture_reader(self._settings)
        return [(frame.at_s, self._reader.read(frame.image)) for frame in open_camera(str(file), fast=True)]

    def _incidents(
        self, heard: Iterable[SoundReading], seen: Iterable[tuple[float, list[HandReading]]]
    ) -> list[Incident]:
        """Every transition, decided as the station decides it."""
        gestures = EmergencyGestures(self._settings.emergency.gestures)
        moments = [sound_moment(reading) for reading in heard]
        moments += [gesture_moment(at_s, readings, gestures) for at_s, readings in seen]
        numbers = count(1)
        fusion = Fusion(self._settings.fusion.rules, new_id=lambda: str(next(numbers)))
        transitions = [
            step
            for moment in sorted(moments, key=lambda moment: (moment.at_s, moment.sense))
            for step in fusion.judge(moment)
        ]
        return transitions + fusion.finish()


def _rounded(probabilities: Mapping[str, float]) -> dict[str, float]:
    return {label: round(probability, 4) for label, probability in probabilities.items()}


def _segment(reading: SoundReading) -> dict[str, Any]:
    return {
        "start_s": round(reading.start_s, 3),
        "end_s": round(reading.at_s, 3),
        "label": reading.label,
        "probabilities": _rounded(reading.probabilities),
        "scream": round(reading.scream, 4),
        "level_dbfs": round(reading.level_dbfs, 1),
    }


def _sign(reading: HandReading) -> dict[str, Any]:
    return {
        "at_s": round(reading.at_s, 3),
        "hand": reading.hand,
        "handedness": reading.handedness,
        "label": reading.sign,
        "probability": round(reading.sign_probabilities[reading.sign], 4),
        "probabilities": _rounded(reading.sign_probabilities),
        "sequences": _rounded(reading.sequences),
    }


def _movement(reading: HandReading) -> dict[str, Any]:
    label = reading.movement or ""
    return {
        "at_s": round(reading.at_s, 3),
        "hand": reading.hand,
        "handedness": reading.handedness,
        "label": label,
        "probability": round(reading.movement_probabilities[label], 4),
    }


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time for which a hand kept to one sign or movement."""

    begin_s: float
    end_s: float
    hand: int
    handedness: str
    label: str
    probability: float
    """The highest."""


def stretches(readings: Sequence[Mapping[str, Any]]) -> list[Stretch]:
    """The signs or movements of a result of `Analyst.analyze`, for people: in order of time, without what flickers.

    Several hands are judged in turn, and a hand between two poses is taken for this and that: a stretch of fewer than
    `FLICKER` readings is left out where there are more of that hand, and so is what is no sign.
    """
    found = []
    for hand in sorted({each["hand"] for each in readings}):
        own = [each for each in readings if each["hand"] == hand]
        for label, group in groupby(own, key=lambda each: str(each["label"])):
            stretch = list(group)
            if label == NONE or len(stretch) < min(FLICKER, len(own)):
                continue
            sides = [each["handedness"] for each in stretch]
            found.append(
                Stretch(
                    stretch[0]["at_s"],
                    stretch[-1]["at_s"],
                    hand,
                    max(sorted(set(sides)), key=sides.count),
                    label,
                    max(each["probability"] for each in stretch),
                )
            )
    return sorted(found, key=lambda each: (each.begin_s, each.hand))


def describe(result: Mapping[str, Any]) -> str:
    """A result of `Analyst.analyze` as people read it: what the station would have done first, then why."""
    if "label" not in result:
        return str(result["error"])  # names the file
    alarms = [step for step in result["incidents"] if step["state"] == State.CONFIRMED]
    verdict = ", ".join(f"ALARM at {step['at_s']:.2f} s ({', '.join(step['labels'])})" for step in alarms) or "no alarm"
    lines = [f"{result['file']}: {result['duration_s']:.1f} s: {verdict}"]
    if "error" in result:
        lines.append(f"  judged only as far as it could be read: {result['error']}")
    lines += [f"  {step['at_s']:20.2f} s  {step['state']}: {step['reason']}" for step in result["incidents"]]
    if result["label"] is not None:
        lines.append(
            f"  sound as a whole        {result['label']}, scream probability {result['scream_probability']:.2f}"
        )
    begin_s = 0.0
    for label, group in groupby(result["segments"], key=lambda segment: segment["label"]):
        stretch = list(group)  # windows overlap; a stretch begins where the one before ended
        highest = max(segment["scream"] for segment in stretch)
        lines.append(f"  {begin_s:8.2f} to {stretch[-1]['end_s']:8.2f} s  {label}, alarm score {highest:.2f}")
        begin_s = stretch[-1]["end_s"]
    for kind in ("signs", "movements"):
        for each in stretches(result[kind]):
            who = f"{each.handedness} hand {each.hand}"
            times = f"{each.begin_s:8.2f} to {each.end_s:8.2f} s"
            lines.append(f"  {times}  {who}: {each.label} {each.probability:.2f}")
    return "\n".join(lines)
