"""Waiting for what must come about."""

import time
from collections.abc import Callable

LIMIT_S = 60.0
"""Only a broken program lets a test wait for so long."""


def until(true: Callable[[], object]) -> None:
    """Return as soon as it is true."""
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)
