"""When a local time of day comes, also on the days on which clocks change."""

from datetime import date, datetime, time

STEP_S = 60


def moment(day: date, clock: time, *, last: bool = False) -> datetime:
    """The moment at which it is so late, aware, in the machine's time zone.

    A time that clocks pass over comes when they are put forward; one that comes twice counts at its first.

    Args:
        day: local.
        clock: local.
        last: whether one that comes twice counts at its second.
    """
    local = datetime.combine(day, clock)
    early, late = sorted(local.replace(fold=fold).timestamp() for fold in (0, 1))
    if last and datetime.fromtimestamp(late).replace(fold=0) == local:
        early = late
    while early < late and datetime.fromtimestamp(early).replace(fold=0) < local:  # it is passed over
        early += STEP_S
    return datetime.fromtimestamp(early).astimezone()
