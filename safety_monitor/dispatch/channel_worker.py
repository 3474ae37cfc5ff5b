"""One channel at work: a thread that does what is due on it, one thing at a time, for as long as the station runs.

What a person is sent elsewhere and is no new emergency goes beside that thread: an emergency waits neither for a test
nor for a trouble or a digest that is under way.
"""

import logging
import random
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from media.heartbeat import Heartbeats
from media.in_time import in_time
from media.lasting import failed
from safety_monitor.actions.channel import Channel, deliver_many_of, follow_of, interrupt_of, is_apart, nature_of
from safety_monitor.actions.message import Message
from safety_monitor.actions.outcome import Outcome
from safety_monitor.delivery import DeliveryState, Job, Result, Turn
from safety_monitor.dispatch.aside import Aside
from safety_monitor.dispatch.composing import foremost, together
from safety_monitor.dispatch.kept import Kept, moved_by
from safety_monitor.dispatch.rate_limiter import RateLimiter
from safety_monitor.dispatch.settling import Waits, settle
from safety_monitor.escalation import URGENT, Nature
from safety_monitor.incident import Incident
from safety_monitor.journal.file import JournalError, JournalUnusableError
from safety_monitor.journal.incidents import Journal
from safety_monitor.journal.writer import WRITTEN, Entry

log = logging.getLogger(__name__)

LOOK_S, IDLE_S = 1.0, 20.0
"""How often a worker that the journal keeps waiting looks again; and one that nobody wakes and for which nothing is
due."""
BATCH = 100
"""Most deliveries that a channel gets at once, if it takes several."""
HUNG_S = 120.0
"""A channel that is at one delivery for longer than this is a trouble; each has shorter time limits of its own."""
WORKER_LIMIT_S, DELIVERY_LIMIT_S = 60.0, 600.0
"""Longest times between two heartbeats of a worker: one that looks for work, and one that is at a delivery."""
GIVE_BACK_S = 5.0
"""How long a channel may take to end."""
ANSWER_S = 2.0
"""So long a worker waits for the journal. Where the disk hangs, it must be there for the next emergency."""
DONE_KEPT, ANSWERED_KEPT = 1000, 100
"""So many deliveries are remembered as done, and so many incidents as answered."""
TOGETHER = (Turn.RETRY, Turn.HELD)
"""What a person is told as one message where several are due: after a day without a network nobody wants fifty."""
ANSWERED = "somebody had answered before it sounded"

T = TypeVar("T")
Trial = Callable[[Channel], Outcome | None]
"""Something that somebody wants to be tried on a channel."""


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """How a channel is.

    Attributes:
        name: of the channel.
        trouble: what its last attempt failed with, one line; empty if it did not fail, or there was none.
        done_at: when it did something last, UTC; None if it has not since the start.
    """

    name: str
    trouble: str
    done_at: datetime | None


