"""What the journal holds survives, and never goes through a state that may not follow."""

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from safety_monitor.incident import Evidence, Incident, Sense, State
from safety_monitor.journal import DeliveryState, Journal, JournalError

SCREAM = Incident(
    id="0b4ad0e6-6f0e-4c5e-8a43-000000000001",
    state=State.PENDING,
    at_s=8.25,
    confidence=0.91,
    evidence=(Evidence(Sense.AUDIO, "scream", 0.91, 8.25),),
    reason="scream 0.91, threshold 0.80",
)
CONFIRMED = replace(SCREAM, state=State.CONFIRMED)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def test_an_incident_is_read_back_as_it_was_written(journal: Journal) -> None:
    journal.record(SCREAM, source="a.wav")
    journal.record(CONFIRMED, channels=("alarm", "speech"))
    entry = journal.show(SCREAM.id)
    assert entry.incident == CONFIRMED
    assert entry.source == "a.wav"
    assert [(step.state, step.by) for step in entry.transitions] == [
        (State.PENDING, "station"),
        (State.CONFIRMED, "station"),
    ]
    assert [(step.channel, step.state, step.attempts) for step in entry.deliveries] == [
        ("alarm", DeliveryState.PENDING, 0),
        ("speech", DeliveryState.PENDING, 0),
    ]


def test_an_id_may_be_shortened_while_it_is_unique(journal: Journal) -> None:
    journal.record(SCREAM)
    journal.record(replace(SCREAM, id="0b4afff"))
    assert journal.show("0b4ad").incident.id == SCREAM.id
    with pytest.raises(JournalError, match="several incidents begin with '0b4a'"):
        journal.show("0b4a")
    for unknown in ("zzz", "", "%"):
        with pytest.raises(JournalError, match=f"no incident '{unknown}'"):
            journal.show(unknown)


def test_deliveries_keep_their_attempts_and_their_last_word(journal: Journal) -> None:
    journal.record(SCREAM)
    journal.record(CONFIRMED, channels=("alarm",))
    for state, detail in [
        (DeliveryState.SENDING, ""),
        (DeliveryState.FAILED, "no sound device"),
        (DeliveryState.SENDING, ""),
        (DeliveryState.SENT, "10 s"),
    ]:
        journal.delivery(SCREAM.id, "alarm", state, detail)
    (delivery,) = journal.show(SCREAM.id).deliveries
    assert (delivery.state, delivery.attempts, delivery.detail) == (DeliveryState.SENT, 2, "10 s")


@pytest.mark.parametrize("state", [State.CLOSED, State.ACKNOWLEDGED, State.PENDING])
def test_a_state_that_may_not_follow_is_refused_and_nothing_is_written(journal: Journal, state: State) -> None:
    journal.record(SCREAM)
    with pytest.raises(JournalError, match=f"is pending; it cannot become {state}"):
        journal.record(replace(SCREAM, state=state), channels=("alarm",))
    entry = journal.show(SCREAM.id)
    assert (entry.incident.state, entry.deliveries, len(entry.transitions)) == (State.PENDING, (), 1)


def test_a_person_decides_once_and_the_station_cannot_overrule_it(journal: Journal) -> None:
    journal.record(SCREAM)
    journal.record(CONFIRMED)
    journal.decide(SCREAM.id[:8], State.CANCELLED, "false alarm")
    assert journal.state_of(SCREAM.id) is State.CANCELLED
    with pytest.raises(JournalError, match="is cancelled; it cannot become closed"):
        journal.record(replace(SCREAM, state=State.CLOSED))
    with pytest.raises(JournalError, match="is cancelled; it cannot become acknowledged"):
        journal.decide(SCREAM.id, State.ACKNOWLEDGED, "")
    assert journal.show(SCREAM.id).transitions[-1].by == "person"


def test_the_newest_come_first(journal: Journal) -> None:
    for number in range(30):
        journal.record(replace(SCREAM, id=f"{number:04}"))
    entries = journal.list(limit=5)
    assert len(entries) == 5
    assert [entry.opened_at for entry in entries] == sorted((entry.opened_at for entry in entries), reverse=True)


def _record_then_die(home: Path) -> None:
    journal = Journal(home)
    journal.record(SCREAM)
    journal.record(CONFIRMED, channels=("alarm",))
    os.kill(os.getpid(), signal.SIGKILL)


def _confirm_many(home: Path, start: int) -> None:
    journal = Journal(home)
    for number in range(start, start + 50):
        incident = replace(SCREAM, id=f"{number:04}")
        journal.record(incident)
        journal.record(replace(incident, state=State.CONFIRMED), channels=("alarm", "speech"))


def test_what_was_recorded_survives_a_kill(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_record_then_die, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    entry = Journal(tmp_path).show(SCREAM.id)
    assert entry.incident == CONFIRMED
    assert [delivery.channel for delivery in entry.deliveries] == ["alarm"]


def test_several_processes_write_one_journal_without_loss(tmp_path: Path) -> None:
    Journal(tmp_path).close()
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_confirm_many, args=(tmp_path, 100 * number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    entries = Journal(tmp_path).list(limit=1000)
    assert len(entries) == 150
    assert all(len(entry.deliveries) == 2 and len(entry.transitions) == 2 for entry in entries)


def test_a_file_that_is_no_journal_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(JournalError, match="the journal cannot be opened: file is not a database") as caught:
        Journal(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_home_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="the journal cannot be opened: "):
        Journal(tmp_path / "file" / "home")
