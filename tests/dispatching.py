"""A dispatch at work on channels that do what a test tells them, and how its deliveries stand."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest

from safety_monitor.actions.channel import Channel
from safety_monitor.actions.outcome import Outcome
from safety_monitor.delivery import Delivery, DeliveryState
from safety_monitor.dispatch.composing import Composer
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.dispatch.limits import Limits
from safety_monitor.dispatch.policies import DeliveryRules
from safety_monitor.dispatch.settling import Waits
from safety_monitor.escalation import Policy, Step
from safety_monitor.incident import Incident, State
from safety_monitor.journal.incidents import Journal
from tests.alarms import SCREAM
from tests.outlet import DONE, Outlet
from tests.waiting import until

SOON = Waits(first_wait_s=0.02, longest_wait_s=0.05)
NO_NETWORK = Outcome(ok=False, detail="no network", again=True)
REFUSED = Outcome(ok=False, detail="refused")
FOREVER_S = 60.0
LATER = pytest.mark.parametrize("later", [(), (Step(10 * FOREVER_S, ("email",)),)])
"""The fallback has a step of its own, that waits for longer, or none."""


@dataclass
class Followed(Outlet):
    """Its far end says later whether a message arrived."""

    arrives: Sequence[Outcome | None] = (None, DONE)
    asked: list[str] = field(default_factory=list)

    def follow(self, reference: str) -> Outcome | None:
        self.asked.append(reference)
        return self.arrives[min(len(self.asked), len(self.arrives)) - 1]


@contextmanager
def running(
    journal: Journal,
    *channels: Channel,
    policy: Policy | None = None,
    waits: Waits = SOON,
    limits: Limits | None = None,
    contacts: Sequence[str] = (),
) -> Iterator[Dispatch]:
    rules = DeliveryRules(
        [policy] if policy else [], contacts, {each.name: limits for each in channels} if limits else {}, waits
    )
    dispatch = Dispatch(journal, channels, rules=rules, composer=Composer("kiosk", ""))
    try:
        yield dispatch
    finally:
        dispatch.close()


def confirm(dispatch: Dispatch, incident: Incident = SCREAM) -> None:
    dispatch.follow(replace(incident, state=State.PENDING))
    dispatch.follow(incident)


def deliveries(journal: Journal, incident: Incident = SCREAM) -> dict[str, Delivery]:
    return {each.key.removeprefix(f"{incident.id}:"): each for each in journal.show(incident.id).deliveries}


def settled(journal: Journal, key: str, state: DeliveryState) -> None:
    until(lambda: key in (found := deliveries(journal)) and found[key].state is state)
