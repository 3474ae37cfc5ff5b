"""What people decide is looked up beside the thread that asks, and is taken for the incident that it is about."""

import threading
from dataclasses import replace

import pytest

from safety_monitor.incident import State
from safety_monitor.journal.incidents import Journal
from safety_monitor.people.decision_lookup import DecisionLookup
from tests.alarms import SCREAM
from tests.waiting import LIMIT_S, until


def test_what_was_decided_about_one_incident_is_never_taken_for_the_next(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    called_off, goes_on = SCREAM, replace(SCREAM, id="2")
    for incident in (called_off, goes_on):
        journal.record(incident)
    journal.decide(called_off.id, State.CANCELLED, "by a person")
    begun, answers = ({incident.id: threading.Event() for incident in (called_off, goes_on)} for _ in range(2))
    state_of = Journal.state_of

    def slowly(self: Journal, incident_id: str) -> State:
        begun[incident_id].set()
        answers[incident_id].wait(LIMIT_S)
        return state_of(self, incident_id)

    monkeypatch.setattr(Journal, "state_of", slowly)
    lookup = DecisionLookup(journal)
    lookup.ask(called_off.id)
    assert begun[called_off.id].wait(LIMIT_S)
    assert lookup.ask(goes_on.id).open_state is None
    answers[called_off.id].set()
    assert begun[goes_on.id].wait(LIMIT_S)  # what was found about the first is there
    assert lookup.ask(goes_on.id).open_state is None
    answers[goes_on.id].set()
    until(lambda: lookup.ask(goes_on.id).open_state is State.CONFIRMED)
    lookup.close()


def test_what_was_decided_about_one_that_is_over_is_found_though_the_open_one_is_not_in_the_journal(
    journal: Journal,
) -> None:
    for state in (State.CONFIRMED, State.CLOSED):
        journal.record(replace(SCREAM, state=state))
    journal.decide(SCREAM.id, State.ACKNOWLEDGED, "by a person")
    lookup = DecisionLookup(journal)
    until(lambda: lookup.ask("not written yet", [SCREAM.id]).closed == {SCREAM.id: State.ACKNOWLEDGED})
    lookup.close()
