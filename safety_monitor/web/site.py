"""What the pages and the API are made over."""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from media.in_time import in_time
from safety_monitor.actions.evidence import EvidenceError, EvidenceStore
from safety_monitor.config import Settings, SettingsError
from safety_monitor.config.file import SettingsFile, Written
from safety_monitor.delivery import Delivery, DeliveryState
from safety_monitor.dispatch.channels import outward_channels
from safety_monitor.dispatch.policies import natures_of, unheard
from safety_monitor.evidence import evidence_store
from safety_monitor.journal.file import JournalError, JournalUnusableError
from safety_monitor.journal.incidents import Journal
from safety_monitor.learning.training import Trainings
from safety_monitor.listeners import Listeners, ears_of
from safety_monitor.live import LiveView
from safety_monitor.operating.restart import Restart
from safety_monitor.people.decision import Decisions
from safety_monitor.schedule import schedule_of
from safety_monitor.station import Station
from safety_monitor.web.access import Access
from safety_monitor.web.analysis_process import Analyses
from safety_monitor.web.picture import Pictures

STEP_S = 1.0
ANSWER_S = 2.0
"""So long it is waited for the journal where an answer is of use only in time, and for evidence."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NextStep:
    """Deliveries that wait for their time.

    Attributes:
        at: that time, seconds since 1970.
        channels: that they are for.
    """

    at: float
    channels: tuple[str, ...]


def next_of(deliveries: Iterable[Delivery], now: float) -> NextStep | None:
    """The next step of a policy, out of what an incident has asked for; what is held back is none.

    Args:
        deliveries: of the incident.
        now: seconds since 1970.
    """
    waiting = [
        (datetime.fromisoformat(each.due_at).timestamp(), each.channel)
        for each in deliveries
        if each.state is DeliveryState.PENDING and each.attempts == 0 and not each.detail and each.due_at
    ]
    later = [(at, channel) for at, channel in waiting if at > now]
    if not later:
        return None
    first = min(at for at, _ in later)
    return NextStep(first, tuple(sorted({channel for at, channel in later if at - first < 1.0})))


@dataclass(frozen=True, slots=True)
class Recorded:
    """The evidence of an incident.

    Attributes:
        files: with the bytes of each.
        protected: whether it stays.
    """

    files: tuple[tuple[Path, int], ...] = ()
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Saved:
    """What comes of settings that were saved.

    Attributes:
        later: keys at the top that the next start will take up.
        doubts: why an emergency may reach nobody elsewhere by them, a line each.
    """

    later: frozenset[str]
    doubts: list[str]


AT_ONCE = frozenset({"fusion", "schedule"})
"""Tables of the settings that a running station follows without a restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The running station, and what pages need beside it.

    Attributes:
        settings: of the station.
        station: that is shown.
        access: who may do what.
        analyses: judges uploads.
        pictures: of the camera.
        listeners: microphones elsewhere that are judged, too.
        evidence: files of incidents.
        settings_file: where the settings stand.
        restart: remembers what waits for one.
        trainings: makes models.
        openapi: the document that describes the API.
    """

    settings: Settings
    station: Station
    access: Access
    analyses: Analyses
    pictures: Pictures
    listeners: Listeners
    evidence: EvidenceStore
    settings_file: SettingsFile
    restart: Restart
    trainings: Trainings
    openapi: Callable[[], dict[str, Any]] = field(default=dict)
    _steps: dict[str, tuple[float, NextStep | None]] = field(default_factory=dict)
    _asking: threading.Lock = field(default_factory=threading.Lock)

    @property
    def view(self) -> LiveView:
        """What the station hears and sees."""
        return self.station.view

    @property
    def journal(self) -> Journal:
        """What happened."""
        return self.station.journal

    @property
    def decisions(self) -> Decisions:
        """Takes what persons decide."""
        return self.station.decisions

    @property
    def change_takes_pin(self) -> bool:
        """Whether changing settings and models takes the PIN: nobody signs in, and there is one."""
        return self.access.open and self.decisions.has_pin

    def next_step(self, incident_id: str) -> NextStep | None:
        """What is done about an incident next unless somebody answers; None if there is nothing, or it is not known.

        The journal is asked once a second at most, however many look. Waits for the disk, but not for long, and in one
        thread at a time.
        """
        now = time.monotonic()
        asked, step = self._steps.get(incident_id, (float("-inf"), None))
        if now - asked > STEP_S and self._asking.acquire(blocking=False):
            try:
                entry = self.in_time(lambda: self.journal.show(incident_id))
                step = next_of(entry.deliveries, self.journal.clock())
            except JournalError:
                step = None
            finally:
                self._asking.release()
            self._steps.clear()
            self._steps[incident_id] = now, step
        return step

    def in_time(self, use: Callable[[], T]) -> T:
        """What `use` reads of the journal; for whoever must be told soon that there is nothing to be had.

        Raises:
            JournalError: it cannot be read, or not in time.
        """
        try:
            return in_time("journal for pages", use, ANSWER_S)
        except TimeoutError:
            raise JournalUnusableError(f"the journal has not answered for {ANSWER_S:g} s") from None

    def recorded(self, incident_id: str) -> Recorded:
        """The evidence of an incident. Waits for its disk, which may not be the journal's, but not for long.

        Raises:
            EvidenceError: it cannot be read, or not in time.
        """

        def look() -> Recorded:
            sizes = []
            for path in self.evidence.files(incident_id):
                with suppress(FileNotFoundError):  # it has gone meanwhile
                    sizes.append((path, path.stat().st_size))
            return Recorded(tuple(sizes), self.evidence.is_protected(incident_id))

        try:
            return in_time("evidence for pages", look, ANSWER_S)
        except TimeoutError:
            raise EvidenceError(f"the disk has not answered for {ANSWER_S:g} s") from None
        except OSError as error:
            raise EvidenceError(error.strerror or str(error)) from None

    def troubles(self) -> list[str]:
        """What is wrong with the station, a line each; none if all is well. Waits for the disk, but not for long."""
        troubles = self.view.troubles()
        try:
            self.in_time(lambda: self.journal.list(1))
        except JournalError as error:
            troubles.append(str(error))
        return troubles

    def save_settings(self, before: Written, values: dict[str, Any]) -> Saved:
        """Write other settings, and follow at once what can be followed at once. Blocks for a moment.

        Args:
            before: what stood in the file when the values were made of it.
            values: all that is to stand there.

        Raises:
            SettingsError: a start would refuse them, or they cannot be written.
        """
        try:
            old = self.settings_file.settings(before.values)
        except SettingsError:
            old = self.settings
        new = self.settings_file.write(before, values)
        changed = {name for name in Settings.model_fields if getattr(old, name) != getattr(new, name)}
        if changed & AT_ONCE:
            self.station.follow_rules(new.fusion.rules, schedule_of(new.schedule))
        later = changed - AT_ONCE
        self.restart.want(name for name in Settings.model_fields if name in later)
        return Saved(frozenset(later), doubts_of(new))

    def check_restart(self) -> None:
        """See whether the station would start again.

        Raises:
            SettingsError: it would refuse its settings.
            RestartError: it would not end, see `Restart.check`.
        """
        self.settings_file.settings(self.settings_file.read().values)
        self.restart.check()


def doubts_of(settings: Settings) -> list[str]:
    """Why an emergency may reach nobody elsewhere though a station starts with these settings, a line each."""
    try:
        channels = outward_channels(settings, None)
    except SettingsError:  # it does not start
        return []
    try:
        return unheard(settings, natures_of(channels))
    finally:
        for channel in channels:
            channel.close()


def make_site(
    settings: Settings, station: Station, *, settings_file: SettingsFile, analyses: Analyses, trainings: Trainings
) -> Site:
    """The site of a station; whoever makes it closes its `listeners`."""
    return Site(
        settings=settings,
        station=station,
        access=Access(settings.web),
        analyses=analyses,
        pictures=Pictures(station.view),
        listeners=Listeners(station, ears_of(settings, station.journal)),
        evidence=evidence_store(settings),
        settings_file=settings_file,
        restart=Restart(station),
        trainings=trainings,
    )
