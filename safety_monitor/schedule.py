"""When the station is armed and how sure it must be, by the time of day where it stands. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from safety_monitor.clock_changes import moment
from safety_monitor.config.station import DAYS, ArmedHours, ScheduleSettings


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours that come back every week.

    Attributes:
        days: on which they begin, 0 is Monday.
        begin: local time, part of them.
        end: local time, not part of them; of the next day where it is not after `begin`.
    """

    days: frozenset[int]
    begin: time
    end: time

    def hold(self, at: datetime) -> bool:
        """Whether a local time is in them. What comes twice as clocks change begins the first time, ends the second."""
        now = at.astimezone()
        for day in (at.date() - timedelta(days=1), at.date()):
            if day.weekday() in self.days:
                until = day + timedelta(days=self.end <= self.begin)
                if moment(day, self.begin) <= now < moment(until, self.end, last=True):
                    return True
        return False


@dataclass(frozen=True, slots=True)
class Schedule:
    """What holds when.

    Attributes:
        armed: the hours in which the station is armed; none: always.
        thresholds: hours and the threshold in them; the first that hold count.
    """

    armed: tuple[Hours, ...] = ()
    thresholds: tuple[tuple[Hours, float], ...] = ()

    def armed_at(self, at: datetime) -> bool:
        """Whether the station is to be armed at a local time."""
        return not self.armed or any(hours.hold(at) for hours in self.armed)

    def threshold_at(self, at: datetime, otherwise: float) -> float:
        """The threshold at a local time."""
        return next((threshold for hours, threshold in self.thresholds if hours.hold(at)), otherwise)


def schedule_of(settings: ScheduleSettings) -> Schedule:
    """The schedule that the settings describe."""
    return Schedule(
        tuple(map(_hours, settings.armed)), tuple((_hours(each), each.threshold) for each in settings.thresholds)
    )


def _hours(given: ArmedHours) -> Hours:
    days: Sequence[str] = given.days
    return Hours(
        frozenset(DAYS.index(day) for day in days), time.fromisoformat(given.begin), time.fromisoformat(given.end)
    )
