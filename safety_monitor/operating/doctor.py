"""Every part that a run needs, checked and named."""

import importlib.metadata
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, SecretStr

from audio.blocks import SoundError
from gesture.capture import CameraError, list_cameras
from media.container import display_name, is_address
from models import hand_landmarker
from models.card import ModelError, sha256
from models.registry import open_card
from safety_monitor.actions.alarm import Alarm
from safety_monitor.actions.evidence import LEAST_FREE
from safety_monitor.actions.outcome import Outcome
from safety_monitor.actions.own_sound import OwnSound
from safety_monitor.config import Settings, SettingsError
from safety_monitor.dispatch.channels import make_channels
from safety_monitor.dispatch.places import make_geocoder
from safety_monitor.dispatch.policies import NOBODY_TOLD, mistakes_of, natures_of, unheard
from safety_monitor.escalation import Nature
from safety_monitor.journal.file import JournalError
from safety_monitor.journal.incidents import Journal
from safety_monitor.local_time import when
from safety_monitor.operating.beside import station_runs
from safety_monitor.operating.first_signal import Signal, first_picture, first_sound
from safety_monitor.operating.serving import WebError, bound, check_certificate, check_exposure
from safety_monitor.senses import DEMO, OFF, check_gestures, check_hearing, try_model
from safety_monitor.sensing import SenseError
from safety_monitor.sources import NOTHING_WATCHED, microphones

MUTE = Outcome(ok=False, detail="alarm.volume is 0: nobody hears it; whoever wants none sets alarm.enabled = false")
CLOCK_OFF = timedelta(days=1)
"""What is on the disk may be newer than now by so much: clocks are set, and files come from other machines."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part.

    Attributes:
        part: its name.
        ok: whether it can be used.
        detail: one line: what it is, or what is wrong and what to do.
        needed: whether a run with these settings cannot do without it, or people would not be told.
    """

    part: str
    ok: bool
    detail: str
    needed: bool

    @property
    def line(self) -> str:
        """For people; the word, not a colour, says how it stands."""
        mark = "ok" if self.ok else "NOT OK" if self.needed else "not ok"
        return f"{mark:<8} {self.part:<12} {self.detail}"


def examine(settings: Settings) -> list[Finding]:
    """Check everything; takes a few seconds, makes no sound, and never prints a secret."""
    return [
        *_sources(settings),
        *_models(settings),
        *_start(settings),
        *_actions(settings),
        _credentials(settings),
        _home(settings),
        *_journal(settings),
        _opencv(),
    ]


def _sources(settings: Settings) -> list[Finding]:
    """Whether camera and microphone give anything; those of a station that runs are left alone."""
    running = station_runs(settings.home)
    looks: dict[str, tuple[str, list[str], Callable[[str], Signal]]] = {
        "camera": (settings.camera.source, [camera.name for camera in list_cameras()], first_picture),
        "microphone": (settings.microphone.source, [device.name for device in microphones()], first_sound),
    }
    alone = not any(found or source not in ("", OFF) for source, found, _ in looks.values())
    findings = []
    for part, (source, found, look) in looks.items():
        if source == OFF:
            findings.append(Finding(part, ok=not alone, detail=OFF if not alone else NOTHING_WATCHED, needed=alone))
        elif source == DEMO:
            findings.append(Finding(part, ok=True, detail="the demo scene", needed=True))
        elif not source and not found:
            nothing = "none found; plug one in, or name a source in the settings"
            findings.append(Finding(part, ok=False, detail=nothing, needed=alone))
        elif running:
            shown = _named(source) or "; ".join(found)
            findings.append(Finding(part, ok=True, detail=f"{shown}: the station that runs uses it", needed=True))
        else:
            findings.append(_tried(part, source, look))
    return findings


def _tried(part: str, source: str, look: Callable[[str], Signal]) -> Finding:
    try:
        signal = look(source)
    except (SoundError, CameraError) as error:
        return Finding(part, ok=False, detail=str(error), needed=True)
    detail = f"{signal.source}: {signal.doubt}" if signal.doubt else signal.source
    return Finding(part, ok=not signal.doubt, detail=detail, needed=not signal.doubt)


def _named(source: str) -> str:
    return display_name(source) if is_address(source) else source


def _start(settings: Settings) -> list[Finding]:
    """What else a run would refuse to begin with."""
    findings = []
    try:
        check_exposure(settings.web)
        check_certificate(settings.web)
        if settings.web.port and not station_runs(settings.home):
            bound(settings.web).close()
    except WebError as error:
        findings.append(Finding("pages", ok=False, detail=str(error), needed=True))
    try:
        make_geocoder(settings)
    except SettingsError as error:
        findings.append(Finding("place", ok=False, detail=str(error), needed=True))
    senses = (("screams", settings.microphone, check_hearing), ("gestures", settings.camera, check_gestures))
    for part, sense, check in senses:
        try:
            if sense.source != OFF:
                check(settings)
        except SenseError as error:
            findings.append(Finding(part, ok=False, detail=str(error), needed=True))
        except ModelError:  # `_models` says so
            pass
    return findings


