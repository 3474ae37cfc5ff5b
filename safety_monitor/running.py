"""Builds a station from its settings: which sources, which senses, which channels."""

import logging
import tempfile
from collections.abc import Callable, Sequence
from datetime import time
from functools import partial
from pathlib import Path

from audio.blocks import SoundError
from audio.microphone import SoundDevice, list_devices
from gesture.capture import list_cameras
from media.in_time import in_time
from safety_monitor.actions.alarm import Alarm
from safety_monitor.actions.channel import Channel, nature_of
from safety_monitor.actions.message import Place
from safety_monitor.actions.own_sound import OwnSound
from safety_monitor.actions.recorder import Recorder
from safety_monitor.actions.speech import Speech
from safety_monitor.channels import evidence_store, make_places, make_recorder, outward_channels, policies_of
from safety_monitor.config import Settings, SettingsError
from safety_monitor.config.escalation import LimitsSettings
from safety_monitor.decision import decisions_of
from safety_monitor.dispatch import Dispatch, OutboxBusyError
from safety_monitor.escalation import ALL, Nature, mistakes, person_of, resolve
from safety_monitor.feedback import when_saved
from safety_monitor.heartbeat import Heartbeats
from safety_monitor.incident import Incident, Sense
from safety_monitor.journal import Journal
from safety_monitor.journal_file import JournalError, JournalUnusableError
from safety_monitor.limits import Limits
from safety_monitor.live import LiveView
from safety_monitor.schedule import schedule_of
from safety_monitor.senses import DEMO, OFF, check_models, is_recorded, load_hearing, load_seeing
from safety_monitor.sensing import ReadySense, SenseError
from safety_monitor.settling import Waits
from safety_monitor.station import Station
from safety_monitor.supervisor import SIGNS, Rules, Supervisor
from safety_monitor.systemd import is_service
from safety_monitor.workload import Workload

log = logging.getLogger(__name__)


MEMORY = Path("/dev/shm")  # noqa: S108  # not a known name in it
"""A folder that is no disk."""
OPEN_LIMIT_S = 120.0
"""How long opening the journal may take, which may have to be saved from a damaged file first."""
PATIENCE_S = 30.0
"""How long a station waits for the one before it, or one that plays a recording, to give the journal free."""


NOBODY_TOLD = "nobody elsewhere is told of an emergency: name contacts or addresses for messages (docs/channels.md)"


class NothingToWatchError(Exception):
    """There is neither a source named nor a device found; the text is one line that says what to do."""


def choose_sources(settings: Settings, *, demo_without_devices: bool) -> Settings:
    """Fill in the sources that the settings leave open, from the devices that are there.

    Raises:
        NothingToWatchError: there is nothing to watch or listen to.
    """
    camera, microphone = settings.camera.source, settings.microphone.source
    if is_patient(settings) and not (camera == microphone == OFF or is_recorded(camera) or is_recorded(microphone)):
        return settings  # what is not there yet is waited for
    if not camera and not microphone:
        camera = "" if list_cameras() else OFF
        microphone = "" if microphones() else OFF
        if camera == microphone == OFF:
            if not demo_without_devices:
                raise NothingToWatchError(
                    "no camera and no microphone found; plug one in, or name a source with --camera or --mic; "
                    "`make run` or `--camera demo --mic demo` plays the demo scene"
                )
            log.warning("no camera and no microphone found: playing the demo scene, nothing is being watched")
            camera = microphone = DEMO
        elif camera == OFF:
            log.warning("no camera found: the station only listens")
        elif microphone == OFF:
            log.warning("no microphone found: the station only watches")
    elif not camera:
        camera = OFF if is_recorded(microphone) or not list_cameras() else ""
    elif not microphone:
        microphone = OFF if is_recorded(camera) or not microphones() else ""
    if camera == microphone == OFF:
        raise NothingToWatchError("camera and microphone are both off: nothing would be watched")
    return settings.model_copy(
        update={
            "camera": settings.camera.model_copy(update={"source": camera}),
            "microphone": settings.microphone.model_copy(update={"source": microphone}),
        }
    )


def is_patient(settings: Settings) -> bool:
    """Whether what is missing at the start is waited for: nobody stands before a service to read why it ended."""
    given = settings.supervision.wait_for_devices
    return given == "always" or (given == "as-service" and is_service())


def microphones() -> list[SoundDevice]:
    """The microphones that are there; none, with a warning, where sound devices cannot be looked for at all."""
    try:
        return list_devices()
    except SoundError as error:
        log.warning("%s", error)
        return []


