"""Long work in portions, on several processes, with word of how far it is."""

from collections.abc import Callable, Sequence
from typing import Any

PORTIONS = 8
"""Into so many portions for each process the work is cut: progress shows, and no process waits long for the last."""
Progress = Callable[[str, int, int], None]
"""Told what is being done, how many portions of it are, and of how many."""


def silent(what: str, done: int, of: int) -> None:
    """Tell nobody."""


def in_portions(
    what: str, work: Callable[[list[Any]], list[Any]], items: Sequence[Any], jobs: int, progress: Progress
) -> list[Any]:
    """What `work` makes of the items, in their order; it gets a portion at a time, in one of several processes."""
    import joblib

    count = max(min(jobs * PORTIONS, len(items)), 1)
    portions = [list(items[start::count]) for start in range(count)]
    done: list[list[Any]] = []
    for portion in joblib.Parallel(n_jobs=jobs, return_as="generator")(joblib.delayed(work)(each) for each in portions):
        done.append(portion)
        progress(what, len(done), count)
    return [done[place % count][place // count] for place in range(len(items))]
