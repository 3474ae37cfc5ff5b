"""Who is told when, and in what order. Pure: no thread, no clock, no I/O.

A policy says which incidents it is for and what is done about them, in steps. The first policy that fits an incident is
taken. Its steps become deliveries, one for every channel that a step names, each with the time that it waits for; they
are made when the incident is confirmed, all together, so that nothing has to be remembered until then. What still waits
when somebody acknowledges or cancels is dropped.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from safety_monitor.incident import Incident, Sense

Kind = Literal["alarm", "update", "duress", "trouble", "test"]
"""Why a message is sent: help is needed, something changed, help is needed though it looks called off or disarmed,
a part of the station failed, or it is only tried."""
URGENT: frozenset[Kind] = frozenset({"alarm", "duress"})
"""Kinds of messages that tell of an emergency."""

ANY = "any"
BOTH = "both"
TROUBLE = "trouble"
SCREAM = "scream"
ALL = "all"


class Nature(StrEnum):
    """What kind of way out a channel is."""

    SOUND = "sound"
    """Heard or seen where the station stands, and only of use at that moment: siren, voice."""
    MESSAGE = "message"
    """Tells a person somewhere else."""
    RECORD = "record"
    """Keeps what the incident is now; written again at every change."""


@dataclass(frozen=True, slots=True)
class Step:
    """Actions that are taken together.

    Attributes:
        after_s: how long after the incident was confirmed.
        actions: names of channels, of groups of them ("sms" for every "sms:…"), of contacts ("anna" for every
            "…:anna" and every "…:anna_…"), or "all".
    """

    after_s: float = 0.0
    actions: tuple[str, ...] = (ALL,)


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done about which incidents.

    Attributes:
        triggers: labels of evidence, "both" (senses), "trouble" or "any" (which is everything but trouble).
        steps: in any order.
        silent: nothing that is heard or seen where the station stands.
        fallback: actions that are taken for a message that fails.
        evidence: what is kept of sound, picture and clip; None: all that is kept at all.
    """

    triggers: tuple[str, ...] = (ANY,)
    steps: tuple[Step, ...] = (Step(),)
    silent: bool = False
    fallback: tuple[str, ...] = ()
    evidence: tuple[str, ...] | None = None


DEFAULT = Policy()
"""Everything at once."""
DEFAULT_TROUBLE = Policy(triggers=(TROUBLE,))


@dataclass(frozen=True, slots=True)
class Planned:
    """One delivery that an incident asks for.

    Attributes:
        key: idempotency key.
        channel: its name.
        nature: of the channel.
        kind: of the message.
        after_s: how long it waits from now.
        fallback: channels to try if it fails.
    """

    key: str
    channel: str
    nature: Nature
    kind: Kind
    after_s: float = 0.0
    fallback: tuple[str, ...] = ()

    @property
    def immediate(self) -> bool:
        """Whether it is a sound to be made now."""
        return self.nature is Nature.SOUND and self.after_s <= 0


def delivery_key(incident_id: str, channel: str, kind: Kind, repeat: int = 0) -> str:
    """The idempotency key of a delivery; `repeat` counts how often the policy tells the same channel again."""
    key = f"{incident_id}:{channel}:{kind}"
    return f"{key}:{repeat}" if repeat else key


def choose(policies: Sequence[Policy], incident: Incident) -> Policy:
    """The policy for an incident: the first that fits, else everything at once."""
    return next((policy for policy in policies if _fits(policy, incident)), DEFAULT)


def choose_for_trouble(policies: Sequence[Policy]) -> Policy:
    """The policy for a part of the station that failed."""
    return next((policy for policy in policies if TROUBLE in policy.triggers), DEFAULT_TROUBLE)


def never_taken(policies: Sequence[Policy]) -> list[tuple[int, str, int]]:
    """Triggers by which a policy is never taken, because one before it fits all such incidents.

    Returns:
        For each the place of the policy, the trigger, and the place of that other one.
    """
    found: list[tuple[int, str, int]] = []
    for place, policy in enumerate(policies):
        for trigger in policy.triggers:
            wider = {TROUBLE: set[str](), BOTH: {ANY, SCREAM}}.get(trigger, {ANY})
            earlier = (before for before in range(place) if {trigger, *wider} & set(policies[before].triggers))
            if (before := next(earlier, None)) is not None:
                found.append((place, trigger, before))
    return found


