"""Commands for evidence: keep the sound and pictures of an incident for good, or not any more."""

from pathlib import Path

import typer

from safety_monitor.commands.conventions import ConfigOption, IdArgument, fail, settings_or_fail, with_journal


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
    from safety_monitor.actions.evidence import EvidenceError
    from safety_monitor.evidence import evidence_store

    settings = settings_or_fail(config)
    full_id = with_journal(config, lambda journal: journal.show(incident_id)).incident.id
    try:
        files = evidence_store(settings).protect(full_id, protected)
    except EvidenceError as error:
        fail(error)
    names = ", ".join(path.name for path in files)
    print(f"{full_id}: {names} {'protected' if protected else 'not protected any more'}")
