"""The voice. pyttsx3 speaks in a process of its own, because it can hang and its loop cannot be entered twice."""

from collections.abc import Callable
from tempfile import TemporaryDirectory

from safety_monitor.actions.message import Message, what_was_noticed
from safety_monitor.actions.outcome import Outcome
from safety_monitor.actions.own_sound import OwnSound
from safety_monitor.actions.worker import Interrupted, Worker, WorkError
from safety_monitor.memory_folder import memory_folder

HELP = "Help is being called."
"""Said only where that is true: whoever hears it may rely on it."""
CHARACTERS = 0.05
"""Characters a second for each word a minute, at the very least; espeak-ng says twice as many."""


def announcement(template: str, message: Message) -> str:
    """What is said of an incident: `template` with {what}, {station} and {help} filled in."""
    what = what_was_noticed(message.incident)
    known = {
        "{what}": what[:1].upper() + what[1:],
        "{station}": message.station,
        "{help}": HELP if message.help_called else "",
    }
    for name, words in known.items():
        template = template.replace(name, words)
    return " ".join(template.split())


class Speech:
    """The channel that says what happened.

    Args:
        own_sound: told when the voice sounds.
        text: what is said, see `announcement`.
        rate: words a minute.
        limit_s: longest time for one announcement, unless its words need more; a voice that hangs is ended and started
            anew.
        answered: what is said once somebody has taken the incident on; {station} is filled in; empty: nothing.
        hush: told to make the siren quiet while the voice speaks.
    """

    name = "speech"
    heard = True

    def __init__(
        self,
        own_sound: OwnSound,
        *,
        text: str,
        rate: int = 160,
        limit_s: float = 15.0,
        answered: str = "",
        hush: Callable[[bool], None] = lambda hushed: None,
    ) -> None:
        self._own_sound = own_sound
        self._text = text
        self._rate = rate
        self._limit_s = limit_s
        self._answered = answered
        self._hush = hush
        # pyttsx3 plays from a file, and leaves it behind when it is ended before its time. In memory, so that a full
        # disk neither silences the voice nor keeps the station from starting.
        self._folder = TemporaryDirectory(
            prefix="safety-monitor-voice-", dir=memory_folder(), ignore_cleanup_errors=True
        )
        self._worker = Worker("safety_monitor.actions.speech_process", self._folder.name)

    @property
    def pid(self) -> int:
        """Number of the process that speaks."""
        return self._worker.pid

    @property
    def answers(self) -> bool:
        """Whether it says that somebody has taken an incident on."""
        return bool(self._answered)

    def deliver(self, message: Message) -> Outcome:
        """Say what happened; returns when it has been said, was interrupted or failed."""
        if message.kind == "update":
            return self.say(announcement(self._answered, message))
        if message.kind == "test":
            return self.say(f"This is a test of {message.station}. Nothing has happened.")
        return self.say(announcement(self._text, message))

    def say(self, text: str) -> Outcome:
        """Say `text`, see `deliver`."""
        if not text.strip():
            return Outcome(ok=False, detail="there is nothing to say")
        limit_s = max(self._limit_s, len(text) / (CHARACTERS * self._rate))
        self._own_sound.begin(self.name)
        self._hush(True)
        try:
            self._worker.ask(lambda: {"say": text, "rate": self._rate}, limit_s)
        except WorkError as error:
            return Outcome(ok=False, detail=f"{error}; not said: {text}")
        except Interrupted:
            return Outcome(ok=True, detail="voice stopped")
        finally:
            self._hush(False)
            self._own_sound.end(self.name)
        return Outcome(ok=True, detail=f"said: {text}")

    def check(self) -> Outcome:
        """Start the voice and open the sound device, without a word."""
        try:
            self._worker.ask(lambda: {"check": True}, self._limit_s)
        except (WorkError, Interrupted) as error:
            return Outcome(ok=False, detail=str(error))
        return Outcome(ok=True, detail="can speak")

    def interrupt(self) -> None:
        """Fall silent."""
        self._worker.interrupt()

    def close(self) -> None:
        """End the process."""
        self._worker.close()
        self._folder.cleanup()
