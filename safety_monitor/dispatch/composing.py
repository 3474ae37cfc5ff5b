"""Messages for deliveries: their words, their place and their evidence."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from media.in_time import in_time
from safety_monitor.actions.channel import Channel, is_aloud, nature_of
from safety_monitor.actions.evidence import FIRST_EVER
from safety_monitor.actions.message import UNNOTICED, Message, trial_message, written
from safety_monitor.delivery import Job
from safety_monitor.dispatch.limits import digest
from safety_monitor.escalation import Nature
from safety_monitor.incident import Incident, State, notice
from safety_monitor.place import Place

log = logging.getLogger(__name__)

T = TypeVar("T")
EVIDENCE_S = 3.0
"""So long a message waits for its place, and for its picture."""


@dataclass(frozen=True, slots=True)
class Composer:
    """Writes what channels are given.

    Attributes:
        station: its name.
        public_url: where others reach its pages; empty: they do not.
        place: where an incident happened, if that is known; may take a while.
        evidence: the files that belong to an incident.
    """

    station: str
    public_url: str
    place: Callable[[Incident], Place | None] = lambda incident: None
    evidence: Callable[[str], tuple[Path, ...]] = lambda incident_id: ()

    def message(self, job: Job, channel: Channel, *, help_called: bool, now: float) -> Message:
        """What a channel is given for a job; without place and evidence where these cannot be had in time.

        Args:
            job: to be done.
            channel: that does it.
            help_called: whether anybody elsewhere is told of the incident.
            now: seconds since 1970.
        """
        opened_at = datetime.fromisoformat(job.opened_at)
        ago_s = began_ago_s(opened_at, now)
        place: Place | None = None
        files: tuple[Path, ...] = ()
        if nature_of(channel) is not Nature.SOUND:
            about = f"{channel.name} {id(self)}"
            place = _had(f"place for {about}", lambda: self.place(job.incident), None)
            files = _had(f"evidence for {about}", lambda: self.evidence(job.incident.id), files)
        text = written(
            job.kind,
            job.incident,
            self.station,
            opened_at,
            place,
            self.public_url,
            discreet=job.hidden,
            aloud=is_aloud(channel),
            ago_s=ago_s,
        )
        return Message(
            key=job.key,
            kind=job.kind,
            incident=job.incident,
            station=self.station,
            opened_at=opened_at,
            text=text,
            place=place,
            attachments=files,
            reference=job.reference,
            discreet=job.hidden,
            help_called=help_called,
            ago_s=ago_s,
        )

    def trial(self, channel: Channel) -> Message:
        """A message that says that it is only a test."""
        return trial_message(self.station, channel.name, self.place(notice("test")), aloud=is_aloud(channel))


def began_ago_s(opened_at: datetime, now: float) -> float:
    """How long before `now`, in seconds since 1970, an incident began; 0 where the clock was surely wrong then."""
    began = opened_at.timestamp()
    return now - began if began >= FIRST_EVER else 0.0


def _had(name: str, look: Callable[[], T], instead: T) -> T:
    """What `look` gives, or something instead where that cannot be had in time, because the disk hangs."""
    try:
        return in_time(name, look, EVIDENCE_S)
    except TimeoutError:
        log.warning("%s cannot be had in time; left out of a message", name.split(" for ")[0])
    except Exception:
        log.exception("%s cannot be had; left out of a message", name.split(" for ")[0])
    return instead


def foremost(messages: Sequence[Message]) -> Message:
    """The newest emergency that waits for somebody; where there is none, the newest of all."""

    def waits(message: Message) -> bool:
        return message.kind == "alarm" and message.incident.state in (State.CONFIRMED, State.CLOSED)

    return max(reversed(messages), key=lambda message: (waits(message), message.opened_at))


def together(messages: Sequence[Message]) -> Message:
    """One message for several that were held back or failed before, in order of time.

    The foremost is told in full. It is known again by what it tells, all of it: what arrived of an earlier one does not
    tell the rest. What must not be noticed where the station stands is said in any case.
    """
    first = foremost(messages)
    others = [each for each in sorted(messages, key=lambda message: message.opened_at) if each is not first]
    text = digest(first.text, [(each.opened_at, each.incident) for each in others])
    if any(each.discreet for each in others) and not first.discreet:
        text = f"{text}\n{UNNOTICED}"
    told = hashlib.sha256("\n".join(sorted(message.key for message in messages)).encode()).hexdigest()
    return replace(first, key=f"{first.key}:{told[:10]}", text=text, reference="", besides=len(others))
