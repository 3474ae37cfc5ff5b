"""Disarming by hand, on a page, by the REST API or by MQTT; and whatever else may keep the station from helping.

Where a PIN is set it takes the PIN, as calling off does. The duress PIN disarms as well, so that whoever forces
somebody sees what they want to see, and everybody is told that help is needed; nothing of that is to be seen where the
station stands.
"""

from safety_monitor.station import Station


def allow(station: Station, pin: str = "", *, who: str = "") -> None:
    """See whether somebody may keep the station from helping; tells everybody if they are being forced to.

    Args:
        station: whose PIN it takes, where one is set.
        pin: as typed; empty: none.
        who: the name with which they have signed in; empty: nobody's.

    Raises:
        PinError: the PIN is missing or wrong, or there were too many wrong ones.
    """
    if station.decisions.is_forced(pin, who):
        station.dispatch.forced()


def disarm(station: Station, pin: str = "", *, who: str = "") -> None:
    """Disarm a station by hand: it hears and sees on, and opens no incident. See `allow`."""
    allow(station, pin, who=who)
    station.arm(False)
