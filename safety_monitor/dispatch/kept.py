"""What a worker does from memory, or has done and could not write to the journal. Pure: no thread, no clock, no I/O.

The journal's clock may be set meanwhile, and `time.monotonic()` is not: what is kept knows how far they were apart.
"""

from dataclasses import dataclass, replace

from safety_monitor.delivery import DeliveryState, Job, Result, Turn
from safety_monitor.journal.writer import Entry


@dataclass(frozen=True, slots=True)
class Kept:
    """A job of which the journal does not hold what came of it.

    Attributes:
        job: as it was done last, or is to be done.
        result: what came of it; None: it was not done yet.
        entry: with which its delivery gets into the journal, so that what came of it is written there; None: it never
            does.
        ahead_s: how far the journal's clock was ahead of `time.monotonic()` when all this was put down.
        waits: whether its time was still to come when it was handed over.
    """

    job: Job
    result: Result | None
    entry: Entry | None
    ahead_s: float
    waits: bool = False

    @property
    def due(self) -> float | None:
        """`time.monotonic()` at which it is to be done from memory; None: it needs nothing more."""
        if self.result is None:
            return self.asked
        if self.result.state is not DeliveryState.PENDING or self.result.due_at is None:
            return None
        return self.result.due_at - self.ahead_s

    def is_due(self, now: float) -> bool:
        """Whether it is to be done from memory by `now`, on `time.monotonic()`."""
        return self.due is not None and self.due <= now

    @property
    def asked(self) -> float:
        """`time.monotonic()` at which it was to be done first."""
        return self.job.asked_at - self.ahead_s

    @property
    def in_journal(self) -> bool:
        """Whether the journal holds its delivery."""
        return self.entry is not None and self.entry.written

    @property
    def never_in_journal(self) -> bool:
        """Whether the journal never will."""
        return self.entry is None or (self.entry.refused is not None and not self.entry.written)

    def moved(self, ahead_s: float) -> "Kept":
        """The same by a clock that was set meanwhile."""
        by_s = ahead_s - self.ahead_s
        result = self.result
        if result is not None:
            result = replace(result, at=_later(result.at, by_s), due_at=_later(result.due_at, by_s))
        return replace(self, job=moved_by(self.job, by_s), result=result, ahead_s=ahead_s)

    def held(self, until: float) -> "Kept":
        """The same, held back until then by the journal's clock."""
        if self.result is None:
            return replace(self, job=replace(self.job, asked_at=until))
        return replace(self, result=replace(self.result, due_at=until))

    @property
    def next(self) -> Job:
        """What is to be done then, as the journal would give it."""
        job, result = self.job, self.result
        if result is None:
            return job
        return replace(job, attempts=job.attempts + 1, turn=Turn.RETRY, reference=result.reference)


def moved_by(job: Job, by_s: float) -> Job:
    """The same by a clock that was set meanwhile."""
    return replace(job, asked_at=job.asked_at + by_s, sent_at=_later(job.sent_at, by_s))


def _later(at: float | None, by_s: float) -> float | None:
    return None if at is None else at + by_s
