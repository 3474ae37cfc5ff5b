"""What people are told together and later, and what never waits: limits, quiet hours, and what waited for a network."""

import time
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path

import pytest

from safety_monitor.actions.message import UNNOTICED, Message
from safety_monitor.actions.outcome import Outcome
from safety_monitor.delivery import DeliveryState
from safety_monitor.dispatch import settling
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.dispatch.limits import Limits
from safety_monitor.dispatch.policies import DeliveryRules
from safety_monitor.dispatch.settling import Waits
from safety_monitor.escalation import Policy, Step
from safety_monitor.incident import Sense, State
from safety_monitor.journal.incidents import Journal
from tests.alarms import SCREAM
from tests.dispatching import FOREVER_S, NO_NETWORK, SOON, Followed, confirm, deliveries, running
from tests.outlet import DONE, Outlet
from tests.waiting import until


def around_now() -> tuple[time_of_day, time_of_day]:
    """Quiet hours from an hour ago to an hour ahead by a clock on the wall, also in the night in which that is set."""
    now = datetime.now()
    return (now - timedelta(hours=1)).time(), (now + timedelta(hours=1)).time()


def held(journal: Journal, key: str) -> bool:
    """Whether a delivery waits because its person was told enough already."""
    return "held back" in journal.outbox.delivery(key).detail


def test_what_is_held_back_comes_together_and_duress_never_waits(tmp_path: Path) -> None:
    set_s = 0.0
    journal = Journal(tmp_path, clock=lambda: time.time() + set_s)
    sms, alarm, webhook = Outlet("sms"), Outlet("alarm", heard=True), Outlet("webhook", [NO_NETWORK, DONE], apart=True)
    limits = {name: Limits(0.2 if name == "webhook" else 60.0, most=100) for name in ("sms", "alarm", "webhook")}
    dispatch = Dispatch(journal, [sms, alarm, webhook], rules=DeliveryRules(limits=limits, waits=SOON))
    for number in range(4):
        confirm(dispatch, replace(SCREAM, id=str(number)))
    journal.decide("0", State.CANCELLED, "by a person", duress=True)
    until(lambda: len(sms.messages) == 2)
    until(lambda: all(held(journal, f"{number}:sms:alarm") for number in range(1, 4)))
    set_s = 60.0
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
    waits = Waits(first_wait_s=0.02)
    with running(journal, sms, waits=waits, limits=Limits(cool_down_s=1.0, most=100)) as dispatch:
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


def test_what_was_told_on_a_channel_that_is_turned_off_since_keeps_no_station_from_starting(journal: Journal) -> None:
    limits = Limits(cool_down_s=3600.0)
    sms, email = Outlet("sms"), Outlet("email")
    with running(journal, sms, limits=limits) as dispatch:
        confirm(dispatch)
        until(lambda: deliveries(journal)["sms:alarm"].state is DeliveryState.DELIVERED)
    with running(journal, email, limits=limits) as dispatch:
        confirm(dispatch, replace(SCREAM, id="2"))
        until(lambda: len(email.messages) == 1)


def test_what_a_silent_policy_asks_for_is_said_also_where_another_emergency_is_told_in_full(tmp_path: Path) -> None:
    set_s = 0.0
    journal = Journal(tmp_path, clock=lambda: time.time() + set_s)
    sms = Outlet("sms")
    limits = Limits(cool_down_s=60.0, most=100)
    policies = [Policy(triggers=("signal_for_help",), silent=True), Policy()]
    dispatch = Dispatch(journal, [sms], rules=DeliveryRules(policies, limits={"sms": limits}))
    confirm(dispatch)
    until(lambda: len(sms.messages) == 1)
    sign = replace(SCREAM.evidence[0], sense=Sense.GESTURE, label="signal_for_help")
    confirm(dispatch, replace(SCREAM, id="silent", evidence=(sign,)))
    until(lambda: held(journal, "silent:sms:alarm"))
    confirm(dispatch, replace(SCREAM, id="loud"))
    until(lambda: held(journal, "loud:sms:alarm"))
    set_s = 60.0
    until(lambda: len(sms.messages) == 2)
    dispatch.close()
    assert sms.messages[1].incident.id == "loud"
    assert sms.messages[1].text.endswith(UNNOTICED)


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