def make_station(settings: Settings, *, fast: bool, on_transition: Callable[[Incident], None]) -> Station:
    """A station that is ready to run.

    Raises:
        SettingsError: the journal cannot be used, or a policy names what is not there.
    """
    journal = open_journal(settings)
    own_sound = OwnSound(settings.microphone.deaf_tail_s)
    recorder = make_recorder(settings, saved=when_saved(settings, journal))
    hearts = Heartbeats()
    places = make_places(settings, journal)
    channels = make_channels(settings, own_sound, journal)
    dispatch = make_dispatch(settings, journal, channels, places.place, recorder, hearts)
    if Nature.MESSAGE not in dispatch.channels.values():
        log.warning("%s", NOBODY_TOLD)
    if journal.file.rescued:
        log.error("journal: %s", journal.file.rescued)
        dispatch.trouble("journal", f"journal: {journal.file.rescued}")
    senses: dict[Sense, Callable[[], ReadySense]] = {}
    there = {Sense.AUDIO: settings.microphone.source, Sense.GESTURE: settings.camera.source}
    view = LiveView(
        settings.fusion.rules, [sense for sense, source in there.items() if source != OFF], own_sound.deaf_at
    )
    workload = Workload()
    supervisor = make_supervisor(settings)
    if settings.microphone.source != OFF:
        senses[Sense.AUDIO] = lambda: load_hearing(
            settings,
            fast=fast,
            deaf=own_sound.deaf_at,
            view=view,
            keep=recorder.hear if recorder else lambda block: None,
            notice=partial(supervisor.noticed, Sense.AUDIO),
            workload=workload,
        )
    if settings.camera.source != OFF:
        senses[Sense.GESTURE] = lambda: load_seeing(
            settings,
            fast=fast,
            view=view,
            keep=recorder.see if recorder else lambda frame: None,
            note=recorder.note if recorder else lambda frame, readings: None,
            notice=partial(supervisor.noticed, Sense.GESTURE),
            workload=workload,
        )
    sources = [source.source for source in (settings.microphone, settings.camera) if source.source != OFF]
    station = Station(
        senses,
        rules=settings.fusion.rules,
        schedule=schedule_of(settings.schedule),
        journal=journal,
        dispatch=dispatch,
        on_transition=on_transition,
        source=f"microphone {settings.microphone.source or 'default'}, camera {settings.camera.source or 'default'}",
        live=not all(is_recorded(source) for source in sources),
        view=view,
        recorder=recorder,
        hearts=hearts,
        places=places,
        supervisor=supervisor,
        workload=workload,
        patient=is_patient(settings),
    )
    for channel in channels:
        if hasattr(channel, "attend"):
            from safety_monitor.remote import Remote

            channel.attend(Remote(station, decisions_of(settings.acknowledge, journal)))
    return station


def open_journal(settings: Settings) -> Journal:
    """The station's journal.

    For a patient station whose disk cannot be written there is one in memory: better an alarm that is forgotten at the
    next start than none.

    Raises:
        SettingsError: there is none that can be used.
    """
    try:
        return in_time(
            "open-journal", lambda: Journal(settings.home, rescue=True), OPEN_LIMIT_S, lambda late: late.close()
        )
    except (JournalUnusableError, TimeoutError) as failure:
        error = str(failure) or f"{settings.home}: the disk has not answered for {OPEN_LIMIT_S:.0f} s"
        if not is_patient(settings) or not MEMORY.is_dir():
            raise SettingsError(error) from None
        instead = Path(tempfile.mkdtemp(prefix="safety-monitor-", dir=MEMORY))
        journal = Journal(instead)
        journal.file.stands_in = f"{error}; until the next start incidents are only kept in memory"
        log.error("%s", journal.file.stands_in)
        return journal
    except JournalError as error:
        raise SettingsError(str(error)) from None


def make_supervisor(settings: Settings) -> Supervisor:
    """What decides what is wrong with which part, as the settings say."""
    given = settings.supervision
    known = {str(fault): fault for fault in SIGNS}
    return Supervisor(
        ignored=frozenset(known[name] for name in given.ignored),
        shown_only=frozenset(known[name] for name in given.shown_only),
        rules=Rules(failed_after_s=given.failed_after_s),
    )