class ChannelWorker:
    """Delivers on one channel, once its `thread` is started.

    Args:
        channel: used by this thread only, but for `interrupt` and `close`; of messages by up to two at once, and for
            `check`.
        journal: where the outbox is; its clock is the one that counts.
        waits: how long and how often deliveries are tried.
        limiter: holds messages back.
        write: gives the message for a job on the channel.
        hearts: where it says that it still works.
        given: see `JournalWriter`.
        failed: called with a job that finally failed and what came of it, before that is in the journal: what is done
            instead must not be lost in between.
        late: called in the same way with an emergency that is held back for longer than others wait for.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        journal: Journal,
        waits: Waits,
        limiter: RateLimiter,
        write: Callable[[Job, Channel], Message],
        hearts: Heartbeats,
        given: Mapping[str, Entry],
        failed: Callable[[Job, Result], None],
        late: Callable[[Job], None],
    ) -> None:
        self.channel = channel
        self.nature = nature_of(channel)
        self._name = channel.name
        self._clock = journal.clock
        self._outbox = journal.outbox
        self._file = journal.file
        self._waits = waits
        self._limiter = limiter
        self._write = write
        self._hearts = hearts
        self._given = given
        self._failed, self._held_long = failed, late
        self._follow, self._deliver_many = follow_of(channel), deliver_many_of(channel)
        self._batch = BATCH if self._deliver_many else 1
        self._together = () if is_apart(channel) else TOGETHER
        self._chance = random.Random()  # noqa: S311  # jitter needs no secrecy
        self._woken = threading.Event()
        self._handed: deque[Job] = deque()
        """To be done at once, without a look at the journal."""
        self._kept: dict[str, Kept] = {}
        """By key, what is done from memory, or was done and could not be written to the journal."""
        self._done: deque[str] = deque(maxlen=DONE_KEPT)
        """Keys of what was done last: whoever asks for it again, from memory, has not heard of it."""
        self._answered: OrderedDict[str, float] = OrderedDict()
        """`time.monotonic()` at which it was answered, for the incidents that were last."""
        self._trials: deque[tuple[Trial, Future[Outcome | None]]] = deque()
        """Emergencies go first."""
        self._trying = False
        """Whether a trial is under way."""
        self._fails = False
        """Whether the last attempt failed."""
        self._works_again = False
        """Whether it did, and this one did not: then what failed before is worth another attempt now."""
        self._trouble = ""
        """What the last attempt that may be seen failed with; empty if it did not."""
        self._done_at: float | None = None
        """When something was done last, seconds since 1970."""
        self._complained = False
        """Whether it was said that the journal cannot be used; where that lasts for weeks, once is enough."""
        self._busy_since: float | None = None
        """`time.monotonic()` at which it began what it is doing."""
        self._aside: Aside[Any] | None = None
        """What is under way beside the thread; meanwhile that does what is urgent, and nothing else."""
        self._end_by: float | None = None
        """`time.monotonic()` by which it shall have ended; None: it shall go on."""
        self.thread = threading.Thread(target=self._work, name=self._heart, daemon=True)

    @property
    def _heart(self) -> str:
        """Name of its heartbeat."""
        return f"dispatch-{self._name}"

    def wake(self) -> None:
        """Have it look for what there is to be done."""
        self._woken.set()

    def hand(self, job: Job, *, journaled: bool) -> None:
        """Give it a job that it shall not look up in the journal: a sound to be made now, or what is not in there."""
        if journaled:
            self._handed.append(job)
        else:
            kept = Kept(job, None, self._given.get(job.key), self._ahead_s(), waits=job.asked_at > self._clock())
            before = self._kept.setdefault(job.key, kept)
            if before.result is None and kept.asked < before.asked:  # asked for again, and sooner
                self._kept[job.key] = replace(kept, entry=before.entry)

    def late(self, after_s: float) -> list[Job]:
        """What it is to do from memory, and others if it is late, and was to be done so long ago."""
        return [
            kept.job
            for kept in list(self._kept.values())
            if kept.job.fallback
            and kept.due is not None
            and not kept.in_journal
            and time.monotonic() - kept.asked > after_s
        ]

    def has_done(self, key: str) -> bool:
        """Whether a job is done, though the journal does not hold that yet."""
        kept = self._kept.get(key)
        return kept is not None and kept.result is not None and kept.result.state is not DeliveryState.PENDING

    def answered(self, incident: Incident) -> None:
        """A person has answered an incident: what sounds for it ends, or does not begin."""
        self._answered[incident.id] = time.monotonic()
        if len(self._answered) > ANSWERED_KEPT:
            self._answered.popitem(last=False)

    def has_answer(self, incident: Incident) -> bool:
        """Whether a person has answered an incident, as far as is remembered."""
        return incident.id in self._answered

    def interrupt_trial(self) -> None:
        """An emergency does not wait for a trial to end."""
        if self._trying:
            self.interrupt()

    def interrupt(self) -> None:
        """End what the channel is at; whatever is wrong with it must keep neither an emergency nor an answer back."""
        try:
            interrupt_of(self.channel)()
        except Exception:
            log.exception("%s: cannot be interrupted", self._name)

    def try_out(self, use: Trial) -> "Future[Outcome | None]":
        """Have something tried on the channel in its own turn; whatever is due goes first."""
        coming: Future[Outcome | None] = Future()
        self._trials.append((use, coming))
        self.wake()
        return coming

    def try_check(self) -> "Future[Outcome | None]":
        """Have it tried whether the channel could deliver; no message waits for that, however long it takes."""
        if self.nature is not Nature.MESSAGE:
            return self.try_out(lambda channel: channel.check())
        coming: Future[Outcome | None] = Future()
        coming.set_running_or_notify_cancel()

        def check() -> None:
            try:
                outcome = self.channel.check()
            except Exception as error:
                outcome = self._unforeseen(error)
            coming.set_result(outcome)

        threading.Thread(target=check, name=f"check-{self._name}", daemon=True).start()
        return coming

    def hangs_s(self) -> float | None:
        """How long it has been at one delivery, if that is too long; a sound lasts as long as the settings say."""
        aside = self._aside
        since = [each for each in (self._busy_since, aside.since if aside else None) if each is not None]
        busy_s = 0.0 if not since or self.nature is Nature.SOUND else time.monotonic() - min(since)
        return busy_s if busy_s > HUNG_S else None

    def health(self) -> ChannelHealth:
        """How the channel is, as far as its use since the start tells."""
        hangs_s = self.hangs_s()
        trouble = self._trouble if hangs_s is None else f"hangs for {hangs_s:.0f} s"
        return ChannelHealth(
            self._name, trouble, None if self._done_at is None else datetime.fromtimestamp(self._done_at, UTC)
        )

    def end(self, by: float) -> None:
        """Have it end when all that is due is done, at the latest after what it is at by then.

        Args:
            by: `time.monotonic()`.
        """
        self._end_by = by
        self.wake()

    def close(self) -> None:
        """Give the channel back; whatever is wrong with it must not keep the others from being closed."""
        if self.thread.is_alive() or self._aside is not None:
            log.error("%s: still busy at the end; what is left is done after the next start", self._name)
        try:
            in_time(f"close {self._name}", self.channel.close, GIVE_BACK_S)
        except TimeoutError:
            log.error("%s: does not close; left behind", self._name)
        except Exception:
            log.exception("%s: does not close", self._name)
        self.thread.join(LOOK_S)

    def _work(self) -> None:
        """The life of the thread."""
        while True:
            self._hearts.begin(self._heart, WORKER_LIMIT_S)
            self._woken.clear()
            end_by = self._end_by
            try:
                self._take_back()
                if end_by is not None and time.monotonic() > end_by:
                    return
                pause_s = self._look(follow=end_by is None)
                self._complained = False
            except JournalError as error:
                if not self._complained:
                    self._complained = True
                    log.error("%s: %s", self._name, error)
                pause_s = LOOK_S
            except Exception:  # a worker that ends is a channel that never works again
                failed(self._name, "goes on")
                pause_s = LOOK_S
            if pause_s > 0.0:
                if end_by is not None and self._aside is None:
                    return
                self._woken.wait(pause_s if end_by is None else LOOK_S)

    def _look(self, *, follow: bool) -> float:
        """Do what there is to be done next; seconds until there may be more."""
        if self._handed:
            self._do([self._handed.popleft()], WRITTEN)
            return 0.0
        if (kept := self._due_from_memory(tried=False)) is not None:
            self._do_from_memory(kept)
            return 0.0
        with suppress(JournalError):
            self._book()
        if (kept := self._due_from_memory(tried=True)) is not None:
            self._do_from_memory(kept)
            return 0.0
        if self._works_again:
            with suppress(JournalError):  # what is due is told also from a disk that is full
                self._in_time(lambda: self._outbox.hasten(self._name))
                self._works_again = False
        known = [*self._kept, *self._beside]  # the journal may hold as due what is done already
        limited = self._limited
        most = BATCH if limited else self._batch
        urgent = self._aside is not None
        found = self._in_time(lambda: self._outbox.due(self._name, most, without=known, urgent=urgent))
        jobs: Sequence[Job] = [
            job
            for job in found
            if job.key not in self._kept and job.key not in self._given and (follow or job.turn is not Turn.FOLLOW)
        ]
        if not jobs:
            return 0.0 if self._try_next() else self._pause(known)
        if limited and jobs[0].turn in (Turn.FRESH, Turn.RETRY, Turn.HELD):
            due = {job.key: job for job in jobs}
            jobs, held = self._limiter.sift(self._name, jobs, self._clock())
            if held:
                self._pass_on_held(due, held)
                self._in_time(lambda: self._outbox.finish(held))
                return 0.0
        if not (limited and jobs[0].turn in self._together):
            jobs = jobs[: self._batch]
        try:
            jobs = self._in_time(lambda: self._outbox.begin(jobs))
        except JournalError as error:  # a disk that is full or hangs must not stop a message
            log.error("%s: the attempt is not in the journal: %s", self._name, error)
        if jobs:
            self._do(jobs, WRITTEN)
        return 0.0

    def _pass_on_held(self, jobs: Mapping[str, Job], held: Sequence[Result]) -> None:
        """Have others told of emergencies that nobody is told of here for longer than help may be late."""
        late = self._clock() + self._waits.fallback_after_s
        for result in held:
            job = jobs[result.key]
            if job.fallback and job.kind == "alarm" and result.due_at is not None and result.due_at > late:
                self._held_long(job)

    def _pause(self, known: Sequence[str]) -> float:
        """Seconds until there may be something to be done, though nobody wakes it."""
        urgent = self._aside is not None
        next_due = self._in_time(lambda: self._outbox.next_due(self._name, without=known, urgent=urgent))
        due_s = [] if next_due is None else [next_due - self._clock()]
        kept = [each for each in list(self._kept.values()) if each.job.key not in self._beside]
        due_s += [each.due - time.monotonic() for each in kept if each.due is not None and self._may_begin(each.job)]
        to_book = any(each.result is not None and not each.never_in_journal for each in kept)
        # What means nothing is due as well, and is not done before it was put right.
        return max(min([*due_s, LOOK_S if to_book else IDLE_S]), LOOK_S if self._file.doubted else 0.01)

    def _due_from_memory(self, *, tried: bool) -> Kept | None:
        """What is kept and due, and was tried before or was not."""
        now = time.monotonic()
        for key, kept in list(self._kept.items()):
            left_to_journal = kept.in_journal and (kept.waits or self.nature is not Nature.SOUND)
            if kept.result is None and (key in self._done or left_to_journal):
                del self._kept[key]  # in the journal people may have decided about it
            elif (kept.result is not None) is tried and kept.is_due(now) and self._may_begin(kept.job):
                return kept.moved(self._ahead_s())
        return None

    def _do_from_memory(self, kept: Kept) -> None:
        """Do what is kept; what is no emergency is held back as the journal would: it may be three in the morning."""
        job = kept.next
        if self._limited and job.kind not in URGENT:
            _, held = self._limiter.sift(self._name, [job], self._clock())
            if held and held[0].due_at is not None:
                self._kept[job.key] = kept.held(held[0].due_at)
                return
        self._do([job], kept.entry)

    @property
    def _limited(self) -> bool:
        """Whether any message is ever held back here."""
        return self.nature is Nature.MESSAGE and self._limiter.limits(self._name)

    @property
    def _beside(self) -> Collection[str]:
        """Keys of what is under way beside the thread."""
        return () if self._aside is None else self._aside.keys

    def _may_begin(self, job: Job) -> bool:
        """Whether a job may be begun now, whatever its time."""
        return job.key not in self._beside and (self._aside is None or job.kind in URGENT)

    def _ahead_s(self) -> float:
        """How far the journal's clock is ahead of `time.monotonic()`."""
        return self._clock() - time.monotonic()

    def _book(self) -> None:
        """Write what came of jobs, as far as the journal holds their deliveries.

        Raises:
            JournalError: it cannot be written, or not in time; it stays kept.
        """
        results, ahead_s = [], self._ahead_s()
        for key, kept in list(self._kept.items()):
            if kept.never_in_journal and kept.result is not None and kept.due is None:
                del self._kept[key]
            elif key not in self._beside and kept.in_journal and (result := kept.moved(ahead_s).result) is not None:
                results.append(result)
        if results:
            self._in_time(lambda: self._outbox.finish(results))
            for result in results:
                self._kept.pop(result.key, None)

    def _in_time(self, use: Callable[[], T]) -> T:
        """What comes of a use of the journal; one that hangs goes on beside this thread, and all others wait for it.

        Raises:
            JournalError: it hangs, or cannot be used.
        """
        try:
            return in_time(f"journal for {self._name} {id(self)}", use, ANSWER_S)
        except TimeoutError:
            raise JournalUnusableError(f"the journal has not answered for {ANSWER_S:g} s") from None

    def _try_next(self) -> bool:
        """Do what somebody wants to be tried; False if there is nothing."""
        if not self._trials or self._aside is not None:
            return False
        use, coming = self._trials.popleft()
        if not coming.set_running_or_notify_cancel():  # nobody waits for it any more
            return True

        def tried() -> Outcome | None:
            try:
                return use(self.channel)
            except Exception as error:
                return self._unforeseen(error)

        self._trying = True
        try:
            self._use(tried, coming.set_result)
        finally:
            self._trying = False
        return True

    def _use(
        self, use: Callable[[], T], settle: Callable[[T], object], keys: Collection[str] = (), *, urgent: bool = False
    ) -> None:
        """Use the channel, and note what came of it: beside this thread, unless it is urgent or something is there."""
        if self.nature is Nature.MESSAGE and not urgent and self._aside is None:
            aside = Aside(keys, settle)
            try:
                aside.begin(f"{self._heart}-aside", use, self.wake)
            except RuntimeError:
                log.error("%s: the system gives no more threads", self._name)
            else:
                self._hearts.begin(f"{self._heart}-aside", DELIVERY_LIMIT_S)
                self._aside = aside
                return
        with self._at_work():
            result = use()
        settle(result)

    def _take_back(self) -> None:
        """Note what came of what went beside this thread, if that is over."""
        if self._aside is not None and self._aside.over():
            over, self._aside = self._aside, None
            self._hearts.end(f"{self._heart}-aside")
            over.end()

    def _do(self, jobs: Sequence[Job], entry: Entry | None) -> None:
        """Have the channel do its jobs, and write what came of them; `entry` as with `Kept`."""
        ahead_s = self._ahead_s()
        if self._is_answered(jobs[0]):
            now = self._clock()
            results = [Result(job.key, job.version, DeliveryState.DROPPED, ANSWERED, at=now) for job in jobs]
            self._note(jobs, results, entry)
            return

        def settle(outcomes: Sequence[Outcome | None]) -> None:
            moved = [moved_by(job, self._ahead_s() - ahead_s) for job in jobs]  # the clock may have been set meanwhile
            self._note(moved, self._results(moved, outcomes), entry)

        new = len(jobs) == 1 and jobs[0].kind in URGENT and jobs[0].turn in (Turn.FRESH, Turn.WANTED)
        self._use(lambda: self._outcomes(jobs), settle, [job.key for job in jobs], urgent=new)

    def _results(self, jobs: Sequence[Job], outcomes: Sequence[Outcome | None]) -> list[Result]:
        """What becomes of jobs now that this came of them; what it tells of the channel is noted."""
        if jobs[0].turn is not Turn.FOLLOW:
            told = [job for job, outcome in zip(jobs, outcomes, strict=True) if outcome is not None and outcome.ok]
            failed_before = self._fails or len(told) < len(jobs)
            self._works_again, self._fails = self._works_again or (failed_before and bool(told)), not told
            if told:
                self._limiter.told(self._name, told, self._clock())
        now = self._clock()  # one for all: by it what came as one message counts as one after a restart
        return [self._settled(job, outcome, now) for job, outcome in zip(jobs, outcomes, strict=True)]

    def _note(self, jobs: Sequence[Job], results: Sequence[Result], entry: Entry | None) -> None:
        """Keep what came of jobs, ask for what else that asks for, and book it if the journal answers."""
        done = list(zip(jobs, results, strict=True))
        ahead_s = self._ahead_s()
        self._kept |= {job.key: Kept(job, result, entry, ahead_s) for job, result in done}
        for job, result in done:
            if result.state is DeliveryState.FAILED:
                self._failed(job, result)
            elif result.state is not DeliveryState.PENDING:
                self._done.append(job.key)
        try:
            self._book()
        except JournalError as error:
            log.error("%s: what came of it is not in the journal: %s", self._name, error)

    def _is_answered(self, job: Job) -> bool:
        """Whether a job is a sound of before somebody answered; who asks for one later wants it all the same."""
        return (
            self.nature is Nature.SOUND
            and job.kind == "alarm"
            and job.asked_at - self._ahead_s() <= self._answered.get(job.incident.id, float("-inf"))
        )

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        self._busy_since = time.monotonic()
        if self.nature is Nature.SOUND:
            self._hearts.end(self._heart)  # it sounds as long as the settings say, and has its own time limit
        else:
            self._hearts.begin(self._heart, DELIVERY_LIMIT_S)
        try:
            yield
        finally:
            self._busy_since = None
            self._hearts.begin(self._heart, WORKER_LIMIT_S)

    def _outcomes(self, jobs: Sequence[Job]) -> Sequence[Outcome | None]:
        channel = self.channel
        try:
            if jobs[0].turn is Turn.FOLLOW:
                return [self._follow(job.reference) if self._follow else None for job in jobs]
            messages = [self._write(job, channel) for job in jobs]
            if len(jobs) == 1:
                return [channel.deliver(messages[0])]
            if self._deliver_many is not None:
                outcome = self._deliver_many(messages)
            else:
                outcome = channel.deliver(together(messages))
                if not outcome.ok and outcome.again:  # too long, maybe, for who does not say so: no emergency waits
                    first = foremost(messages)
                    return [channel.deliver(each) if each is first else outcome for each in messages]
            if outcome.ok or outcome.again:
                return [outcome] * len(jobs)
            return [channel.deliver(message) for message in messages]  # one of them is to blame
        except Exception as error:  # a channel's mistake must not end the channel
            return [replace(self._unforeseen(error), again=True)] * len(jobs)

    def _unforeseen(self, error: Exception) -> Outcome:
        log.exception("%s: failed in an unforeseen way", self._name)
        return Outcome(ok=False, detail=f"{type(error).__name__}; see the log")

    def _settled(self, job: Job, outcome: Outcome | None, now: float) -> Result:
        result = settle(
            job,
            outcome,
            nature=self.nature,
            waits=self._waits,
            follows=self._follow is not None,
            now=now,
            chance=self._chance.random(),
        )
        result = replace(result, at=now)
        if not job.hidden and outcome is not None:
            self._trouble = "" if outcome.ok else outcome.detail
            self._done_at = self._clock() if outcome.ok else self._done_at
        if result.state is DeliveryState.FAILED:
            log.log(logging.DEBUG if job.hidden else logging.ERROR, "%s failed: %s", self._name, result.detail)
        elif result.state is DeliveryState.PENDING and result.due_at is not None:
            level = logging.DEBUG if job.hidden else logging.WARNING
            wait_s = result.due_at - self._clock()
            log.log(level, "%s failed: %s; trying again in %.0f s", self._name, result.detail, max(wait_s, 0.0))
        elif outcome is not None:
            log.log(logging.DEBUG if job.hidden else logging.INFO, "%s: %s", self._name, result.detail)
        return result
