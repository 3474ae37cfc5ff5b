"""Who is told of what, and how often, as the settings say; and what they ask of channels that are not there."""

from collections.abc import Iterable, Sequence
from datetime import time

from safety_monitor.actions.channel import Channel, nature_of
from safety_monitor.config import Settings
from safety_monitor.config.escalation import Contact
from safety_monitor.dispatch.limits import Limits
from safety_monitor.escalation import ALL, Nature, Policy, Step, mistakes, resolve


def policies_of(settings: Settings) -> list[Policy]:
    """Who is told of which incidents."""
    return [
        Policy(
            name=policy.name,
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


def mistakes_of(settings: Settings, channels: Sequence[Channel]) -> list[str]:
    """What the settings ask of channels that are not there, a line each."""
    labels = [gesture.label for gesture in settings.emergency.gestures]
    natures = {channel.name: nature_of(channel) for channel in channels}
    contacts = contact_names(settings.contacts)
    wrong = mistakes(policies_of(settings), natures, labels, contacts)
    for quiet in settings.limits.quiet_channels:
        if quiet != ALL and not resolve([quiet], natures, contacts):
            wrong.append(f"limits.quiet_channels: no channel '{quiet}' is turned on")
    return wrong
