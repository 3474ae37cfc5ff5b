"""Who still waits for a person, and for how long an answer is of use."""

from dataclasses import replace

from safety_monitor.answers import MOST_WAIT, SHOWN_S, WAITS_S, Answers
from safety_monitor.incident import State
from tests.alarms import SCREAM

OTHER = replace(SCREAM, id="2")


def closed(answers: Answers, *ids: str) -> None:
    for incident_id in ids:
        answers.moved(replace(SCREAM, id=incident_id))
        answers.moved(replace(SCREAM, id=incident_id, state=State.CLOSED))


def test_an_incident_goes_on_until_it_is_answered_or_over() -> None:
    answers = Answers()
    for after in (State.ACKNOWLEDGED, State.CANCELLED, State.CLOSED):
        answers.moved(SCREAM)
        assert answers.others_wait(OTHER)
        assert not answers.others_wait(SCREAM)
        answers.moved(replace(SCREAM, state=after))
        assert not answers.others_wait(OTHER)


def test_a_late_answer_is_told_once_and_shown_for_a_while() -> None:
    now = [0.0]
    answers = Answers(clock=lambda: now[0])
    closed(answers, "1", "2")
    assert answers.late(lambda ids: {}) == []
    (answered,) = answers.late(lambda ids: {"2": State.ACKNOWLEDGED})
    assert (answered.id, answered.state) == ("2", State.ACKNOWLEDGED)
    assert answers.faded() == []
    now[0] += SHOWN_S
    assert [(each.id, each.state) for each in answers.faded()] == [("2", State.CLOSED)]
    assert answers.faded() == []
    asked: list[str] = []
    answers.late(lambda ids: asked.extend(ids) or {})  # type: ignore[func-returns-value]
    assert asked == ["1"]


def test_what_was_answered_before_or_long_ago_or_is_too_much_is_not_asked_for() -> None:
    now = [0.0]
    answers = Answers(clock=lambda: now[0])
    answers.moved(SCREAM)
    for state in (State.ACKNOWLEDGED, State.CLOSED):
        answers.moved(replace(SCREAM, state=state))
    assert answers.late(lambda ids: dict.fromkeys(ids, State.CANCELLED)) == []
    closed(answers, *map(str, range(MOST_WAIT + 1)))
    assert len(answers.late(lambda ids: dict.fromkeys(ids, State.CANCELLED))) == MOST_WAIT
    closed(answers, "late")
    now[0] += WAITS_S + 1.0
    assert answers.late(lambda ids: dict.fromkeys(ids, State.CANCELLED)) == []
