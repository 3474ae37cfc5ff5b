"""What every way out can do, and what some can do beside it."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from safety_monitor.actions.message import Message
from safety_monitor.actions.outcome import Outcome
from safety_monitor.escalation import Nature


class Channel(Protocol):
    """A way out: something that can be done about an incident.

    A channel may have more: `record = True` if it keeps what an incident is now, and is asked again at every change;
    `heard = True` if it is noticed where the station stands, and only of use at that moment;
    `answers = True` if it also says there that somebody has taken an incident on;
    `deliver_many(messages) -> Outcome` if it takes several at once, all or none;
    `aloud = True` if what it is given is read out to somebody;
    `apart = True` if a program reads what it is given, each incident by itself however many wait;
    `interrupt()` if what it does lasts, and can be ended soon because the incident is over; called from another thread;
    `follow(reference) -> Outcome | None` if its far end says later whether a message arrived (None: not yet known);
    `attend(panel)` if it shows the station as a whole, and takes commands for it.
    """

    @property
    def name(self) -> str:
        """As in the journal and the settings; "group:member" for one of several of a kind."""

    def deliver(self, message: Message) -> Outcome:
        """Do it, and say what came of it; blocks, within a time limit of its own; of messages up to two at once."""

    def check(self) -> Outcome:
        """Try whether it could be done now, without doing it; of messages also while one is being delivered."""

    def close(self) -> None:
        """Give devices and processes back."""


def nature_of(channel: Channel) -> Nature:
    """What kind of way out a channel is."""
    if getattr(channel, "record", False):
        return Nature.RECORD
    return Nature.SOUND if getattr(channel, "heard", False) else Nature.MESSAGE


def is_aloud(channel: Channel) -> bool:
    """Whether what a channel is given is read out to somebody."""
    return bool(getattr(channel, "aloud", False))


def is_apart(channel: Channel) -> bool:
    """Whether a channel is given each incident by itself, however many wait."""
    return bool(getattr(channel, "apart", False))


def says_answers(channel: Channel) -> bool:
    """Whether a channel says where the station stands that somebody has taken an incident on."""
    return bool(getattr(channel, "answers", False))


def follow_of(channel: Channel) -> Callable[[str], Outcome | None] | None:
    """What asks a channel's far end whether a message arrived; None if it cannot be asked."""
    return cast(Callable[[str], Outcome | None] | None, getattr(channel, "follow", None))


def interrupt_of(channel: Channel) -> Callable[[], None]:
    """What ends soon what a channel is at; nothing where that does not last."""
    return cast(Callable[[], None], getattr(channel, "interrupt", lambda: None))


def attend_of(channel: Channel) -> Callable[[Any], None] | None:
    """What has a channel show the station as a whole; None if it does not do that."""
    return cast(Callable[[Any], None] | None, getattr(channel, "attend", None))


def deliver_many_of(channel: Channel) -> Callable[[Sequence[Message]], Outcome] | None:
    """What delivers several messages at once; None if a channel takes one at a time."""
    return cast(Callable[[Sequence[Message]], Outcome] | None, getattr(channel, "deliver_many", None))
