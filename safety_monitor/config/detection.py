"""Settings of what the station senses, and of what it takes for an emergency."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from gesture.pace import SLOWEST_FPS
from safety_monitor.config.section import Seconds, Section, Threshold
from safety_monitor.fusion import FusionRules


class Camera(Section):
    """What the station sees with."""

    source: str = ""
    """Device number or name, file, picture folder, http or rtsp address, "demo" or "off"; empty: first camera."""
    fps: Annotated[float, Field(gt=0.0, le=240.0)] | None = None
    """Pictures a second of a folder of pictures."""


class Microphone(Section):
    """What the station hears with."""

    source: str = ""
    """Device number or name, file, http or rtsp address, "demo" or "off"; empty: the default microphone."""
    deaf_tail_s: Annotated[float, Field(ge=0.0, le=10.0)] = 0.5
    """The microphone is ignored while the station's own alarm or voice sounds, and for this long after it."""


class Hearing(Section):
    """How sound is judged."""

    model: str = "scream"
    """Name of the scream model, or the path of its folder."""


class Seeing(Section):
    """How hands are judged."""

    hands: Annotated[int, Field(ge=1, le=4)] = 2
    """Most hands judged at the same time."""
    far: bool = True
    """Whether parts of the picture are enlarged while no hand, or too few, are seen: finds hands two and three metres
    away. Takes 40 MB of memory, and 40 for each of `hands`."""
    hand_model: Path | None = None
    """MediaPipe's hand_landmarker.task; none: the one that the set-up put together."""
    signs: str = "signs"
    """Name of the model for static signs, or the path of its folder."""
    motions: str = "motions"
    """Name of the model for movements, or the path of its folder."""
    help_sign_repeats: Annotated[int, Field(ge=1, le=3)] = 1
    """How often the Signal for Help must be made within 12 s; 2 for places with much hand movement."""
    idle_after_s: Seconds | None = None
    """The scene is idle when no hand was seen for so long; unset: never. Spares the processor."""
    idle_fps: Annotated[float, Field(ge=SLOWEST_FPS, le=240.0)] = SLOWEST_FPS
    """Looks a second at an idle scene; at 8 a hand is noticed within 0.3 s."""


class EmergencyGesture(Section):
    """One gesture that means "Emergency": exactly one of sign, movement and sequence."""

    sign: str | None = None
    """A static sign, held for `held_s`."""
    movement: str | None = None
    """A movement, kept up for `held_s`."""
    sequence: str | None = None
    """A sequence of signs; known: "signal_for_help"."""
    held_s: Annotated[float, Field(ge=0.0, le=60.0)] = 1.0
    """How long a sign or movement must last; a sequence has its own timing."""

    @model_validator(mode="after")
    def _one_of_three(self) -> "EmergencyGesture":
        named = [name for name in (self.sign, self.movement, self.sequence) if name is not None]
        if len(named) != 1:
            raise ValueError("needs exactly one of sign, movement and sequence")
        if self.sequence not in (None, "signal_for_help"):
            raise ValueError(f"unknown sequence '{self.sequence}'; known: signal_for_help")
        return self

    @property
    def label(self) -> str:
        """The name that incidents carry."""
        return self.sign or self.movement or self.sequence or ""


class Emergency(Section):
    """Which gestures mean "Emergency"."""

    gestures: tuple[EmergencyGesture, ...] = (EmergencyGesture(sequence="signal_for_help"),)
    """Each a table [[emergency.gestures]]."""


class FusionSettings(Section):
    """When readings become an incident."""

    threshold: Threshold = 0.80
    """Combined probability that confirms an incident; the models are made for 0.80, and miss more the higher it is."""
    weak: Annotated[float, Field(ge=0.2, le=0.98)] = 0.50
    """Probability below which evidence does not count at all."""
    window_s: Annotated[float, Field(gt=0.0, le=60.0)] = 3.0
    """How far apart evidence of sound and hand may be to count together."""
    pending_s: Annotated[float, Field(gt=0.0, le=60.0)] = 4.0
    """How long something noticed waits to be confirmed before it is dropped."""
    cool_down_s: Annotated[float, Field(ge=1.0, le=300.0)] = 30.0
    """An incident closes after this long without evidence; until then everything belongs to it. Where one was called
    off, or had lasted too long, so long must be quiet before the same sense opens another, or `longest_s` pass."""
    longest_s: Annotated[float, Field(ge=1.0, le=3600.0)] = 600.0
    """An incident closes after this long in any case. Where it is never quiet, the same sense opens another after this
    long again."""

    @model_validator(mode="after")
    def _consistent(self) -> "FusionSettings":
        self.rules  # noqa: B018  # raises ValueError
        return self

    @property
    def rules(self) -> FusionRules:
        """The same numbers as fusion takes them."""
        return FusionRules(**self.model_dump())


class TrainingSettings(Section):
    """How gestures are trained on this station."""

    passes: Annotated[int, Field(ge=1, le=200)] = 18
    """Passes over the examples; fewer take less time, and learn less."""
