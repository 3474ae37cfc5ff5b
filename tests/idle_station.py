"""A station that does not run: its view is told what to show."""

from collections.abc import Callable
from datetime import datetime

from safety_monitor.actions.place import Places
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.fusion import FusionRules
from safety_monitor.incident import Sense
from safety_monitor.journal.incidents import Journal
from safety_monitor.people.decision import Decisions
from safety_monitor.sensing import Inputs, ReadySense
from safety_monitor.station import Station


def idle_station(
    journal: Journal,
    dispatch: Dispatch,
    *,
    live: bool = True,
    local_time: Callable[[], datetime] = datetime.now,
    places: Places | None = None,
    decisions: Decisions | None = None,
) -> Station:
    """One with ears and eyes."""
    return Station(
        Inputs(load={Sense.AUDIO: _never, Sense.GESTURE: _never}, source="test", live=live),
        rules=FusionRules(),
        journal=journal,
        dispatch=dispatch,
        on_transition=lambda incident: None,
        local_time=local_time,
        places=places,
        decisions=decisions,
    )


def _never() -> ReadySense:
    raise NotImplementedError
