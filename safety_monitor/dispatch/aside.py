"""Something under way beside the thread that asked for it, which need not wait for it."""

import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Aside(Generic[T]):
    """What is under way.

    Attributes:
        keys: of the deliveries that it is about.
        settle: notes what came of it; for the thread that asked for it.
        since: `time.monotonic()` at which it began.
    """

    keys: Collection[str]
    settle: Callable[[T], object]
    since: float = field(default_factory=time.monotonic)
    _coming: "Future[T]" = field(default_factory=Future)

    def begin(self, name: str, work: Callable[[], T], ended: Callable[[], object]) -> None:
        """Begin it.

        Args:
            name: of its thread.
            work: does it.
            ended: called when it is over, in its thread.

        Raises:
            RuntimeError: the system gives no more threads.
        """

        def run() -> None:
            try:
                self._coming.set_result(work())
            except Exception as error:  # whoever asked for it must hear of it
                self._coming.set_exception(error)
            ended()

        threading.Thread(target=run, name=name, daemon=True).start()

    def over(self) -> bool:
        """Whether it is over, and can be settled."""
        return self._coming.done()

    def end(self) -> None:
        """Note what came of it; raises what it raised."""
        self.settle(self._coming.result())
