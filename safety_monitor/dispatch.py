"""Delivers what the journal holds: one worker a channel, so that one that hangs or fails delays no other."""

import logging
import queue
import threading
from collections.abc import Sequence
from typing import Protocol

from safety_monitor.actions.outcome import Outcome
from safety_monitor.incident import Incident
from safety_monitor.journal import DeliveryState, Journal, JournalError

log = logging.getLogger(__name__)


class Channel(Protocol):
    """A way out: something that can be done about an incident."""

    @property
    def name(self) -> str:
        """As in the journal and the settings."""

    def deliver(self, incident: Incident) -> Outcome:
        """Do it, and say what came of it; blocks, within a time limit of its own."""

    def check(self) -> Outcome:
        """Try whether it could be done now, without doing it."""

    def interrupt(self) -> None:
        """End what is being done soon, because the incident is over; called from another thread."""

    def close(self) -> None:
        """Give devices and processes back."""


class Dispatch:
    """Hands confirmed incidents to every channel and writes what came of it to the journal.

    Args:
        journal: already holds a pending delivery for each incident and channel.
        channels: each is used by one thread only.
    """

    def __init__(self, journal: Journal, channels: Sequence[Channel]) -> None:
        self._journal = journal
        self._channels = channels
        self._queues: dict[str, queue.Queue[Incident | None]] = {channel.name: queue.Queue() for channel in channels}
        self._threads = [
            threading.Thread(target=self._work, args=(channel,), name=f"dispatch-{channel.name}", daemon=True)
            for channel in channels
        ]
        for thread in self._threads:
            thread.start()

    @property
    def names(self) -> tuple[str, ...]:
        """The channels that a confirmed incident is delivered to."""
        return tuple(channel.name for channel in self._channels)

    def deliver(self, incident: Incident) -> None:
        """Start every channel on a confirmed incident; returns at once."""
        for waiting in self._queues.values():
            waiting.put(incident)

    def interrupt(self) -> None:
        """The incident is over: alarm and voice need not go on."""
        for channel in self._channels:
            channel.interrupt()

    def close(self) -> None:
        """Wait until what has begun is done, then give everything back."""
        for waiting in self._queues.values():
            waiting.put(None)
        for thread in self._threads:
            thread.join()
        for channel in self._channels:
            channel.close()

    def _work(self, channel: Channel) -> None:
        waiting = self._queues[channel.name]
        while (incident := waiting.get()) is not None:
            self._write(incident, channel, DeliveryState.SENDING)
            try:
                outcome = channel.deliver(incident)
            except Exception as error:  # a channel's mistake must not end the channel
                log.exception("%s: failed in an unforeseen way", channel.name)
                outcome = Outcome(ok=False, detail=f"{type(error).__name__}: {error}")
            if outcome.ok:
                log.info("%s: %s", channel.name, outcome.detail)
            else:
                log.warning("%s failed: %s", channel.name, outcome.detail)
            self._write(incident, channel, DeliveryState.SENT if outcome.ok else DeliveryState.FAILED, outcome.detail)

    def _write(self, incident: Incident, channel: Channel, state: DeliveryState, detail: str = "") -> None:
        try:
            self._journal.delivery(incident.id, channel.name, state, detail)
        except JournalError as error:
            log.error("%s: delivery is not in the journal: %s", channel.name, error)
