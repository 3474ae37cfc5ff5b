"""What is kept of incidents, and where, as the settings say."""

from collections.abc import Callable, Collection

from safety_monitor.actions.evidence import EvidenceStore
from safety_monitor.actions.recorder import Recorder
from safety_monitor.config import Settings
from safety_monitor.dispatch.policies import policies_of
from safety_monitor.escalation import choose
from safety_monitor.incident import Incident


def evidence_store(settings: Settings) -> EvidenceStore:
    """Where the evidence of incidents is kept."""
    given = settings.evidence
    return EvidenceStore(settings.home, keep_days=given.days, most_bytes=int(given.gigabytes * 1e9))


def make_recorder(
    settings: Settings, *, seeing: bool = True, saved: Callable[[str], None] = lambda incident_id: None
) -> Recorder | None:
    """What keeps sound and pictures of incidents, as the policies say; None if nothing is to be kept.

    Args:
        settings: of the station.
        seeing: whether there can be pictures.
        saved: told of each incident whose evidence is complete.
    """
    given = settings.evidence
    if not given.enabled:
        return None
    policies = policies_of(settings)

    def wanted(incident: Incident) -> Collection[str]:
        asked = choose(policies, incident).evidence
        return given.kinds if asked is None else given.kinds.intersection(asked)

    return Recorder(
        evidence_store(settings),
        before_s=given.before_s,
        after_s=given.after_s,
        sound=given.sound,
        picture=seeing and given.picture != "off",
        clip=given.picture == "clip",
        wanted=wanted,
        saved=saved,
    )
