"""Joins each source with its detector: what the station hears and sees with."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from audio import liveness
from audio.blocks import SAMPLE_RATE, Block, SoundError
from audio.capture import SoundSource, open_sound
from audio.detector import ScreamDetector, ScreamModel, SoundReading, load_scream_model, persistence_of
from audio.liveness import Rate, SoundFault, after_loss, examine, loud_at, measure
from audio.microphone import SoundHungError
from audio.route import Watch
from gesture.capture import CameraError, CameraHungError, Frame, FrameSource, open_camera
from gesture.detector import GestureDetector, HandReading, PictureReader
from gesture.keypoint_classifier import SignClassifier
from gesture.liveness import Scene, SightFault, glance, look
from gesture.pace import Pace
from gesture.point_history_classifier import MotionClassifier
from gesture.signal_for_help import Limits
from media.container import is_address
from models.card import Card, ModelError
from models.registry import open_card
from safety_monitor.config import Settings
from safety_monitor.demo import open_demo_camera, open_demo_sound
from safety_monitor.emergency import EmergencyGestures, never_a_scream, scream_evidence, unknown_labels
from safety_monitor.incident import Moment, Sense
from safety_monitor.live import LiveView
from safety_monitor.sensing import ReadySense, RunningSense, SenseError
from safety_monitor.supervision.workload import Workload

Item = TypeVar("Item")
DEMO = "demo"
"""The source that is the built-in scene."""
OFF = "off"
"""The source that is none."""
GLANCE_S = 1.0
"""How often a picture is looked at for signs that the camera is blind."""

Deaf = Callable[[float], bool]
"""Whether the station itself sounded at a moment of `time.monotonic()`, so that the microphone is to be ignored."""


def is_recorded(source: str) -> bool:
    """Whether a source has its own time, which goes no further than its moments are taken."""
    return source == DEMO or (source != "" and not source.isdigit() and Path(source).exists())


def load_scream_classifier(settings: Settings) -> ScreamModel:
    """The scream model that the settings name.

    Raises:
        SenseError: it cannot be used.
    """
    try:
        return load_scream_model(settings.hearing.model, settings.models_folder)
    except ModelError as error:
        raise SenseError(str(error)) from None


def load_ears(settings: Settings) -> ScreamDetector:
    """A detector that judges for the station.

    Raises:
        SenseError: the model cannot be used, or no scream is enough for an emergency.
    """
    model = load_scream_classifier(settings)
    if complaints := never_a_scream(settings.thresholds, model.persistence.highest):
        raise SenseError(str(settings.named(complaints[0])))
    return ScreamDetector(model)


def check_models(settings: Settings) -> None:
    """See that the models that the settings name are there, and can report an emergency; loads none.

    Raises:
        SenseError: one cannot be used, an emergency gesture is none that the models know, or no scream is enough.
    """
    try:
        if settings.microphone.source != OFF:
            check_hearing(settings)
        if settings.camera.source != OFF:
            check_gestures(settings)
    except ModelError as error:
        raise SenseError(str(error)) from None


def check_hearing(settings: Settings) -> None:
    """See that a scream can be an emergency by the scream model that the settings name.

    Raises:
        SenseError: it cannot.
        ModelError: the model cannot be used.
    """
    folder, card = open_card(settings.hearing.model, task="scream", home=settings.models_folder)
    if complaints := never_a_scream(settings.thresholds, persistence_of(folder, card).highest):
        raise SenseError(str(settings.named(complaints[0])))


def check_gestures(settings: Settings) -> None:
    """See that the models know the emergency gestures.

    Raises:
        SenseError: they do not.
        ModelError: a model cannot be used.
    """
    seeing, home = settings.seeing, settings.models_folder
    signs = open_card(seeing.signs, task="signs", home=home)[1].labels
    movements = open_card(seeing.motions, task="motions", home=home)[1].labels
    complaints = unknown_labels(settings.emergency.gestures, signs, movements)
    if complaints:
        raise SenseError(complaints[0])


def try_model(folder: Path, card: Card) -> None:
    """Load a model as the station does, to see that it can be: an earlier version may have made it.

    Raises:
        ModelError: it cannot be used.
    """
    place = str(folder.absolute())
    match card.task:
        case "scream":
            load_scream_model(place)
        case "signs":
            SignClassifier.load(place)
        case "motions":
            MotionClassifier.load(place)
        case other:
            raise ModelError(f"{folder}: is a model for {other}, which the station does not do")


def load_gesture_detector(settings: Settings) -> GestureDetector:
    """The detector that the settings name.

    Raises:
        SenseError: a model cannot be used, or an emergency gesture is none that the models know.
    """
    seeing, home = settings.seeing, settings.models_folder
    try:
        check_gestures(settings)
        limits = Limits(repeats=seeing.help_sign_repeats)
        return GestureDetector(
            seeing.hand_model,
            seeing.hands,
            far=seeing.far,
            signs=seeing.signs,
            motions=seeing.motions,
            home=home,
            limits=limits,
        )
    except ModelError as error:
        raise SenseError(str(error)) from None


def pace_of(settings: Settings) -> Pace:
    """How many frames of a source that is opened now are looked at."""
    return Pace(settings.seeing.idle_after_s, settings.seeing.idle_fps)


def load_picture_reader(settings: Settings) -> PictureReader:
    """What reads still pictures that have nothing to do with each other, as the settings say.

    Raises:
        SenseError: a model cannot be used.
    """
    seeing = settings.seeing
    try:
        return PictureReader(seeing.hand_model, seeing.hands, signs=seeing.signs, home=settings.models_folder)
    except ModelError as error:
        raise SenseError(str(error)) from None


def load_hearing(
    settings: Settings,
    *,
    fast: bool,
    deaf: Deaf,
    view: LiveView,
    keep: Callable[[Block], None] = lambda block: None,
    notice: Callable[[SoundFault | None], None] = lambda fault: None,
    workload: Workload | None = None,
) -> ReadySense:
    """The ears of a station, loaded.

    Args:
        settings: of the station.
        fast: whether a recording is played as fast as possible.
        deaf: asked only of live sources: a recording cannot hear the station.
        view: told what is heard.
        keep: told of every block.
        notice: told again and again whether the signal of a live source is sound.
        workload: says how much is judged; None: everything.
    """
    detector = load_ears(settings)
    name = settings.microphone.source
    watch = Watch()

    def open_source(start: float) -> RunningSense:
        try:
            source = (
                open_demo_sound(fast=fast) if name == DEMO else open_sound(name or "default", fast=fast, start=start)
            )
        except SoundError as error:
            raise SenseError(str(error), hung=isinstance(error, SoundHungError)) from None
        blocks = _kept(source, keep)
        if source.live:
            if not is_address(name):
                watch.begin()
            blocks = (
                silenced(block, deaf, start)
                for block in _noticed_sound(blocks, source, watch, notice, lambda block: deaf(start + block.at_s))
            )
        every = (lambda: workload.effort.every) if workload and source.live else lambda: 1
        readings = hear(_kept(blocks, view.listened), detector, every)
        return RunningSense(source.name, source.live, _heard(readings, source, view), source.close)

    return ReadySense(Sense.AUDIO, open_source, watch.close, live=not is_recorded(name))


def load_seeing(
    settings: Settings,
    *,
    fast: bool,
    view: LiveView,
    keep: Callable[[Frame], None] = lambda frame: None,
    note: Callable[[Frame, list[HandReading]], None] = lambda frame, readings: None,
    notice: Callable[[SightFault | None], None] = lambda fault: None,
    workload: Workload | None = None,
) -> ReadySense:
    """The eyes of a station, loaded; see `load_hearing`. `note` is told what was seen in each frame."""
    detector = load_gesture_detector(settings)
    name = settings.camera.source
    usual = _Usual()

    def saw(frame: Frame, readings: list[HandReading]) -> None:
        view.saw(frame, readings)
        note(frame, readings)

    def open_source(start: float) -> RunningSense:
        try:
            if name == DEMO:
                source: FrameSource = open_demo_camera(fast=fast)
            else:
                source = open_camera(name or "default", fast=fast, fps=settings.camera.fps, start=start)
        except CameraError as error:
            raise SenseError(str(error), hung=isinstance(error, CameraHungError)) from None
        gestures = EmergencyGestures(settings.emergency.gestures)
        frames = _kept(source, keep)
        if source.live:
            frames = _noticed_sight(frames, usual, notice)
            frames = _thinned(frames, workload) if workload else frames
        readings = see(frames, detector, pace_of(settings), saw)
        return RunningSense(source.name, source.live, _seen(readings, gestures, source), source.close)

    return ReadySense(Sense.GESTURE, open_source, detector.close, live=not is_recorded(name))


def _kept(items: Iterable[Item], keep: Callable[[Item], None]) -> Iterator[Item]:
    """The same items; `keep` is told of each before it is judged."""
    for item in items:
        keep(item)
        yield item


def _noticed_sound(
    blocks: Iterable[Block],
    source: SoundSource,
    watch: Watch,
    notice: Callable[[SoundFault | None], None],
    own: Callable[[Block], bool],
) -> Iterator[Block]:
    """The same blocks; `notice` is told what is wrong with each that is not the station's own sound."""
    rate, dropped = Rate(source.position), source.dropped
    loud_s: float | None = None
    for block in blocks:
        if source.dropped != dropped:  # there may be silence in it that nobody heard
            rate, dropped = after_loss(measure(rate, source.position), source.position), source.dropped
            if rate.fault is not None:
                notice(rate.fault)
            yield block
            continue
        rate = measure(rate, source.position)
        if not own(block):
            loud_s = loud_at(loud_s, block.samples, block.at_s)
            faint = SoundFault.FAINT if block.at_s - loud_s >= liveness.FAINT_S else None
            notice(watch.fault or examine(block.samples) or rate.fault or faint)
        yield block


