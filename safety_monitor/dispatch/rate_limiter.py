"""What each person was told last, and what they are not told now because of it; `limits` holds the rules."""

import logging
import threading
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from safety_monitor.actions.message import LATE_S
from safety_monitor.delivery import DeliveryState, Job, Result
from safety_monitor.dispatch.limits import Hold, Limits, Told, counted, hold, quiet_until
from safety_monitor.escalation import URGENT, delivery_key

log = logging.getLogger(__name__)

MESSAGES_KEPT = 1000


class RateLimiter:
    """Holds messages back; may be used from several threads.

    Args:
        limits: of each channel that has any.
        people: who is reached by each channel; what they are told on one counts on all that reach them.
    """

    def __init__(self, limits: Mapping[str, Limits], people: Mapping[str, str]) -> None:
        self._limits = limits
        self._people = people
        self._told: dict[str, deque[Told]] = {person: deque(maxlen=MESSAGES_KEPT) for person in people.values()}
        """What each person was told last."""
        self._lock = threading.Lock()

    @property
    def lasting_s(self) -> float:
        """How long ago what still counts may have been told."""
        return max((max(each.within_s, each.cool_down_s) for each in self._limits.values()), default=0.0)

    def limits(self, channel: str) -> bool:
        """Whether any message on a channel is ever held back."""
        return channel in self._limits

    def is_quiet(self, channel: str, now: float) -> bool:
        """Whether a channel keeps its quiet hours now, in seconds since 1970."""
        quiet = self._limits[channel].quiet if channel in self._limits else None
        return quiet is not None and quiet_until(quiet, datetime.fromtimestamp(now).astimezone()) is not None

    def recall(self, told: Iterable[tuple[str, float, Sequence[str]]]) -> None:
        """What people were told before the start counts, too: a station that starts again and again must not spam.

        Args:
            told: channel, when, in seconds since 1970, and the keys of the deliveries in it.
        """
        for channel, at, keys in told:
            if channel in self._people:
                about = frozenset(_telling(key, channel) for key in keys)
                urgent = any(telling.split(":")[1] in URGENT for telling in about)
                self._remember(Told(at, channel, about, urgent))

    def told(self, channel: str, jobs: Collection[Job], now: float) -> None:
        """These jobs were delivered on a channel as one message; no emergency of now waits because of old ones."""
        urgent = any(job.kind in URGENT and now - job.asked_at < LATE_S for job in jobs)
        self._remember(Told(now, channel, _about(jobs), urgent))

    def sift(self, channel: str, jobs: Sequence[Job], now: float) -> tuple[Sequence[Job], Sequence[Result]]:
        """The jobs of which a person may be told now; where there are none, until when each is held back.

        Args:
            channel: one that has limits.
            jobs: all that are due on it.
            now: seconds since 1970.
        """
        if duress := [job for job in jobs if job.kind == "duress"]:
            return duress, ()
        groups = {job.key: (job.kind in URGENT, self._answers(channel, job)) for job in jobs}
        held = {
            group: self._hold(channel, [job for job in jobs if groups[job.key] == group], now, *group)
            for group in set(groups.values())
        }
        if free := [job for job in jobs if held[groups[job.key]] is None]:
            return free, ()
        results = []
        for job in jobs:
            if (hold := held[groups[job.key]]) is not None:
                detail = f"held back: {hold.why}"
                log.log(logging.DEBUG if job.hidden else logging.INFO, "%s %s", channel, detail)
                results.append(Result(job.key, job.version, DeliveryState.PENDING, detail, hold.until, held=True))
        return (), results

    def _remember(self, told: Told) -> None:
        with self._lock:
            self._told[self._people[told.channel]].append(told)

    def _answers(self, channel: str, job: Job) -> bool:
        """Whether a job tells a person what became of an emergency that they were told of."""
        alarm = _telling(delivery_key(job.incident.id, channel, "alarm"), channel)
        with self._lock:
            return job.kind == "update" and any(alarm in each.about for each in self._told[self._people[channel]])

    def _hold(self, channel: str, jobs: Collection[Job], now: float, urgent: bool, answers: bool) -> Hold | None:
        """Whether jobs are held back that are all emergencies, or all answers to such, or all neither."""
        limits = self._limits[channel]
        if answers:  # whoever was called must not go on to believe that nobody helps
            limits = replace(limits, cool_down_s=0.0)
        with self._lock:
            sent = counted(self._told[self._people[channel]], channel, _about(jobs), urgent=urgent)
        return hold(limits, datetime.fromtimestamp(now).astimezone(), sent, urgent=urgent)


def _about(jobs: Iterable[Job]) -> frozenset[str]:
    return frozenset(_telling(job.key, job.channel) for job in jobs)


def _telling(key: str, channel: str) -> str:
    """What a delivery tells, whatever the channel: incident, kind and repetition."""
    return key.replace(f":{channel}:", ":", 1)
