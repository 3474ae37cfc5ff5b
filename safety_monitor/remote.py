"""The running station as somebody far away sees and commands it, on a broker for home automation."""

from collections.abc import Mapping

from safety_monitor.actions.mqtt import Order, RefusedError
from safety_monitor.disarming import disarm
from safety_monitor.incident import State
from safety_monitor.journal.file import JournalError
from safety_monitor.people.decision import PinError
from safety_monitor.station import Station


class Remote:
    """See the module's text; may be used from any thread.

    Args:
        station: that is shown and commanded.
    """

    def __init__(self, station: Station) -> None:
        self._station = station

    @property
    def armed(self) -> bool:
        """Whether what is noticed can become an incident."""
        return self._station.armed

    def health(self) -> Mapping[str, str]:
        """What is wrong with each sense, and with the rest of the station; one line, empty if nothing is.

        Nothing at all while the senses are being opened: every start would look like a fault.
        """
        view = self._station.view
        if not view.ready.is_set():
            return {}
        of_senses, others = view.troubles_apart()
        return {**{str(sense): line for sense, line in of_senses.items()}, "station": "; ".join(others)}

    def carry_out(self, order: Order) -> str:
        """Do what is asked for, and say in one line what was done.

        Raises:
            RefusedError: it cannot be done, or needs the PIN.
        """
        if order.command == "arm":
            self._station.arm(True)
            return "armed"
        if order.command == "disarm":
            try:
                disarm(self._station, order.pin)
            except PinError as error:
                raise RefusedError(str(error)) from None
            return "disarmed"
        state = State.ACKNOWLEDGED if order.command == "acknowledge" else State.CANCELLED
        try:
            decisions = self._station.decisions
            incident_id = order.incident or decisions.newest(state)
            incident = decisions.decide(incident_id, state, order.pin, reason="by MQTT")
        except (JournalError, PinError) as error:
            raise RefusedError(str(error)) from None
        return f"{incident.id} is {incident.state}"
