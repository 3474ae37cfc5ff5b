"""Who may call off an incident, and what a person who is forced to can do."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from safety_monitor.config.escalation import Acknowledge
from safety_monitor.escalation import DEFAULT, Nature, plan
from safety_monitor.incident import State
from safety_monitor.journal.file import JournalError
from safety_monitor.journal.incidents import Journal
from safety_monitor.people.decision import RECENT_S, WITHIN_S, WRONG_PINS, Decisions, PinError, decisions_of, hash_of
from tests.alarms import SCREAM
from tests.clock import Clock

PIN, DURESS = "4711", "4712"
PIN_HASH, DURESS_HASH = hash_of(PIN), hash_of(DURESS)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path)
    journal.record(SCREAM, plan(DEFAULT, SCREAM.id, {"sms": Nature.MESSAGE}))
    return journal


def kinds(journal: Journal) -> list[str]:
    return [each.kind for each in journal.show(SCREAM.id, covert=True).deliveries]


@pytest.mark.parametrize("typed", ["", PIN])
def test_without_a_pin_anybody_may_decide(journal: Journal, typed: str) -> None:
    assert Decisions(journal).decide("0b4", State.CANCELLED, typed).state is State.CANCELLED
    assert kinds(journal) == ["alarm", "update"]


@pytest.mark.parametrize("pin", ["", "0000", "4711 ", "47111"])
def test_what_is_not_the_pin_decides_nothing(journal: Journal, pin: str) -> None:
    decisions = Decisions(journal, pin_hash=PIN_HASH, duress_pin_hash=DURESS_HASH)
    with pytest.raises(PinError):
        decisions.decide(SCREAM.id, State.CANCELLED, pin)
    assert journal.state_of(SCREAM.id) is State.CONFIRMED


def test_the_pin_calls_off(journal: Journal) -> None:
    decisions = Decisions(journal, pin_hash=PIN_HASH, duress_pin_hash=DURESS_HASH)
    assert decisions.decide(SCREAM.id, State.CANCELLED, PIN).state is State.CANCELLED
    assert kinds(journal) == ["alarm", "update"]


@pytest.mark.parametrize("state", [State.CANCELLED, State.ACKNOWLEDGED])
def test_the_duress_pin_looks_the_same_and_tells_the_contacts_otherwise(journal: Journal, state: State) -> None:
    decisions = Decisions(journal, pin_hash=PIN_HASH, duress_pin_hash=DURESS_HASH)
    decided = decisions.decide(SCREAM.id, state, DURESS)
    assert replace(decided, at_s=SCREAM.at_s) == replace(SCREAM, state=state, reason="by a person")
    assert "duress" not in repr(journal.show(SCREAM.id))
    assert kinds(journal) == ["alarm", "duress"]


def test_without_an_id_nobody_answers_what_was_over_long_ago(tmp_path: Path) -> None:
    clock = Clock(1_800_000_000.0)
    journal = Journal(tmp_path, clock)
    for incident_id, state in (("0", State.CONFIRMED), ("0", State.CLOSED), ("1", State.CONFIRMED)):
        journal.record(replace(SCREAM, id=incident_id, state=state))
    clock.now += RECENT_S
    decisions = Decisions(journal)
    assert decisions.newest(State.ACKNOWLEDGED) == "1", "it goes on"
    journal.record(replace(SCREAM, id="1", state=State.CLOSED))
    clock.now += RECENT_S - 1.0
    assert decisions.decide(decisions.newest(State.ACKNOWLEDGED), State.ACKNOWLEDGED).id == "1"
    with pytest.raises(JournalError, match="no incident of the last day waits to be acknowledged; give the id"):
        decisions.newest(State.ACKNOWLEDGED)
    assert decisions.decide("0", State.ACKNOWLEDGED).id == "0"


def test_acknowledging_takes_the_pin_only_if_it_is_set_so(journal: Journal) -> None:
    strict = decisions_of(Acknowledge(pin_hash=SecretStr(PIN_HASH), pin_to_acknowledge=True), journal)
    with pytest.raises(PinError, match="takes the PIN"):
        strict.decide(SCREAM.id, State.ACKNOWLEDGED)
    assert Decisions(journal, pin_hash=PIN_HASH).decide(SCREAM.id, State.ACKNOWLEDGED).state is State.ACKNOWLEDGED


def test_after_too_many_wrong_pins_none_is_taken_for_a_while(journal: Journal) -> None:
    clock = Clock()
    decisions = Decisions(journal, pin_hash=PIN_HASH, clock=clock)
    for _ in range(WRONG_PINS):
        with pytest.raises(PinError, match="wrong"):
            decisions.decide(SCREAM.id, State.CANCELLED, "0000")
    with pytest.raises(PinError, match="too many wrong PINs; wait 300 s"):
        decisions.decide(SCREAM.id, State.CANCELLED, PIN)
    clock.now += WITHIN_S
    assert decisions.decide(SCREAM.id, State.CANCELLED, PIN).state is State.CANCELLED


def test_the_wrong_pins_of_strangers_do_not_lock_out_who_has_signed_in(journal: Journal) -> None:
    decisions = Decisions(journal, pin_hash=PIN_HASH)
    for who in ("", "otto"):
        for _ in range(WRONG_PINS):
            with pytest.raises(PinError, match="wrong"):
                decisions.is_forced("0000", who)
        with pytest.raises(PinError, match="too many wrong PINs"):
            decisions.is_forced(PIN, who)
    assert decisions.decide(SCREAM.id, State.CANCELLED, PIN, who="anna").state is State.CANCELLED


def test_a_hash_tells_nothing_of_its_pin() -> None:
    assert PIN not in PIN_HASH
    assert hash_of(PIN) != PIN_HASH
    with pytest.raises(PinError, match="4 to 32 characters"):
        hash_of("123")