@dataclass(slots=True)
class _Usual:
    """What a camera usually shows; outlasts its being opened anew."""

    scene: Scene = field(default_factory=Scene)


def _noticed_sight(
    frames: Iterable[Frame], usual: _Usual, notice: Callable[[SightFault | None], None]
) -> Iterator[Frame]:
    """The same frames; `notice` is told about once a second what is wrong with them."""
    due_s = 0.0
    for frame in frames:
        if frame.at_s >= due_s:
            due_s = frame.at_s + GLANCE_S
            usual.scene, fault = look(usual.scene, glance(frame.image))
            notice(fault)
        yield frame


def _thinned(frames: Iterable[Frame], workload: Workload) -> Iterator[Frame]:
    """No more frames a second than are to be judged."""
    last_s = float("-inf")
    for frame in frames:
        if workload.load.level == 0 or frame.at_s - last_s >= 1.0 / workload.effort.fps:
            last_s = frame.at_s
            yield frame


def hear(
    blocks: Iterable[Block], detector: ScreamDetector, every: Callable[[], int] = lambda: 1
) -> Iterator[SoundReading]:
    """All readings of a source, the tail included; of so many windows as `every` says one is judged."""
    for block in blocks:
        detector.every = every()
        yield from detector.feed(block)
    yield from detector.flush()


