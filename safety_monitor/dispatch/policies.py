"""Who is told of what, and how often, as the settings say; and what they ask of channels that are not there."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time

from safety_monitor.actions.channel import Channel, nature_of
from safety_monitor.config import Settings
from safety_monitor.config.escalation import Contact
from safety_monitor.config.mistakes import in_words
from safety_monitor.dispatch.limits import Limits
from safety_monitor.dispatch.settling import Waits
from safety_monitor.escalation import (
    ALL,
    ANY,
    DEFAULT,
    TROUBLE,
    Nature,
    Policy,
    Step,
    mistakes,
    never_taken,
    plan,
    resolve,
)

NOBODY_TOLD = "nobody elsewhere is told of an emergency: name contacts or addresses for messages (docs/channels.md)"


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """Who is told of what, how often, and for how long that is tried.

    Attributes:
        policies: which incidents ask for what; none: everything at once.
        contacts: names of all, in small letters; what one is told on a channel counts on all that reach them.
        limits: how much is told on each channel on which messages are held back.
        waits: how long and how often deliveries are tried.
    """

    policies: Sequence[Policy] = ()
    contacts: Collection[str] = ()
    limits: Mapping[str, Limits] = field(default_factory=dict)
    waits: Waits = field(default_factory=Waits)


def rules_of(settings: Settings, channels: Iterable[Channel]) -> DeliveryRules:
    """What the settings say of deliveries on these channels."""
    return DeliveryRules(
        policies=policies_of(settings),
        contacts=contact_names(settings.contacts),
        limits={channel.name: limits_of(settings, channel.name) for channel in channels},
        waits=Waits(**settings.outbox.model_dump()),
    )


def policies_of(settings: Settings) -> list[Policy]:
    """Who is told of which incidents."""
    return [
        Policy(
            triggers=policy.triggers,
            steps=tuple(Step(step.after_s, step.actions) for step in policy.steps),
            silent=policy.silent,
            fallback=policy.fallback,
            evidence=policy.evidence,
        )
        for policy in settings.policies
    ]


def contact_names(contacts: Iterable[Contact]) -> frozenset[str]:
    """The names of contacts, in small letters."""
    return frozenset(contact.name.lower() for contact in contacts)


def limits_of(settings: Settings, channel: str) -> Limits:
    """How much is told on a channel."""
    rules = settings.limits
    quiet: tuple[time, time] | None = None
    named = resolve(rules.quiet_channels, {channel: Nature.MESSAGE}, contact_names(settings.contacts))
    if rules.quiet_from and rules.quiet_until and named:
        quiet = (time.fromisoformat(rules.quiet_from), time.fromisoformat(rules.quiet_until))
    return Limits(rules.cool_down_s, rules.most, rules.within_s, quiet)


def natures_of(channels: Iterable[Channel]) -> dict[str, Nature]:
    """What kind of way out each channel is, by name."""
    return {channel.name: nature_of(channel) for channel in channels}


def mistakes_of(settings: Settings, channels: Sequence[Channel]) -> list[str]:
    """What the settings ask of channels that are not there, a line each."""
    labels = [gesture.label for gesture in settings.emergency.gestures]
    natures = natures_of(channels)
    contacts = contact_names(settings.contacts)
    wrong = mistakes(policies_of(settings), natures, labels, contacts)
    for quiet in settings.limits.quiet_channels:
        if quiet != ALL and not resolve([quiet], natures, contacts):
            wrong.append(f"limits.quiet_channels: no channel '{quiet}' is turned on")
    return wrong


def unheard(settings: Settings, channels: Mapping[str, Nature]) -> list[str]:
    """Why an emergency may not reach whom it should though the station starts, a line each; a silent night is none.

    Args:
        settings: without mistakes.
        channels: every one that is turned on.
    """
    if Nature.MESSAGE not in channels.values():
        return [NOBODY_TOLD]
    contacts = contact_names(settings.contacts)
    rules = settings.limits
    policies = policies_of(settings)
    named = {in_words(("policies", place)): each for place, each in enumerate(policies)}
    if not any(ANY in policy.triggers for policy in named.values()):
        named[f"without policies{' that fit' if named else ''}"] = DEFAULT
    found = [
        f"contacts: {contact.name} is told nothing: give a number, or an address messages.{contact.name}"
        for contact in settings.contacts
        if not resolve([contact.name.lower()], channels, contacts)
    ]
    found += [
        f"{in_words(('policies', place))}: is never taken for '{trigger}', because {in_words(('policies', before))}, "
        "stands before it and is for all of that: change their order, or leave it out"
        for place, trigger, before in never_taken(policies)
    ]
    for name, policy in named.items():
        planned = plan(policy, "", channels, contacts=contacts)
        told = {way for each in planned for way in (each.channel, *each.fallback) if channels[way] is Nature.MESSAGE}
        if told and set(policy.triggers) != {TROUBLE} and all(limits_of(settings, way).quiet for way in told):
            found.append(
                f"from {rules.quiet_from} until {rules.quiet_until} nobody elsewhere is told of an emergency, because "
                f"limits.quiet_channels holds all back that is to be told ({name}): leave a channel out there"
            )
    return found
