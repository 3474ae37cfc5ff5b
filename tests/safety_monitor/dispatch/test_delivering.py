"""The outbox: what fails is tried again, what hangs delays nobody, what was begun is finished after a restart."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from safety_monitor.actions.message import Message
from safety_monitor.actions.outcome import Outcome
from safety_monitor.delivery import DeliveryState, Result
from safety_monitor.dispatch import channel_worker, settling, troubles
from safety_monitor.dispatch.delivering import Dispatch, OutboxBusyError
from safety_monitor.dispatch.limits import Limits
from safety_monitor.dispatch.settling import Waits
from safety_monitor.escalation import TROUBLE, Nature, Policy, Step, plan
from safety_monitor.incident import Evidence, Sense, State
from safety_monitor.journal.file import LOCK_NAME
from safety_monitor.journal.incidents import Journal
from safety_monitor.local_time import when
from safety_monitor.people.decision import Decisions
from tests.alarms import SCREAM
from tests.dispatching import (
    FOREVER_S,
    LATER,
    NO_NETWORK,
    REFUSED,
    SOON,
    Followed,
    confirm,
    deliveries,
    running,
    settled,
)
from tests.outlet import DONE, Outlet
from tests.waiting import until


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


def test_no_message_waits_until_it_has_been_tried_whether_its_channel_could_deliver(journal: Journal) -> None:
    answers = threading.Event()

    class Dying(Outlet):
        def check(self) -> Outcome:
            self.begun.set()
            answers.wait(FOREVER_S)
            return REFUSED

    mail = Dying("mail")
    with running(journal, mail) as dispatch:
        tried = dispatch.try_check("mail")
        assert mail.begun.wait(FOREVER_S)
        confirm(dispatch)
        settled(journal, "mail:alarm", DeliveryState.DELIVERED)
        assert not tried.done()
        answers.set()
        assert tried.result(FOREVER_S) == REFUSED


@dataclass
class Slow(Outlet):
    """Is at whatever is no single emergency until it is released."""

    released: threading.Event = field(default_factory=threading.Event)

    def deliver(self, message: Message) -> Outcome:
        if message.kind != "alarm" or message.besides:
            self.begun.set()
            self.released.wait(FOREVER_S)
        self.messages.append(message)
        return DONE


def digest(dispatch: Dispatch) -> None:
    for number in range(3):
        confirm(dispatch, replace(SCREAM, id=str(number)))


@pytest.mark.parametrize(
    ("begin", "told"),
    [
        (lambda dispatch: dispatch.try_out("sms"), ["alarm", "test"]),
        (lambda dispatch: dispatch.trouble("audio", "audio: broken"), ["alarm", "trouble"]),
        (digest, ["alarm", "alarm", "alarm"]),
    ],
    ids=["test", "trouble", "digest"],
)
def test_no_emergency_waits_for_anything_else_that_is_under_way(
    journal: Journal, begin: Callable[[Dispatch], object], told: list[str]
) -> None:
    sms = Slow("sms")
    with running(journal, sms, limits=Limits(cool_down_s=0.5)) as dispatch:
        begin(dispatch)
        assert sms.begun.wait(FOREVER_S)
        confirm(dispatch)
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
        sms.released.set()
        until(lambda: len(sms.messages) == len(told))
        until(lambda: not [each for each in journal.outbox.list() if each.due_at])
    assert [message.kind for message in sms.messages] == told
    assert {each.attempts for entry in journal.list() for each in entry.deliveries} == {1}


def test_a_test_hears_what_came_of_it_though_an_emergency_overtook_it(journal: Journal) -> None:
    sms = Slow("sms")
    with running(journal, sms) as dispatch:
        tried = dispatch.try_out("sms")
        assert sms.begun.wait(FOREVER_S)
        confirm(dispatch)
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
        assert not tried.done()
        sms.released.set()
        assert tried.result(FOREVER_S) == DONE


def test_what_waits_of_a_trouble_is_not_told_once_that_is_over_and_whoever_heard_nothing_hears_nothing(
    journal: Journal,
) -> None:
    mail, sms = Outlet("messages:mail"), Outlet("sms:anna")
    steps = Step(actions=("messages",)), Step(FOREVER_S, ("all",)), Step(2 * FOREVER_S, ("messages",))
    with running(journal, mail, sms, policy=Policy(triggers=(TROUBLE,), steps=steps)) as dispatch:
        dispatch.trouble("gesture", "gesture: dark")
        dispatch.trouble("audio", "audio: unplugged")
        until(lambda: len(mail.messages) == 2)
        dispatch.trouble_over("audio", "audio: unplugged")
        until(lambda: len(mail.messages) == 3)
    assert "works again. Before, hearing: unplugged" in mail.messages[-1].text
    waiting = [each for each in journal.outbox.list() if each.due_at is not None]
    assert [journal.show(each.incident_id).incident.reason for each in waiting] == ["gesture: dark"] * 3


def test_whoever_was_told_of_a_trouble_by_a_later_step_hears_that_it_is_over_at_once(journal: Journal) -> None:
    mail, sms = Outlet("messages:mail"), Outlet("sms:anna")
    steps = Step(actions=("messages",)), Step(0.05, ("all",))
    with running(journal, mail, sms, policy=Policy(triggers=(TROUBLE,), steps=steps)) as dispatch:
        dispatch.trouble("audio", "audio: unplugged")
        until(lambda: len(mail.messages) == 2 and len(sms.messages) == 1)
        dispatch.trouble_over("audio", "audio: unplugged")
        until(lambda: len(mail.messages) == 3 and len(sms.messages) == 2)
    assert (len(mail.messages), len(sms.messages), journal.outbox.list()) == (3, 2, [])
    assert all("works again" in each.messages[-1].text for each in (mail, sms))


def test_a_part_that_fails_again_too_soon_to_be_told_is_told_of_later(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(troubles, "TROUBLE_EVERY_S", 1.0)
    sms = Outlet("sms")
    with running(journal, sms) as dispatch:
        dispatch.trouble("audio", "audio: unplugged")
        dispatch.trouble_over("audio", "audio: unplugged")
        dispatch.trouble("audio", "audio: unplugged for good")
        until(lambda: any("unplugged for good" in message.text for message in sms.messages))


@pytest.mark.parametrize("heard", [False, True])
def test_whoever_tries_a_channel_hears_of_an_error_that_nobody_foresaw(journal: Journal, heard: bool) -> None:
    class Breaks(Outlet):
        def deliver(self, message: Message) -> Outcome:
            raise KeyError("secret")

        def check(self) -> Outcome:
            raise KeyError("secret")

    with running(journal, Breaks("way", heard=heard)) as dispatch:
        for tried in (dispatch.try_check("way"), dispatch.try_out("way")):
            assert tried.result(FOREVER_S) == Outcome(ok=False, detail="KeyError; see the log")


def test_a_channel_that_does_not_close_keeps_no_other_from_being_closed(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_worker, "GIVE_BACK_S", 0.1)
    release, closed = threading.Event(), threading.Event()

    class Breaks(Outlet):
        def close(self) -> None:
            raise OSError("no such device")

    class Hangs(Outlet):
        def close(self) -> None:
            release.wait(FOREVER_S)

    class Closes(Outlet):
        def close(self) -> None:
            closed.set()

    with running(journal, Breaks("breaks"), Hangs("hangs"), Closes("closes")):
        pass
    assert closed.is_set()
    release.set()
    with running(journal):  # nor the next station from starting
        pass


def test_a_channel_that_hangs_is_a_trouble(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_worker, "HUNG_S", 0.1)
    release = threading.Event()
    siren = Outlet("alarm", heard=True, hang=release)  # it sounds for as long as the settings say
    sms, email = Outlet("sms", hang=release), Outlet("email")
    with running(journal, siren, sms, email) as dispatch:
        confirm(dispatch)
        until(lambda: any(message.kind == "trouble" for message in email.messages))
        release.set()
    (text,) = [message.text for message in email.messages if message.kind == "trouble"]
    assert "sms: hangs" in text


def test_what_was_begun_is_finished_after_a_restart_but_no_siren_sounds_late(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with running(journal, Outlet("sms", [NO_NETWORK]), waits=Waits(first_wait_s=0.4)) as dispatch:
        dispatch.follow(replace(SCREAM, state=State.PENDING))
        dispatch.follow(SCREAM)
        settled(journal, "sms:alarm", DeliveryState.PENDING)
        until(lambda: deliveries(journal)["sms:alarm"].attempts)
    sms, alarm = Outlet("sms"), Outlet("alarm", heard=True)
    with running(Journal(tmp_path), sms, alarm):
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
    assert [message.key for message in sms.messages] == [f"{SCREAM.id}:sms:alarm"]
    assert not alarm.messages


def test_what_is_under_way_when_the_station_ends_is_not_told_again_by_the_next(journal: Journal) -> None:
    sms = Slow("sms")
    with running(journal, sms) as dispatch:
        dispatch.trouble("audio", "audio: broken")
        assert sms.begun.wait(FOREVER_S)
        threading.Timer(0.2, sms.released.set).start()
    assert len(sms.messages) == 1
    assert journal.outbox.list() == []


def test_only_one_process_delivers_from_a_journal_and_says_that_it_waits(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    with running(journal), pytest.raises(OutboxBusyError, match="another safety-monitor"):
        Dispatch(Journal(journal.path.parent), [], patience_s=0.01)
    assert "waiting up to 0.01 s for its end" in caplog.text
    with running(journal):
        pass


def test_a_station_helps_though_its_lock_cannot_be_opened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / LOCK_NAME).mkdir()
    journal = Journal(tmp_path)
    sms = Outlet("sms")
    with running(journal, sms) as dispatch:
        dispatch.follow(SCREAM)
        until(lambda: sms.messages)
    assert f"{LOCK_NAME}: cannot be locked: " in caplog.text


def test_a_patient_station_starts_once_the_one_before_it_has_ended(journal: Journal) -> None:
    before = Dispatch(journal, [])
    ending = threading.Timer(0.2, before.close)
    ending.start()
    after = Dispatch(Journal(journal.path.parent), [], patience_s=60.0)
    ending.join()
    after.close()


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


def test_an_emergency_ends_a_siren_that_is_only_tried(journal: Journal) -> None:
    class Siren(Outlet):
        def interrupt(self) -> None:
            tried.set()

    tried = threading.Event()
    siren = Siren("alarm", heard=True, hang=tried)
    with running(journal, siren) as dispatch:
        dispatch.try_out("alarm")
        assert siren.begun.wait(FOREVER_S)
        confirm(dispatch)
        assert tried.is_set()
        until(lambda: [message.kind for message in siren.messages] == ["test", "alarm"])


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
        texts = sorted(message.text for message in told.messages if message.kind == "trouble")
        for name, text in zip(("call:anna", "sms:anna"), texts, strict=True):
            assert f"{name}: is not turned on any more" in text
    gone = deliveries(journal)["sms:anna:alarm"]
    assert (gone.state, gone.detail) == (DeliveryState.FAILED, "the channel is not turned on any more")


def test_what_was_handed_over_and_did_not_arrive_is_told_to_whoever_takes_the_place_of_a_contact(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "FOLLOW_FIRST_S", 0.02)
    off = Outcome(ok=False, detail="undelivered (error 30003)", again=True, reference="SM1")
    sms = Followed("sms:anna", [Outcome(ok=True, detail="queued", reference="SM1")], arrives=[off])
    with running(journal, sms, waits=Waits(first_wait_s=FOREVER_S)) as dispatch:
        confirm(dispatch)
        until(lambda: deliveries(journal)["sms:anna:alarm"].detail == off.detail)
    instead = Outlet("sms:anna_new")
    with running(journal, instead):
        until(lambda: len(instead.messages) == 2)
    assert sorted(message.kind for message in instead.messages) == ["alarm", "trouble"]
    assert deliveries(journal)["sms:anna:alarm"].state is DeliveryState.FAILED


def test_the_fallback_is_told_also_where_it_was_renamed_since(journal: Journal) -> None:
    before = Policy(steps=(Step(actions=("sms",)),), fallback=("call:bob", "email"))
    journal.record(SCREAM, plan(before, SCREAM.id, dict.fromkeys(("sms", "call:bob", "email"), Nature.MESSAGE)))
    others = Outlet("call:robert"), Outlet("email")
    with running(journal, Outlet("sms", [REFUSED]), *others, policy=replace(before, fallback=("call", "email"))):
        for key in ("call:robert:alarm", "email:alarm"):
            settled(journal, key, DeliveryState.DELIVERED)


def test_a_silent_policy_is_not_heard_and_says_so(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    alarm, sms = Outlet("alarm", heard=True), Outlet("sms", [NO_NETWORK, REFUSED])
    with running(journal, alarm, sms, policy=Policy(triggers=("scream",), silent=True)) as dispatch:
        confirm(dispatch)
        assert dispatch.is_hidden(SCREAM)
        assert dispatch.is_hidden(replace(SCREAM, state=State.CLOSED))
        assert not dispatch.is_hidden(replace(SCREAM, id="2", evidence=()))
        settled(journal, "sms:alarm", DeliveryState.FAILED)
        assert {each.trouble for each in dispatch.health()} == {""}
    assert not alarm.messages
    assert [message.kind for message in sms.messages] == ["alarm", "alarm"]  # nobody hears that it failed
    assert journal.show(SCREAM.id).silent
    assert not caplog.records


def test_a_scream_after_half_a_sign_that_must_not_be_noticed_is_a_loud_emergency(journal: Journal) -> None:
    alarm, sms = Outlet("alarm", heard=True), Outlet("sms")
    half = Evidence(Sense.GESTURE, "signal_for_help", 0.6, 7.0)
    with running(journal, alarm, sms, policy=Policy(triggers=("signal_for_help",), silent=True)) as dispatch:
        dispatch.follow(replace(SCREAM, state=State.PENDING, evidence=(half,)))
        dispatch.follow(SCREAM)
        settled(journal, "sms:alarm", DeliveryState.DELIVERED)
        settled(journal, "alarm:alarm", DeliveryState.DELIVERED)
    assert "silent" not in sms.messages[0].text
    assert Decisions(journal).newest(State.ACKNOWLEDGED) == SCREAM.id


def test_who_answers_a_loud_emergency_is_heard_though_a_sign_that_must_not_be_noticed_came_to_it(
    journal: Journal,
) -> None:
    voice = Outlet("speech", heard=True, answers=True)
    sign = Evidence(Sense.GESTURE, "signal_for_help", 0.9, 9.0)
    with running(journal, voice, policy=Policy(triggers=("signal_for_help",), silent=True)) as dispatch:
        confirm(dispatch)
        until(lambda: voice.messages)
        answered = replace(SCREAM, state=State.ACKNOWLEDGED, evidence=(*SCREAM.evidence, sign))
        dispatch.decided(answered, hush=True)
        until(lambda: len(voice.messages) == 2)
    assert [message.kind for message in voice.messages] == ["alarm", "update"]


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