def when_over(policy: Policy, since_s: float) -> Policy:
    """The policy by which all who were told of a trouble, and nobody else, are told at once that it is over.

    Args:
        policy: for the trouble.
        since_s: how long ago that was told first.
    """
    told = [action for step in policy.steps if step.after_s <= since_s for action in step.actions]
    return replace(policy, steps=(Step(actions=tuple(told)),))


def _fits(policy: Policy, incident: Incident) -> bool:
    return (
        ANY in policy.triggers
        or not set(policy.triggers).isdisjoint(incident.labels)
        or (BOTH in policy.triggers and incident.senses == tuple(sorted(Sense)))
    )


def plan(
    policy: Policy,
    incident_id: str,
    channels: Mapping[str, Nature],
    kind: Kind = "alarm",
    contacts: Collection[str] = (),
) -> tuple[Planned, ...]:
    """The deliveries that a policy asks for, in order of time.

    Args:
        policy: the chosen one.
        incident_id: of the incident.
        channels: every channel that is turned on.
        kind: of the messages; a trouble is never heard or seen as an alarm would be.
        contacts: names of all, see `person_of`.
    """
    quiet = policy.silent or kind == "trouble"
    told: dict[str, int] = {}
    planned: list[Planned] = []
    for step in sorted(policy.steps, key=lambda step: step.after_s):
        for channel in resolve(step.actions, channels, contacts):
            nature = channels[channel]
            again = channel in told
            if (quiet and nature is Nature.SOUND) or (again and nature is Nature.RECORD):
                continue
            told[channel] = told.get(channel, -1) + 1
            others = tuple(name for name in resolve(policy.fallback, channels, contacts) if name != channel)
            if quiet:
                others = tuple(name for name in others if channels[name] is not Nature.SOUND)
            key = delivery_key(incident_id, channel, kind, told[channel])
            fallback = () if nature is Nature.RECORD else others
            planned.append(Planned(key, channel, nature, kind, step.after_s, fallback))
    return tuple(planned)


def resolve(actions: Iterable[str], channels: Mapping[str, Nature], contacts: Collection[str] = ()) -> tuple[str, ...]:
    """The channels that actions name, each once, in their order; what names none is left out.

    Args:
        actions: see `Step`.
        channels: every channel that is turned on.
        contacts: names of all, see `person_of`.
    """
    named: dict[str, None] = {}
    for action in actions:
        named |= {
            name: None
            for name in channels
            if action in (ALL, name, *name.split(":")) or action.lower() == person_of(name, contacts)
        }
    return tuple(named)


def person_of(channel: str, contacts: Collection[str]) -> str:
    """Who is reached by a channel: the contact that it is called after, else nobody but the channel itself.

    A second address of anna is called "messages:anna_…"; where there is a contact anna_m, too, "messages:anna_m_…" is
    hers.

    Args:
        channel: its name.
        contacts: names of all, in small letters.
    """
    member = channel.partition(":")[2].lower()
    return max((each for each in contacts if f"{member}_".startswith(f"{each}_")), key=len, default=channel)


def mistakes(
    policies: Sequence[Policy],
    channels: Mapping[str, Nature],
    labels: Iterable[str],
    contacts: Collection[str] = (),
) -> list[str]:
    """What is wrong with policies, a line each: a name that means nothing would never do anything.

    Args:
        policies: to be checked.
        channels: every channel that is turned on.
        labels: of all evidence that there can be.
        contacts: names of all, see `person_of`.
    """
    triggers = sorted({SCREAM, *labels, BOTH, TROUBLE, ANY})
    found: list[str] = []
    for number, policy in enumerate(policies):
        for trigger in policy.triggers:
            if trigger not in triggers:
                found.append(f"policies.{number}.triggers: unknown '{trigger}'; known: {', '.join(triggers)}")
        named = [(f"steps.{place}.actions", step.actions) for place, step in enumerate(policy.steps)]
        for place, actions in [*named, ("fallback", policy.fallback)]:
            for action in actions:
                means = resolve([action], channels, contacts)
                if not means and action != ALL:
                    on = ", ".join(sorted(channels)) or "none"
                    found.append(f"policies.{number}.{place}: no channel '{action}' is turned on; on are: {on}")
                elif policy.silent and action != ALL and Nature.SOUND in map(channels.get, means):
                    found.append(f"policies.{number}.{place}: '{action}' is heard, and the policy is silent")
    return found
