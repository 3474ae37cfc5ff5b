"""The outbox: what fails is tried again, what hangs delays nobody, what was begun is finished after a restart."""

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest

from safety_monitor.actions.channel import Channel
from safety_monitor.actions.message import UNNOTICED, Message
from safety_monitor.actions.outcome import Outcome
from safety_monitor.delivery import Delivery, DeliveryState, Job, Result
from safety_monitor.dispatch import channel_worker, delivering, settling
from safety_monitor.dispatch.delivering import Dispatch, OutboxBusyError
from safety_monitor.dispatch.limits import Limits
from safety_monitor.dispatch.settling import Waits
from safety_monitor.escalation import Nature, Policy, Step, plan
from safety_monitor.incident import Incident, Sense, State
from safety_monitor.journal import writer
from safety_monitor.journal.file import JournalError
from safety_monitor.journal.incidents import Journal
from safety_monitor.journal.outbox import Outbox
from safety_monitor.local_time import when
from safety_monitor.place import Place
from tests.alarms import SCREAM
from tests.outlet import DONE, Outlet
from tests.waiting import until

SOON = Waits(first_wait_s=0.02, longest_wait_s=0.05)
NO_NETWORK = Outcome(ok=False, detail="no network", again=True)
REFUSED = Outcome(ok=False, detail="refused")
FOREVER_S = 60.0
LATER = pytest.mark.parametrize("later", [(), (Step(10 * FOREVER_S, ("email",)),)])
"""The fallback has a step of its own, that waits for longer, or none."""


@dataclass
class Followed(Outlet):
    """Its far end says later whether a message arrived."""

    arrives: Sequence[Outcome | None] = (None, DONE)
    asked: list[str] = field(default_factory=list)

    def follow(self, reference: str) -> Outcome | None:
        self.asked.append(reference)
        return self.arrives[min(len(self.asked), len(self.arrives)) - 1]


@dataclass
class Batched(Outlet):
    """Takes several at once, but for those it does not like."""

    batches: list[int] = field(default_factory=list)
    dislikes: str = ""

    def deliver(self, message: Message) -> Outcome:
        return self.deliver_many([message])

    def deliver_many(self, messages: Sequence[Message]) -> Outcome:
        self.batches.append(len(messages))
        if any(message.incident.id == self.dislikes for message in messages):
            return REFUSED
        self.messages += messages
        return DONE


