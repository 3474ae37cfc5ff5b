"""What the pages and the API are made over."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from safety_monitor.actions.evidence import EvidenceStore
from safety_monitor.config import Settings
from safety_monitor.decision import Decisions
from safety_monitor.journal import Journal, JournalError
from safety_monitor.listeners import Listeners
from safety_monitor.live import LiveView
from safety_monitor.station import Station
from safety_monitor.web.access import Access
from safety_monitor.web.analysis_process import Analyses
from safety_monitor.web.picture import Pictures


@dataclass(frozen=True, slots=True)
class Site:
    """The running station and its journal, as far as pages need them.

    Attributes:
        settings: of the station.
        station: to arm and disarm.
        view: what it hears and sees.
        journal: what happened.
        decisions: takes what persons decide.
        access: who may do what.
        analyses: judges uploads.
        pictures: of the camera.
        listeners: microphones elsewhere that are judged, too.
        evidence: files of incidents.
        openapi: the document that describes the API.
    """

    settings: Settings
    station: Station
    view: LiveView
    journal: Journal
    decisions: Decisions
    access: Access
    analyses: Analyses
    pictures: Pictures
    listeners: Listeners
    evidence: EvidenceStore
    openapi: Callable[[], dict[str, Any]] = field(default=dict)

    def troubles(self) -> list[str]:
        """What is wrong with the station, a line each; none if all is well. Blocks for the disk."""
        troubles = self.view.troubles()
        try:
            self.journal.list(1)
        except JournalError as error:
            troubles.append(str(error))
        return troubles
