"""The outbox at work: delivers what the journal holds, until every delivery is done or visibly given up on.

One worker a channel, so that one that hangs or fails delays no other. A worker is woken when an incident is confirmed;
a sound is made without a look at the journal, everything else is taken from there. What fails is tried again, waiting
longer each time; what was left behind by an earlier run is taken up when this one starts. A delivery may be made twice
when the power goes between the doing and the writing; it then carries the same key.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime

from filelock import FileLock, Timeout

from media.heartbeat import Heartbeats
from media.lasting import failed
from safety_monitor.actions.absent import Absent
from safety_monitor.actions.channel import Channel, follow_of, says_answers
from safety_monitor.actions.message import OVER, Message
from safety_monitor.actions.outcome import Outcome
from safety_monitor.delivery import Job, Result, Turn
from safety_monitor.dispatch.channel_worker import WORKER_LIMIT_S, ChannelHealth, ChannelWorker
from safety_monitor.dispatch.composing import Composer
from safety_monitor.dispatch.policies import DeliveryRules, natures_of
from safety_monitor.dispatch.rate_limiter import RateLimiter
from safety_monitor.dispatch.settling import instead_of
from safety_monitor.dispatch.troubles import TROUBLE_EVERY_S, Troubles
from safety_monitor.escalation import (
    Kind,
    Nature,
    Planned,
    Policy,
    choose,
    choose_for_trouble,
    delivery_key,
    person_of,
    plan,
    resolve,
    when_over,
)
from safety_monitor.incident import Incident, State, notice
from safety_monitor.journal.file import LOCK_NAME, JournalError
from safety_monitor.journal.incidents import Journal
from safety_monitor.journal.rescue import unsaved
from safety_monitor.journal.writer import JournalWriter, Step
from safety_monitor.place import Place

log = logging.getLogger(__name__)

CHOSEN_KEPT = 100
LOOK_S = 1.0
"""How often it is looked for what nobody says: that a worker hangs, what another process asks for in the journal."""
CLOSE_S, END_S = 20.0, 1.0
"""How long what is due when the station ends may still take, the rest is taken up at the next start; and how long a
thread may take to end after that."""
WATCH, ATTEND = "dispatch-watch", "dispatch-journal"
"""Threads beside the workers, and their heartbeats."""
ATTEND_LIMIT_S = 120.0
"""Longest time between two heartbeats of the one that sees to the journal: a disk that hangs is known before."""
AFTER_START_S = 3600.0
"""So long after a start it is tried at least to deliver what waited, however old that is."""
CLOCK_SET_S = 2.0
"""The clock was set if it went on by so much more or less than time did."""


class OutboxBusyError(Exception):
    """Another process delivers from this journal; the text is one line that says so."""


class Dispatch:
    """Makes transitions durable, and delivers what they ask for.

    Args:
        journal: where the outbox is; its clock is the one that counts.
        channels: see `ChannelWorker` for the threads that use them.
        rules: who is told of what, and how often; None: everybody of everything, at once.
        composer: writes messages; None: one that knows neither place nor evidence.
        patience_s: how long to wait for another process that delivers from this journal to end.
        hearts: where every worker says that it still works.

    What an earlier run left behind is taken up; where the journal cannot be written now, as soon as it can.

    Raises:
        OutboxBusyError: another process delivers from this journal, and went on doing so.
    """

    def __init__(
        self,
        journal: Journal,
        channels: Sequence[Channel],
        *,
        rules: DeliveryRules | None = None,
        composer: Composer | None = None,
        patience_s: float = 0.0,
        hearts: Heartbeats | None = None,
    ) -> None:
        self._journal = journal
        self._outbox = journal.outbox
        self._writer = JournalWriter(journal)
        self._hearts = hearts or Heartbeats()
        self._rules = rules or DeliveryRules()
        self._natures = natures_of(channels)
        self._composer = composer or Composer("station", "")
        self._chosen: OrderedDict[str, Policy] = OrderedDict()
        """The policies of the incidents confirmed last: what adds to one later does not change it."""
        self._closing = threading.Event()
        self._troubles = Troubles()
        self._limiter = RateLimiter(
            self._rules.limits, {name: person_of(name, self._rules.contacts) for name in self._natures}
        )
        self._workers = {
            channel.name: ChannelWorker(
                channel,
                journal=journal,
                waits=self._rules.waits,
                limiter=self._limiter,
                write=self._message,
                hearts=self._hearts,
                given=self._writer.given,
                failed=self._failed,
                late=self._fall_back,
            )
            for channel in channels
        }
        self._lock = _sole_deliverer(journal, patience_s)
        self._taken_up = False
        """Whether what an earlier run left behind is."""
        self._begun_at = journal.clock()
        for begin in (self._remember, self._take_up):
            try:
                begin()
            except JournalError as error:  # neither a full disk nor what stands there must keep a station from starting
                log.error("what an earlier run left behind is not known before the journal can be used: %s", error)
        watcher = threading.Thread(target=self._watch, name=WATCH, daemon=True)
        self._threads = [*(worker.thread for worker in self._workers.values()), watcher]
        self._attendant = threading.Thread(target=self._attend, name=ATTEND, daemon=True)
        for thread in (*self._threads, self._attendant):
            thread.start()
        if journal.file.rescued:
            text = f"journal: {journal.file.rescued}"
            log.error("%s", text)
            self.trouble("journal", text)

    def is_hidden(self, incident: Incident) -> bool:
        """Whether nothing of an incident may be heard or seen where the station stands."""
        return self._policy_of(incident).silent

    def calls_help(self, incident: Incident) -> bool:
        """Whether anybody elsewhere is told of an incident, before quiet hours end."""
        planned = self._planned(self._policy_of(incident), incident.id)
        told = {name for each in planned if each.nature is Nature.MESSAGE for name in (each.channel, *each.fallback)}
        now = self._journal.clock()
        return any(self._natures[name] is Nature.MESSAGE and not self._limiter.is_quiet(name, now) for name in told)

    def health(self) -> list[ChannelHealth]:
        """How each channel is, as far as its use since the start tells."""
        return [worker.health() for worker in self._workers.values()]

    @property
    def channels(self) -> Mapping[str, Nature]:
        """Every channel that is turned on."""
        return self._natures

    @property
    def absent(self) -> Mapping[str, str]:
        """Why channels could not be made at the start, for each of these."""
        channels = [worker.channel for worker in self._workers.values()]
        return {channel.name: channel.why for channel in channels if isinstance(channel, Absent)}

    def named(self, name: str) -> Sequence[str]:
        """The channels that a name means: of a channel, a group of them or a contact, or "all"."""
        return resolve([name], self._natures, self._rules.contacts)

    def follow(self, incident: Incident, source: str = "", place: Place | None = None) -> None:
        """Make a transition durable and, if it is confirmed, start every channel on it.

        It waits for the disk alone, and for that no longer than `writer.COMMIT_S`.

        Args:
            incident: as it is from now on.
            source: what heard or saw it.
            place: where it happened, if that is not where the station stands.

        Raises:
            JournalError: it is not in the journal; what it asks for is done all the same.
        """
        policy = self._policy_of(incident)
        silent = policy.silent
        planned: tuple[Planned, ...] = ()
        if incident.state is State.CONFIRMED:
            self._chosen[incident.id] = policy
            if len(self._chosen) > CHOSEN_KEPT:
                self._chosen.popitem(last=False)  # in one step: others may follow incidents of theirs just now
            planned = self._planned(policy, incident.id)
        self._writer.write(
            Step(incident, source, silent, place),
            planned,
            lambda: self._hand(planned, incident, silent, journaled=False),  # a full disk must not stop an alarm
        )
        self._hand(planned, incident, silent, journaled=True)

    def trouble(self, about: str, text: str) -> None:
        """Tell that a part of the station failed, as the policy for troubles says; see `Troubles`.

        Args:
            about: the part.
            text: one line that says what is wrong with it.
        """
        if self._troubles.fails(about, text):
            self._tell(text, choose_for_trouble(self._rules.policies), "trouble")

    def trouble_over(self, about: str, text: str) -> None:
        """Tell that a part of the station works again, if people were told that it failed; later steps are dropped.

        Args:
            about: the part.
            text: one line that says what was wrong with it.
        """
        if self._troubles.works(about):
            policy = when_over(choose_for_trouble(self._rules.policies), self._troubles.told_s(about))
            self._tell(f"{OVER}{text}", policy, "trouble", over=about)

    def forced(self) -> None:
        """Tell everybody that somebody was forced to disarm or change the station, and nobody who stands there."""
        self._tell("disarmed under duress", Policy(silent=True), "duress")

    def _policy_of(self, incident: Incident) -> Policy:
        return self._chosen.get(incident.id) or choose(self._rules.policies, incident)

    def _planned(self, policy: Policy, incident_id: str, kind: Kind = "alarm") -> tuple[Planned, ...]:
        return plan(policy, incident_id, self._natures, kind, self._rules.contacts)

    def _message(self, job: Job, channel: Channel) -> Message:
        called = self.calls_help(job.incident)
        return self._composer.message(job, channel, help_called=called, now=self._journal.clock())

    def _tell(self, text: str, policy: Policy, kind: Kind, *, over: str = "") -> None:
        """Tell what is no incident; `over` is the part of which no trouble is to be told any more."""
        told = notice(text)
        planned = self._planned(policy, told.id, kind)
        try:
            self._writer.notice(
                told,
                planned,
                lambda: self._hand(planned, told, policy.silent, journaled=False),
                covert=policy.silent,
                over=over,
            )
        except JournalError as error:  # that may be the trouble
            log.error("a message is not in the journal: %s", error)
        self.wake()

    def disk_hangs(self) -> None:
        """The journal's disk does not answer; to be told again and again while that lasts.

        Who waits for it hangs for no other reason: a new start would wait, too, and give no alarm meanwhile.
        """
        self._hearts.beat(ATTEND)

    def try_out(self, name: str) -> "Future[Outcome | None]":
        """Send a marked test through a channel, in its own turn; whatever is due goes first.

        Raises:
            KeyError: no such channel is turned on.
        """
        return self._workers[name].try_out(lambda channel: channel.deliver(self._composer.trial(channel)))

    def try_check(self, name: str) -> "Future[Outcome | None]":
        """Try whether a channel could deliver, without sending anything; keeps no message waiting."""
        return self._workers[name].try_check()

    def follow_trial(self, name: str, reference: str) -> "Future[Outcome | None]":
        """Ask the far end whether a test has arrived; None if that is not yet known, or cannot be asked."""
        follow = follow_of(self._workers[name].channel)
        return self._workers[name].try_out(lambda channel: follow(reference) if follow else None)

    def wake(self) -> None:
        """Have every worker look for what there is to be done."""
        for worker in self._workers.values():
            worker.wake()

    def decided(self, incident: Incident, *, hush: bool) -> None:
        """A person has acknowledged or cancelled an incident: what this asks for is done at once.

        Where it could be heard that help was called, it is said that somebody has taken it on.

        Args:
            incident: in the state that was decided.
            hush: whether alarm and voice end; they go on for another incident that nobody has answered.
        """
        for worker in self._workers.values():
            worker.answered(incident)
            if hush and worker.nature is Nature.SOUND:
                worker.interrupt()
        answers: list[Planned] = []
        if incident.state is State.ACKNOWLEDGED and not self.is_hidden(incident):
            for each in self._planned(self._policy_of(incident), incident.id):
                if says_answers(self._workers[each.channel].channel):
                    key = delivery_key(incident.id, each.channel, "update")
                    answers.append(replace(each, key=key, kind="update", after_s=0.0, fallback=()))
        self._hand(answers, incident, hidden=False, journaled=False)

    def close(self) -> None:
        """Finish what is due, for a while, then give everything back; what is left is done after the next start."""
        by = time.monotonic() + CLOSE_S
        self._closing.set()
        self._writer.close()
        for worker in self._workers.values():
            worker.end(by)
        for thread in self._threads:
            thread.join(max(by - time.monotonic(), 0.0) + END_S)
        self._attendant.join(END_S)  # a disk that hangs holds it for good
        for worker in self._workers.values():
            worker.close()
        self._lock.release()

    def _hand(self, planned: Iterable[Planned], incident: Incident, hidden: bool, *, journaled: bool) -> None:
        """Give workers what they shall not look up in the journal, and wake them."""
        now = self._journal.clock()
        opened_at = datetime.fromtimestamp(now, UTC).isoformat()
        for each in planned:
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
            worker = self._workers[each.channel]
            if not journaled or each.immediate:
                worker.hand(job, journaled=journaled)
            worker.interrupt_trial()
        self.wake()

    def _failed(self, job: Job, result: Result) -> None:
        """What else is asked for by a delivery that finally failed; called by workers.

        It is a trouble; one that tells of a trouble makes no other.
        """
        self._fall_back(job)
        if not job.hidden and job.kind != "trouble":
            self.trouble(job.channel, f"{job.channel} failed: {result.detail}")

    def _remember(self) -> None:
        """Remember what people were told by an earlier run.

        Raises:
            JournalError: it cannot be read.
        """
        self._limiter.recall(self._outbox.told_since(self._journal.clock() - self._limiter.lasting_s))
        self._troubles = Troubles(self._journal.troubles_within(TROUBLE_EVERY_S))

    def _take_up(self, written_before: float | None = None) -> None:
        """Make ready to be done what an earlier run left behind; `written_before` as with `Outbox.recover`.

        Raises:
            JournalError: it cannot be read or written.
        """
        self._pass_on_gone()
        spent_s = max(self._rules.waits.give_up_messages_s - AFTER_START_S, 0.0)
        left = self._outbox.recover(self._natures, self._journal.clock() - spent_s, written_before=written_before)
        # A rescue that is under way has begun a fresh file, and is still putting into it what was left behind.
        self._taken_up = not unsaved(self._journal.path)
        if left:
            log.info("outbox: %d deliveries are taken up again", left)

    def _pass_on_gone(self) -> None:
        """Ask others to do what waits on channels turned off since: the fallback, and whoever would be told now.

        Raises:
            JournalError: it cannot be read or written.
        """
        told: set[str] = set()
        for job in self._outbox.gone(self._natures):
            now = self._journal.clock()
            waits_s = max(job.asked_at - now, 0.0) if job.turn is Turn.FRESH else 0.0
            others = [replace(each, after_s=waits_s) for each in self._instead_of(job)]
            waits_for_help = job.kind == "alarm" and job.incident.state in (State.CONFIRMED, State.CLOSED)
            if waits_for_help or job.kind == "duress":
                since_s = now - datetime.fromisoformat(job.opened_at).timestamp()
                others += [
                    replace(each, after_s=max(each.after_s - since_s, 0.0))
                    for each in self._planned(choose(self._rules.policies, job.incident), job.incident.id)
                    if each.nature is Nature.MESSAGE
                ]
            self._outbox.pass_on(job, others)
            if not job.hidden and job.kind != "trouble" and job.channel not in told:
                told.add(job.channel)  # now, not after the last: where that fails, the next try finds this one no more
                text = f"{job.channel}: is not turned on any more; what was still to be told there was not"
                log.error("%s", text)
                self.trouble(job.channel, text)

    def _instead_of(self, job: Job) -> Sequence[Planned]:
        """The deliveries to make in place of a job; where one that it names is gone, also those of its policy."""
        if not set(job.fallback) <= set(self._natures):
            trouble = job.kind == "trouble"
            policy = choose_for_trouble(self._rules.policies) if trouble else choose(self._rules.policies, job.incident)
            now = resolve(policy.fallback, self._natures, self._rules.contacts)
            others = dict.fromkeys(name for name in (*job.fallback, *now) if name != job.channel)
            job = replace(job, fallback=tuple(others))
        return instead_of(job, self._natures)

    def _fall_back(self, job: Job) -> None:
        """Ask others to do a job that failed, or comes late; where the journal cannot be written, from memory."""
        if not job.fallback:
            return
        instead = self._instead_of(job)

        def from_memory() -> None:
            answered = self._workers[job.channel].has_answer(job.incident)  # as the journal would
            wanted = [each for each in instead if not (answered and each.nature is Nature.SOUND)]
            self._hand(wanted, job.incident, job.hidden, journaled=False)

        try:
            self._writer.fall_back(job, instead, from_memory)
        except JournalError as error:
            log.error("what is done instead is not in the journal: %s", error)
        self.wake()

    def _watch(self) -> None:
        """Notices what no worker can: that one of them hangs, that help is late though the journal does not know it."""
        hung: set[str] = set()
        late: set[str] = set()
        while not self._closing.wait(LOOK_S):
            self._hearts.begin(WATCH, WORKER_LIMIT_S)
            try:
                self._watch_for_hung(hung)
                after_s = self._rules.waits.fallback_after_s
                jobs = [job for worker in self._workers.values() for job in worker.late(after_s)]
                self._fall_back_on_late(jobs, late, WATCH)
                for text in self._troubles.due():
                    self._tell(text, choose_for_trouble(self._rules.policies), "trouble")
            except Exception:
                failed(WATCH, "goes on")

    def _watch_for_hung(self, hung: set[str]) -> None:
        for name, worker in self._workers.items():
            hangs_s = worker.hangs_s()
            if hangs_s is None:
                hung.discard(name)
            elif name not in hung:
                hung.add(name)
                text = f"{name}: hangs, has been at one delivery for {hangs_s:.0f} s"
                log.error("%s", text)
                self.trouble(name, text)

    def _fall_back_on_late(self, jobs: Sequence[Job], late: set[str], heart: str) -> None:
        """Ask others to do jobs that are late, once; `late` remembers for which that was done."""
        late &= {job.key for job in jobs}
        for job in jobs:
            self._hearts.beat(heart)  # each may wait for the disk
            if job.key not in late:
                late.add(job.key)
                level = logging.DEBUG if job.hidden else logging.WARNING
                others = ", ".join(each.channel for each in self._instead_of(job)) or "nobody"
                log.log(level, "%s is late; trying %s, too", job.channel, others)
                self._fall_back(job)

    def _is_late(self, job: Job) -> bool:
        """Whether a job is late that the journal holds as overdue: it may be done, and that not be written yet."""
        worker = self._workers.get(job.channel)
        return worker is None or not (worker.nature is Nature.SOUND or worker.has_done(job.key))

    def _attend(self) -> None:
        """Does what there is to be done in the journal beside the workers, and wakes them for what is due there.

        Where the disk hangs this thread does, and no other.
        """
        ahead_s, looked = self._journal.clock() - time.monotonic(), time.monotonic()
        late: set[str] = set()
        complained = False
        while not self._closing.wait(LOOK_S):
            self._hearts.begin(ATTEND, ATTEND_LIMIT_S)
            try:
                now = time.monotonic()
                set_by_s = self._journal.clock() - now - ahead_s
                if abs(set_by_s) > CLOCK_SET_S:
                    log.warning("the clock was set by %+.0f s", set_by_s)
                    self._outbox.shift(set_by_s, looked + ahead_s + set_by_s)
                    self.wake()
                ahead_s, looked = ahead_s + set_by_s, now
                if not self._taken_up and not unsaved(self._journal.path):
                    self._take_up(self._begun_at)
                    self.wake()
                overdue = self._outbox.overdue(self._journal.clock() - self._rules.waits.fallback_after_s)
                self._fall_back_on_late([job for job in overdue if self._is_late(job)], late, ATTEND)
                for name in self._outbox.due_on():
                    if name in self._workers:
                        self._workers[name].wake()
                self._writer.write_waiting()
                complained = False
            except JournalError as error:
                if not complained:
                    complained = True
                    log.error("%s", error)
            except Exception:
                failed(ATTEND, "goes on")


def _sole_deliverer(journal: Journal, patience_s: float) -> FileLock:
    """The lock that only one process holds, which delivers from this journal; waits for another one to end.

    Where its file cannot be opened it is not held.

    Raises:
        OutboxBusyError: that went on.
    """
    lock = FileLock(journal.path.with_name(LOCK_NAME), thread_local=False)
    busy = f"{journal.path.parent}: another safety-monitor delivers from this journal"
    for wait_s in (0.0, patience_s):
        try:
            lock.acquire(timeout=wait_s)
            break
        except Timeout:
            if wait_s == patience_s:
                raise OutboxBusyError(busy) from None
            log.warning("%s; waiting up to %g s for its end", busy, patience_s)
        except OSError as error:  # root's, of a run that was none of the service; help comes first
            log.error("%s: cannot be locked: %s; a second station would not be noticed", lock.lock_file, error.strerror)
            break
    return lock
