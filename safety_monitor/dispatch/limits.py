"""How much a person is told: not in quiet hours, not too soon after the last message, not too often. Pure.

What is held back waits, and comes together as one message. Detection knows nothing of it, and neither do siren, voice
and records.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from safety_monitor.actions.message import in_brief
from safety_monitor.clock_changes import moment
from safety_monitor.incident import Incident
from safety_monitor.local_time import when


@dataclass(frozen=True, slots=True)
class Limits:
    """For what a person is told.

    Attributes:
        cool_down_s: shortest time between two messages.
        most: messages within `within_s`.
        within_s: see `most`.
        quiet: local times between which nothing is sent; None: never.
    """

    cool_down_s: float = 30.0
    most: int = 12
    within_s: float = 3600.0
    quiet: tuple[time, time] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A message that a person got.

    Attributes:
        at: seconds since 1970.
        channel: it came by.
        about: what it told of; several things if they had been held back.
        urgent: whether one of them was an emergency.
    """

    at: float
    channel: str
    about: frozenset[str]
    urgent: bool = True


@dataclass(frozen=True, slots=True)
class Hold:
    """Until when a message is held back, in seconds since 1970, and why."""

    until: float
    why: str


def counted(told: Iterable[Told], channel: str, about: frozenset[str], *, urgent: bool = False) -> list[float]:
    """When a person was told something that counts before another message, in order.

    All that came by the same channel counts, but for what is told once more because it did not arrive, and by others
    what was about something else: a call about what an SMS told already is an escalation, and must not wait. What came
    by several channels counts once. An emergency waits for nothing that was none.

    Args:
        told: what the person got by all channels.
        channel: that the message shall go by.
        about: what it tells of.
        urgent: whether that is an emergency.
    """
    newest: dict[frozenset[str], float] = {}
    for each in told:
        same = each.about <= about if each.channel == channel else about <= each.about
        if (each.urgent or not urgent) and not same:
            newest[each.about] = max(each.at, newest.get(each.about, each.at))
    return sorted(newest.values())


def hold(limits: Limits, now: datetime, sent: Sequence[float], *, urgent: bool = False) -> Hold | None:
    """Whether a message is held back.

    Beyond `most` an emergency waits for its share of `within_s` only, and not until that is over: whoever makes a
    station call often must not be able to make it silent for an hour.

    Args:
        limits: of the channel.
        now: aware, in the machine's time zone.
        sent: when messages that count were sent, seconds since 1970, in order.
        urgent: whether it is an emergency.
    """
    at = now.timestamp()
    sent = [each for each in sent if each <= at]  # others are from before the clock was set back
    if limits.quiet is not None and (end := quiet_until(limits.quiet, now)) is not None:
        return Hold(end.timestamp(), f"quiet hours until {end:%H:%M}")
    held: list[Hold] = []
    if sent and at < sent[-1] + limits.cool_down_s:
        held.append(Hold(sent[-1] + limits.cool_down_s, f"only one message in {limits.cool_down_s:g} s"))
    if len(sent) >= limits.most and at < sent[-limits.most] + limits.within_s:
        until, why = sent[-limits.most] + limits.within_s, f"only {limits.most} messages in {limits.within_s:g} s"
        until = min(until, sent[-1] + limits.within_s / limits.most) if urgent else until
        held += [Hold(until, why)] if at < until else []
    return max(held, key=lambda each: each.until, default=None)


def quiet_until(quiet: tuple[time, time], now: datetime) -> datetime | None:
    """The end of the quiet hours that `now` is in; None if it is in none. They may last over midnight."""
    begin, end = quiet
    for day in (now.date() - timedelta(days=1), now.date()):
        until = moment(day + timedelta(days=end < begin), end)
        if moment(day, begin) <= now < until:
            return until
    return None


def digest(text: str, others: Sequence[tuple[datetime, Incident]]) -> str:
    """One text for several messages: one in full, and what else there was and when, the newest first.

    Args:
        text: of the one that is told in full.
        others: when each of the others began, and what it is about, in order.
    """
    lines = [f"- {when(began.isoformat())}: {in_brief(incident)}" for began, incident in reversed(others)]
    more = [f"- and {len(lines) - 10} more"] if len(lines) > 10 else []
    return "\n".join([text, f"Held back until now, too: {len(lines)}", *lines[:10], *more])
