"""A test through a channel of the running station, followed for a while to see whether it arrives."""

import asyncio
import time

from safety_monitor.actions.outcome import Outcome
from safety_monitor.dispatch.delivering import Dispatch

LIMIT_S = 60.0
"""Longest time for a test; a channel may be busy with something that counts."""
FOLLOW_S, LOOK_S = 20.0, 2.0
"""How long a test is followed, and how often its far end is asked."""


async def tried(dispatch: Dispatch, name: str) -> Outcome:
    """What came of a test through a channel.

    Raises:
        KeyError: no such channel is turned on.
    """
    try:
        outcome = await asyncio.wait_for(asyncio.wrap_future(dispatch.try_out(name)), LIMIT_S)
        until = time.monotonic() + FOLLOW_S
        while outcome and outcome.ok and outcome.reference and not outcome.delivered and time.monotonic() < until:
            await asyncio.sleep(LOOK_S)
            followed = dispatch.follow_trial(name, outcome.reference)
            outcome = await asyncio.wait_for(asyncio.wrap_future(followed), LIMIT_S) or outcome
    except TimeoutError:
        return Outcome(ok=False, detail=f"it took longer than {LIMIT_S:g} s")
    return outcome or Outcome(ok=False, detail="nothing came of it")
