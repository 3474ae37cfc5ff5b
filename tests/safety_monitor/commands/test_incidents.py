"""What happened last night, as the terminal tells it."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from safety_monitor.cli import app
from safety_monitor.incident import Mark, State
from safety_monitor.journal.incidents import Journal
from tests.alarms import SCREAM


def test_a_list_says_who_came_and_what_was_no_alarm_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAFETY_MONITOR_HOME", str(tmp_path))
    lives = {
        "a": (State.PENDING, State.CANCELLED),
        "b": (State.PENDING, State.CONFIRMED, State.CLOSED),
        "c": (State.CONFIRMED, State.CLOSED),
        "d": (State.CONFIRMED,),
    }
    journal = Journal(tmp_path)
    for name, states in lives.items():
        for state in states:
            journal.record(replace(SCREAM, id=f"{name}-1", state=state))
    journal.decide("c-1", State.ACKNOWLEDGED, "by anna")
    journal.decide("d-1", State.CANCELLED, "by anna")
    journal.remark("b-1", mark=Mark.FALSE)
    journal.close()
    told = {line[:3]: line[5:] for line in CliRunner().invoke(app, ["incidents"]).output.splitlines()}
    for name, words in {
        "a-1": "Noticed, no alarm",
        "b-1": "Closed, not answered",
        "c-1": "Closed, answered",
        "d-1": "Cancelled",
    }.items():
        assert f"  {words}  " in told[name]
    assert told["b-1"].endswith("Scream  False alarm")
    assert "state      Noticed, no alarm\n" in CliRunner().invoke(app, ["incidents", "show", "a-1"]).output


def test_a_note_can_neither_forge_a_line_nor_command_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAFETY_MONITOR_HOME", str(tmp_path))
    journal = Journal(tmp_path)
    journal.record(SCREAM)
    journal.remark(SCREAM.id, "called Jörg 🙂\nstate      a false alarm\rremark     of nobody \x1b[2J\x9b2J", by="anna")
    journal.close()
    shown = CliRunner().invoke(app, ["incidents", "show", SCREAM.id]).output
    assert (
        "anna: called Jörg 🙂\n           state      a false alarm\n           remark     of nobody �[2J�2J\n" in shown
    )
