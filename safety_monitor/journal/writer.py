"""Transitions on their way into the journal: in time, in their order, and kept while it cannot be written."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from media.in_time import in_time
from safety_monitor.actions.message import Place
from safety_monitor.delivery import DeliveryState, Result
from safety_monitor.escalation import Planned
from safety_monitor.incident import Incident
from safety_monitor.journal.file import JournalError, JournalUnusableError
from safety_monitor.journal.incidents import Journal

log = logging.getLogger(__name__)

COMMIT_S = 2.0
"""So long an alarm waits for its incident to be on the disk. Where that hangs, or another program holds the journal, it
is given from memory."""
FROM_MEMORY = "made without the journal, which did not answer in time"
MOST_MISSED = 1000
"""Transitions that are kept for a journal that cannot be written; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Step:
    """A transition to be written.

    Attributes:
        incident: as it is from now on.
        source: what heard or saw it.
        silent: whether nothing of it may be heard or seen where the station stands.
        place: where it happened; None: where the station stands.
        at: when it was; seconds since 1970.
    """

    incident: Incident
    source: str
    silent: bool
    place: Place | None
    at: float


class JournalWriter:
    """Writes transitions; may be used from several threads.

    Attributes:
        given: keys of what the journal is about to hold, and what is done from memory should it not do so in time.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._missed: deque[Step] = deque(maxlen=MOST_MISSED)
        self._writing = threading.Lock()
        self.given: set[str] = set()

    def write(self, step: Step, planned: Sequence[Planned]) -> None:
        """Write a transition with what it asks for, after all that could not be written before.

        Raises:
            JournalError: it cannot be written, or not in time; if that may change, it is written later.
        """

        def write() -> None:
            with self._writing:
                self._write_missed()
                self._journal.record(step.incident, planned, step.source, silent=step.silent, place=step.place)

        def late() -> None:
            with suppress(ValueError):
                self._missed.remove(step)

        try:
            self._in_time("journal", write, planned, late)
        except JournalUnusableError:
            self._missed.append(step)
            raise

    def notice(self, told: Incident, planned: Sequence[Planned], *, covert: bool) -> None:
        """Write what is told though nothing was noticed, see `Journal.notice`.

        Raises:
            JournalError: it cannot be written, or not in time.
        """
        self._in_time("notices", lambda: self._journal.notice(told, planned, covert=covert), planned, lambda: None)

    def _in_time(
        self, name: str, write: Callable[[], object], planned: Sequence[Planned], late: Callable[[], object]
    ) -> None:
        """Write something with what it asks for; `late` is called if that is done when nobody waits any more."""
        keys = {each.key for each in planned}

        def written_late(_: object) -> None:
            late()
            self._drop(keys)

        self.given.update(keys)
        try:
            in_time(f"{name} {id(self)}", write, COMMIT_S, written_late)
        except TimeoutError:
            path = self._journal.path
            raise JournalUnusableError(f"{path}: cannot be written: no answer within {COMMIT_S:g} s") from None
        except JournalError:
            self.given.difference_update(keys)
            raise
        self.given.difference_update(keys)

    def write_missed(self, wait_s: float) -> None:
        """Write what could not be written when it was; nothing if another thread has been writing for so long.

        Raises:
            JournalUnusableError: it still cannot.
        """
        if self._writing.acquire(timeout=wait_s):  # who has it may be waiting for the disk
            try:
                self._write_missed()
            finally:
                self._writing.release()

    def close(self) -> None:
        """Write what could not be written, for a while."""
        with suppress(JournalError, TimeoutError):
            in_time(f"journal {id(self)}", self._write_missed, COMMIT_S, lambda written: None)

    def _write_missed(self) -> None:
        """In their order, and before anything new."""
        while self._missed:
            step = self._missed[0]
            try:
                self._journal.record(step.incident, (), step.source, silent=step.silent, place=step.place, at=step.at)
            except JournalUnusableError:
                raise
            except JournalError as error:  # a person decided otherwise meanwhile
                log.warning("%s", error)
            self._missed.popleft()

    def _drop(self, keys: set[str]) -> None:
        """What is in the journal after all was done from memory: not once more."""
        try:
            self._journal.outbox.finish(Result(key, 1, DeliveryState.DROPPED, FROM_MEMORY) for key in keys)
        except JournalError as error:
            log.error("what was made from memory will be made again: %s", error)
        self.given.difference_update(keys)
