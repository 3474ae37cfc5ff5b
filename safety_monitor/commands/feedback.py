"""Commands for what people say of incidents afterwards: real, false alarm, notes."""

from typing import Annotated, Any

import typer

from safety_monitor.commands.conventions import (
    ConfigOption,
    IdArgument,
    settings_or_fail,
    silence_native_libraries,
    with_journal,
)
from safety_monitor.incident import Mark

NameOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Who says it.")]


def add_feedback_commands(incidents: typer.Typer) -> None:
    """Add these commands to those about incidents."""
    incidents.command("mark")(mark_incident)
    incidents.command("note")(note_incident)


def mark_incident(
    incident_id: IdArgument,
    what: Annotated[Mark, typer.Argument(help="What it was; none takes a mark back.")],
    by: NameOption = "",
    note: Annotated[str, typer.Option(metavar="TEXT", help="What is to be remembered of it.")] = "",
    config: ConfigOption = None,
) -> None:
    """Say whether an incident was real or a false alarm; its recordings are put aside for the next training."""
    from safety_monitor.learning.feedback import mark

    settings = settings_or_fail(config)
    silence_native_libraries(settings)

    def use(journal: Any) -> str:
        marked = mark(settings, journal, incident_id, what, by=by, text=note)
        said = {Mark.REAL: "real", Mark.FALSE: "a false alarm", Mark.NONE: "not marked any more"}[what]
        return f"{marked.entry.incident.id} is {said}; {marked.text}"

    print(with_journal(config, use))


def note_incident(
    incident_id: IdArgument,
    text: Annotated[str, typer.Argument(help="What is to be remembered of it.")],
    by: NameOption = "",
    config: ConfigOption = None,
) -> None:
    """Write a note to an incident."""
    entry = with_journal(config, lambda journal: journal.remark(incident_id, text, by=by))
    print(f"noted with {entry.incident.id}")
