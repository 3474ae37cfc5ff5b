"""Threads that are to work for as long as the program does: one that fails in an unforeseen way is seen, and goes on.

What such a thread raises is logged, and the thread begins its work anew. `failing` names those that fail, and those
that ended for good, for whoever tells people of it.
"""

import logging
import threading
import time
from collections.abc import Callable

AGAIN_S = (1.0, 2.0, 5.0, 10.0)
"""Waits before a thread that failed begins anew; the last one repeats."""
FAILS_S = 20.0
"""So long after it failed a thread is said to fail: one that fails again and again does without a break."""

log = logging.getLogger(__name__)

_failed: dict[str, float] = {}
"""Thread -> `time.monotonic()` until which it is said to fail."""


def lasting(name: str, work: Callable[[], object], over: threading.Event) -> threading.Thread:
    """A thread, started, that works until `work` returns.

    Args:
        name: of the thread.
        work: its life; begun anew when it raises.
        over: set when it is to end; then it is not begun anew.
    """

    def live() -> None:
        failures = 0
        while True:
            try:
                work()
            except Exception:
                wait_s = AGAIN_S[min(failures, len(AGAIN_S) - 1)]
                failures += 1
                failed(name, f"begins anew in {wait_s:g} s")
                if over.wait(wait_s):
                    return
            else:
                return

    thread = threading.Thread(target=live, name=name, daemon=True)
    thread.start()
    return thread


def failed(name: str, then: str) -> None:
    """A part failed in an unforeseen way; to be called where the exception is handled.

    Args:
        name: of the part.
        then: what becomes of it, for the log.
    """
    log.exception("%s: failed in an unforeseen way; %s", name, then)
    _failed[name] = time.monotonic() + FAILS_S


def ended(name: str, then: str) -> None:
    """The same of a part that will not go on."""
    failed(name, then)
    _failed[name] = float("inf")


def failing() -> tuple[str, ...]:
    """The parts that fail, or have ended in an unforeseen way."""
    now = time.monotonic()
    return tuple(sorted(name for name, until in list(_failed.items()) if now < until))


def notice_all() -> None:
    """Notice from now on when any thread of this process ends in an unforeseen way."""
    threading.excepthook = _thread_ended


def _thread_ended(about: "threading.ExceptHookArgs") -> None:
    if about.exc_value is None or issubclass(about.exc_type, SystemExit):
        return
    name = about.thread.name if about.thread is not None else "a thread"
    log.error("%s: ended in an unforeseen way", name, exc_info=about.exc_value)
    _failed[name] = float("inf")
