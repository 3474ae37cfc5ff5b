"""What a person decides about an incident, and the PIN that it takes.

Two PINs can be set. With the ordinary one an incident is called off. With the duress PIN it only looks that way, to
whoever watches the person who types it: steps go on, and all who were told are told that help is needed.
`disarming` asks for them, too.

Wrong PINs are counted over all ways in together, so that nobody gets more tries by going from the page to the broker.
Who has signed in has a count of their own: a stranger's wrong PINs do not lock them out.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, VerifyMismatchError

from safety_monitor.config.escalation import Acknowledge
from safety_monitor.incident import BY_A_PERSON, Incident, State
from safety_monitor.journal.entry import Entry
from safety_monitor.journal.file import JournalError
from safety_monitor.journal.incidents import Journal

WRONG_PINS, WITHIN_S = 5, 300.0
"""After so many wrong PINs within this time, no PIN of the same person is taken until it has passed."""
SHORTEST, LONGEST = 4, 32
LOOKED_THROUGH, RECENT_S = 20, 86_400.0
"""Newest incidents among which one is looked for where no id is given; and what has been over for longer is not meant:
whoever presses a button once too often must not have all told of what was weeks ago."""
WAITING = {
    State.ACKNOWLEDGED: frozenset({State.CONFIRMED, State.CLOSED}),
    State.CANCELLED: frozenset({State.CONFIRMED, State.ACKNOWLEDGED, State.CLOSED}),
}
"""What an incident becomes -> where it stands before."""


class PinError(Exception):
    """A decision was not taken because of its PIN; the text is one line."""


def hash_of(pin: str) -> str:
    """The hash that the settings take (argon2id).

    Raises:
        PinError: the PIN is too short or too long.
    """
    if not SHORTEST <= len(pin) <= LONGEST:
        raise PinError(f"a PIN has {SHORTEST} to {LONGEST} characters")
    return PasswordHasher().hash(pin)


class Decisions:
    """Takes what persons decide; may be used from any thread.

    Args:
        journal: where decisions are written; a running station looks them up there.
        pin_hash: of the PIN; empty: none is asked for.
        duress_pin_hash: of the duress PIN; empty: there is none.
        pin_to_acknowledge: whether acknowledging takes the PIN, too.
        clock: seconds, for the limit on wrong PINs.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        pin_hash: str = "",
        duress_pin_hash: str = "",
        pin_to_acknowledge: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._pin_hash = pin_hash
        self._duress_pin_hash = duress_pin_hash
        self._pin_to_acknowledge = pin_to_acknowledge
        self._clock = clock
        self._wrong: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=WRONG_PINS))
        """When, by who."""
        self._lock = threading.Lock()

    @property
    def has_pin(self) -> bool:
        """Whether a PIN is set: calling off and disarming take it."""
        return bool(self._pin_hash)

    def needs_pin(self, state: State) -> bool:
        """Whether this decision takes a PIN."""
        return self.has_pin and (state is not State.ACKNOWLEDGED or self._pin_to_acknowledge)

    def newest(self, state: State) -> str:
        """The id of the newest incident that may become this, of those that go on if there are any.

        One that nobody where the station stands must notice is not among them, nor one that was over a day ago.

        Raises:
            JournalError: there is none.
        """
        waiting = [
            entry
            for entry in self._journal.list(LOOKED_THROUGH)
            if entry.standing in WAITING[state] and not entry.silent
        ]
        if not waiting:
            raise JournalError(f"no incident waits to be {state}")
        recent = [entry for entry in waiting if entry.incident.state is not State.CLOSED or self._is_recent(entry)]
        if not recent:
            raise JournalError(f"no incident of the last day waits to be {state}; give the id of an older one")
        return min(recent, key=lambda entry: entry.incident.state is State.CLOSED).incident.id

    def _is_recent(self, entry: Entry) -> bool:
        return self._journal.clock() - datetime.fromisoformat(entry.changed_at).timestamp() < RECENT_S

    def decide(
        self, incident_id: str, state: State, pin: str = "", reason: str = BY_A_PERSON, *, who: str = ""
    ) -> Incident:
        """Acknowledge or cancel an incident. The duress PIN works for both, also where no PIN is needed.

        Args:
            incident_id: may be shortened while it is unique.
            state: what the incident becomes.
            pin: as typed; empty: none.
            reason: for people: who, and how.
            who: see `is_forced`.

        Raises:
            PinError: the PIN is missing or wrong, or there were too many wrong ones.
            JournalError: no such incident, or it cannot become that.
        """
        duress = self.is_forced(pin, who) if pin or self.needs_pin(state) else False
        return self._journal.decide(incident_id, state, reason, duress=duress)

    def is_forced(self, pin: str, who: str = "") -> bool:
        """Whether a PIN is the duress PIN; takes as long for either. Without a PIN that is set nobody is.

        Args:
            pin: as typed.
            who: the name with which they have signed in; empty for all others, whichever way they came.

        Raises:
            PinError: it is missing or neither, or there were too many wrong ones.
        """
        if not self.has_pin:
            return False
        if not pin:
            raise PinError("this takes the PIN")
        with self._lock:
            now, wrong = self._clock(), self._wrong[who]
            if len(wrong) == WRONG_PINS and now - wrong[0] < WITHIN_S:
                wait_s = WITHIN_S - (now - wrong[0])
                raise PinError(f"too many wrong PINs; wait {wait_s:.0f} s")
            right, duress = _matches(self._pin_hash, pin), _matches(self._duress_pin_hash or self._pin_hash, pin)
            duress = duress and bool(self._duress_pin_hash)
            if not right and not duress:
                wrong.append(now)
                raise PinError("the PIN is wrong")
            return duress and not right


def decisions_of(rules: Acknowledge, journal: Journal) -> Decisions:
    """Where decisions are taken, with the PINs of the settings."""
    return Decisions(
        journal,
        pin_hash=rules.pin_hash.get_secret_value() if rules.pin_hash else "",
        duress_pin_hash=rules.duress_pin_hash.get_secret_value() if rules.duress_pin_hash else "",
        pin_to_acknowledge=rules.pin_to_acknowledge,
    )


def _matches(pin_hash: str, pin: str) -> bool:
    try:
        return PasswordHasher().verify(pin_hash, pin)
    except VerifyMismatchError:
        return False
    except (Argon2Error, UnicodeEncodeError):  # more memory than there is, no text: never the reason to let somebody in
        return False
