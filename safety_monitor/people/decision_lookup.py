"""What people decide about incidents, looked up beside the thread that asks: a disk that hangs must not keep that one
from noticing the next emergency."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from media.lasting import lasting
from safety_monitor.fusion import Fusion
from safety_monitor.incident import State
from safety_monitor.journal.file import JournalDamagedError, JournalError
from safety_monitor.journal.incidents import Journal


@dataclass(frozen=True, slots=True)
class Decided:
    """What the journal holds of some incidents.

    Attributes:
        open_state: where the open one stands; None: there is none, or it is not in the journal.
        closed: what was decided about those that are over; those about which nobody decided are left out.
    """

    open_state: State | None = None
    closed: Mapping[str, State] = field(default_factory=dict)


def open_id(fusion: Fusion) -> str:
    """The id of a fusion's open incident, about which somebody may have decided; "" if there is none."""
    incident = fusion.incident
    return "" if incident is None or incident.state is State.PENDING else incident.id


class DecisionLookup:
    """Looks up in a thread of its own, which begins with the first question and can be left behind.

    Args:
        journal: where decisions are, whoever made them.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._question: tuple[str, tuple[str, ...]] = ("", ())
        self._answered: tuple[tuple[str, tuple[str, ...]], Decided] | None = None
        self._asked = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self, open_id: str, closed_ids: Sequence[str] = ()) -> Decided:
        """What the last look found, if it was for the same incidents; has the next look begun. Returns at once.

        Args:
            open_id: the incident that is open; "" if none is.
            closed_ids: incidents that are over.
        """
        question = open_id, tuple(closed_ids)
        if question == ("", ()):
            return Decided()
        if self._thread is None:
            self._thread = lasting("decision-lookup", self._work, self._over)
        with self._lock:
            self._question = question
            answered, self._answered = self._answered, None
        self._asked.set()
        return answered[1] if answered is not None and answered[0] == question else Decided()

    def close(self) -> None:
        """End the thread, unless the disk holds it."""
        self._over.set()
        self._asked.set()

    def _work(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            if self._over.is_set():
                return
            with self._lock:
                question = self._question
            try:
                found = self._look_up(*question)
            except JournalError:
                continue
            with self._lock:
                self._answered = question, found

    def _look_up(self, open_id: str, closed_ids: tuple[str, ...]) -> Decided:
        closed: Mapping[str, State] = {}
        with suppress(JournalDamagedError):  # what was decided of one means nothing, and must not hide the open one
            closed = self._journal.decisions(closed_ids) if closed_ids else {}
        try:
            return Decided(self._journal.state_of(open_id) if open_id else None, closed)
        except JournalError:  # the open one could not be written yet
            return Decided(None, closed)
