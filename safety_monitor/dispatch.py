"""The outbox at work: delivers what the journal holds, until every delivery is done or visibly given up on.

One worker a channel, so that one that hangs or fails delays no other. A worker is woken when an incident is confirmed;
a sound is made without a look at the journal, everything else is taken from there. What fails is tried again, waiting
longer each time; what was left behind by an earlier run is taken up when this one starts. A delivery may be made twice
when the power goes between the doing and the writing; it then carries the same key.
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, cast

from filelock import FileLock, Timeout

from media.in_time import in_time
from safety_monitor.actions.message import OVER, Message, Place, trial_message, written
from safety_monitor.actions.outcome import Outcome
from safety_monitor.delivery import DeliveryState, Job, Result, Turn
from safety_monitor.escalation import Nature, Planned, Policy, choose, choose_for_trouble, delivery_key, plan
from safety_monitor.heartbeat import Heartbeats
from safety_monitor.incident import Incident, State, notice
from safety_monitor.journal import Journal
from safety_monitor.journal_file import LOCK_NAME, JournalError, JournalUnusableError
from safety_monitor.limits import Hold, Limits, Told, counted, digest, hold
from safety_monitor.settling import Waits, instead_of, settle

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often a worker looks for what another process asked for."""
HIDDEN_KEPT = 100
MESSAGES_KEPT = 1000
BATCH = 100
"""Most deliveries that a channel gets at once, if it takes several."""
HUNG_S = 120.0
"""A channel that is at one delivery for longer than this is a trouble; each has shorter time limits of its own."""
WORKER_LIMIT_S, DELIVERY_LIMIT_S = 60.0, 600.0
"""Longest times between two heartbeats of a worker: one that looks for work, and one that is at a delivery."""
COMMIT_S = 2.0
"""So long an alarm waits for its incident to be on the disk. Where that hangs, or another program holds the journal, it
is given from memory."""
FROM_MEMORY = "made without the journal, which did not answer in time"
EVIDENCE_S = 5.0
"""So long a message waits for its place and picture."""
CLOSE_S = 20.0
"""How long what is due when the station ends may still take; the rest is taken up at the next start."""
GIVE_BACK_S = 5.0
"""How long a channel may take to end."""
MOST_UNRECORDED = 1000
"""Transitions that are kept for a journal that cannot be written; the oldest go first."""
TROUBLE_EVERY_S = 3600.0
"""Troubles with one part of the station are told of this often at most."""
URGENT = frozenset({"alarm", "duress"})
"""Kinds of messages that tell of an emergency."""
CLOCK_SET_S = 2.0
"""The clock was set if it went on by so much more or less than time did."""


class Channel(Protocol):
    """A way out: something that can be done about an incident.

    A channel may have more: `record = True` if it keeps what an incident is now, and is asked again at every change;
    `heard = True` if it is noticed where the station stands, and only of use at that moment;
    `answers = True` if it also says there that somebody has taken an incident on;
    `deliver_many(messages) -> Outcome` if it takes several at once, all or none;
    `aloud = True` if what it is given is read out to somebody;
    `follow(reference) -> Outcome | None` if its far end says later whether a message arrived (None: not yet known);
    `attend(panel)` if it shows the station as a whole, and takes commands for it.
    """

    @property
    def name(self) -> str:
        """As in the journal and the settings; "group:member" for one of several of a kind."""

    def deliver(self, message: Message) -> Outcome:
        """Do it, and say what came of it; blocks, within a time limit of its own."""

    def check(self) -> Outcome:
        """Try whether it could be done now, without doing it."""

    def interrupt(self) -> None:
        """End what is being done soon, because the incident is over; called from another thread."""

    def close(self) -> None:
        """Give devices and processes back."""


class OutboxBusyError(Exception):
    """Another process delivers from this journal; the text is one line that says so."""


def is_aloud(channel: Channel) -> bool:
    """Whether what a channel is given is read out to somebody."""
    return bool(getattr(channel, "aloud", False))


def nature_of(channel: Channel) -> Nature:
    """What kind of way out a channel is."""
    if getattr(channel, "record", False):
        return Nature.RECORD
    return Nature.SOUND if getattr(channel, "heard", False) else Nature.MESSAGE


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


