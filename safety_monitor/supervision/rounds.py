"""Whether help could be called now: every channel is tried once an hour, without sending anything.

Between two emergencies months may pass. Accounts are closed, tokens and certificates run out, passwords are changed,
and nobody would learn of it before the message that does not go out. Siren and voice are tried until they could sound
once, and then left alone: to open a loudspeaker may be heard. That they cannot is shown, and not told: a station may
have no loudspeaker.
"""

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace

from safety_monitor.actions.outcome import Outcome
from safety_monitor.dispatch.delivering import Dispatch
from safety_monitor.escalation import Nature
from safety_monitor.supervision.supervisor import Ill

FIRST_S, EVERY_S = 600.0, 3600.0
"""When a channel is tried first, and how often; the network may come up later than the station."""
AGAIN_S = (60.0, 300.0, 900.0)
"""Waits before a channel that failed is tried again; the last one repeats."""
LASTS_S = 3600.0
"""A far end that cannot be reached is a trouble once that has lasted for so long: that of an hour comes and goes."""
LOOK_S = 5.0
ANSWER_S = 300.0
"""So long a channel is waited for, which may have others to tell first; one that hangs is told of elsewhere."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What trying a channel has come to; times are those of a clock that is never set back.

    Attributes:
        due: when it is tried next.
        fails_since: when that first failed; None if it did not, the last time.
        fails: how often it has, one after the other.
        ill: what is wrong with the channel, for the supervisor; None: nothing that is certain.
    """

    due: float
    fails_since: float | None = None
    fails: int = 0
    ill: Ill | None = None


def after(tried: Tried, outcome: Outcome, now: float) -> Tried:
    """What it has come to, now that this came of trying a channel. Pure.

    What is refused twice is told soon: waiting does not help where a password is wrong.
    """
    if outcome.ok:
        return Tried(now + EVERY_S)
    since = now if tried.fails_since is None else tried.fails_since
    certain = tried.fails > 0 and (not outcome.again or now - since >= LASTS_S)
    ill = Ill(outcome.detail) if certain or tried.ill is not None else None
    return Tried(now + AGAIN_S[min(tried.fails, len(AGAIN_S) - 1)], since, tried.fails + 1, ill)


def go_round(
    dispatch: Dispatch,
    check: Callable[[str, Ill | None], None],
    over: threading.Event,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Try every channel again and again; the life of a thread.

    Args:
        dispatch: has the channels.
        check: told again and again what is wrong with each, see `Supervisor.check`.
        over: ends it.
        clock: seconds, never set back.
    """
    now = clock()
    tried = dict.fromkeys(dispatch.channels, Tried(now + FIRST_S))
    tried |= {name: Tried(now + AGAIN_S[0], now, 1, Ill(why)) for name, why in dispatch.absent.items()}
    while not over.wait(LOOK_S):
        for name, nature in dispatch.channels.items():
            if clock() >= tried[name].due:
                tried[name] = _tried(dispatch, name, nature, tried[name], clock)
            check(name, tried[name].ill)


def _tried(dispatch: Dispatch, name: str, nature: Nature, before: Tried, clock: Callable[[], float]) -> Tried:
    """What trying a channel has come to now."""
    outcome = _outcome(dispatch, name)
    now = clock()
    if outcome is None:
        return replace(before, due=now + EVERY_S)
    tried = after(before, outcome, now)
    if nature is not Nature.SOUND:
        return tried
    ill = replace(tried.ill, note=True) if tried.ill else None
    return replace(tried, due=math.inf if outcome.ok else tried.due, ill=ill)


def _outcome(dispatch: Dispatch, name: str) -> Outcome | None:
    """What came of trying a channel; None if it had no time for that."""
    coming = dispatch.try_check(name)
    try:
        return coming.result(ANSWER_S)
    except (TimeoutError, CancelledError):
        coming.cancel()
        return None
