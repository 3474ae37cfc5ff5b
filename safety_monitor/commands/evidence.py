"""Commands for evidence: keep the sound and pictures of an incident for good, or not any more."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from safety_monitor.commands.conventions import ConfigOption, IdArgument, fail, settings_or_fail, with_journal

if TYPE_CHECKING:
    from safety_monitor.journal.incidents import Journal


def add_evidence_commands(incidents: typer.Typer) -> None:
    """Add these commands to those for incidents."""
    incidents.command("protect")(protect)
    incidents.command("unprotect")(unprotect)


def protect(incident_id: IdArgument, config: ConfigOption = None) -> None:
    """Keep the evidence of an incident for good, however old it gets and however much there is."""
    _protect(incident_id, config, protected=True)


def unprotect(incident_id: IdArgument, config: ConfigOption = None) -> None:
    """Let the evidence of an incident go as any other does."""
    _protect(incident_id, config, protected=False)


def _protect(incident_id: str, config: Path | None, *, protected: bool) -> None:
    from safety_monitor.evidence import evidence_store

    settings = settings_or_fail(config)

    def use(journal: "Journal") -> str:
        return journal.show(incident_id).incident.id

    full_id, evidence = with_journal(config, use), evidence_store(settings)
    files = evidence.files(full_id)
    if not files:
        fail(f"there is no evidence of {full_id}: none was kept, or it is gone")
    try:
        evidence.protect(full_id, protected)
    except OSError as error:
        fail(f"{full_id} cannot be {'protected' if protected else 'unprotected'}: {error.strerror or error}")
    names = ", ".join(path.name for path in files)
    print(f"{full_id}: {names} {'protected' if protected else 'not protected any more'}")
