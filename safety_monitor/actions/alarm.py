"""The siren. It sounds from a process of its own, which is started and has its sound made before it is needed."""

import time

from safety_monitor.actions.message import Message
from safety_monitor.actions.outcome import Outcome
from safety_monitor.actions.own_sound import OwnSound
from safety_monitor.actions.worker import Interrupted, Worker, WorkError

HUSHED = 0.12
"""Share of its volume that is left to the siren while the station speaks."""
TEST_S = 2.0
"""How long it sounds for a test."""
SPARE_S = 8.0
"""Time beyond its duration that the siren gets for opening and closing the sound device."""


class Alarm:
    """The channel that sounds the siren.

    Args:
        own_sound: told when the siren sounds.
        volume: 0..1.
        duration_s: how long the siren sounds for one incident.
    """

    name = "alarm"
    heard = True

    def __init__(self, own_sound: OwnSound, *, volume: float = 1.0, duration_s: float = 10.0) -> None:
        self._own_sound = own_sound
        self._volume = volume
        self._duration_s = duration_s
        self._hushed = False
        self._worker = Worker("safety_monitor.actions.alarm_process")

    @property
    def pid(self) -> int:
        """Number of the process that makes the sound."""
        return self._worker.pid

    def deliver(self, message: Message) -> Outcome:
        """Sound the siren; returns when it has ended, was interrupted or failed."""
        return self.sound(min(self._duration_s, TEST_S) if message.kind == "test" else self._duration_s)

    def sound(self, duration_s: float) -> Outcome:
        """Sound the siren for `duration_s`, see `deliver`."""
        begun = time.monotonic()
        self._own_sound.begin(self.name)
        try:
            self._worker.ask(lambda: {"sound_s": duration_s, "volume": self._loudness()}, duration_s + SPARE_S)
        except WorkError as error:
            return Outcome(ok=False, detail=str(error))
        except Interrupted:
            return Outcome(ok=True, detail=f"siren stopped after {time.monotonic() - begun:.1f} s")
        finally:
            self._own_sound.end(self.name)
        return Outcome(ok=True, detail=f"siren sounded for {duration_s:g} s")

    def check(self) -> Outcome:
        """Open the sound device and close it again, without a sound."""
        try:
            self._worker.ask(lambda: {"check": True}, SPARE_S)
        except (WorkError, Interrupted) as error:
            return Outcome(ok=False, detail=str(error))
        return Outcome(ok=True, detail="the sound device can be opened")

    def hush(self, hushed: bool) -> None:
        """Make the siren quiet, so that the station's voice is understood, or loud again."""
        self._hushed = hushed
        self._worker.tell(lambda: {"volume": self._loudness()})

    def interrupt(self) -> None:
        """Stop the siren."""
        self._worker.interrupt()

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def _loudness(self) -> float:
        return self._volume * (HUSHED if self._hushed else 1.0)