@dataclass(slots=True)
class _Outlet:
    """A channel with its worker."""

    channel: Channel
    nature: Nature
    woken: threading.Event = field(default_factory=threading.Event)
    handed: "deque[Job]" = field(default_factory=deque)
    """To be done at once, without a look at the journal."""
    loose: dict[str, tuple[float, Job]] = field(default_factory=dict)
    """What could not be written to the journal, and when it is due."""
    unwritten: dict[str, tuple[Job, Result]] = field(default_factory=dict)
    """Jobs that are in the journal, where what came of them could not be written."""
    given: set[str] = field(default_factory=set)
    """Keys of what the journal is about to hold, and what is done from memory should it not do so in time."""
    trials: "deque[tuple[Callable[[Channel], Outcome | None], Future[Outcome | None]]]" = field(default_factory=deque)
    """What somebody wants to be tried; emergencies go first."""
    trying: bool = False
    """Whether a trial is under way."""
    trouble: str = ""
    """What the last attempt that may be seen failed with; empty if it did not."""
    done_at: float | None = None
    """When something was done last, seconds since 1970."""
    complained: bool = False
    """Whether it was said that the journal cannot be used; where that lasts for weeks, once is enough."""
    busy_since: float | None = None
    """`time.monotonic()` at which it began what it is doing."""

    def hangs_s(self) -> float | None:
        """How long it has been at one delivery, if that is too long; a sound lasts as long as the settings say."""
        since = self.busy_since
        busy_s = 0.0 if since is None or self.nature is Nature.SOUND else time.monotonic() - since
        return busy_s if busy_s > HUNG_S else None

    @property
    def heart(self) -> str:
        """Name of its heartbeat."""
        return f"dispatch-{self.channel.name}"

    @property
    def follows(self) -> bool:
        return hasattr(self.channel, "follow")

    @property
    def batch(self) -> int:
        return BATCH if hasattr(self.channel, "deliver_many") else 1


def _give_back(channel: Channel) -> None:
    """Close a channel, for a while; whatever is wrong with it must not keep the others from being closed."""
    try:
        in_time(f"close {channel.name}", channel.close, GIVE_BACK_S, lambda closed: None)
    except TimeoutError:
        log.error("%s: does not close; left behind", channel.name)
    except Exception:
        log.exception("%s: does not close", channel.name)


def _about(jobs: Iterable[Job]) -> frozenset[str]:
    return frozenset(_telling(job.key, job.channel) for job in jobs)


def _is_urgent(job: Job) -> bool:
    return job.kind in URGENT


def _most_urgent(jobs: Sequence[Job]) -> int:
    """Place of the newest emergency that waits for somebody; else of the newest of all."""
    waiting = [job.kind == "alarm" and job.incident.state in (State.CONFIRMED, State.CLOSED) for job in jobs]
    return len(jobs) - 1 - (waiting[::-1].index(True) if True in waiting else 0)


def _once_more(job: Job, result: Result) -> Job:
    """A job that is to be tried again, as the journal would give it."""
    return replace(job, attempts=job.attempts + 1, turn=Turn.RETRY, reference=result.reference)


def _telling(key: str, channel: str) -> str:
    """What a delivery tells, whatever the channel: incident, kind and repetition."""
    return key.replace(f":{channel}:", ":", 1)


@dataclass(frozen=True, slots=True)
class _Unrecorded:
    """A transition that the journal could not take, and when it was; seconds since 1970."""

    incident: Incident
    source: str
    silent: bool
    place: Place | None
    at: float