@pytest.mark.parametrize("held_by", ["quiet hours", "too many"])
def test_the_fallback_is_told_at_once_of_an_emergency_that_is_held_back_for_long(
    journal: Journal, held_by: str
) -> None:
    begin, end = around_now()
    limits = {
        "quiet hours": Limits(quiet=(begin, end)),
        "too many": Limits(cool_down_s=0.0, most=1, within_s=86_400.0),
    }[held_by]
    sms, call = Outlet("sms"), Outlet("call")
    policies = [
        Policy(triggers=("trouble",), steps=(Step(actions=("sms",)),), fallback=("call",)),
        Policy(steps=(Step(actions=("sms",)),), fallback=("call",)),
    ]
    rules = DeliveryRules(policies, limits={"sms": limits})
    with closing(Dispatch(journal, [sms, call], rules=rules)) as dispatch:
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
    begin, end = around_now()
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
    begin, end = around_now()
    quiet = Limits(quiet=(begin, end))
    sms = Outlet("sms")
    with running(journal, sms, limits=quiet) as dispatch:
        confirm(dispatch)
        until(lambda: held(journal, f"{SCREAM.id}:sms:alarm"))
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
    dispatch = Dispatch(journal, [sms, voice], rules=DeliveryRules(limits={"sms": Limits(3600.0, most=3)}))
    confirm(dispatch)
    until(lambda: len(sms.messages) == 1)
    confirm(dispatch, replace(SCREAM, id="2"))
    until(lambda: held(journal, "2:sms:alarm"))
    until(lambda: len(voice.messages) == 2)  # what is answered before it sounds does not sound
    for incident in (SCREAM, replace(SCREAM, id="2")):  # of the second nobody was told yet
        dispatch.decided(journal.decide(incident.id, State.ACKNOWLEDGED, "by ben"), hush=True)
    until(lambda: len(sms.messages) == 2)
    until(lambda: held(journal, "2:sms:update"))
    dispatch.decided(journal.decide(SCREAM.id, State.CANCELLED, "by ben"), hush=True)
    until(lambda: len(sms.messages) == 3)
    dispatch.close()
    assert [(message.incident.id, message.kind) for message in sms.messages] == [
        (SCREAM.id, "alarm"),
        (SCREAM.id, "update"),
        (SCREAM.id, "update"),
    ]
    assert [message.kind for message in voice.messages] == ["alarm", "alarm", "update", "update"]


def test_what_is_no_emergency_delays_none_and_comes_behind_it(tmp_path: Path) -> None:
    set_s = 0.0
    journal = Journal(tmp_path, clock=lambda: time.time() + set_s)
    sms = Outlet("sms")
    limits = Limits(cool_down_s=60.0, most=100)
    dispatch = Dispatch(journal, [sms], rules=DeliveryRules(limits={"sms": limits}))
    dispatch.trouble("audio", "audio: unplugged")
    until(lambda: len(sms.messages) == 1)
    confirm(dispatch)
    until(lambda: len(sms.messages) == 2)
    confirm(dispatch, replace(SCREAM, id="2"))
    until(lambda: held(journal, "2:sms:alarm"))
    dispatch.trouble("gesture", "gesture: unplugged")
    until(lambda: sum("held back" in each.detail for each in journal.outbox.list()) == 2)
    set_s = 60.0
    until(lambda: len(sms.messages) == 3)
    dispatch.close()
    assert [message.kind for message in sms.messages] == ["trouble", "alarm", "alarm"]
    assert sms.messages[2].text.startswith("EMERGENCY at station")
    assert ": seeing: unplugged" in sms.messages[2].text


def test_a_person_is_told_over_all_channels_as_often_as_the_limits_allow_and_a_restart_forgets_nothing(
    journal: Journal,
) -> None:
    def start() -> tuple[list[Outlet], Dispatch]:
        channels = [Outlet(name) for name in ("sms:anna", "call:anna_abroad", "sms:ben")]
        limits = {channel.name: Limits(cool_down_s=3600.0, most=100) for channel in channels}
        policy = Policy(
            triggers=("scream",),
            steps=(Step(actions=("sms:anna",)), Step(0.2, ("call:anna_abroad",)), Step(0.2, ("sms:anna",))),
        )
        policies = [policy, Policy(steps=(Step(actions=("call", "sms")),))]
        return channels, Dispatch(journal, channels, rules=DeliveryRules(policies, ["anna"], limits))

    def told(channels: list[Outlet]) -> list[list[str]]:
        return [[message.incident.id for message in channel.messages] for channel in channels]

    channels, dispatch = start()
    first, second, third = (replace(SCREAM, id=number) for number in "123")
    confirm(dispatch, first)
    until(lambda: told(channels) == [["1"], ["1"], []])  # the call tells what the SMS told, and need not wait
    until(lambda: held(journal, "1:sms:anna:alarm:1"))
    confirm(dispatch, replace(second, evidence=()))
    until(lambda: told(channels)[2] == ["2"])
    until(lambda: held(journal, "2:call:anna_abroad:alarm"))
    dispatch.close()
    assert told(channels) == [["1"], ["1"], ["2"]]
    channels, dispatch = start()
    confirm(dispatch, replace(third, evidence=()))
    for key in ("3:sms:anna:alarm", "3:call:anna_abroad:alarm", "3:sms:ben:alarm"):
        until(lambda key=key: held(journal, key))  # type: ignore[misc]
    dispatch.close()
    assert told(channels) == [[], [], []]
