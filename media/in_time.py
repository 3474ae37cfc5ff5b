"""What may hang in a driver or a library, done in a thread that can be left behind."""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

_left_behind: dict[str, threading.Thread] = {}
_lock = threading.Lock()


def in_time(
    name: str, work: Callable[[], T], limit_s: float, too_late: Callable[[T], object] = lambda result: None
) -> T:
    """What `work` gives, if it does within `limit_s`.

    Args:
        name: of the thread. While one of this name hangs, no other is begun: what hangs once hangs again.
        work: runs in a thread of its own.
        limit_s: how long it is waited for.
        too_late: called with what it gave when nobody waits any more, in that thread.

    Raises:
        TimeoutError: it did not give anything in time, one before it still hangs, or no thread is to be had.
        Exception: what `work` raised.
    """
    given: list[T] = []
    raised: list[BaseException] = []
    done = threading.Event()
    given_up = False
    lock = threading.Lock()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # whoever waits must hear of it
            raised.append(error)
        else:
            with lock:
                given.append(result)
            if given_up:
                too_late(result)
        done.set()

    thread = threading.Thread(target=run, name=name, daemon=True)
    with _lock:
        before = _left_behind.get(name)
        if before is not None and before.is_alive():
            raise TimeoutError
        _left_behind.pop(name, None)
        try:
            thread.start()
        except RuntimeError:
            log.error("%s: the system gives no more threads", name)
            raise TimeoutError from None
    if not done.wait(limit_s):
        with lock:
            given_up = not given
        if given_up:
            with _lock:
                _left_behind[name] = thread
            raise TimeoutError
        done.wait()
    if raised:
        raise raised[0]
    return given[0]
