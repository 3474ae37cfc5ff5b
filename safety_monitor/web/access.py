"""Who may do what: passwords, sessions, tokens, roles. No HTTP here."""

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from safety_monitor.config.web import Role, Web
from safety_monitor.incident import BY_A_PERSON

RANK: dict[Role, int] = {"viewer": 0, "operator": 1, "admin": 2}
SESSION_S = 12 * 3600.0
SESSIONS = 1000
"""Most that are open at a time; the oldest ends when there is one more."""
TRIES, TRIES_S = 5, 60.0
"""So many wrong passwords in so many seconds, from one address or for one name; then none is looked at for a while."""
TRIED_KEPT = 10_000


class TooManyTriesError(Exception):
    """Wrong passwords came too fast."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many wrong passwords; try again in {wait_s:.0f} s")
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who asks for something.

    Attributes:
        name: for people.
        role: what they may do.
    """

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether they have at least this role."""
        return RANK[self.role] >= RANK[role]

    @property
    def who(self) -> str:
        """Under which name wrong PINs are counted; empty where nobody needs to sign in."""
        return "" if self == NOBODY_ELSE else self.name

    @property
    def reason(self) -> str:
        """Why an incident was acknowledged or cancelled, if they did that."""
        return BY_A_PERSON if self == NOBODY_ELSE else f"by {self.name}"


NOBODY_ELSE = Visitor("this machine", "admin")
"""Whoever asks a station that has no users."""


def hash_password(password: str) -> str:
    """Its argon2id hash, as the settings take it."""
    return PasswordHasher().hash(password)


def new_token() -> tuple[str, str]:
    """A new API token, and its hash as the settings take it."""
    token = secrets.token_urlsafe(32)
    return token, _digest(token)


class Access:
    """Knows the users, and who has signed in; may be used from several threads.

    Args:
        web: the settings.
        clock: seconds, never set back.
    """

    def __init__(self, web: Web, clock: Callable[[], float] = time.monotonic) -> None:
        self._users = {user.name: user for user in web.users}
        self._tokens = {token.token_hash: Visitor(token.name, token.role) for token in web.tokens}
        self._clock = clock
        self._sessions: OrderedDict[str, tuple[Visitor, float]] = OrderedDict()
        self._tried: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._hasher = PasswordHasher()
        self._decoy = self._hasher.hash(secrets.token_hex(16)) if self._users else ""

    @property
    def open(self) -> bool:
        """Whether nobody needs to sign in."""
        return not self._users

    def sign_in(self, name: str, password: str, address: str) -> str | None:
        """Check a password; takes about as long whether the name is known or not.

        A token's name with the token as password signs in, too, for a screen on a wall: its key is the token itself,
        which no end of a session and no restart makes invalid.

        Args:
            name: of the user.
            password: as typed.
            address: where the request comes from.

        Returns:
            The new session's key; None if name or password is wrong.

        Raises:
            TooManyTriesError: too many were wrong lately.
        """
        doors = (f"address {address}", f"name {name[:64]}")
        now = self._clock()
        with self._lock:
            wait_s = max(self._wait(door, now) for door in doors)
            if wait_s > 0:
                raise TooManyTriesError(wait_s)
            for door in doors:  # counted before the slow check, so that many at once are not let through
                self._count(door, now)
        program = self.of_token(password)
        if program is not None and program.name == name:
            self._forget(doors)
            return password
        user = self._users.get(name)
        try:
            self._hasher.verify(user.password_hash if user else self._decoy, password)
        except (VerificationError, InvalidHashError):
            return None
        if user is None:
            return None
        key = secrets.token_urlsafe(32)
        self._forget(doors)
        with self._lock:
            self._sessions[_digest(key)] = (Visitor(user.name, user.role), now + SESSION_S)
            while len(self._sessions) > SESSIONS:
                self._sessions.popitem(last=False)
        return key

    def sign_out(self, key: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_digest(key), None)

    def of_session(self, key: str) -> Visitor | None:
        """Who a session belongs to, or the token that signed in."""
        if self.open:
            return NOBODY_ELSE
        if (program := self.of_token(key)) is not None:
            return program
        with self._lock:
            visitor, until = self._sessions.get(_digest(key), (None, 0.0))
            if visitor is not None and until <= self._clock():
                del self._sessions[_digest(key)]
                return None
            return visitor

    def of_token(self, token: str) -> Visitor | None:
        """Who an API token belongs to; the digests are of random tokens, so that comparing them tells nothing."""
        return self._tokens.get(_digest(token))

    def _forget(self, doors: tuple[str, ...]) -> None:
        with self._lock:
            for door in doors:
                self._tried.pop(door, None)

    def _wait(self, door: str, now: float) -> float:
        tries, since = self._tried.get(door, (0, now))
        return max(since + TRIES_S - now, 0.0) if tries >= TRIES else 0.0

    def _count(self, door: str, now: float) -> None:
        tries, since = self._tried.pop(door, (0, now))
        if now - since >= TRIES_S:
            tries, since = 0, now
        self._tried[door] = (tries + 1, since)
        while len(self._tried) > TRIED_KEPT:
            self._tried.popitem(last=False)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
