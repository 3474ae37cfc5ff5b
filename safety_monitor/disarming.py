"""Disarming by hand, on a page, by the REST API or by MQTT.

Where a PIN is set it takes the PIN, as calling off does. The duress PIN disarms as well, so that whoever forces
somebody sees what they want to see, and everybody is told that help is needed; nothing of that is to be seen where the
station stands.
"""

from safety_monitor.decision import Decisions
from safety_monitor.station import Station


def disarm(station: Station, decisions: Decisions, pin: str = "") -> None:
    """Disarm a station by hand.

    Args:
        station: that hears and sees on, and opens no incident.
        decisions: knows the PINs.
        pin: as typed; empty: none.

    Raises:
        PinError: the PIN is missing or wrong, or there were too many wrong ones.
    """
    if decisions.is_forced(pin):
        station.dispatch.forced()
    station.arm(False)
