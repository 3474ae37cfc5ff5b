"""Threads of their own for signing in and for deciding.

What only shows something shares the few threads of the event loop, or those of the API's routes. A disk that hangs may
hold all of these, and so may many who look or sign in at once: none of that must keep anybody from answering.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_DECIDING = ThreadPoolExecutor(8, "deciding")
_SIGNING_IN = ThreadPoolExecutor(2, "signing-in")
"""Each check of a password takes all of a core, and 64 MiB."""


async def deciding(work: Callable[[], T]) -> T:
    """What comes of `work`, by which a person answers an incident, has others told of it, arms or disarms."""
    return await asyncio.get_running_loop().run_in_executor(_DECIDING, work)


async def signing_in(work: Callable[[], T]) -> T:
    """What comes of `work`, which checks a password."""
    return await asyncio.get_running_loop().run_in_executor(_SIGNING_IN, work)
