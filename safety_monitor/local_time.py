"""Times as people read them: in the time zone of the station, which is that of its machine."""

from datetime import datetime


def when(iso: str, *, zoned: bool = False) -> str:
    """Date and time, where the station stands.

    Args:
        iso: ISO 8601 with its offset.
        zoned: whether the zone is told in any case; else only where the offset is another one than today's.
    """
    moment = datetime.fromisoformat(iso).astimezone()
    text = f"{moment:%Y-%m-%d %H:%M:%S}"
    return f"{text} {zone(moment)}" if zoned or zone(moment) != zone() else text


def time_of_day(moment: datetime) -> str:
    """The time where the station stands, with the date where that is not today's."""
    local = moment.astimezone()
    return f"{local:%H:%M:%S}" if local.date() == datetime.now().date() else f"{local:%Y-%m-%d %H:%M:%S}"


def zone(moment: datetime | None = None) -> str:
    """How far a moment's time zone is from UTC, such as "UTC+01:00"; None: where the station stands, now."""
    offset = (moment or datetime.now().astimezone()).strftime("%z")
    return "UTC" if offset == "+0000" else f"UTC{offset[:3]}:{offset[3:5]}"


def moment_of(text: str) -> datetime | None:
    """A day or moment that somebody has asked for; where it has no zone it is the station's. None for none.

    Raises:
        ValueError: it is none.
    """
    try:
        return datetime.fromisoformat(text).astimezone() if text else None
    except (OverflowError, OSError):
        raise ValueError(f"{text} is too long ago, or too far ahead") from None
