"""Builds a station from its settings."""

import logging
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from media.heartbeat import Heartbeats
from media.in_time import in_time
from safety_monitor.actions.absent import Absent
from safety_monitor.actions.channel import Channel, attend_of
from safety_monitor.actions.own_sound import OwnSound
from safety_monitor.actions.place import Places
from safety_monitor.actions.recorder import Recorder
from safety_monitor.config import Settings, SettingsError
from safety_monitor.dispatch.channels import make_channels, outward_channels
from safety_monitor.dispatch.composing import Composer
from safety_monitor.dispatch.delivering import Dispatch, OutboxBusyError
from safety_monitor.dispatch.places import make_geocoder, make_places
from safety_monitor.dispatch.policies import mistakes_of, rules_of, unheard
from safety_monitor.evidence import evidence_store, make_recorder
from safety_monitor.incident import Incident, Sense
from safety_monitor.journal.file import CONNECTIONS, JournalError, JournalNewerError, JournalUnusableError
from safety_monitor.journal.incidents import Journal
from safety_monitor.learning.feedback import when_saved
from safety_monitor.live import LiveView
from safety_monitor.memory_folder import memory_folder
from safety_monitor.people.decision import decisions_of
from safety_monitor.place import Place
from safety_monitor.schedule import schedule_of
from safety_monitor.senses import OFF, check_models, is_recorded, load_hearing, load_seeing
from safety_monitor.sensing import Inputs, ReadySense, SenseError
from safety_monitor.sources import is_patient
from safety_monitor.station import Station
from safety_monitor.supervision.supervisor import SIGNS, Rules, Supervisor
from safety_monitor.supervision.workload import Workload

log = logging.getLogger(__name__)

OPEN_LIMIT_S = 120.0
"""How long opening the journal may take, which may have to be saved from a damaged file first."""
PATIENCE_S = 30.0
"""How long a station waits for the one before it, or one that plays a recording, to give the journal free."""


def make_station(settings: Settings, *, fast: bool, on_transition: Callable[[Incident], None]) -> Station:
    """A station that is ready to run.

    Raises:
        SettingsError: the journal cannot be used, or a policy names what is not there.
    """
    journal = open_journal(settings)
    own_sound = OwnSound(settings.microphone.deaf_tail_s)
    recorder = make_recorder(settings, saved=when_saved(settings, journal))
    hearts = Heartbeats()
    places = places_of(settings, journal)
    channels = make_channels(settings, own_sound, journal, patient=is_patient(settings))
    dispatch = make_dispatch(settings, journal, channels, places.place, recorder, hearts)
    for line in unheard(settings, dispatch.channels):
        log.warning("%s", line)
    for channel in channels:
        if isinstance(channel, Absent):
            log.error("%s: %s", channel.name, channel.why)
    there = {Sense.AUDIO: settings.microphone.source, Sense.GESTURE: settings.camera.source}
    view = LiveView(
        settings.fusion.rules, [sense for sense, source in there.items() if source != OFF], own_sound.deaf_at
    )
    workload = Workload()
    supervisor = make_supervisor(settings)
    station = Station(
        inputs_of(settings, fast=fast, view=view, recorder=recorder, supervisor=supervisor, workload=workload),
        rules=settings.fusion.rules,
        schedule=schedule_of(settings.schedule),
        journal=journal,
        dispatch=dispatch,
        on_transition=on_transition,
        view=view,
        recorder=recorder,
        hearts=hearts,
        places=places,
        supervisor=supervisor,
        workload=workload,
        decisions=decisions_of(settings.acknowledge, journal),
    )
    for channel in channels:
        if (attend := attend_of(channel)) is not None:
            from safety_monitor.remote import Remote

            attend(Remote(station))
    return station


