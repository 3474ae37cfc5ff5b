"""What becomes of a delivery after every kind of outcome, and how waits grow."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety_monitor.actions.outcome import Outcome
from safety_monitor.delivery import DeliveryState, Job, Turn
from safety_monitor.dispatch.settling import Waits, back_off, instead_of, settle
from safety_monitor.escalation import Nature
from tests.alarms import SCREAM

DONE = Outcome(ok=True, detail="done", delivered=True)
NO_NETWORK = Outcome(ok=False, detail="no network", again=True)
REFUSED = Outcome(ok=False, detail="refused")
JOB = Job("k", 1, "sms", "alarm", Turn.FRESH, 0, 1000.0, None, "", (), False, SCREAM, "")
SENT_JOB = replace(JOB, turn=Turn.FOLLOW, attempts=1, sent_at=1000.0, reference="SM1")
QUEUED = Outcome(ok=True, detail="queued", reference="SM1")
WAITS = Waits(first_wait_s=2.0, longest_wait_s=300.0, give_up_messages_s=3600.0, follow_s=600.0)


@pytest.mark.parametrize(
    ("job", "outcome", "follows", "now", "state", "due_at"),
    [
        (JOB, DONE, False, 1000.0, DeliveryState.DELIVERED, None),
        (JOB, replace(DONE, delivered=False), False, 1000.0, DeliveryState.SENT, None),
        (JOB, QUEUED, False, 1000.0, DeliveryState.SENT, None),
        (JOB, QUEUED, True, 1000.0, DeliveryState.SENT, 1002.0),
        (JOB, REFUSED, True, 1000.0, DeliveryState.FAILED, None),
        (JOB, NO_NETWORK, True, 1000.0, DeliveryState.PENDING, 1002.0),
        (replace(JOB, attempts=3), NO_NETWORK, True, 1000.0, DeliveryState.PENDING, 1016.0),
        (JOB, replace(NO_NETWORK, retry_after_s=60.0), True, 1000.0, DeliveryState.PENDING, 1060.0),
        (JOB, NO_NETWORK, True, 4599.0, DeliveryState.FAILED, None),
        (JOB, replace(NO_NETWORK, retry_after_s=7200.0), True, 1000.0, DeliveryState.PENDING, 1300.0),
        (SENT_JOB, None, True, 1001.0, DeliveryState.SENT, 1003.0),
        (SENT_JOB, None, True, 1060.0, DeliveryState.SENT, 1090.0),
        (SENT_JOB, None, True, 1500.0, DeliveryState.SENT, 1560.0),
        (SENT_JOB, None, True, 1601.0, DeliveryState.SENT, None),
        (SENT_JOB, DONE, True, 1001.0, DeliveryState.DELIVERED, None),
        (SENT_JOB, REFUSED, True, 1001.0, DeliveryState.FAILED, None),
        (SENT_JOB, NO_NETWORK, True, 1001.0, DeliveryState.PENDING, 1003.0),
        (replace(SENT_JOB, turn=Turn.RETRY), QUEUED, True, 9000.0, DeliveryState.SENT, 9002.0),  # it did not arrive
    ],
)
def test_what_becomes_of_a_job(
    job: Job, outcome: Outcome | None, follows: bool, now: float, state: DeliveryState, due_at: float | None
) -> None:
    result = settle(job, outcome, nature=Nature.MESSAGE, waits=WAITS, follows=follows, now=now, chance=0.5)
    assert (result.state, result.due_at) == (state, due_at)


@pytest.mark.parametrize(
    ("job", "others"),
    [
        (JOB, ["alarm", "email"]),
        (replace(JOB, hidden=True), ["email"]),
        (replace(JOB, kind="duress"), ["email"]),
    ],
)
def test_what_must_not_be_noticed_falls_back_to_no_siren(job: Job, others: list[str]) -> None:
    natures = {"alarm": Nature.SOUND, "email": Nature.MESSAGE}
    instead = instead_of(replace(job, fallback=("alarm", "email", "gone")), natures)
    assert [each.channel for each in instead] == others


def test_a_record_is_tried_for_longer_than_a_message() -> None:
    result = settle(JOB, NO_NETWORK, nature=Nature.RECORD, waits=WAITS, follows=False, now=5000.0, chance=0.5)
    assert result.state is DeliveryState.PENDING


@given(st.integers(1, 10_000), st.floats(0, 1), st.floats(0.001, 100), st.floats(0.001, 1000))
def test_waits_grow_and_never_beyond_the_longest(attempts: int, chance: float, first: float, longest: float) -> None:
    waits = Waits(first_wait_s=first, longest_wait_s=longest)
    wait_s = back_off(attempts, waits, chance)
    assert 0.75 * min(first, longest) <= wait_s <= 1.25 * longest
    assert wait_s <= back_off(attempts + 1, waits, chance)