def _models(settings: Settings) -> list[Finding]:
    home = settings.models_folder
    findings = []
    for task, name in settings.models_named.items():
        try:
            folder, card = open_card(name, task=task, home=home)
            try_model(folder, card)
        except ModelError as error:
            findings.append(Finding(f"model {task}", ok=False, detail=str(error), needed=True))
        else:
            hashes = ", ".join(f"{file} {digest[:12]}" for file, digest in card.files.items() if file != "labels.csv")
            findings.append(Finding(f"model {task}", ok=True, detail=f"{folder.name}: {hashes}", needed=True))
    path = settings.seeing.hand_model or hand_landmarker.default_path()
    try:
        hand_landmarker.check(path)
    except ModelError as error:
        findings.append(Finding("model hands", ok=False, detail=str(error), needed=True))
    else:
        findings.append(Finding("model hands", ok=True, detail=f"{path} {sha256(path)[:12]}", needed=True))
    return findings


def _actions(settings: Settings) -> list[Finding]:
    """What no run would begin with, who is told, and whether each channel can do what it is there for."""
    findings = []
    try:
        channels = make_channels(settings, OwnSound())
    except SettingsError as error:
        return [Finding("channels", ok=False, detail=str(error), needed=True)]
    wrong = [str(settings.named(mistake)) for mistake in mistakes_of(settings, channels)]
    findings += [Finding("settings", ok=False, detail=each, needed=True) for each in wrong]
    natures = natures_of(channels)
    told = [name for name, nature in natures.items() if nature is Nature.MESSAGE]
    findings += [Finding("people", ok=True, detail=", ".join(told), needed=False)] if told else []
    findings += [Finding("people", ok=False, detail=each, needed=False) for each in unheard(settings, natures)]
    heard = []
    for channel in channels:
        try:
            outcome = MUTE if channel.name == Alarm.name and not settings.alarm.volume else channel.check()
        finally:
            channel.close()
        findings.append(Finding(channel.name, outcome.ok, outcome.detail, needed=channel.name in told))
        if natures[channel.name] is Nature.SOUND and outcome.ok:
            heard.append(channel.name)
    return [*findings, _help([*heard, *told], natures)]


def _help(ways: Sequence[str], channels: Mapping[str, Nature]) -> Finding:
    """Whether anybody would learn of an emergency: by these ways, of all channels that are turned on.

    Who turns siren and voice off and keeps a record wants it written down, and no more: only then is that no failure.
    """
    records = ", ".join(name for name, nature in channels.items() if nature is Nature.RECORD)
    if ways:
        return Finding("help", ok=True, detail=f"an emergency is told by: {', '.join(ways)}", needed=True)
    if records and Nature.SOUND not in channels.values():
        return Finding("help", ok=False, detail=f"an emergency is only written down: {records}", needed=False)
    silent = "nobody would learn of an emergency: neither siren nor voice can be heard here"
    return Finding("help", ok=False, detail=f"{silent}, and {NOBODY_TOLD}", needed=True)


def _credentials(settings: Settings) -> Finding:
    """Which secrets are set; never what they are."""
    names = ", ".join(_secrets("", dict(settings))) or "none set"
    return Finding("credentials", ok=True, detail=names, needed=False)


def _secrets(key: str, value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield key
    elif isinstance(value, BaseModel):
        yield from _secrets(key, dict(value))
    elif isinstance(value, Mapping):
        for name, nested in value.items():
            yield from _secrets(f"{key}.{name}" if key else str(name), nested)


def _home(settings: Settings) -> Finding:
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = shutil.disk_usage(settings.home).free
    except OSError as error:
        return Finding("disk", ok=False, detail=f"{settings.home}: {error.strerror}", needed=True)
    if not os.access(settings.home, os.W_OK):
        return Finding("disk", ok=False, detail=f"{settings.home}: cannot be written", needed=True)
    detail = f"{settings.home}: {free / 1e6:.0f} MB free; at least {LEAST_FREE / 1e6:.0f} are needed"
    return Finding("disk", free >= LEAST_FREE, detail, needed=True)


def _journal(settings: Settings) -> list[Finding]:
    """The journal, and whether the clock can be right: nothing is newer than now."""
    try:
        journal = Journal(settings.home)
        newest = journal.list(limit=1)
        journal.close()
    except JournalError as error:
        return [Finding("journal", ok=False, detail=str(error), needed=True)]
    last = f"last incident {when(newest[0].opened_at, zoned=True)}" if newest else "no incident yet"
    known = [datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)]
    known += [datetime.fromisoformat(entry.opened_at) for entry in newest]
    now = datetime.now(UTC)
    right, shown = now > max(known) - CLOCK_OFF, when(now.isoformat(), zoned=True)
    wrong = "what is on the disk is newer: set the clock, or encrypted connections fail and incidents bear a wrong time"
    return [
        Finding("journal", ok=True, detail=f"{journal.path}: {last}", needed=True),
        Finding("clock", right, shown if right else f"{shown}; {wrong}", needed=True),
    ]


def _opencv() -> Finding:
    """Two OpenCV packages overwrite each other's files: there must be exactly one."""
    installed = sorted(
        f"{name} {distribution.version}"
        for distribution in importlib.metadata.distributions()
        if (name := distribution.metadata["Name"]).startswith("opencv")
    )
    detail = ", ".join(installed) or "not installed"
    if len(installed) != 1:
        detail += "; exactly one is wanted: set up anew with `make clean setup`"
    return Finding("opencv", len(installed) == 1, detail, needed=True)