def inputs_of(
    settings: Settings,
    *,
    fast: bool,
    view: LiveView,
    recorder: Recorder | None,
    supervisor: Supervisor,
    workload: Workload,
) -> Inputs:
    """What a station hears and sees with, as the settings say; nothing is loaded or opened yet.

    Args:
        settings: of the station.
        fast: whether recordings are played as fast as they are judged.
        view: told what is heard and seen.
        recorder: keeps it; None: nobody does.
        supervisor: told how the signals are.
        workload: says how much is judged.
    """
    load: dict[Sense, Callable[[], ReadySense]] = {}
    if settings.microphone.source != OFF:
        load[Sense.AUDIO] = lambda: load_hearing(
            settings,
            fast=fast,
            deaf=view.deaf,
            view=view,
            keep=recorder.hear if recorder else lambda block: None,
            notice=partial(supervisor.noticed, Sense.AUDIO),
            workload=workload,
        )
    if settings.camera.source != OFF:
        load[Sense.GESTURE] = lambda: load_seeing(
            settings,
            fast=fast,
            view=view,
            keep=recorder.see if recorder else lambda frame: None,
            note=recorder.note if recorder else lambda frame, readings: None,
            notice=partial(supervisor.noticed, Sense.GESTURE),
            workload=workload,
        )
    sources = [source.source for source in (settings.microphone, settings.camera) if source.source != OFF]
    return Inputs(
        load=load,
        source=f"microphone {settings.microphone.source or 'default'}, camera {settings.camera.source or 'default'}",
        live=not all(is_recorded(source) for source in sources),
        patient=is_patient(settings),
        together=any(is_recorded(source) for source in sources),
    )


def places_of(settings: Settings, journal: Journal) -> Places:
    """What knows where incidents happen; for a patient station without addresses where nobody can be asked for them.

    Raises:
        SettingsError: the geocoder cannot be used.
    """
    try:
        return make_places(settings, journal)
    except SettingsError as error:
        if not is_patient(settings):
            raise
        log.error("%s", error)
        place = settings.place.model_copy(update={"geocoder": ""})
        return make_places(settings.model_copy(update={"place": place}), journal)


def open_journal(settings: Settings) -> Journal:
    """The station's journal.

    For a patient station whose disk cannot be written, or whose journal is that of a newer program, there is one in
    memory: better an alarm that is forgotten at the next start than none.

    Raises:
        SettingsError: there is none that can be used.
    """
    try:
        return in_time(
            "open-journal",
            lambda: Journal(settings.home, rescue=True, connections=CONNECTIONS),
            OPEN_LIMIT_S,
            lambda late: late.close(),
        )
    except (JournalUnusableError, JournalNewerError, TimeoutError) as failure:
        error = str(failure) or f"{settings.home}: the disk has not answered for {OPEN_LIMIT_S:.0f} s"
        memory = memory_folder()
        if not is_patient(settings) or memory is None:
            raise SettingsError(error) from None
        instead = Path(tempfile.mkdtemp(prefix="safety-monitor-", dir=memory))
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
    evidence = recorder.files if recorder else lambda incident_id: ()
    try:
        if wrong:
            raise settings.named(wrong[0])
        return Dispatch(
            journal,
            channels,
            rules=rules_of(settings, channels),
            composer=Composer(settings.station.name, settings.web.public_url, place, evidence),
            patience_s=PATIENCE_S,
            hearts=hearts,
        )
    except (SettingsError, OutboxBusyError) as error:
        for channel in channels:
            channel.close()
        raise SettingsError(
            f"{error}; stop it, or set another home" if isinstance(error, OutboxBusyError) else str(error)
        ) from None


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
    make_geocoder(settings)
    try:
        check_models(settings)
    except SenseError as error:
        raise SettingsError(str(error)) from None


def make_outbox(settings: Settings, journal: Journal, *, limited: bool) -> Dispatch | None:
    """The outbox at work beside no station: without sound, only for what waits; None if a station does that already.

    Args:
        settings: of the station.
        journal: where the outbox is.
        limited: whether messages are held back as a station does it; else all that wait are sent, in quiet hours, too.

    Raises:
        SettingsError: a channel cannot be made as the settings ask for.
    """
    place = make_places(settings, journal).place
    channels = outward_channels(settings, journal)
    rules = rules_of(settings, channels)
    composer = Composer(settings.station.name, settings.web.public_url, place, evidence_store(settings).for_people)
    try:
        return Dispatch(journal, channels, rules=rules if limited else replace(rules, limits={}), composer=composer)
    except OutboxBusyError:
        for channel in channels:
            channel.close()
        return None
