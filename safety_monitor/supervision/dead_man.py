"""The dead man's switch: a page somewhere else is asked for while all is well, so that somebody learns when it ceases.

The page belongs to a service that waits for being asked and tells people when nobody does any more, such as
https://healthchecks.io (https://healthchecks.io/docs/http_api/), or one of one's own.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import requests

from media.lasting import lasting

log = logging.getLogger(__name__)

ANSWER_S = 10.0


@contextmanager
def pinging(url: str, every_s: float, well: Callable[[], bool]) -> Iterator[None]:
    """Ask for the page during the block, at once and then every so often, while all is well.

    Args:
        url: of the page; a secret: whoever knows it can feign that the station lives.
        every_s: how often.
        well: whether all is well.
    """
    over = threading.Event()

    def work() -> None:
        silent = False
        while not over.is_set():
            if well():
                silent = _ping(url, silent)
            over.wait(every_s)

    lasting("dead-man", work, over)
    try:
        yield
    finally:
        over.set()


def _ping(url: str, silent: bool) -> bool:
    """Ask for the page; whether that failed, which is said once."""
    why = unreachable(url)
    if why and not silent:
        log.warning("the page of the dead man's switch cannot be reached: %s", why)
    return bool(why)


def unreachable(url: str) -> str:
    """Ask for the page; why that failed, in a word that does not repeat the address; empty if it did not."""
    try:
        answer = requests.get(url, timeout=ANSWER_S)
    except requests.RequestException as error:
        return type(error).__name__
    return "" if answer.ok else f"it answers {answer.status_code}"
