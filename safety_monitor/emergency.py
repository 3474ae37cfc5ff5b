"""Which readings speak for an emergency: the bridge from what the senses say to what fusion weighs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from audio.detector import SoundReading
from gesture.detector import HandReading
from safety_monitor.config.detection import EmergencyGesture
from safety_monitor.incident import Evidence, Sense

GAP_S = 0.35
"""A held sign or movement may be missed for this long without starting anew; no picture in between is no miss."""


def scream_evidence(reading: SoundReading) -> Evidence:
    """What a sound reading says of a scream."""
    return Evidence(Sense.AUDIO, "scream", reading.scream, reading.at_s)


@dataclass(slots=True)
class _Hold:
    since_s: float
    last_s: float


@dataclass(slots=True)
class EmergencyGestures:
    """Judges every hand by itself against the gestures that mean "Emergency"; owns how long each has been held."""

    gestures: tuple[EmergencyGesture, ...]
    _holds: dict[tuple[int, str], _Hold] = field(default_factory=dict)
    _frame_s: float = float("-inf")
    _before_s: float = float("inf")
    """When the newest frame was, and the one before; as long as nobody tells, every gap counts as a miss."""

    def looked(self, at_s: float) -> None:
        """A frame was looked at, whatever its hands show; told before they are judged."""
        self._before_s, self._frame_s = self._frame_s, at_s

    def evidence(self, reading: HandReading) -> list[Evidence]:
        """What one hand in one frame says of each emergency gesture; nothing where it does not show it."""
        found = []
        for gesture in self.gestures:
            probability = self._probability(gesture, reading)
            if probability > 0.0:
                found.append(Evidence(Sense.GESTURE, gesture.label, probability, reading.at_s))
        return found

    def _probability(self, gesture: EmergencyGesture, reading: HandReading) -> float:
        if gesture.sequence is not None:
            return reading.sequences.get(gesture.sequence, 0.0)
        if gesture.sign is not None:
            shown, probability = reading.sign == gesture.sign, reading.sign_probabilities.get(gesture.sign, 0.0)
        else:
            name = gesture.movement or ""
            shown, probability = reading.movement == name, reading.movement_probabilities.get(name, 0.0)
        if not shown:
            return 0.0
        key = (reading.hand, gesture.label)
        hold = self._holds.get(key)
        if hold is None or self._is_over(hold, reading.at_s):
            self._holds = {each: held for each, held in self._holds.items() if not self._is_over(held, reading.at_s)}
            hold = self._holds[key] = _Hold(reading.at_s, reading.at_s)
        hold.last_s = reading.at_s
        return probability if reading.at_s - hold.since_s >= gesture.held_s else 0.0

    def _is_over(self, hold: _Hold, now_s: float) -> bool:
        return now_s - hold.last_s > GAP_S and hold.last_s < self._before_s


def unknown_labels(
    gestures: tuple[EmergencyGesture, ...], signs: tuple[str, ...], movements: tuple[str, ...]
) -> list[str]:
    """Complaints, a line each, about gestures that the models in use can never report."""
    complaints = []
    for gesture in gestures:
        for kind, label, known in (("sign", gesture.sign, signs), ("movement", gesture.movement, movements)):
            usable = sorted(set(known) - {"none"})
            if label is not None and label not in usable:
                complaints.append(f"emergency.gestures: unknown {kind} '{label}'; known: {', '.join(usable)}")
    return complaints


def never_a_scream(thresholds: Mapping[str, float], highest: float) -> list[str]:
    """Complaints, a line each, about thresholds that no scream alone can reach.

    Args:
        thresholds: by the key that sets each.
        highest: what the scream model stays below.
    """
    return [
        f"{key}: must be less than {highest:.3f}, or a scream alone is never an emergency: the scream model gives no "
        "more to any"
        for key, threshold in thresholds.items()
        if threshold >= highest
    ]


def gestures_lost(gestures: tuple[EmergencyGesture, ...], task: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Those that a model of "signs" or "motions" with these labels would never report, by their labels."""
    asked = [gesture for gesture in gestures if (gesture.sign if task == "signs" else gesture.movement) is not None]
    known = (labels, ()) if task == "signs" else ((), labels)
    return tuple(gesture.label for gesture in asked if unknown_labels((gesture,), *known))


def loses_an_emergency(lost: tuple[str, ...]) -> str:
    """Why a model must not be in use, where `gestures_lost` has found some: the station would not start with it."""
    return (
        f"{', '.join(lost)} is an emergency gesture, and that model does not know it: change emergency.gestures in the "
        "settings first"
    )
