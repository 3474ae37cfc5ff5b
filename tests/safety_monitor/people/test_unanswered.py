"""Who still waits for a person, and for how long an answer is of use."""

from dataclasses import replace

from safety_monitor.incident import State
from safety_monitor.people.unanswered import MOST_WAIT, SHOWN_S, WAITS_S, Unanswered
from tests.alarms import SCREAM
from tests.clock import Clock

OTHER = replace(SCREAM, id="2")


def closed(unanswered: Unanswered, *ids: str) -> None:
    for incident_id in ids:
        unanswered.moved(replace(SCREAM, id=incident_id))
        unanswered.moved(replace(SCREAM, id=incident_id, state=State.CLOSED))


def test_an_incident_goes_on_until_it_is_answered_or_over() -> None:
    unanswered = Unanswered()
    for after in (State.ACKNOWLEDGED, State.CANCELLED, State.CLOSED):
        unanswered.moved(SCREAM)
        assert unanswered.others_wait(OTHER)
        assert not unanswered.others_wait(SCREAM)
        unanswered.moved(replace(SCREAM, state=after))
        assert not unanswered.others_wait(OTHER)


def test_a_late_answer_is_told_once_and_shown_for_a_while() -> None:
    clock = Clock()
    unanswered = Unanswered(clock=clock)
    closed(unanswered, "1", "2")
    assert unanswered.late({}) == []
    (answered,) = unanswered.late({"2": State.ACKNOWLEDGED})
    assert (answered.id, answered.state) == ("2", State.ACKNOWLEDGED)
    assert unanswered.faded() == []
    clock.now += SHOWN_S
    assert [(each.id, each.state) for each in unanswered.faded()] == [("2", State.CLOSED)]
    assert unanswered.faded() == []
    assert unanswered.waiting() == ("1",)


def test_the_newest_that_is_over_and_not_answered_is_known() -> None:
    clock = Clock()
    unanswered = Unanswered(clock=clock)
    assert unanswered.newest() is None
    closed(unanswered, "1")
    clock.now += 5.0
    closed(unanswered, "2")
    clock.now += 1.0
    newest, over_s = unanswered.newest() or (None, 0.0)
    assert newest is not None
    assert (newest.id, newest.state, over_s) == ("2", State.CLOSED, 1.0)
    unanswered.late({"2": State.CANCELLED})
    assert (unanswered.newest() or (SCREAM, 0.0))[1] == 6.0
    clock.now += WAITS_S
    assert unanswered.newest() is None


def test_what_was_answered_before_or_long_ago_or_is_too_much_is_not_asked_for() -> None:
    clock = Clock()
    unanswered = Unanswered(clock=clock)
    unanswered.moved(SCREAM)
    for state in (State.ACKNOWLEDGED, State.CLOSED):
        unanswered.moved(replace(SCREAM, state=state))
    assert unanswered.late(dict.fromkeys(unanswered.waiting(), State.CANCELLED)) == []
    closed(unanswered, *map(str, range(MOST_WAIT + 1)))
    assert len(unanswered.late(dict.fromkeys(unanswered.waiting(), State.CANCELLED))) == MOST_WAIT
    closed(unanswered, "late")
    clock.now += WAITS_S + 1.0
    assert unanswered.late(dict.fromkeys(unanswered.waiting(), State.CANCELLED)) == []


def test_what_an_earlier_run_left_unanswered_waits_for_what_is_left_of_its_time() -> None:
    clock = Clock()
    unanswered = Unanswered(clock=clock)
    long_over, just_over = (replace(SCREAM, id=number, state=State.CLOSED) for number in "12")
    unanswered.recall([(long_over, WAITS_S - 10.0), (just_over, 5.0)])
    assert unanswered.newest() == (just_over, 5.0)
    clock.now += 10.0
    assert unanswered.waiting() == ("1", "2")
    clock.now += 1.0
    assert unanswered.waiting() == ("2",)
    assert not unanswered.others_wait(OTHER), "its siren does not sound any more"