def make_dispatch(
    settings: Settings,
    journal: Journal,
    channels: list[Channel],
    place: Callable[[Incident], Place | None],
    recorder: Recorder | None = None,
    hearts: Heartbeats | None = None,
) -> Dispatch:
    """The outbox at work on these channels, with the policies and waits of the settings.

    Args:
        settings: of the station.
        journal: where the outbox is.
        channels: that are turned on.
        place: where an incident happened.
        recorder: whose evidence goes with messages; None: none does.
        hearts: where its workers say that they still work.

    Raises:
        SettingsError: a policy names what is not there, or the outbox is in use; the channels are closed.
    """
    wrong = mistakes_of(settings, channels)
    contacts = {contact.name.lower() for contact in settings.contacts}
    try:
        if wrong:
            raise settings.named(wrong[0])
        return Dispatch(
            journal,
            channels,
            policies=policies_of(settings),
            waits=Waits(**settings.outbox.model_dump()),
            limits=lambda channel: limits_of(settings.limits, channel),
            person=lambda channel: person_of(channel, contacts),
            station=settings.station.name,
            public_url=settings.web.public_url,
            place=place,
            evidence=recorder.files if recorder else lambda incident_id: (),
            patience_s=PATIENCE_S,
            hearts=hearts,
        )
    except (SettingsError, OutboxBusyError, JournalError) as error:
        for channel in channels:
            channel.close()
        raise SettingsError(
            f"{error}; stop it, or set another home" if isinstance(error, OutboxBusyError) else str(error)
        ) from None


def mistakes_of(settings: Settings, channels: Sequence[Channel]) -> list[str]:
    """What the settings ask of channels that are not there, a line each."""
    labels = [gesture.label for gesture in settings.emergency.gestures]
    natures = {channel.name: nature_of(channel) for channel in channels}
    wrong = mistakes(policies_of(settings), natures, labels)
    for quiet in settings.limits.quiet_channels:
        if quiet != ALL and not resolve([quiet], natures):
            wrong.append(f"limits.quiet_channels: no channel '{quiet}' is turned on")
    return wrong


def check_start(settings: Settings) -> None:
    """See whether a station could start with these settings, without starting one.

    Raises:
        SettingsError: it could not.
    """
    channels = make_channels(settings, OwnSound())
    try:
        wrong = mistakes_of(settings, channels)
    finally:
        for channel in channels:
            channel.close()
    if wrong:
        raise settings.named(wrong[0])
    try:
        check_models(settings)
    except SenseError as error:
        raise SettingsError(str(error)) from None


def limits_of(rules: LimitsSettings, channel: str) -> Limits:
    """How much is told on a channel."""
    quiet: tuple[time, time] | None = None
    if rules.quiet_from and rules.quiet_until and resolve(rules.quiet_channels, {channel: Nature.MESSAGE}):
        quiet = (time.fromisoformat(rules.quiet_from), time.fromisoformat(rules.quiet_until))
    return Limits(rules.cool_down_s, rules.most, rules.within_s, quiet)


def make_outbox(settings: Settings, journal: Journal) -> Dispatch | None:
    """The outbox at work beside no station: without sound, only for what waits; None if a station does that already.

    Raises:
        JournalError: what waits cannot be read.
        SettingsError: a channel cannot be made as the settings ask for.
    """
    place = make_places(settings, journal).place
    channels = outward_channels(settings, journal)
    waits = Waits(**settings.outbox.model_dump())
    try:
        return Dispatch(
            journal,
            channels,
            waits=waits,
            station=settings.station.name,
            public_url=settings.web.public_url,
            place=place,
            evidence=evidence_store(settings).files,
        )
    except OutboxBusyError:
        for channel in channels:
            channel.close()
        return None


def make_channels(settings: Settings, own_sound: OwnSound, journal: Journal | None = None) -> list[Channel]:
    """The ways out that the settings turn on.

    Args:
        settings: whose sections turn them on.
        own_sound: told when siren and voice sound.
        journal: from which records are made; None if the channels are only to be checked.

    Raises:
        SettingsError: a channel cannot be made as the settings ask for.
    """
    outward = outward_channels(settings, journal)
    channels: list[Channel] = []
    alarm: Alarm | None = None
    if settings.alarm.enabled:
        alarm = Alarm(own_sound, volume=settings.alarm.volume, duration_s=settings.alarm.duration_s)
        channels.append(alarm)
    if settings.speech.enabled:
        speech = settings.speech
        channels.append(
            Speech(
                own_sound,
                text=speech.text,
                rate=speech.rate,
                limit_s=speech.limit_s,
                answered=speech.answered,
                hush=alarm.hush if alarm else lambda hushed: None,
            )
        )
    return [*channels, *outward]
