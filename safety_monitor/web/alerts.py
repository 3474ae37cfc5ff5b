"""Through which channels a person can tell others of an incident with one press of a button."""

from collections.abc import Mapping

from pydantic import SecretStr

from safety_monitor.escalation import Nature, resolve
from safety_monitor.web import texts

MAIL = ("mailto", "mailtos")


def channels_of(channels: Mapping[str, Nature], wanted: str) -> dict[str, Nature]:
    """The channels for messages that a name or the name of a group means."""
    return {name: channels[name] for name in resolve([wanted], channels) if channels[name] is Nature.MESSAGE}


def alert_groups(channels: Mapping[str, Nature], messages: Mapping[str, SecretStr]) -> dict[str, dict[str, Nature]]:
    """What each button tells, by its text; SMS and e-mail are always there, empty where they are not set up.

    Args:
        channels: that are turned on.
        messages: the settings' Apprise addresses, which say what is e-mail.
    """
    groups: dict[str, dict[str, Nature]] = {texts.SMS: {}, texts.EMAIL: {}}
    for name, nature in channels.items():
        if nature is Nature.MESSAGE:
            groups.setdefault(_group(name, messages), {})[name] = nature
    return groups


def _group(name: str, messages: Mapping[str, SecretStr]) -> str:
    kind, _, member = name.partition(":")
    if kind == "messages" and member in messages:
        scheme = messages[member].get_secret_value().partition(":")[0].lower()
        return texts.EMAIL if scheme in MAIL else member
    return texts.CHANNEL_KIND.get(kind, kind)
