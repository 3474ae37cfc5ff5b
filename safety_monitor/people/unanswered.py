"""Which incidents wait for a person, and what a person decides about one that is over already.

An incident closes by itself when it has been quiet for a while, often before anybody could answer. Its siren may still
sound, and whoever called for help may still stand there: an answer that comes then ends the one and is shown and told
to the other, as one that comes before.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from safety_monitor.incident import BY_A_PERSON, Incident, State

WAITS_S = 3600.0
"""An answer that comes later than this after an incident has closed is of no use where the station stands."""
MOST_WAIT = 20
SHOWN_S = 30.0
"""How long it is shown that somebody has answered, where the incident was over before."""


@dataclass(slots=True)
class Unanswered:
    """See the module's text; may be used from any thread.

    Args:
        clock: seconds, never set back.
    """

    clock: Callable[[], float] = time.monotonic
    _open: set[str] = field(default_factory=set)
    """Confirmed, not over, and not answered."""
    _closed: OrderedDict[str, tuple[Incident, float]] = field(default_factory=OrderedDict)
    """Over, not answered, and since when; the newest at the end."""
    _shown: dict[str, tuple[Incident, float]] = field(default_factory=dict)
    """Answered since they were over, and until when that is shown."""

    def moved(self, incident: Incident) -> None:
        """An incident has changed its state."""
        if incident.state is State.CONFIRMED:
            self._open.add(incident.id)
            return
        if incident.state is State.CLOSED and incident.id in self._open:
            self._closed[incident.id] = incident, self.clock()
            if len(self._closed) > MOST_WAIT:
                self._closed.popitem(last=False)
        self._open.discard(incident.id)

    def recall(self, incidents: Iterable[tuple[Incident, float]]) -> None:
        """What a run before left unanswered, oldest first, and for how many seconds each has been over."""
        for incident, over_s in incidents:
            self._closed[incident.id] = incident, self.clock() - over_s

    def others_wait(self, incident: Incident) -> bool:
        """Whether another incident goes on that nobody has answered."""
        return bool(self._open - {incident.id})

    def waiting(self) -> tuple[str, ...]:
        """Ids of the incidents that are over, and may still be answered."""
        for incident_id, (_, since) in list(self._closed.items()):
            if self.clock() - since > WAITS_S:
                self._closed.pop(incident_id, None)
        return tuple(self._closed)

    def newest(self) -> tuple[Incident, float] | None:
        """The newest incident that is over and may still be answered, and for how many seconds it has been over."""
        self.waiting()
        for incident, since in reversed(list(self._closed.values())):
            return incident, self.clock() - since
        return None

    def late(self, decisions: Mapping[str, State]) -> list[Incident]:
        """The incidents that were answered since they were over, each once, in the state that was decided.

        Args:
            decisions: what was decided about incidents that were `waiting`, by id.
        """
        answered = []
        for incident_id, (incident, _) in list(self._closed.items()):
            if (state := decisions.get(incident_id)) is None:
                continue
            self._closed.pop(incident_id, None)  # another thread may just have found it too old
            answered.append(replace(incident, state=state, reason=BY_A_PERSON))
            self._shown[incident_id] = incident, self.clock() + SHOWN_S
        return answered

    def faded(self) -> list[Incident]:
        """The incidents of which it has been shown long enough that they were answered, each once, as they closed."""
        faded = [incident for incident, until in self._shown.values() if self.clock() >= until]
        for incident in faded:
            del self._shown[incident.id]
        return faded