class Dispatch:
    """Makes transitions durable, and delivers what they ask for.

    Args:
        journal: where the outbox is; its clock is the one that counts.
        channels: each is used by one thread only, but for `interrupt` and `close`.
        policies: which incidents ask for what; none: everything at once.
        waits: how long and how often deliveries are tried.
        limits: how much a channel's messages are held back; None: not at all.
        person: who is reached by a channel; what they are told on one counts on all that reach them.
        station: its name.
        public_url: where others reach its pages; empty: they do not.
        place: where an incident happened, if that is known; may take a while.
        evidence: the files that belong to an incident.
        patience_s: how long to wait for another process that delivers from this journal to end.
        hearts: where every worker says that it still works.

    Raises:
        OutboxBusyError: another process delivers from this journal, and went on doing so.
        JournalError: what an earlier run left behind cannot be read or written.
    """

    def __init__(
        self,
        journal: Journal,
        channels: Sequence[Channel],
        *,
        policies: Sequence[Policy] = (),
        waits: Waits | None = None,
        limits: Callable[[str], Limits | None] = lambda channel: None,
        person: Callable[[str], str] = lambda channel: channel,
        station: str = "station",
        public_url: str = "",
        place: Callable[[Incident], Place | None] = lambda incident: None,
        evidence: Callable[[str], tuple[Path, ...]] = lambda incident_id: (),
        patience_s: float = 0.0,
        hearts: Heartbeats | None = None,
    ) -> None:
        self._journal = journal
        self._outbox = journal.outbox
        self._hearts = hearts or Heartbeats()
        self._policies = policies
        self._waits = waits or Waits()
        self._limits = {channel.name: limits(channel.name) for channel in channels}
        self._people = {channel.name: person(channel.name) for channel in channels}
        self._messages: dict[str, deque[Told]] = {each: deque(maxlen=MESSAGES_KEPT) for each in self._people.values()}
        """What each person was told last."""
        self._lock_messages = threading.Lock()
        self._station = station
        self._public_url = public_url
        self._place = place
        self._evidence = evidence
        self._natures = {channel.name: nature_of(channel) for channel in channels}
        self._outlets = {channel.name: _Outlet(channel, self._natures[channel.name]) for channel in channels}
        self._hidden: dict[str, bool] = {}
        """Whether they are hidden, for the incidents confirmed last: what adds to one later does not change it."""
        self._told: dict[str, float] = {}
        self._not_over: set[str] = set()
        """Parts of which people were told that they failed, and not yet that they work again."""
        self._unrecorded: deque[_Unrecorded] = deque(maxlen=MOST_UNRECORDED)
        self._recording = threading.Lock()
        self._chance = random.Random()  # noqa: S311  # jitter needs no secrecy
        self._closing = threading.Event()
        self._close_by = float("inf")
        self._lock = FileLock(journal.path.with_name(LOCK_NAME), thread_local=False)
        try:
            self._lock.acquire(timeout=patience_s)
        except Timeout:
            place_of_lock = journal.path.parent
            raise OutboxBusyError(f"{place_of_lock}: another safety-monitor delivers from this journal") from None
        try:
            left = self._outbox.recover(self._natures)
            self._remember_messages()
        except JournalError:
            self._lock.release()
            raise
        if left:
            log.info("outbox: %d deliveries are taken up again", left)
        self._threads = [
            threading.Thread(target=self._work, args=(outlet,), name=f"dispatch-{name}", daemon=True)
            for name, outlet in self._outlets.items()
        ]
        self._watcher = threading.Thread(target=self._watch, name="dispatch-watch", daemon=True)
        for thread in (*self._threads, self._watcher):
            thread.start()

    def is_hidden(self, incident: Incident) -> bool:
        """Whether nothing of an incident may be heard or seen where the station stands."""
        known = self._hidden.get(incident.id)
        return choose(self._policies, incident).silent if known is None else known

    def calls_help(self, incident: Incident) -> bool:
        """Whether anybody elsewhere is told of an incident."""
        planned = plan(choose(self._policies, incident), incident.id, self._natures)
        return any(each.nature is Nature.MESSAGE for each in planned)

    def health(self) -> list[ChannelHealth]:
        """How each channel is, as far as its use since the start tells."""
        found = []
        for name, outlet in self._outlets.items():
            hangs_s = outlet.hangs_s()
            trouble = outlet.trouble if hangs_s is None else f"hangs for {hangs_s:.0f} s"
            done_at = None if outlet.done_at is None else datetime.fromtimestamp(outlet.done_at, UTC)
            found.append(ChannelHealth(name, trouble, done_at))
        return found

    @property
    def channels(self) -> Mapping[str, Nature]:
        """Every channel that is turned on."""
        return self._natures

    def follow(self, incident: Incident, source: str = "", place: Place | None = None) -> None:
        """Make a transition durable and, if it is confirmed, start every channel on it.

        It waits for the disk alone, and for that no longer than `COMMIT_S`.

        Args:
            incident: as it is from now on.
            source: what heard or saw it.
            place: where it happened, if that is not where the station stands.

        Raises:
            JournalError: it is not in the journal; what it asks for is done all the same.
        """
        policy = choose(self._policies, incident)
        silent = self.is_hidden(incident)
        planned: tuple[Planned, ...] = ()
        if incident.state is State.CONFIRMED:
            self._hidden[incident.id] = silent
            if len(self._hidden) > HIDDEN_KEPT:
                del self._hidden[next(iter(self._hidden))]
            planned = plan(policy, incident.id, self._natures)
        missed = _Unrecorded(incident, source, silent, place, self._journal.clock())
        try:
            self._record(missed, planned)
        except JournalError as error:  # a full disk must not stop an alarm
            self._hand(planned, incident, silent, journaled=False)
            if isinstance(error, JournalUnusableError):
                self._unrecorded.append(missed)
            raise
        self._hand(planned, incident, silent, journaled=True)

    def _record(self, new: _Unrecorded, planned: Sequence[Planned]) -> None:
        """Write a transition with what it asks for, after all that could not be written before.

        Raises:
            JournalError: it cannot be written, or not in time.
        """

        def write() -> None:
            with self._recording:
                self._record_missed()
                self._journal.record(new.incident, planned, new.source, silent=new.silent, place=new.place)

        for each in planned:
            self._outlets[each.channel].given.add(each.key)
        try:
            in_time(f"journal {id(self)}", write, COMMIT_S, lambda _: self._recorded_late(new, planned))
        except TimeoutError:
            path = self._journal.path
            raise JournalUnusableError(f"{path}: cannot be written: no answer within {COMMIT_S:g} s") from None
        except JournalError:
            self._written(planned)
            raise
        self._written(planned)

    def _recorded_late(self, missed: _Unrecorded, planned: Sequence[Planned]) -> None:
        """A transition is in the journal after all, when what it asks for was done from memory: not once more."""
        with suppress(ValueError):
            self._unrecorded.remove(missed)
        try:
            self._outbox.finish(Result(each.key, 1, DeliveryState.DROPPED, FROM_MEMORY) for each in planned)
        except JournalError as error:
            log.error("what was made from memory will be made again: %s", error)
        self._written(planned)

    def _written(self, planned: Iterable[Planned]) -> None:
        """The journal holds what it will ever hold of deliveries."""
        for each in planned:
            self._outlets[each.channel].given.discard(each.key)

    def _record_missed(self) -> None:
        """Write what could not be written when it was; in its order, and before anything new.

        Raises:
            JournalUnusableError: it still cannot.
        """
        while self._unrecorded:
            missed = self._unrecorded[0]
            try:
                self._journal.record(
                    missed.incident, (), missed.source, silent=missed.silent, place=missed.place, at=missed.at
                )
            except JournalUnusableError:
                raise
            except JournalError as error:  # a person decided otherwise meanwhile
                log.warning("%s", error)
            self._unrecorded.popleft()

    def trouble(self, about: str, text: str) -> None:
        """Tell that a part of the station failed, as the policy for troubles says; once an hour about each part.

        Args:
            about: the part.
            text: one line that says what is wrong with it.
        """
        now = time.monotonic()
        if now - self._told.get(about, float("-inf")) < TROUBLE_EVERY_S:
            return
        self._told[about] = now
        self._not_over.add(about)
        self._tell_trouble(text)

    def trouble_over(self, about: str, text: str) -> None:
        """Tell that a part of the station works again, if people were told that it failed.

        Args:
            about: the part.
            text: one line that says what was wrong with it.
        """
        if about in self._not_over:
            self._not_over.discard(about)
            self._tell_trouble(f"{OVER}{text}")

    def _tell_trouble(self, text: str) -> None:
        def ask(trouble_id: str) -> tuple[Planned, ...]:
            return plan(choose_for_trouble(self._policies), trouble_id, self._natures, "trouble")

        try:
            self._journal.trouble(text, ask)
        except JournalError as error:  # that may be the trouble
            log.error("a trouble is not in the journal: %s", error)
            trouble = notice(text)
            self._hand(ask(trouble.id), trouble, hidden=False, journaled=False)
        self.wake()

    def try_out(self, name: str) -> "Future[Outcome | None]":
        """Send a marked test through a channel, in its own turn; whatever is due goes first.

        Raises:
            KeyError: no such channel is turned on.
        """

        def deliver(channel: Channel) -> Outcome:
            place = self._place(notice("test"))
            return channel.deliver(trial_message(self._station, name, place, aloud=is_aloud(channel)))

        return self._trial(name, deliver)

    def follow_trial(self, name: str, reference: str) -> "Future[Outcome | None]":
        """Ask the far end whether a test has arrived; None if that is not yet known, or cannot be asked."""

        def follow(channel: Channel) -> Outcome | None:
            ask = cast(Callable[[str], Outcome | None] | None, getattr(channel, "follow", None))
            return ask(reference) if ask else None

        return self._trial(name, follow)

    def _trial(self, name: str, use: "Callable[[Channel], Outcome | None]") -> "Future[Outcome | None]":
        outlet = self._outlets[name]
        coming: Future[Outcome | None] = Future()
        outlet.trials.append((use, coming))
        outlet.woken.set()
        return coming

    def wake(self) -> None:
        """Have every worker look for what there is to be done."""
        for outlet in self._outlets.values():
            outlet.woken.set()

    def decided(self, incident: Incident, *, hush: bool) -> None:
        """A person has acknowledged or cancelled an incident: what this asks for is done at once.

        Where it could be heard that help was called, it is said that somebody has taken it on.

        Args:
            incident: in the state that was decided.
            hush: whether alarm and voice end; they go on for another incident that nobody has answered.
        """
        if hush:
            for outlet in self._outlets.values():
                if outlet.nature is Nature.SOUND:
                    outlet.channel.interrupt()
        answers: list[Planned] = []
        if incident.state is State.ACKNOWLEDGED and not self.is_hidden(incident):
            for each in plan(choose(self._policies, incident), incident.id, self._natures):
                if getattr(self._outlets[each.channel].channel, "answers", False):
                    key = delivery_key(incident.id, each.channel, "update")
                    answers.append(replace(each, key=key, kind="update", after_s=0.0, fallback=()))
        self._hand(answers, incident, hidden=False, journaled=False)

    def close(self) -> None:
        """Finish what is due, for a while, then give everything back; what is left is done after the next start."""
        self._close_by = time.monotonic() + CLOSE_S
        self._closing.set()
        self.wake()
        for thread in (*self._threads, self._watcher):
            thread.join(max(self._close_by - time.monotonic(), 0.0) + LOOK_S)
        for thread, outlet in zip(self._threads, self._outlets.values(), strict=True):
            if thread.is_alive():
                log.error("%s: still busy at the end; what is left is done after the next start", outlet.channel.name)
            _give_back(outlet.channel)
            thread.join(LOOK_S)
        with suppress(JournalError, TimeoutError):
            in_time(f"journal {id(self)}", self._record_missed, COMMIT_S, lambda written: None)
        self._lock.release()

    def _hand(self, planned: Iterable[Planned], incident: Incident, hidden: bool, *, journaled: bool) -> None:
        """Give workers what they shall not look up in the journal, and wake them."""
        now = self._journal.clock()
        opened_at = datetime.fromtimestamp(now, UTC).isoformat()
        for each in planned:
            outlet = self._outlets[each.channel]
            job = Job(
                key=each.key,
                version=1,
                channel=each.channel,
                kind=each.kind,
                turn=Turn.FRESH,
                attempts=0,
                asked_at=now + each.after_s,
                sent_at=None,
                reference="",
                fallback=each.fallback,
                hidden=hidden,
                incident=incident,
                opened_at=opened_at,
            )
            if not journaled:
                outlet.loose[job.key] = (job.asked_at, job)
            elif each.immediate:
                outlet.handed.append(job)
            if outlet.trying:
                outlet.channel.interrupt()  # an emergency does not wait for a trial to end
        self.wake()

    def _remember(self, told: Told) -> None:
        with self._lock_messages:
            self._messages[self._people[told.channel]].append(told)

    def _remember_messages(self) -> None:
        """What people were told before the start counts, too: a station that starts again and again must not spam."""
        lasting = [max(limits.within_s, limits.cool_down_s) for limits in self._limits.values() if limits is not None]
        for channel, sent_at, keys in self._outbox.told_since(self._journal.clock() - max(lasting, default=0.0)):
            if channel in self._people:
                about = frozenset(_telling(key, channel) for key in keys)
                urgent = any(telling.split(":")[1] in URGENT for telling in about)
                self._remember(Told(sent_at, channel, about, urgent))

    def _work(self, outlet: _Outlet) -> None:
        """The life of one channel's thread."""
        while True:
            self._hearts.begin(outlet.heart, WORKER_LIMIT_S)
            outlet.woken.clear()
            closing = self._closing.is_set()
            if closing and time.monotonic() > self._close_by:
                return
            try:
                busy = self._look(outlet, follow=not closing)
                outlet.complained = False
            except JournalError as error:
                if not outlet.complained:
                    outlet.complained = True
                    log.error("%s: %s", outlet.channel.name, error)
                busy = False
            except Exception:  # a worker that ends is a channel that never works again
                log.exception("%s: failed in an unforeseen way", outlet.channel.name)
                busy = False
            if not busy:
                if closing:
                    return
                outlet.woken.wait(self._pause(outlet))

    def _look(self, outlet: _Outlet, *, follow: bool) -> bool:
        """Do what there is to be done next; False if there is nothing."""
        if outlet.handed:
            self._do(outlet, [outlet.handed.popleft()])
            return True
        loose = [job for due_at, job in list(outlet.loose.values()) if due_at <= self._journal.clock()]
        if loose:
            self._do(outlet, loose[:1], journaled=False)
            return True
        if outlet.unwritten and (again := self._unwritten_again(outlet)) is not None:
            self._do(outlet, [again])
            return True
        name = outlet.channel.name
        next_due = self._outbox.next_due(name)
        if next_due is None or next_due > self._journal.clock():
            return self._try_next(outlet)
        limited = outlet.nature is Nature.MESSAGE and self._limits[name] is not None
        found = self._outbox.due(name, (BATCH if limited else outlet.batch) + len(outlet.unwritten))
        others = outlet.unwritten.keys() | outlet.given
        jobs: Sequence[Job] = [
            job for job in found if job.key not in others and (follow or job.turn is not Turn.FOLLOW)
        ]
        if limited and jobs and jobs[0].turn in (Turn.FRESH, Turn.HELD):
            jobs, holding = self._held_back(outlet, jobs)
            if holding:
                return True
        together = bool(jobs) and jobs[0].turn is Turn.HELD
        jobs = jobs if together else jobs[: outlet.batch]
        if not jobs:
            return False
        try:
            self._outbox.begin(jobs)
        except JournalError as error:  # a full disk must not stop a message
            log.error("%s: the attempt is not in the journal: %s", name, error)
        self._do(outlet, jobs)
        return True

    def _try_next(self, outlet: _Outlet) -> bool:
        """Do what somebody wants to be tried; False if there is nothing."""
        if not outlet.trials:
            return False
        use, coming = outlet.trials.popleft()
        if not coming.set_running_or_notify_cancel():  # nobody waits for it any more
            return True
        outlet.trying = True
        try:
            with self._at_work(outlet):
                outcome = use(outlet.channel)
        except Exception as error:
            log.exception("%s: failed in an unforeseen way", outlet.channel.name)
            outcome = Outcome(ok=False, detail=f"{type(error).__name__}; see the log")
        finally:
            outlet.trying = False
        coming.set_result(outcome)
        return True

    def _held_back(self, outlet: _Outlet, jobs: Sequence[Job]) -> tuple[Sequence[Job], bool]:
        """What is left of jobs when those that a person is not to be told of now are held back; whether any were."""
        if duress := [job for job in jobs if job.kind == "duress"]:
            return duress, False
        groups = {job.key: (_is_urgent(job), self._answers(outlet, job)) for job in jobs}
        held = {
            group: self._hold(outlet, [job for job in jobs if groups[job.key] == group], *group)
            for group in set(groups.values())
        }
        free = [job for job in jobs if held[groups[job.key]] is None]
        if free:
            return free, False
        results = []
        for job in jobs:
            if (hold := held[groups[job.key]]) is not None:
                detail = f"held back: {hold.why}"
                log.log(logging.DEBUG if job.hidden else logging.INFO, "%s %s", outlet.channel.name, detail)
                results.append(Result(job.key, job.version, DeliveryState.PENDING, detail, hold.until, held=True))
        self._outbox.finish(results)
        return (), True

    def _answers(self, outlet: _Outlet, job: Job) -> bool:
        """Whether a job tells a person what became of an emergency that they were told of."""
        alarm = _telling(delivery_key(job.incident.id, outlet.channel.name, "alarm"), outlet.channel.name)
        with self._lock_messages:
            told = self._messages[self._people[outlet.channel.name]]
            return job.kind == "update" and any(alarm in each.about for each in told)

    def _hold(self, outlet: _Outlet, jobs: Sequence[Job], urgent: bool, answers: bool) -> Hold | None:
        """Whether jobs are held back that are all emergencies, or all answers to such, or all neither."""
        name = outlet.channel.name
        limits = self._limits[name]
        if limits is None:
            return None
        if answers:  # whoever was called must not go on to believe that nobody helps
            limits = replace(limits, cool_down_s=0.0)
        about = _about(jobs)
        with self._lock_messages:
            sent = counted(self._messages[self._people[name]], name, about, urgent=urgent)
        return hold(limits, datetime.fromtimestamp(self._journal.clock()).astimezone(), sent)

    def _unwritten_again(self, outlet: _Outlet) -> Job | None:
        """Write what could not be written before; if it still cannot, the next job of it that is to be tried again."""
        try:
            self._outbox.finish([result for _, result in outlet.unwritten.values()])
        except JournalError:
            now = self._journal.clock()
            for job, result in outlet.unwritten.values():
                if result.state is DeliveryState.PENDING and result.due_at is not None and result.due_at <= now:
                    return _once_more(job, result)
        else:
            outlet.unwritten.clear()
        return None

    def _pause(self, outlet: _Outlet) -> float:
        """Seconds until there may be something to be done."""
        with suppress(JournalError):
            due = [due_at for due_at, _ in list(outlet.loose.values())]
            if (next_due := self._outbox.next_due(outlet.channel.name)) is not None:
                due.append(next_due)
            wait_s = min(due, default=float("inf")) - self._journal.clock()
            return min(max(wait_s, 0.01), LOOK_S)
        return LOOK_S

    def _do(self, outlet: _Outlet, jobs: Sequence[Job], *, journaled: bool = True) -> None:
        """Have a channel do its jobs, and write what came of them."""
        with self._at_work(outlet):
            outcomes = self._outcomes(outlet, jobs)
        if jobs[0].turn is not Turn.FOLLOW and any(outcome is not None and outcome.ok for outcome in outcomes):
            urgent = any(map(_is_urgent, jobs))
            self._remember(Told(self._journal.clock(), outlet.channel.name, _about(jobs), urgent))
        results = [self._settled(outlet, job, outcome) for job, outcome in zip(jobs, outcomes, strict=True)]
        if journaled:
            try:
                self._outbox.finish(results)
            except JournalError as error:
                log.error("%s: what came of it is not in the journal: %s", outlet.channel.name, error)
                outlet.unwritten |= {job.key: (job, result) for job, result in zip(jobs, results, strict=True)}
            else:
                for job in jobs:
                    outlet.unwritten.pop(job.key, None)
        else:
            self._keep_loose(outlet, jobs, results)
        if any(result.instead for result in results):
            self.wake()
        for job, result in zip(jobs, results, strict=True):
            if result.state is DeliveryState.FAILED:
                self._failed(job, result)

    @contextmanager
    def _at_work(self, outlet: _Outlet) -> Iterator[None]:
        outlet.busy_since = time.monotonic()
        if outlet.nature is Nature.SOUND:
            self._hearts.end(outlet.heart)  # it sounds as long as the settings say, and has its own time limit
        else:
            self._hearts.begin(outlet.heart, DELIVERY_LIMIT_S)
        try:
            yield
        finally:
            outlet.busy_since = None
            self._hearts.begin(outlet.heart, WORKER_LIMIT_S)

    def _outcomes(self, outlet: _Outlet, jobs: Sequence[Job]) -> Sequence[Outcome | None]:
        channel = outlet.channel
        try:
            if jobs[0].turn is Turn.FOLLOW:
                follow = cast(Callable[[str], Outcome | None], getattr(channel, "follow"))  # noqa: B009
                return [follow(job.reference) for job in jobs]
            messages = [self._message(outlet, job) for job in jobs]
            if jobs[0].turn is Turn.HELD and len(jobs) > 1:
                first = _most_urgent(jobs)
                text = digest([message.text for message in messages], [job.incident for job in jobs], first)
                return [channel.deliver(replace(messages[first], text=text))] * len(jobs)
            if len(jobs) == 1:
                return [channel.deliver(messages[0])]
            deliver_many = cast(Callable[[Sequence[Message]], Outcome], getattr(channel, "deliver_many"))  # noqa: B009
            outcome = deliver_many(messages)
            if outcome.ok or outcome.again:
                return [outcome] * len(jobs)
            return [channel.deliver(message) for message in messages]  # one of them is to blame
        except Exception as error:  # a channel's mistake must not end the channel
            log.exception("%s: failed in an unforeseen way", channel.name)
            return [Outcome(ok=False, detail=f"{type(error).__name__}; see the log", again=True)] * len(jobs)

    def _message(self, outlet: _Outlet, job: Job) -> Message:
        opened_at = datetime.fromisoformat(job.opened_at)
        place: Place | None = None
        files: tuple[Path, ...] = ()
        if outlet.nature is not Nature.SOUND:
            try:
                place, files = in_time(
                    f"evidence for {outlet.channel.name} {id(self)}",
                    lambda: (self._place(job.incident), self._evidence(job.incident.id)),
                    EVIDENCE_S,
                    lambda late: None,
                )
            except Exception:  # also one that hangs, as the disk may
                log.exception("place and evidence are left out of a message")
        text = written(
            job.kind,
            job.incident,
            self._station,
            opened_at,
            place,
            self._public_url,
            discreet=job.hidden,
            aloud=is_aloud(outlet.channel),
        )
        return Message(
            key=job.key,
            kind=job.kind,
            incident=job.incident,
            station=self._station,
            opened_at=opened_at,
            text=text,
            place=place,
            attachments=files,
            reference=job.reference,
            discreet=job.hidden,
            help_called=self.calls_help(job.incident),
        )

    def _settled(self, outlet: _Outlet, job: Job, outcome: Outcome | None) -> Result:
        result = settle(
            job,
            outcome,
            nature=outlet.nature,
            waits=self._waits,
            follows=outlet.follows,
            now=self._journal.clock(),
            chance=self._chance.random(),
        )
        name, level = outlet.channel.name, logging.DEBUG if job.hidden else logging.INFO
        if not job.hidden and outcome is not None:
            outlet.trouble = "" if outcome.ok else outcome.detail
            outlet.done_at = self._journal.clock() if outcome.ok else outlet.done_at
        if result.state is DeliveryState.FAILED:
            log.log(logging.DEBUG if job.hidden else logging.ERROR, "%s failed: %s", name, result.detail)
            return replace(result, instead=instead_of(job, self._natures))
        if result.state is DeliveryState.PENDING and result.due_at is not None:
            level = logging.DEBUG if job.hidden else logging.WARNING
            wait_s = result.due_at - self._journal.clock()
            log.log(level, "%s failed: %s; trying again in %.0f s", name, result.detail, max(wait_s, 0.0))
        elif outcome is not None:
            log.log(level, "%s: %s", name, result.detail)
        return result

    def _keep_loose(self, outlet: _Outlet, jobs: Sequence[Job], results: Sequence[Result]) -> None:
        """What is in no journal is remembered here."""
        for job, result in zip(jobs, results, strict=True):
            outlet.loose.pop(job.key, None)
            if result.state is DeliveryState.PENDING and result.due_at is not None:
                outlet.loose[job.key] = (result.due_at, _once_more(job, result))
            self._hand(result.instead, job.incident, job.hidden, journaled=False)

    def _failed(self, job: Job, result: Result) -> None:
        """A delivery that finally failed is a trouble; one that tells of a trouble makes no other."""
        if not job.hidden and job.kind != "trouble":
            self.trouble(job.channel, f"{job.channel} failed: {result.detail}")

    def _watch(self) -> None:
        """Notices what no worker can: that one of them hangs, that help is late, that the clock was set."""
        difference = self._journal.clock() - time.monotonic()
        hung: set[str] = set()
        complained = False
        while not self._closing.wait(LOOK_S):
            self._hearts.begin("dispatch-watch", WORKER_LIMIT_S)
            try:
                now_difference = self._journal.clock() - time.monotonic()
                if abs(now_difference - difference) > CLOCK_SET_S:
                    log.warning("the clock was set by %+.0f s", now_difference - difference)
                    self._outbox.shift(now_difference - difference)
                difference = now_difference
                self._watch_for_hung(hung)
                if self._recording.acquire(timeout=LOOK_S):  # who has it may be waiting for the disk
                    try:
                        self._record_missed()
                    finally:
                        self._recording.release()
                self._fall_back_in_time()
                complained = False
            except JournalError as error:
                if not complained:
                    complained = True
                    log.error("%s", error)
            except Exception:
                log.exception("the outbox's watch failed in an unforeseen way")

    def _watch_for_hung(self, hung: set[str]) -> None:
        for name, outlet in self._outlets.items():
            hangs_s = outlet.hangs_s()
            if hangs_s is None:
                hung.discard(name)
            elif name not in hung:
                hung.add(name)
                text = f"{name}: hangs, has been at one delivery for {hangs_s:.0f} s"
                log.error("%s", text)
                self.trouble(name, text)

    def _fall_back_in_time(self) -> None:
        for job in self._outbox.overdue(self._journal.clock() - self._waits.fallback_after_s):
            if self._natures.get(job.channel) is Nature.SOUND:
                continue
            instead = instead_of(job, self._natures)
            level = logging.DEBUG if job.hidden else logging.WARNING
            log.log(level, "%s is late; trying %s, too", job.channel, ", ".join(each.channel for each in instead))
            self._outbox.fall_back(job, instead)
            self.wake()
