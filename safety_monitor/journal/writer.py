"""Transitions on their way into the journal: in time, in their order, and kept while it cannot be written."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from media.in_time import in_time
from safety_monitor.delivery import Job
from safety_monitor.escalation import Planned
from safety_monitor.incident import Incident
from safety_monitor.journal.file import JournalError, JournalUnusableError
from safety_monitor.journal.incidents import Journal
from safety_monitor.place import Place

log = logging.getLogger(__name__)

COMMIT_S = 2.0
"""So long an alarm waits for its incident to be on the disk. Where that hangs, or another program holds the journal, it
is given from memory."""
MOST_WAITING = 1000
"""Transitions and notices that are kept for a journal that cannot be written; the oldest go first."""
TOO_MUCH = "too much waits to be written to the journal; the oldest of it is not kept any longer"


@dataclass(frozen=True, slots=True)
class Step:
    """A transition to be written.

    Attributes:
        incident: as it is from now on.
        source: what heard or saw it.
        silent: whether nothing of it may be heard or seen where the station stands.
        place: where it happened; None: where the station stands.
    """

    incident: Incident
    source: str
    silent: bool
    place: Place | None


@dataclass(slots=True, eq=False)
class Entry:
    """Something to be written, once.

    Attributes:
        write: writes it.
        keys: of the deliveries that are written with it.
        written: whether it is in the journal.
        refused: why the journal does not take it, and never will; None if it may.
    """

    write: Callable[[], object] = lambda: None
    keys: frozenset[str] = frozenset()
    written: bool = False
    refused: JournalError | None = field(default=None, init=False)


WRITTEN = Entry(written=True)
"""The entry of what is taken from the journal."""


class JournalWriter:
    """Writes transitions and notices; may be used from several threads.

    Attributes:
        given: deliveries that the journal does not hold yet, by key. Those that did not get there in time are made from
            memory; once it holds them they are booked as what they have become.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: deque[Entry] = deque()
        self._writing = threading.Lock()
        self._settling = threading.Lock()
        """Held while it is settled whether deliveries are made from the journal or from memory."""
        self.given: dict[str, Entry] = {}

    def write(self, step: Step, planned: Sequence[Planned], from_memory: Callable[[], object]) -> None:
        """Write a transition with what it asks for, after all that could not be written before.

        Args:
            step: the transition.
            planned: what it asks for.
            from_memory: has that done from memory; returns at once. Called before this raises.

        Raises:
            JournalError: it cannot be written, or not in time; if that may change, it is written later.
        """
        at = self._now()

        def write() -> None:
            self._journal.record(step.incident, planned, step.source, silent=step.silent, place=step.place, at=at())

        self._write_in_time(Entry(write, _keys(planned)), from_memory)

    def notice(
        self,
        told: Incident,
        planned: Sequence[Planned],
        from_memory: Callable[[], object],
        *,
        covert: bool,
        over: str = "",
    ) -> None:
        """Write what is told though nothing was noticed, see `Journal.notice`; else as `write`."""
        at = self._now()
        entry = Entry(lambda: self._journal.notice(told, planned, covert=covert, over=over, at=at()), _keys(planned))
        self._write_in_time(entry, from_memory)

    def fall_back(self, job: Job, instead: Sequence[Planned], from_memory: Callable[[], object]) -> None:
        """Write that others are asked to do a job, see `Outbox.fall_back`; else as `write`."""
        self._write_in_time(Entry(lambda: self._journal.outbox.fall_back(job, instead), _keys(instead)), from_memory)

    def _now(self) -> Callable[[], float]:
        """What the journal's clock says of this moment when it is asked, however often it was set until then."""
        begun = time.monotonic()
        return lambda: self._journal.clock() - (time.monotonic() - begun)

    def _write_in_time(self, entry: Entry, from_memory: Callable[[], object]) -> None:
        for key in entry.keys:
            self.given.setdefault(key, entry)
        while len(self._waiting) >= MOST_WAITING:
            self._refuse(self._waiting.popleft(), JournalError(TOO_MUCH))
        self._waiting.append(entry)
        failure: JournalError | None = None
        try:
            self.write_waiting()
        except JournalError as error:
            failure = error
        with self._settling:
            if entry.written:
                return
            from_memory()
        raise entry.refused or failure or JournalUnusableError(f"{self._journal.path}: cannot be written")

    def write_waiting(self) -> None:
        """Write all that could not be written when it was.

        Raises:
            JournalUnusableError: it still cannot, or not in time.
        """
        if not self._waiting:
            return
        try:
            in_time(f"journal {id(self)}", self._write_waiting, COMMIT_S)
        except TimeoutError:
            path = self._journal.path
            raise JournalUnusableError(f"{path}: cannot be written: no answer within {COMMIT_S:g} s") from None

    def close(self) -> None:
        """Write what could not be written, for a while."""
        with suppress(JournalError):
            self.write_waiting()

    def _write_waiting(self) -> None:
        """In their order."""
        with self._writing:
            while self._waiting:
                entry = self._waiting[0]
                try:
                    entry.write()
                except JournalUnusableError:
                    raise
                except JournalError as error:  # a person decided otherwise meanwhile
                    self._refuse(entry, error)
                except Exception:  # whatever it is, it must stop neither an alarm nor what comes after it
                    log.exception("%s: not written, in an unforeseen way", self._journal.path)
                    self._refuse(entry, JournalError(f"{self._journal.path}: cannot be written; see the log"))
                else:
                    self._settle(entry, None)
                with suppress(ValueError):  # so many came since that it went
                    self._waiting.remove(entry)

    def _refuse(self, entry: Entry, error: JournalError) -> None:
        """What the journal never holds is done from memory alone, to its end."""
        log.warning("not in the journal, and never will be: %s", error)
        self._settle(entry, error)

    def _settle(self, entry: Entry, refused: JournalError | None) -> None:
        with self._settling:
            entry.written, entry.refused = refused is None, refused
            for key in entry.keys:
                if self.given.get(key) is entry:
                    del self.given[key]


def _keys(planned: Sequence[Planned]) -> frozenset[str]:
    return frozenset(each.key for each in planned)
