"""Threads of their own for signing in and for deciding.

What only shows something shares the few threads of the event loop, or those of the API's routes. A disk that hangs may
hold all of these, and so may many who look or sign in at once: none of that must keep anybody from answering.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

NICE = 15
"""So much those who sign in stand back for detection: whoever has many addresses may try without end."""


def _stand_back() -> None:
    """Of this thread alone, and of those that it starts; elsewhere than on Linux that would be the whole process."""
    if sys.platform == "linux":
        os.nice(NICE)


_DECIDING = ThreadPoolExecutor(8, "deciding")
_SIGNING_IN = ThreadPoolExecutor(2, "signing-in", initializer=_stand_back)
"""Each check of a password takes all of some cores, and 64 MiB."""


async def deciding(work: Callable[[], T]) -> T:
    """What comes of `work`, by which a person answers an incident, has others told of it, arms or disarms."""
    return await asyncio.get_running_loop().run_in_executor(_DECIDING, work)


async def signing_in(work: Callable[[], T]) -> T:
    """What comes of `work`, which checks a password."""
    return await asyncio.get_running_loop().run_in_executor(_SIGNING_IN, work)