def see(
    frames: Iterable[Frame],
    detector: GestureDetector,
    pace: Pace,
    saw: Callable[[Frame, list[HandReading]], None] = lambda frame, readings: None,
) -> Iterator[tuple[float, list[HandReading]]]:
    """The time of each frame of a source, and the readings of the hands in it; `saw` is told of both.

    A frame that the pace passes over counts as one without hands.
    """
    for frame in frames:
        readings: list[HandReading] = []
        if pace.due(frame.at_s):
            readings = detector.see(frame)
            pace.looked(frame.at_s, len(readings))
        saw(frame, readings)
        yield frame.at_s, readings


def silenced(block: Block, deaf: Deaf, start: float) -> Block:
    """The block, or silence in its place where the station itself sounded at its beginning or end."""
    begin = start + block.at_s
    if deaf(begin) or deaf(begin + len(block.samples) / SAMPLE_RATE):
        return replace(block, samples=np.zeros_like(block.samples))
    return block


def sound_moment(reading: SoundReading) -> Moment:
    """What a sound reading means to fusion."""
    return Moment(Sense.AUDIO, reading.at_s, (scream_evidence(reading),))


def gesture_moment(at_s: float, readings: Iterable[HandReading], gestures: EmergencyGestures) -> Moment:
    """What the hands of a frame mean to fusion."""
    gestures.looked(at_s)
    evidence = tuple(piece for reading in readings for piece in gestures.evidence(reading))
    return Moment(Sense.GESTURE, at_s, evidence)


def _heard(readings: Iterator[SoundReading], source: SoundSource, view: LiveView) -> Iterator[Moment]:
    try:
        for reading in readings:
            view.heard(reading)
            yield replace(sound_moment(reading), late_s=source.late_s)
    except SoundError as error:
        raise SenseError(str(error)) from None


def _seen(
    moments: Iterator[tuple[float, list[HandReading]]], gestures: EmergencyGestures, source: FrameSource
) -> Iterator[Moment]:
    try:
        for at_s, readings in moments:
            yield replace(gesture_moment(at_s, readings, gestures), late_s=source.late_s)
    except CameraError as error:
        raise SenseError(str(error)) from None
