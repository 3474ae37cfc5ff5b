"""Commands for incidents: what the journal holds of them, and what people decide about them."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from safety_monitor.commands.conventions import (
    ConfigOption,
    IdArgument,
    JsonOption,
    fail,
    given_line,
    lists,
    settings_or_fail,
    with_journal,
)
from safety_monitor.commands.evidence import add_evidence_commands
from safety_monitor.commands.feedback import add_feedback_commands
from safety_monitor.control_characters import harmless
from safety_monitor.incident import Incident, State, incident_json
from safety_monitor.local_time import when

incidents = typer.Typer(help="Look at the journal and decide about incidents.", no_args_is_help=False)


def incident_line(incident: Incident) -> str:
    """An incident as people read it."""
    what = ", ".join(incident.labels)
    return f"{incident.at_s:8.2f} s  {incident.state.upper():<12} {what} ({incident.reason})  {incident.id[:8]}"


ListedOption = Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="At most so many, the newest first.")]


@incidents.callback(invoke_without_command=True)
def incidents_default(
    context: typer.Context, limit: ListedOption = 20, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Look at the journal and decide about incidents."""
    if lists(context):
        list_incidents(limit, config, as_json)


@incidents.command("list")
def list_incidents(limit: ListedOption = 20, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """The newest incidents."""
    from safety_monitor.journal.entry import Entry
    from safety_monitor.web import texts

    def line(entry: Entry) -> str:
        incident = entry.incident
        state, at = texts.state(incident.state, entry.standing), when(entry.opened_at, zoned=True)
        mark = f"  {texts.MARKED[entry.mark]}" if entry.mark else ""
        what = ", ".join(map(texts.label, incident.labels))
        return f"{incident.id[:8]}  {at}  {state:<20}  {incident.confidence:.2f}  {what}{mark}"

    entries = with_journal(config, lambda journal: journal.list(limit))
    for entry in entries:
        print(json.dumps(entry_json(entry)) if as_json else line(entry))
    if not entries and not as_json:
        typer.echo("no incidents", err=True)


@incidents.command("show")
def show_incident(
    incident_id: IdArgument,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """All that belongs to one incident."""
    from safety_monitor.web import texts

    entry = with_journal(config, lambda journal: journal.show(incident_id))
    if as_json:
        print(json.dumps(entry_json(entry)))
        return
    incident = entry.incident
    print(f"incident   {incident.id}\nstate      {texts.state(incident.state, entry.standing)}")
    print(f"source     {entry.source}")
    print(f"noticed    {', '.join(incident.labels)}, confidence {incident.confidence:.2f}")
    for piece in incident.evidence:
        print(f"evidence   {piece.at_s:8.2f} s  {piece.sense}: {piece.label} {piece.probability:.2f}")
    for step in entry.transitions:
        print(f"state      {when(step.at, zoned=True)}  {step.state} by {step.by}: {step.reason}")
    for remark in entry.remarks:
        said = " ".join(filter(None, (remark.mark and f"[{remark.mark}]", remark.text)))
        print(f"remark     {when(remark.at, zoned=True)}  {remark.by or 'somebody'}: {_of_a_person(said)}")
    for delivery in entry.deliveries:
        at = when(delivery.changed_at, zoned=True)
        print(f"delivery   {at}  {delivery.channel}: {delivery.state} {delivery.detail}")


def _of_a_person(text: str) -> str:
    """What somebody has written, so that it can neither pass for a line of ours nor command the terminal."""
    return "\n           ".join(harmless(line.expandtabs()) for line in text.splitlines())


DecidedArgument = Annotated[
    str, typer.Argument(metavar="ID", help="May be shortened while it is unique; default: the newest that waits.")
]
PinOption = Annotated[bool, typer.Option("--pin-stdin", help="Read the PIN from the first line of standard input.")]


@incidents.command("ack")
def acknowledge_incident(
    incident_id: DecidedArgument = "", config: ConfigOption = None, pin_stdin: PinOption = False
) -> None:
    """Take an incident on: alarm and voice end, help stays called."""
    decide(incident_id, State.ACKNOWLEDGED, config, pin_stdin=pin_stdin)


@incidents.command("cancel")
def cancel_incident(
    incident_id: DecidedArgument = "", config: ConfigOption = None, pin_stdin: PinOption = False
) -> None:
    """Call an incident off: it was a false alarm."""
    decide(incident_id, State.CANCELLED, config, pin_stdin=pin_stdin)


def decide(incident_id: str, state: State, config: Path | None, *, pin_stdin: bool) -> None:
    """Write a person's decision; a running station looks it up by itself."""
    from safety_monitor.people.decision import PinError, decisions_of

    settings = settings_or_fail(config)

    def use(journal: Any) -> Incident:
        decisions = decisions_of(settings.acknowledge, journal)
        about = incident_id or decisions.newest(state)
        pin = given_line() if pin_stdin else ""
        if decisions.needs_pin(state) and not pin:
            if not sys.stdin.isatty():
                fail("this takes the PIN: run it in a terminal, or give the PIN on standard input with --pin-stdin")
            pin = typer.prompt("PIN", hide_input=True)
        return decisions.decide(about, state, pin)

    try:
        incident = with_journal(config, use)
    except PinError as error:
        fail(error)
    print(f"{incident.id} is {incident.state}")


def entry_json(entry: Any) -> dict[str, Any]:
    """A journal entry as `incidents --json` prints it."""
    return {
        **incident_json(entry.incident),
        "opened_at": entry.opened_at,
        "changed_at": entry.changed_at,
        "source": entry.source,
        "mark": entry.mark,
        "remarks": [asdict(remark) for remark in entry.remarks],
        "transitions": [asdict(step) for step in entry.transitions],
        "deliveries": [asdict(delivery) for delivery in entry.deliveries],
    }


add_evidence_commands(incidents)
add_feedback_commands(incidents)
