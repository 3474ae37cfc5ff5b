"""Settings: `station.toml`, the environment (`SAFETY_MONITOR_<SECTION>__<KEY>`) and `.env`, checked at start.

The environment wins over `.env`, which wins over the file. An unknown key anywhere is an error: a setting that is
accepted and never does anything is worse than none.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from safety_monitor.fusion import FusionRules

FILE_NAME = "station.toml"
PREFIX = "SAFETY_MONITOR_"
NOT_SETTINGS = frozenset({"SAFETY_MONITOR_CACHE"})
"""Variables with our prefix that are read elsewhere (where downloaded files are kept)."""

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]


class SettingsError(Exception):
    """Settings that cannot be used; the text is one line that names the key and where it stands."""


class Section(BaseModel):
    """A table of `station.toml`. The text under each key is its documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


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
    hand_model: Path | None = None
    """MediaPipe's hand_landmarker.task; none: the one that the set-up put together."""
    signs: str = "signs"
    """Name of the model for static signs, or the path of its folder."""
    motions: str = "motions"
    """Name of the model for movements, or the path of its folder."""


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

    threshold: Probability = 0.80
    """Combined probability that confirms an incident."""
    weak: Probability = 0.50
    """Probability below which evidence does not count at all."""
    window_s: Seconds = 3.0
    """How far apart evidence of sound and hand may be to count together."""
    pending_s: Seconds = 4.0
    """How long something noticed waits to be confirmed before it is dropped."""
    cool_down_s: Seconds = 30.0
    """An incident closes after this long without evidence; until then everything belongs to it."""
    longest_s: Seconds = 600.0
    """An incident closes after this long in any case."""

    @model_validator(mode="after")
    def _consistent(self) -> "FusionSettings":
        self.rules  # noqa: B018  # raises ValueError
        return self

    @property
    def rules(self) -> FusionRules:
        """The same numbers as fusion takes them."""
        return FusionRules(**self.model_dump())


class Alarm(Section):
    """The siren."""

    enabled: bool = True
    """Whether it sounds at all."""
    volume: Probability = 1.0
    """Loudness, 0 to 1."""
    duration_s: Seconds = 10.0
    """How long it sounds for one incident."""


class Speech(Section):
    """The spoken words."""

    enabled: bool = True
    """Whether anything is said."""
    text: str = "Emergency. {what}. Help has been called."
    """What is said; {what} becomes what was noticed, {station} the station's name."""
    rate: Annotated[int, Field(ge=60, le=400)] = 160
    """Words a minute."""
    limit_s: Seconds = 15.0
    """Longest time for one announcement; a voice that hangs is ended and started anew."""


class Station(Section):
    """What the station is called."""

    name: str = "station"
    """Said and written in messages."""


class Settings(Section):
    """All settings of a station."""

    home: Path = Field(default_factory=lambda: user_data_path("safety-monitor", appauthor=False))
    """Folder for everything the station writes; by default the user's data folder."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much is written to stderr."""
    station: Station = Station()
    camera: Camera = Camera()
    microphone: Microphone = Microphone()
    hearing: Hearing = Hearing()
    seeing: Seeing = Seeing()
    emergency: Emergency = Emergency()
    fusion: FusionSettings = FusionSettings()
    alarm: Alarm = Alarm()
    speech: Speech = Speech()


def load_settings(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check all settings.

    Args:
        path: the settings file; None: `station.toml` in the current folder, else in the station's home, else none.
        environ: the environment; None: that of the process.

    Raises:
        SettingsError: the file is missing (when named) or malformed, or a key or value in any place is not one of ours.
    """
    environ = os.environ if environ is None else environ
    dotenv = {key: value for key, value in dotenv_values(".env").items() if value is not None}
    layers = [(".env", _from_environment(dotenv)), ("environment", _from_environment(environ))]
    values: dict[str, Any] = {}
    for _, layer in layers:
        values = _merged(values, layer)
    if path is None:
        home = Path(values.get("home") or Settings().home)
        path = next((place for place in (Path(FILE_NAME), home / FILE_NAME) if place.is_file()), None)
    if path is not None:
        in_file = _from_file(path)
        layers.insert(0, (str(path), in_file))
        values = _merged(in_file, values)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_one_line(error, layers)) from None


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such settings file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read as TOML: {error}") from None


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Nested values of the variables that are ours; lists and tables are written as JSON."""
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.upper().startswith(PREFIX) or name.upper() in NOT_SETTINGS:
            continue
        *sections, key = name[len(PREFIX) :].lower().split("__")
        table = values
        for section in sections:
            table = table.setdefault(section, {})
            if not isinstance(table, dict):
                raise SettingsError(f"{name}: '{section}' is set as a value and as a section")
        try:
            table[key] = json.loads(text) if text[:1] in ("[", "{") else text
        except json.JSONDecodeError as error:
            raise SettingsError(f"{name}: is not valid JSON: {error}") from None
    return values


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables joined key by key, what is above wins."""
    values = dict(below)
    for key, value in above.items():
        old = values.get(key)
        values[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return values


def _one_line(error: ValidationError, layers: list[tuple[str, dict[str, Any]]]) -> str:
    """The first mistake: key, place, and what is wrong. The value itself is not repeated: it may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    location = first["loc"]
    key = ".".join(str(part) for part in location)
    place = "settings"
    for name, layer in layers:
        value: Any = layer
        for part in location:
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            place = name
    if first["type"] == "extra_forbidden":
        return f"{place}: unknown key '{key}'"
    return f"{place}: {key + ': ' if key else ''}{first['msg'].removeprefix('Value error, ')}"