@pytest.fixture(autouse=True)
def busy_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that others keep busy does not hang."""
    monkeypatch.setattr(writer, "COMMIT_S", FOREVER_S)
    monkeypatch.setattr(channel_worker, "ANSWER_S", FOREVER_S)


@pytest.fixture
def impatient(tmp_path: Path) -> Journal:
    """A journal that waits for nobody."""
    return Journal(tmp_path, wait_s=0.0)


@contextmanager
def running(
    journal: Journal,
    *channels: Channel,
    policy: Policy | None = None,
    waits: Waits = SOON,
    limits: Limits | None = None,
    contacts: Sequence[str] = (),
) -> Iterator[Dispatch]:
    dispatch = Dispatch(
        journal,
        channels,
        policies=[policy] if policy else [],
        waits=waits,
        limits=lambda channel: limits,
        contacts=contacts,
        station="kiosk",
    )
    try:
        yield dispatch
    finally:
        dispatch.close()


def confirm(dispatch: Dispatch, incident: Incident = SCREAM) -> None:
    dispatch.follow(replace(incident, state=State.PENDING))
    dispatch.follow(incident)


def deliveries(journal: Journal, incident: Incident = SCREAM) -> dict[str, Delivery]:
    return {each.key.removeprefix(f"{incident.id}:"): each for each in journal.show(incident.id).deliveries}


def settled(journal: Journal, key: str, state: DeliveryState) -> None:
    until(lambda: key in (found := deliveries(journal)) and found[key].state is state)


def test_what_hangs_or_fails_delays_neither_the_alarm_nor_any_other(journal: Journal) -> None:
    release = threading.Event()
    hangs, fails = Outlet("hangs", hang=release), Outlet("fails", [NO_NETWORK])
    alarm, sms = Outlet("alarm", heard=True), Outlet("sms")
    with running(journal, hangs, fails, alarm, sms, waits=Waits(first_wait_s=FOREVER_S)) as dispatch:
        for number in range(3):
            confirm(dispatch, replace(SCREAM, id=str(number)))
        until(lambda: len(alarm.messages) == len(sms.messages) == len(fails.messages) == 3)
        assert hangs.begun.wait(FOREVER_S)
        assert len(hangs.messages) == 1
        release.set()


def test_a_message_says_what_a_person_needs_and_every_attempt_carries_the_same_key(journal: Journal) -> None:
    sms = Outlet("sms", [NO_NETWORK, replace(NO_NETWORK, reference="SM1"), DONE])
    with running(journal, sms) as dispatch:
        confirm(dispatch)
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
    assert {message.key for message in sms.messages} == {f"{SCREAM.id}:sms:alarm"}
    assert [message.reference for message in sms.messages] == ["", "", "SM1"]
    assert (deliveries(journal)["sms:alarm"].attempts, deliveries(journal)["sms:alarm"].detail) == (3, "done")
    text = sms.messages[0].text
    assert "EMERGENCY at kiosk: a scream was heard (91% sure)." in text
    assert when(sms.messages[0].opened_at.isoformat(), zoned=True) in text


@LATER
def test_a_final_failure_is_a_trouble_and_the_fallback_is_tried(journal: Journal, later: tuple[Step, ...]) -> None:
    sms, email, mysql = Outlet("sms", [REFUSED]), Outlet("email"), Outlet("mysql", record=True)
    policy = Policy(triggers=("scream",), steps=(Step(actions=("sms",)), *later), fallback=("email",))
    with running(journal, sms, email, mysql, policy=policy) as dispatch:
        confirm(dispatch)
        settled(journal, "email:alarm", DeliveryState.DELIVERED)
        until(lambda: len(email.messages) == 2)
    assert deliveries(journal)["sms:alarm"].state is DeliveryState.FAILED
    assert [message.kind for message in email.messages] == ["alarm", "trouble"]
    assert "sms failed: refused" in email.messages[1].text


def test_an_unforeseen_error_of_a_channel_is_tried_again_and_ends_nothing(journal: Journal) -> None:
    class Breaks(Outlet):
        def deliver(self, message: Message) -> Outcome:
            super().deliver(message)
            if len(self.messages) == 1:
                raise KeyError("secret")
            return DONE

    sms = Breaks("sms")
    with running(journal, sms) as dispatch:
        confirm(dispatch)
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)


def test_help_that_is_late_makes_the_fallback_be_tried_while_the_first_goes_on(journal: Journal) -> None:
    release = threading.Event()
    sms, email = Outlet("sms", hang=release), Outlet("email")
    policy = Policy(steps=(Step(actions=("sms",)),), fallback=("email",))
    with running(journal, sms, email, policy=policy, waits=replace(SOON, fallback_after_s=0.1)) as dispatch:
        confirm(dispatch)
        settled(journal, "email:alarm", DeliveryState.DELIVERED)
        release.set()
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
    assert len(email.messages) == 1


def test_a_channel_that_hangs_is_a_trouble(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_worker, "HUNG_S", 0.1)
    release = threading.Event()
    sms, email = Outlet("sms", hang=release), Outlet("email")
    with running(journal, sms, email) as dispatch:
        confirm(dispatch)
        until(lambda: any(message.kind == "trouble" for message in email.messages))
        release.set()
    assert "sms: hangs" in next(message.text for message in email.messages if message.kind == "trouble")


def test_what_was_begun_is_finished_after_a_restart_but_no_siren_sounds_late(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with running(journal, Outlet("sms", [NO_NETWORK]), waits=Waits(first_wait_s=0.4)) as dispatch:
        dispatch.follow(replace(SCREAM, state=State.PENDING))
        dispatch.follow(SCREAM)
        settled(journal, "sms:alarm", DeliveryState.PENDING)
        until(lambda: deliveries(journal)["sms:alarm"].attempts == 1)
    sms, alarm = Outlet("sms"), Outlet("alarm", heard=True)
    with running(Journal(tmp_path), sms, alarm):
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
    assert [message.key for message in sms.messages] == [f"{SCREAM.id}:sms:alarm"]
    assert not alarm.messages


def test_only_one_process_delivers_from_a_journal_and_says_that_it_waits(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    with running(journal), pytest.raises(OutboxBusyError, match="another safety-monitor"):
        Dispatch(Journal(journal.path.parent), [], patience_s=0.01)
    assert "waiting up to 0.01 s for its end" in caplog.text
    with running(journal):
        pass


def test_a_patient_station_starts_once_the_one_before_it_has_ended(journal: Journal) -> None:
    before = Dispatch(journal, [])
    ending = threading.Timer(0.2, before.close)
    ending.start()
    after = Dispatch(Journal(journal.path.parent), [], patience_s=60.0)
    ending.join()
    after.close()


def test_a_journal_that_cannot_be_written_stops_neither_alarm_nor_message(impatient: Journal) -> None:
    alarm, sms = Outlet("alarm", heard=True), Outlet("sms", [NO_NETWORK, NO_NETWORK, DONE])
    blocker = sqlite3.connect(impatient.path, isolation_level=None)
    with running(impatient, alarm, sms) as dispatch:
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="cannot be written: database is locked"):
            dispatch.follow(SCREAM)
        until(lambda: len(alarm.messages) == 1 and len(sms.messages) == 3)
        with pytest.raises(JournalError):
            dispatch.follow(replace(SCREAM, state=State.CLOSED))
        dispatch.trouble("journal", "journal: full")
        until(lambda: len(sms.messages) == 4)
        blocker.execute("ROLLBACK")
        until(lambda: [entry.incident.state for entry in impatient.list()] == [State.CLOSED])
    blocker.close()
    assert [message.kind for message in sms.messages] == ["alarm"] * 3 + ["trouble"]
    steps = impatient.show(SCREAM.id).transitions
    assert [step.state for step in steps] == [State.CONFIRMED, State.CLOSED]


def test_an_alarm_does_not_wait_for_a_journal_that_does_not_answer_and_is_given_once(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "COMMIT_S", 0.1)
    alarm, sms = Outlet("alarm", heard=True), Outlet("sms")
    blocker = sqlite3.connect(journal.path, isolation_level=None)  # it is waited for, as for a disk that hangs
    with running(journal, alarm, sms) as dispatch:
        blocker.execute("BEGIN IMMEDIATE")
        for state in (State.PENDING, State.CONFIRMED):
            with pytest.raises(JournalError, match="cannot be written: no answer"):
                dispatch.follow(replace(SCREAM, state=state))
        until(lambda: len(alarm.messages) == len(sms.messages) == 1)
        blocker.execute("ROLLBACK")
        until(lambda: [entry.incident.state for entry in journal.list()] == [State.CONFIRMED])
    blocker.close()
    steps = journal.show(SCREAM.id).transitions
    assert [step.state for step in steps] == [State.PENDING, State.CONFIRMED]
    assert len(alarm.messages) == len(sms.messages) == 1


def test_a_trouble_is_told_though_the_journal_does_not_answer_and_only_once(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "COMMIT_S", 0.1)
    sms = Outlet("sms")
    patient = Journal(journal.path.parent, wait_s=2 * FOREVER_S)  # it is waited for, as for a disk that hangs
    blocker = sqlite3.connect(journal.path, isolation_level=None)
    with running(patient, sms) as dispatch:
        blocker.execute("BEGIN IMMEDIATE")
        for about in ("gesture", "audio"):
            threading.Thread(target=dispatch.trouble, args=(about, f"{about}: gone"), daemon=True).start()
        until(lambda: len(sms.messages) == 2)
        with pytest.raises(JournalError, match="no answer"):
            dispatch.follow(SCREAM)
        until(lambda: len(sms.messages) == 3)
        blocker.execute("ROLLBACK")
        until(lambda: [entry.incident.state for entry in journal.list()] == [State.CONFIRMED])
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
    blocker.close()
    assert sorted(message.kind for message in sms.messages) == ["alarm", "trouble", "trouble"]


def test_an_alarm_is_given_though_the_system_gives_no_more_threads(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    sms = Outlet("sms")
    with running(journal, sms) as dispatch:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refused)
            for state in (State.PENDING, State.CONFIRMED):
                with pytest.raises(JournalError, match="cannot be written"):
                    dispatch.follow(replace(SCREAM, state=state))
            until(lambda: len(sms.messages) == 1)
        until(lambda: bool(journal.list()))
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
    assert len(sms.messages) == 1


def test_a_late_commit_asks_for_nothing_again(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    sms = Outlet("sms")
    blocker = sqlite3.connect(journal.path, isolation_level=None)
    with running(journal, sms) as dispatch:
        dispatch.follow(replace(SCREAM, state=State.PENDING))
        blocker.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(writer, "COMMIT_S", 0.1)
        with pytest.raises(JournalError, match="no answer"):
            dispatch.follow(SCREAM)
        blocker.execute("ROLLBACK")
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
    blocker.close()
    assert len(sms.messages) == 1


def test_a_journal_that_cannot_be_written_later_loses_and_doubles_nothing(impatient: Journal) -> None:
    blocker = sqlite3.connect(impatient.path, isolation_level=None, check_same_thread=False)

    class Blocks(Outlet):
        def deliver(self, message: Message) -> Outcome:
            if not self.messages:
                blocker.execute("BEGIN IMMEDIATE")
            return super().deliver(message)

    sms = Blocks("sms", [NO_NETWORK, NO_NETWORK, DONE])
    with running(impatient, sms) as dispatch:
        confirm(dispatch)
        until(lambda: len(sms.messages) == 3)
        blocker.execute("ROLLBACK")
        settled(impatient, "sms:alarm", DeliveryState.DELIVERED)
    blocker.close()
    assert len(sms.messages) == 3


@pytest.mark.parametrize("hangs_at", ["the writing of what came of it", "the next attempt"])
def test_a_channel_that_the_journal_keeps_waiting_tells_of_the_next_emergency(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, hangs_at: str
) -> None:
    patient = Journal(journal.path.parent, wait_s=2 * FOREVER_S)  # it is waited for, as for a disk that hangs
    blocker = sqlite3.connect(journal.path, isolation_level=None, check_same_thread=False)

    class Blocks(Outlet):
        def deliver(self, message: Message) -> Outcome:
            if not self.messages and hangs_at == "the writing of what came of it":
                blocker.execute("BEGIN IMMEDIATE")
            return super().deliver(message)

    sms, second = Blocks("sms", [NO_NETWORK, DONE]), replace(SCREAM, id="2")
    with running(patient, sms, waits=Waits(first_wait_s=1.0)) as dispatch:
        confirm(dispatch)
        monkeypatch.setattr(writer, "COMMIT_S", 0.1)
        monkeypatch.setattr(channel_worker, "ANSWER_S", 0.1)
        if hangs_at == "the next attempt":
            until(
                lambda: (
                    (tried := deliveries(journal)["sms:alarm"]).attempts == 1 and tried.state is DeliveryState.PENDING
                )
            )
            blocker.execute("BEGIN IMMEDIATE")
        until(lambda: len(sms.messages) == 2)
        for state in (State.PENDING, State.CONFIRMED):
            with pytest.raises(JournalError, match="no answer"):
                dispatch.follow(replace(second, state=state))
        until(lambda: len(sms.messages) == 3)
        blocker.execute("ROLLBACK")
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
        until(lambda: [entry.incident.id for entry in journal.list()] == [second.id, SCREAM.id])
        until(lambda: deliveries(journal, second)["sms:alarm"].state is DeliveryState.DELIVERED)
    blocker.close()
    assert sorted(message.incident.id for message in sms.messages) == sorted([SCREAM.id, SCREAM.id, second.id])


@LATER
@pytest.mark.parametrize("outcome", [NO_NETWORK, REFUSED])
def test_the_fallback_is_tried_though_the_journal_cannot_be_written(
    impatient: Journal, outcome: Outcome, later: tuple[Step, ...]
) -> None:
    blocker = sqlite3.connect(impatient.path, isolation_level=None)
    sms, email = Outlet("sms", [outcome]), Outlet("email")
    policy = Policy(steps=(Step(actions=("sms",)), *later), fallback=("email",))
    waits = Waits(first_wait_s=0.2, longest_wait_s=0.2, fallback_after_s=0.1)
    with running(impatient, sms, email, policy=policy, waits=waits) as dispatch:
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError):
            dispatch.follow(SCREAM)
        until(lambda: any(message.kind == "alarm" for message in email.messages))
        blocker.execute("ROLLBACK")
    blocker.close()
    assert [message.kind for message in email.messages].count("alarm") == 1


@pytest.mark.parametrize("outcome", [NO_NETWORK, DONE])
def test_only_help_that_is_late_makes_the_fallback_be_tried_while_the_journal_cannot_be_written(
    impatient: Journal, monkeypatch: pytest.MonkeyPatch, outcome: Outcome
) -> None:
    found: list[Sequence[Job]] = []
    blocker = sqlite3.connect(impatient.path, isolation_level=None, check_same_thread=False)
    overdue = Outbox.overdue

    def look(self: Outbox, asked_before: float) -> Sequence[Job]:
        if jobs := overdue(self, asked_before):
            found.append(jobs)
        return jobs

    class Blocks(Outlet):
        def deliver(self, message: Message) -> Outcome:
            blocker.execute("BEGIN IMMEDIATE")
            return super().deliver(message)

    monkeypatch.setattr(Outbox, "overdue", look)
    monkeypatch.setattr(delivering, "LOOK_S", 0.02)
    sms, email = Blocks("sms", [outcome]), Outlet("email")
    policy = Policy(steps=(Step(actions=("sms",)),), fallback=("email",))
    waits = Waits(first_wait_s=2 * FOREVER_S, longest_wait_s=2 * FOREVER_S, fallback_after_s=0.1)
    with running(impatient, sms, email, policy=policy, waits=waits) as dispatch:
        dispatch.follow(SCREAM)
        until(lambda: bool(email.messages) or outcome.ok)
        before = len(found)
        until(lambda: len(found) >= before + 5)
        blocker.execute("ROLLBACK")
        settled(impatient, "sms:alarm", DeliveryState.DELIVERED if outcome.ok else DeliveryState.PENDING)
        if not outcome.ok:
            settled(impatient, "email:alarm", DeliveryState.DELIVERED)
    blocker.close()
    assert len(email.messages) == (not outcome.ok)


@pytest.mark.parametrize("why", ["it is refused", "it is refused, and the other was told", "it is late"])
def test_a_fallback_is_told_once_also_where_the_journal_holds_it_too_late(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    patient = Journal(journal.path.parent, wait_s=2 * FOREVER_S)  # it is waited for, as for a disk that hangs
    blocker = sqlite3.connect(journal.path, isolation_level=None, check_same_thread=False)

    def block() -> None:
        blocker.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(writer, "COMMIT_S", 0.1)
        monkeypatch.setattr(channel_worker, "ANSWER_S", 0.1)

    class Blocks(Outlet):
        def deliver(self, message: Message) -> Outcome:
            if "the other was told" in why and message.kind == "alarm":
                settled(journal, "email:alarm", DeliveryState.DELIVERED)
            if why != "it is late" and message.kind == "alarm":
                block()
            return super().deliver(message)

    sms, email = Blocks("sms", [NO_NETWORK if why == "it is late" else REFUSED]), Outlet("email")
    first = ("sms", "email") if "the other was told" in why else ("sms",)
    policy = Policy(triggers=("any",), steps=(Step(actions=first),), fallback=("email",))
    quiet = Policy(triggers=("trouble",), steps=(Step(actions=("sms",)),))
    waits = Waits(first_wait_s=2 * FOREVER_S, longest_wait_s=2 * FOREVER_S, fallback_after_s=0.1)
    dispatch = Dispatch(patient, [sms, email], policies=[quiet, policy], waits=waits)
    if why == "it is late":
        block()
        with pytest.raises(JournalError):
            dispatch.follow(SCREAM)
    else:
        dispatch.follow(SCREAM)
        until(lambda: len(sms.messages) == 2)  # it tells of its own trouble, after it asked the other
    until(lambda: bool(email.messages))
    blocker.execute("ROLLBACK")
    until(lambda: bool(journal.list()))
    settled(journal, "email:alarm", DeliveryState.DELIVERED)
    settled(journal, "sms:alarm", DeliveryState.PENDING if why == "it is late" else DeliveryState.FAILED)
    journal.decide(SCREAM.id, State.ACKNOWLEDGED, "by a person")
    settled(journal, "email:update", DeliveryState.DELIVERED)
    dispatch.close()
    blocker.close()
    assert [message.kind for message in email.messages] == ["alarm", "update"]


@pytest.mark.parametrize("set_by_s", [-3600.0, 2 * 86_400.0])
def test_a_clock_that_is_set_changes_no_wait_also_while_the_journal_cannot_be_written(
    tmp_path: Path, set_by_s: float
) -> None:
    set_s = 0.0
    journal = Journal(tmp_path, clock=lambda: time.time() + set_s, wait_s=0.0)

    class Sets(Outlet):
        def deliver(self, message: Message) -> Outcome:
            nonlocal set_s
            set_s = set_by_s
            return super().deliver(message)

    sms, call = Sets("sms", [NO_NETWORK, DONE]), Outlet("call")
    policy = Policy(steps=(Step(actions=("sms",)), Step(FOREVER_S, ("call",))))
    blocker = sqlite3.connect(journal.path, isolation_level=None)
    with running(journal, sms, call, policy=policy) as dispatch:
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError):
            dispatch.follow(SCREAM)
        until(lambda: len(sms.messages) == 2)
        blocker.execute("ROLLBACK")
        until(lambda: bool(journal.list()))
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
        due_at = deliveries(journal)["call:alarm"].due_at
        assert due_at is not None
        assert 0.0 < datetime.fromisoformat(due_at).timestamp() - journal.clock() <= FOREVER_S
    blocker.close()


def test_what_the_journal_does_not_take_keeps_nothing_up_and_is_told_to_its_end(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks: list[str] = []
    rounds: list[float] = []
    due, overdue = Outbox.due, Outbox.overdue
    for module in (delivering, channel_worker):
        monkeypatch.setattr(module, "LOOK_S", 0.02)

    def look(self: Outbox, channel: str, limit: int = 1, *, without: Sequence[str] = ()) -> Sequence[Job]:
        looks.append(channel)
        return due(self, channel, limit, without=without)

    def go_round(self: Outbox, asked_before: float) -> Sequence[Job]:
        rounds.append(asked_before)
        return overdue(self, asked_before)

    monkeypatch.setattr(Outbox, "due", look)
    monkeypatch.setattr(Outbox, "overdue", go_round)

    def at_rest() -> bool:
        """Whether nobody looks, while the journal is seen to several times."""
        before, begun = len(looks), len(rounds)
        until(lambda: len(rounds) >= begun + 10)
        return len(looks) == before

    patient = Journal(journal.path.parent, wait_s=2 * FOREVER_S)
    sms, call = Outlet("sms", [NO_NETWORK, DONE]), Outlet("call")
    policy = Policy(steps=(Step(actions=("sms",)), Step(1.0, ("call",))))
    blocker = sqlite3.connect(journal.path, isolation_level=None)
    with running(patient, sms, call, policy=policy) as dispatch:
        until(at_rest)
        dispatch.follow(replace(SCREAM, state=State.PENDING))
        blocker.execute("BEGIN IMMEDIATE")
        with monkeypatch.context() as patch:
            patch.setattr(writer, "COMMIT_S", 0.1)
            patch.setattr(channel_worker, "ANSWER_S", 0.1)
            with pytest.raises(JournalError, match="no answer"):
                dispatch.follow(SCREAM)
            until(lambda: len(sms.messages) == 2)
        blocker.execute("UPDATE incidents SET state = 'cancelled'")
        blocker.execute("COMMIT")
        until(lambda: len(call.messages) == 1)  # what was to be told is not lost
        until(at_rest)
        said = [line for line in caplog.messages if line.startswith("not in the journal")]
        assert said == [
            f"not in the journal, and never will be: incident {SCREAM.id} is cancelled; it cannot become confirmed"
        ]
        nowhere = Place(None, None, None, "", "browser")
        with pytest.raises(JournalError, match="does not take this"):
            dispatch.follow(replace(SCREAM, id="2"), place=nowhere)
        dispatch.follow(replace(SCREAM, id="3"))
        until(lambda: journal.outbox.delivery("3:sms:alarm").state is DeliveryState.DELIVERED)
        until(at_rest)
        journal.decide("3", State.CANCELLED, "by somebody in another process")
        until(lambda: journal.outbox.delivery("3:sms:update").state is DeliveryState.DELIVERED)
    blocker.close()
    alarms = [message.incident.id for message in sms.messages if message.kind == "alarm"]
    assert alarms == [SCREAM.id, SCREAM.id, "2", "3"]


def test_a_step_that_waits_is_left_to_the_journal_once_that_can_be_written(tmp_path: Path) -> None:
    later_s = 0.0
    journal = Journal(tmp_path, clock=lambda: time.time() + later_s, wait_s=0.0)
    sms, call = Outlet("sms"), Outlet("call")
    blocker = sqlite3.connect(journal.path, isolation_level=None)
    policy = Policy(steps=(Step(actions=("sms",)), Step(FOREVER_S, ("call",))))
    with running(journal, sms, call, policy=policy) as dispatch:
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError):
            dispatch.follow(SCREAM)
        blocker.execute("ROLLBACK")
        until(lambda: [entry.incident.state for entry in journal.list()] == [State.CONFIRMED])
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
        journal.decide(SCREAM.id, State.ACKNOWLEDGED, "by a person")
        until(lambda: [message.kind for message in sms.messages] == ["alarm", "update"])
        later_s = 2 * FOREVER_S
        dispatch.try_out("call").result(FOREVER_S)
    blocker.close()
    assert [message.kind for message in call.messages] == ["test"]
    assert deliveries(journal)["call:alarm"].state is DeliveryState.DROPPED


def test_a_siren_that_waits_for_its_step_is_left_to_the_journal_once_that_can_be_written(impatient: Journal) -> None:
    sounds = threading.Event()
    siren = Outlet("alarm", heard=True, hang=sounds)
    blocker = sqlite3.connect(impatient.path, isolation_level=None)
    policy = Policy(steps=(Step(0.0, ("alarm",)), Step(0.5, ("alarm",))))
    with running(impatient, siren, policy=policy) as dispatch:
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError):
            dispatch.follow(SCREAM)
        over = time.monotonic() + 0.5
        assert siren.begun.wait(FOREVER_S)
        blocker.execute("ROLLBACK")
        until(lambda: bool(impatient.list()))
        impatient.decide(SCREAM.id, State.ACKNOWLEDGED, "by a person")
        until(lambda: time.monotonic() > over)
        sounds.set()
        dispatch.try_out("alarm").result(FOREVER_S)
    blocker.close()
    assert [message.kind for message in siren.messages] == ["alarm", "test"]
    assert deliveries(impatient)["alarm:alarm:1"].state is DeliveryState.DROPPED


def test_handed_over_is_not_delivered_until_the_far_end_says_so(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "FOLLOW_FIRST_S", 0.02)
    sms = Followed("sms", [Outcome(ok=True, detail="queued", reference="SM1")])
    with running(journal, sms) as dispatch:
        confirm(dispatch)
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
    assert sms.asked == ["SM1", "SM1"]
    assert (len(sms.messages), deliveries(journal)["sms:alarm"].attempts) == (1, 1)


def test_a_far_end_that_can_no_longer_be_asked_is_not_told_again(journal: Journal) -> None:
    incident_plan = plan(Policy(), SCREAM.id, {"sms": Nature.MESSAGE})
    journal.record(SCREAM, incident_plan)
    handed_over = Result(incident_plan[0].key, 1, DeliveryState.SENT, "queued", due_at=0.0, reference="SM1")
    journal.outbox.finish([handed_over])
    sms = Outlet("sms")
    with running(journal, sms):
        until(lambda: deliveries(journal)["sms:alarm"].due_at is None)
    assert deliveries(journal)["sms:alarm"].state is DeliveryState.SENT
    assert not sms.messages


def test_what_did_not_arrive_has_failed(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "FOLLOW_FIRST_S", 0.02)
    handed_over = Outcome(ok=True, detail="queued", reference="SM1")
    sms, email = Followed("sms", [handed_over], arrives=[None, REFUSED]), Outlet("email")
    policy = Policy(steps=(Step(actions=("sms",)),), fallback=("email",))
    with running(journal, sms, email, policy=policy) as dispatch:
        confirm(dispatch)
        settled(journal, "email:alarm", DeliveryState.DELIVERED)
    assert deliveries(journal)["sms:alarm"].state is DeliveryState.FAILED


def test_what_did_not_arrive_is_told_again_whatever_the_limits(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "FOLLOW_FIRST_S", 0.02)
    handed_over = Outcome(ok=True, detail="ringing", reference="CA1")
    call = Followed("call", [handed_over], arrives=[replace(NO_NETWORK, detail="no-answer"), DONE])
    with running(journal, call, limits=Limits(cool_down_s=3600.0, most=1)) as dispatch:
        confirm(dispatch)
        until(lambda: "held back" in (detail := deliveries(journal)["call:alarm"].detail) or detail == "done")
    assert (len(call.messages), deliveries(journal)["call:alarm"].state) == (2, DeliveryState.DELIVERED)


def test_a_step_waits_and_is_dropped_once_somebody_answers(journal: Journal) -> None:
    sms, call = Outlet("sms"), Outlet("call")
    policy = Policy(steps=(Step(actions=("sms",)), Step(2.0, ("call",))))
    answered, unanswered = SCREAM, replace(SCREAM, id="2")
    with running(journal, sms, call, policy=policy) as dispatch:
        confirm(dispatch, answered)
        journal.decide(answered.id, State.ACKNOWLEDGED, "by a person")
        confirm(dispatch, unanswered)
        until(lambda: bool(call.messages))
        until(lambda: len(sms.messages) == 3)
    assert [message.incident.id for message in call.messages] == ["2"]
    told = sorted((message.incident.id, message.kind) for message in sms.messages)
    assert told == [(answered.id, "alarm"), (answered.id, "update"), ("2", "alarm")]
    assert deliveries(journal)["call:alarm"].state is DeliveryState.DROPPED


@pytest.mark.parametrize("set_by_s", [0.0, -3600.0])
def test_a_siren_that_waits_for_its_turn_does_not_begin_once_somebody_has_answered(
    tmp_path: Path, set_by_s: float
) -> None:
    set_s = 0.0
    journal = Journal(tmp_path, clock=lambda: time.time() + set_s)

    class Siren(Outlet):
        def interrupt(self) -> None:
            assert self.hang is not None
            self.hang.set()

    siren, second = Siren("alarm", heard=True, hang=threading.Event()), replace(SCREAM, id="2")
    with running(journal, siren) as dispatch:
        confirm(dispatch)
        confirm(dispatch, second)
        assert siren.begun.wait(FOREVER_S)
        dispatch.decided(journal.decide(SCREAM.id, State.ACKNOWLEDGED, "by ben"), hush=False)
        dispatch.decided(journal.decide(second.id, State.ACKNOWLEDGED, "by ben"), hush=True)
        until(lambda: deliveries(journal, second)["alarm:alarm"].state is DeliveryState.DROPPED)
        assert [message.incident.id for message in siren.messages] == [SCREAM.id]
        set_s = set_by_s
        journal.alert(second.id, {"alarm": Nature.SOUND})
        until(lambda: [message.incident.id for message in siren.messages] == [SCREAM.id, second.id])


def test_no_siren_sounds_instead_of_a_message_once_somebody_has_answered_also_where_the_journal_hangs(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = threading.Event()
    sms, siren, call = Outlet("sms", [REFUSED], hang=sent), Outlet("alarm", heard=True), Outlet("call")
    blocker = sqlite3.connect(journal.path, isolation_level=None)  # it is waited for, as for a disk that hangs
    policy = Policy(steps=(Step(actions=("sms",)),), fallback=("alarm", "call"))
    with running(journal, sms, siren, call, policy=policy) as dispatch:
        confirm(dispatch)
        assert sms.begun.wait(FOREVER_S)
        dispatch.decided(journal.decide(SCREAM.id, State.ACKNOWLEDGED, "by ben"), hush=True)
        monkeypatch.setattr(writer, "COMMIT_S", 0.1)
        monkeypatch.setattr(channel_worker, "ANSWER_S", 0.1)
        blocker.execute("BEGIN IMMEDIATE")
        sent.set()
        assert call.begun.wait(FOREVER_S)
        dispatch.try_out("alarm").result(FOREVER_S)
        assert [message.kind for message in siren.messages] == ["test"]
        blocker.execute("ROLLBACK")
        settled(journal, "call:alarm", DeliveryState.DELIVERED)
        dispatch.try_out("alarm").result(FOREVER_S)
    blocker.close()
    assert [message.kind for message in siren.messages] == ["test", "test"]


def test_a_siren_that_cannot_be_interrupted_keeps_neither_emergency_nor_answer_back(journal: Journal) -> None:
    class Stuck(Outlet):
        def interrupt(self) -> None:
            raise OSError("no more processes")

    class Siren(Outlet):
        def interrupt(self) -> None:
            hushed.set()

    hushed, tried = threading.Event(), threading.Event()
    stuck, siren = Stuck("alarm", heard=True, hang=tried), Siren("speech", heard=True)
    with running(journal, stuck, siren) as dispatch:
        trial = dispatch.try_out("alarm")
        assert stuck.begun.wait(FOREVER_S)
        confirm(dispatch)
        until(lambda: bool(siren.messages))
        dispatch.decided(journal.decide(SCREAM.id, State.ACKNOWLEDGED, "by ben"), hush=True)
        assert hushed.is_set()
        tried.set()
        trial.result(FOREVER_S)


@pytest.mark.parametrize("fallback", [("email",), ()])
def test_what_waits_for_a_contact_that_is_removed_is_told_to_others(
    journal: Journal, fallback: tuple[str, ...]
) -> None:
    policy = Policy(steps=(Step(actions=("sms:anna", "ben")), Step(FOREVER_S, ("call",))), fallback=fallback)
    before = Outlet("sms:anna", [NO_NETWORK]), Outlet("call:anna"), Outlet("email")
    with running(journal, *before, policy=policy, waits=Waits(first_wait_s=FOREVER_S)) as dispatch:
        confirm(dispatch)
        until(lambda: deliveries(journal)["sms:anna:alarm"].detail == "no network")
    sms, email = Outlet("sms:ben_abroad"), Outlet("email")
    with running(journal, sms, email, policy=policy, contacts=["ben"]):
        until(lambda: len(sms.messages) == 3)
        until(lambda: len(email.messages) == 2 + len(fallback))
    for told, keys in (
        (sms, [f"{SCREAM.id}:sms:ben_abroad:alarm"]),
        (email, [f"{SCREAM.id}:email:alarm"] * len(fallback)),
    ):
        assert [message.key for message in told.messages if message.kind == "alarm"] == keys
        troubles = sorted(message.text for message in told.messages if message.kind == "trouble")
        for name, text in zip(("call:anna", "sms:anna"), troubles, strict=True):
            assert f"{name}: is not turned on any more" in text
    gone = deliveries(journal)["sms:anna:alarm"]
    assert (gone.state, gone.detail) == (DeliveryState.FAILED, "the channel is not turned on any more")


def test_a_silent_policy_is_not_heard_and_says_so(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    alarm, sms = Outlet("alarm", heard=True), Outlet("sms", [NO_NETWORK, REFUSED])
    with running(journal, alarm, sms, policy=Policy(triggers=("scream",), silent=True)) as dispatch:
        confirm(dispatch)
        assert dispatch.is_hidden(SCREAM)
        assert dispatch.is_hidden(replace(SCREAM, state=State.CLOSED))
        assert not dispatch.is_hidden(replace(SCREAM, id="2", evidence=()))
        settled(journal, "sms:alarm", DeliveryState.FAILED)
    assert not alarm.messages
    assert journal.show(SCREAM.id).silent
    assert not caplog.records


def test_a_record_is_written_again_at_every_change(journal: Journal) -> None:
    mysql = Outlet("mysql", record=True)
    with running(journal, mysql) as dispatch:
        confirm(dispatch)
        settled(journal, "mysql:alarm", DeliveryState.DELIVERED)
        dispatch.follow(replace(SCREAM, state=State.CLOSED))
        settled(journal, "mysql:update", DeliveryState.DELIVERED)
    assert [message.incident.state for message in mysql.messages] == [State.CONFIRMED, State.CLOSED]


def test_several_are_delivered_at_once_and_one_that_is_refused_fails_alone(journal: Journal) -> None:
    for number in range(6):
        incident = replace(SCREAM, id=str(number))
        journal.record(incident, plan(Policy(), incident.id, {"mysql": Nature.RECORD}))
    mysql = Batched("mysql", record=True, dislikes="3")
    with running(journal, mysql):
        until(lambda: not [each for each in journal.outbox.list() if each.state is not DeliveryState.FAILED])
    assert mysql.batches[:7] == [6, 1, 1, 1, 1, 1, 1]
    assert [each.incident_id for each in journal.outbox.list()] == ["3"]


def test_what_is_held_back_comes_together_and_duress_never_waits(journal: Journal) -> None:
    sms, alarm, webhook = Outlet("sms"), Outlet("alarm", heard=True), Outlet("webhook", [NO_NETWORK, DONE], apart=True)
    limits = Limits(cool_down_s=2.0, most=100)
    dispatch = Dispatch(journal, [sms, alarm, webhook], waits=SOON, limits=lambda channel: limits)
    for number in range(4):
        confirm(dispatch, replace(SCREAM, id=str(number)))
    journal.decide("0", State.CANCELLED, "by a person", duress=True)
    until(lambda: len(sms.messages) == 3)
    until(lambda: not [each for each in journal.outbox.list() if each.due_at])
    dispatch.close()
    assert [message.kind for message in sms.messages] == ["alarm", "duress", "alarm"]
    assert "Held back until now, too: 2" in sms.messages[2].text
    assert len(alarm.messages) == 4
    assert {message.incident.id for message in webhook.messages} == set("0123")
    assert all("Held back" not in message.text for message in webhook.messages), "a program is told of each by itself"
    states = {number: journal.outbox.delivery(f"{number}:sms:alarm").state for number in range(4)}
    assert set(states.values()) == {DeliveryState.DELIVERED}


def test_what_waited_for_a_network_comes_together_says_how_old_it_is_and_holds_no_emergency_back(
    tmp_path: Path,
) -> None:
    set_s = 0.0
    journal = Journal(tmp_path, clock=lambda: time.time() + set_s)
    sms = Outlet("sms", [NO_NETWORK])
    waits = Waits(first_wait_s=5.0, longest_wait_s=300.0)
    with running(journal, sms, waits=waits, limits=Limits(cool_down_s=1.0)) as dispatch:
        for number in range(15):
            confirm(dispatch, replace(SCREAM, id=str(number)))
        until(lambda: len(sms.messages) >= 15)
    set_s = 7200.0
    sms.messages.clear()
    sms.outcomes = [NO_NETWORK, DONE]
    with running(journal, sms, waits=waits, limits=Limits(cool_down_s=1.0)) as dispatch:
        until(lambda: len(sms.messages) >= 2)
        confirm(dispatch, replace(SCREAM, id="new"))
        until(lambda: journal.outbox.delivery("new:sms:alarm").state is DeliveryState.DELIVERED)
        until(lambda: not [each for each in journal.outbox.list() if each.due_at])
    old = [message for message in sms.messages[1:] if message.incident.id != "new"]
    assert len(old) <= 2
    assert "Held back until now, too: " in old[-1].text
    assert all(", 2 hours ago" in message.text for message in old)
    states = {journal.outbox.delivery(f"{number}:sms:alarm").state for number in range(15)}
    assert states == {DeliveryState.DELIVERED}


def four_fail(journal: Journal, sms: Outlet, waits: Waits, limits: Limits) -> None:
    """Four emergencies, of each of which an SMS is tried in vain once."""
    with running(journal, sms, waits=waits, limits=limits) as dispatch:
        for number in range(4):
            confirm(dispatch, replace(SCREAM, id=str(number)))
        until(lambda: len(sms.messages) == 4)
    sms.messages.clear()


def test_what_is_refused_together_keeps_no_emergency_from_being_told_alone(tmp_path: Path) -> None:
    @dataclass
    class Short(Outlet):
        """Takes no long text, and does not say why."""

        def deliver(self, message: Message) -> Outcome:
            outcome = super().deliver(message)
            return NO_NETWORK if "Held back" in message.text else outcome

    set_s = 0.0
    journal = Journal(tmp_path, clock=lambda: time.time() + set_s)
    sms = Short("sms", [NO_NETWORK])
    waits, limits = Waits(first_wait_s=FOREVER_S), Limits(cool_down_s=0.0, most=100)
    four_fail(journal, sms, waits, limits)
    set_s = 7200.0
    sms.outcomes = [DONE]
    with running(journal, sms, waits=waits, limits=limits):
        until(lambda: not [each for each in journal.outbox.list() if each.due_at])
    alone = [message.incident.id for message in sms.messages if "Held back" not in message.text]
    assert alone == ["3", "2", "1", "0"]
    assert len(sms.messages) == 4 + 3


def test_what_was_held_back_and_failed_then_is_told_as_soon_as_anything_gets_through(journal: Journal) -> None:
    sms = Outlet("sms", [DONE, replace(NO_NETWORK, retry_after_s=2 * FOREVER_S), DONE])
    with running(journal, sms, limits=Limits(cool_down_s=1.0, most=100)) as dispatch:
        for number in range(2):
            confirm(dispatch, replace(SCREAM, id=str(number)))
        until(lambda: journal.outbox.delivery("1:sms:alarm").detail == "no network")
        confirm(dispatch, replace(SCREAM, id="new"))
        until(lambda: journal.outbox.delivery("1:sms:alarm").state is DeliveryState.DELIVERED)


def test_what_came_as_one_message_counts_as_one_also_after_a_restart(tmp_path: Path) -> None:
    set_s = 0.0
    journal = Journal(tmp_path, clock=lambda: time.time() + set_s)
    sms = Outlet("sms", [NO_NETWORK])
    waits, limits = Waits(first_wait_s=FOREVER_S), Limits(cool_down_s=0.0, most=3)
    four_fail(journal, sms, waits, limits)
    set_s = 120.0
    sms.outcomes = [DONE]
    with running(journal, sms, waits=waits, limits=limits):
        until(lambda: not [each for each in journal.outbox.list() if each.due_at])
    assert len(sms.messages) == 1
    with running(journal, sms, waits=waits, limits=limits) as dispatch:
        confirm(dispatch, replace(SCREAM, id="new"))
        until(lambda: len(sms.messages) == 2 or journal.outbox.delivery("new:sms:alarm").detail != "")
    assert [message.incident.id for message in sms.messages] == ["3", "new"]


def test_what_a_silent_policy_asks_for_is_said_also_where_another_emergency_is_told_in_full(journal: Journal) -> None:
    sms = Outlet("sms")
    limits = Limits(cool_down_s=2.0, most=100)
    policies = [Policy(triggers=("signal_for_help",), silent=True), Policy()]
    dispatch = Dispatch(journal, [sms], waits=SOON, limits=lambda channel: limits, policies=policies)
    confirm(dispatch)
    until(lambda: len(sms.messages) == 1)
    sign = replace(SCREAM.evidence[0], sense=Sense.GESTURE, label="signal_for_help")
    confirm(dispatch, replace(SCREAM, id="silent", evidence=(sign,)))
    until(lambda: "held back" in journal.outbox.delivery("silent:sms:alarm").detail)
    confirm(dispatch, replace(SCREAM, id="loud"))
    until(lambda: len(sms.messages) == 2)
    dispatch.close()
    assert sms.messages[1].incident.id == "loud"
    assert sms.messages[1].text.endswith(UNNOTICED)


def test_a_channel_that_works_again_tells_what_is_due_also_from_a_disk_that_is_full(tmp_path: Path) -> None:
    journal = Journal(tmp_path, wait_s=0.2)
    away = [replace(NO_NETWORK, retry_after_s=2 * FOREVER_S), NO_NETWORK]
    sms = Outlet("sms", [*away, DONE])
    with running(journal, sms, waits=Waits(first_wait_s=1.0)) as dispatch:
        for number in range(2):
            confirm(dispatch, replace(SCREAM, id=str(number)))
            key = f"{number}:sms:alarm"
            until(lambda key=key: journal.outbox.delivery(key).detail == "no network")  # type: ignore[misc]
        with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(JournalError):
                dispatch.follow(replace(SCREAM, id="new"))
            until(lambda: [message.incident.id for message in sms.messages] == ["0", "1", "new", "1"])
            other.execute("ROLLBACK")
        until(lambda: journal.outbox.delivery("0:sms:alarm").state is DeliveryState.DELIVERED)


def test_a_station_that_was_off_for_days_gives_no_message_up_before_the_network_is_there(tmp_path: Path) -> None:
    set_s = 0.0
    journal = Journal(tmp_path, clock=lambda: time.time() + set_s)
    sms = Outlet("sms", [NO_NETWORK])
    with running(journal, sms, waits=Waits(first_wait_s=FOREVER_S)) as dispatch:
        confirm(dispatch)
        settled(journal, "sms:alarm", DeliveryState.PENDING)
        until(lambda: journal.outbox.delivery(f"{SCREAM.id}:sms:alarm").detail == "no network")
    set_s = 3 * 86_400.0
    sms.outcomes = [*[NO_NETWORK] * (len(sms.messages) + 2), DONE]
    with running(journal, sms):
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
    assert ", 3 days ago" in sms.messages[-1].text


@pytest.mark.parametrize("held_by", ["quiet hours", "too many"])
def test_the_fallback_is_told_at_once_of_an_emergency_that_is_held_back_for_long(
    journal: Journal, held_by: str
) -> None:
    begin, end = (datetime.fromtimestamp(time.time() + each_s).time() for each_s in (-3600.0, 3600.0))
    limits = {
        "quiet hours": Limits(quiet=(begin, end)),
        "too many": Limits(cool_down_s=0.0, most=1, within_s=86_400.0),
    }[held_by]
    sms, call = Outlet("sms"), Outlet("call")
    policies = [
        Policy(triggers=("trouble",), steps=(Step(actions=("sms",)),), fallback=("call",)),
        Policy(steps=(Step(actions=("sms",)),), fallback=("call",)),
    ]
    with closing(
        Dispatch(
            journal,
            [sms, call],
            policies=policies,
            waits=SOON,
            limits={"sms": limits, "call": None}.get,
        )
    ) as dispatch:
        if held_by == "too many":
            confirm(dispatch, replace(SCREAM, id="first"))
            until(lambda: len(sms.messages) == 1)
        dispatch.trouble("audio", "audio: unplugged")
        until(lambda: any("held back" in each.detail for each in journal.outbox.list()))
        confirm(dispatch)
        until(lambda: len(call.messages) == 1)
        assert "held back" in deliveries(journal)["sms:alarm"].detail
        assert dispatch.calls_help(SCREAM)
    assert [message.incident.id for message in call.messages] == [SCREAM.id], "nobody is rung for a trouble"


def test_no_help_is_promised_while_quiet_hours_hold_all_messages_back(journal: Journal) -> None:
    begin, end = (datetime.fromtimestamp(time.time() + each_s).time() for each_s in (-3600.0, 3600.0))
    voice = Outlet("speech", heard=True)
    with running(journal, Outlet("sms"), voice, limits=Limits(quiet=(begin, end))) as dispatch:
        confirm(dispatch)
        until(lambda: bool(voice.messages))
    assert not voice.messages[0].help_called


@pytest.mark.parametrize("what", ["clock", "person", "settings"])
def test_quiet_hours_end_by_the_clock_and_the_settings_of_now_and_where_a_person_says_so(
    tmp_path: Path, what: str
) -> None:
    set_s = 0.0
    journal = Journal(tmp_path, clock=lambda: time.time() + set_s)
    begin, end = (datetime.fromtimestamp(time.time() + each_s).time() for each_s in (-3600.0, 3600.0))
    quiet = Limits(quiet=(begin, end))
    sms = Outlet("sms")
    with running(journal, sms, limits=quiet) as dispatch:
        confirm(dispatch)
        until(lambda: "held back" in journal.outbox.delivery(f"{SCREAM.id}:sms:alarm").detail)
        if what == "clock":  # as the network tells a machine whose own clock went wrong
            set_s = 7200.0
        if what == "person":
            Journal(tmp_path).outbox.retry(f"{SCREAM.id}:sms:alarm")
        until(lambda: bool(sms.messages) or what == "settings")
    assert bool(sms.messages) is (what != "settings")
    with running(journal, sms, limits=None):
        until(lambda: len(sms.messages) == 1)


def test_whoever_was_called_hears_at_once_that_somebody_has_answered(journal: Journal) -> None:
    sms, voice = Outlet("sms"), Outlet("speech", heard=True, answers=True)
    dispatch = Dispatch(journal, [sms, voice], waits=SOON, limits=lambda channel: Limits(3600.0, most=3))
    confirm(dispatch)
    until(lambda: len(sms.messages) == 1)
    confirm(dispatch, replace(SCREAM, id="2"))
    until(lambda: "held back" in journal.outbox.delivery("2:sms:alarm").detail)
    until(lambda: len(voice.messages) == 2)  # what is answered before it sounds does not sound
    for incident in (SCREAM, replace(SCREAM, id="2")):  # of the second nobody was told yet
        dispatch.decided(journal.decide(incident.id, State.ACKNOWLEDGED, "by ben"), hush=True)
    until(lambda: len(sms.messages) == 2)
    until(lambda: "held back" in journal.outbox.delivery("2:sms:update").detail)
    dispatch.decided(journal.decide(SCREAM.id, State.CANCELLED, "by ben"), hush=True)
    until(lambda: len(sms.messages) == 3)
    dispatch.close()
    assert [(message.incident.id, message.kind) for message in sms.messages] == [
        (SCREAM.id, "alarm"),
        (SCREAM.id, "update"),
        (SCREAM.id, "update"),
    ]
    assert [message.kind for message in voice.messages] == ["alarm", "alarm", "update", "update"]


def test_what_is_no_emergency_delays_none_and_comes_behind_it(journal: Journal) -> None:
    sms = Outlet("sms")
    limits = Limits(cool_down_s=2.0, most=100)
    dispatch = Dispatch(journal, [sms], waits=SOON, station="kiosk", limits=lambda channel: limits)
    dispatch.trouble("audio", "audio: unplugged")
    until(lambda: len(sms.messages) == 1)
    confirm(dispatch)
    until(lambda: len(sms.messages) == 2)
    confirm(dispatch, replace(SCREAM, id="2"))
    until(lambda: "held back" in journal.outbox.delivery("2:sms:alarm").detail)
    dispatch.trouble("gesture", "gesture: unplugged")
    until(lambda: len(sms.messages) == 3)
    dispatch.close()
    assert [message.kind for message in sms.messages] == ["trouble", "alarm", "alarm"]
    assert sms.messages[2].text.startswith("EMERGENCY at kiosk")
    assert ": gesture: unplugged (closed)" in sms.messages[2].text


def test_a_person_is_told_over_all_channels_as_often_as_the_limits_allow_and_a_restart_forgets_nothing(
    journal: Journal,
) -> None:
    def start() -> tuple[list[Outlet], Dispatch]:
        channels = [Outlet(name) for name in ("sms:anna", "call:anna_abroad", "sms:ben")]
        limits = Limits(cool_down_s=3600.0, most=100)
        policy = Policy(
            triggers=("scream",),
            steps=(Step(actions=("sms:anna",)), Step(0.2, ("call:anna_abroad",)), Step(0.2, ("sms:anna",))),
        )
        return channels, Dispatch(
            journal,
            channels,
            policies=[policy, Policy(steps=(Step(actions=("call", "sms")),))],
            waits=SOON,
            limits=lambda channel: limits,
            contacts=["anna"],
        )

    def told(channels: list[Outlet]) -> list[list[str]]:
        return [[message.incident.id for message in channel.messages] for channel in channels]

    channels, dispatch = start()
    first, second, third = (replace(SCREAM, id=number) for number in "123")
    confirm(dispatch, first)
    until(lambda: told(channels) == [["1"], ["1"], []])  # the call tells what the SMS told, and need not wait
    until(lambda: "held back" in journal.outbox.delivery("1:sms:anna:alarm:1").detail)
    confirm(dispatch, replace(second, evidence=()))
    until(lambda: told(channels)[2] == ["2"])
    until(lambda: "held back" in journal.outbox.delivery("2:call:anna_abroad:alarm").detail)
    dispatch.close()
    assert told(channels) == [["1"], ["1"], ["2"]]
    channels, dispatch = start()
    confirm(dispatch, replace(third, evidence=()))
    for key in ("3:sms:anna:alarm", "3:call:anna_abroad:alarm", "3:sms:ben:alarm"):
        until(lambda key=key: "held back" in journal.outbox.delivery(key).detail)  # type: ignore[misc]
    dispatch.close()
    assert told(channels) == [[], [], []]
