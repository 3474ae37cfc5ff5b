"""While the journal cannot be written or does not answer, nothing is delayed, lost or told twice."""

import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safety_monitor.actions.message import Message
from safety_monitor.actions.outcome import Outcome
from safety_monitor.delivery import DeliveryState, Job
from safety_monitor.dispatch import channel_worker, delivering
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.dispatch.limits import Limits
from safety_monitor.dispatch.policies import DeliveryRules
from safety_monitor.dispatch.settling import Waits
from safety_monitor.escalation import Nature, Policy, Step, plan
from safety_monitor.incident import Incident, State
from safety_monitor.journal import file, writer
from safety_monitor.journal.file import JournalError
from safety_monitor.journal.incidents import Journal
from safety_monitor.journal.outbox import Outbox
from safety_monitor.journal.rescue import salvage
from safety_monitor.place import Place
from tests.alarms import SCREAM
from tests.dispatching import (
    FOREVER_S,
    LATER,
    NO_NETWORK,
    REFUSED,
    confirm,
    deliveries,
    running,
    settled,
)
from tests.outlet import DONE, Outlet
from tests.waiting import until


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
            dispatch.trouble("machine", "machine: gives no more threads")
            until(lambda: len(sms.messages) == 2)
        until(lambda: bool(journal.list()))
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
    assert [message.kind for message in sms.messages] == ["alarm", "trouble"]


def test_a_mistake_of_ours_at_the_journal_stops_neither_the_alarm_nor_what_comes_after_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Journal.record

    def breaks(self: Journal, incident: Incident, *asked: Any, **more: Any) -> None:
        if incident.id == SCREAM.id:
            raise KeyError("a mistake of ours")
        record(self, incident, *asked, **more)

    monkeypatch.setattr(Journal, "record", breaks)
    sms, second = Outlet("sms"), replace(SCREAM, id="2")
    with running(journal, sms) as dispatch:
        with pytest.raises(JournalError, match="cannot be written; see the log"):
            dispatch.follow(SCREAM)
        confirm(dispatch, second)
        until(lambda: deliveries(journal, second)["sms:alarm"].state is DeliveryState.DELIVERED)
        until(lambda: {message.incident.id for message in sms.messages} == {SCREAM.id, second.id})


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
    waits = Waits(first_wait_s=2 * FOREVER_S, longest_wait_s=2 * FOREVER_S, fallback_after_s=1.0)
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
    dispatch = Dispatch(patient, [sms, email], rules=DeliveryRules([quiet, policy], waits=waits))
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


def test_a_trouble_waits_for_quiet_hours_to_end_also_where_the_journal_cannot_be_written(impatient: Journal) -> None:
    now = datetime.now()
    limits = Limits(cool_down_s=0.0, quiet=((now - timedelta(hours=2)).time(), (now + timedelta(hours=2)).time()))
    sms, blocker = Outlet("sms"), sqlite3.connect(impatient.path, isolation_level=None)
    with running(impatient, sms, limits=limits) as dispatch:
        blocker.execute("BEGIN IMMEDIATE")
        dispatch.trouble("journal", "journal: full")
        with pytest.raises(JournalError):
            dispatch.follow(SCREAM)
        until(lambda: "alarm" in [message.kind for message in sms.messages])
        blocker.execute("ROLLBACK")
        until(lambda: any("quiet hours" in each.detail for each in impatient.outbox.list()))
    blocker.close()
    assert [message.kind for message in sms.messages] == ["alarm"]


def test_what_the_journal_does_not_take_keeps_nothing_up_and_is_told_to_its_end(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks: list[str] = []
    rounds: list[float] = []
    due, overdue = Outbox.due, Outbox.overdue
    for module in (delivering, channel_worker):
        monkeypatch.setattr(module, "LOOK_S", 0.02)

    def look(self: Outbox, channel: str, limit: int = 1, **asked: Any) -> Sequence[Job]:
        looks.append(channel)
        return due(self, channel, limit, **asked)

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


def test_what_means_nothing_in_the_journal_keeps_neither_a_start_nor_a_message_back_and_is_told_once_put_right(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[float] = []
    due_on = Outbox.due_on

    def go_round(self: Outbox) -> Sequence[str]:
        rounds.append(time.monotonic())
        return due_on(self)

    def salvage_slowly(aside: Path, path: Path) -> None:
        begun = len(rounds)
        until(lambda: len(rounds) > begun + 1)  # meanwhile a fresh file stands there, with nothing in it
        salvage(aside, path)

    monkeypatch.setattr(Outbox, "due_on", go_round)
    monkeypatch.setattr(file, "salvage", salvage_slowly)
    both = {"email": Nature.MESSAGE, "gone": Nature.MESSAGE}
    for incident_id, channels in (("nonsense", both), ("email", {"email": Nature.MESSAGE})):
        journal.record(replace(SCREAM, id=incident_id), plan(Policy(), incident_id, channels))
    with closing(sqlite3.connect(journal.path)) as other:
        other.execute("UPDATE incidents SET evidence = '[' WHERE id = 'nonsense'")
        other.commit()
    email = Outlet("email")

    def told() -> set[str]:
        return {message.incident.id for message in email.messages if message.kind == "alarm"}

    with running(journal, email) as dispatch:
        dispatch.follow(SCREAM)
        until(lambda: told() == {"email", SCREAM.id})
        assert journal.file.doubted
        journal.file.rescue()
        until(lambda: told() == {"email", SCREAM.id, "nonsense"})
        until(lambda: any("gone: is not turned on any more" in message.text for message in email.messages))


def test_of_each_channel_turned_off_people_are_told_though_what_was_left_is_passed_on_in_two_tries(
    journal: Journal,
) -> None:
    for channel in ("fax", "pager"):
        incident = replace(SCREAM, id=channel)
        journal.record(incident, plan(Policy(), channel, {channel: Nature.MESSAGE}))
    email = Outlet("email")
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute(
            "CREATE TRIGGER refused BEFORE UPDATE ON deliveries WHEN NEW.channel = 'pager' "
            "BEGIN SELECT RAISE(FAIL, 'disk I/O error'); END"
        )
        with running(journal, email):
            until(lambda: journal.outbox.delivery("fax:fax:alarm").state is DeliveryState.FAILED)
            other.execute("DROP TRIGGER refused")
            for channel in ("fax", "pager"):
                text = f"{channel}: is not turned on any more"
                until(lambda text=text: any(text in message.text for message in email.messages))  # type: ignore[misc]


def test_a_disk_that_is_full_keeps_no_station_from_starting_and_what_was_left_is_told_later(
    journal: Journal, impatient: Journal
) -> None:
    later = replace(SCREAM, id="left")
    journal.record(later, plan(Policy(), "left", {"sms": Nature.MESSAGE, "alarm": Nature.SOUND}))
    journal.outbox.begin(journal.outbox.due("sms"))  # the power went
    blocker = sqlite3.connect(journal.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")  # what cannot be written for now is refused in the same way
    sms, alarm = Outlet("sms"), Outlet("alarm", heard=True)
    with running(impatient, sms, alarm) as dispatch:
        with pytest.raises(JournalError):
            dispatch.follow(SCREAM)
        until(lambda: [message.incident.id for message in (*sms.messages, *alarm.messages)] == [SCREAM.id] * 2)
        blocker.execute("ROLLBACK")
        until(lambda: [message.incident.id for message in sms.messages] == [SCREAM.id, "left"])
        until(lambda: len(journal.list()) == 2)
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
    blocker.close()
    assert [message.incident.id for message in alarm.messages] == [SCREAM.id]
