"""What hands live data from the thread that gets it to the thread that uses it."""

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """A queue that never makes the giver wait: when it is full the oldest item goes, and is counted.

    Args:
        size: items kept at most.
    """

    def __init__(self, size: int) -> None:
        self._items: deque[T] = deque(maxlen=size)
        self._changed = threading.Condition()
        self._ended: Exception | None = None
        self._closed = False
        self.dropped = 0

    def put(self, item: T) -> None:
        """Add an item."""
        with self._changed:
            self.dropped += len(self._items) == self._items.maxlen
            self._items.append(item)
            self._changed.notify()

    def lose(self) -> None:
        """Count an item that was lost before it could be added, or was of no use."""
        with self._changed:
            self.dropped += 1

    def take(self, timeout: float | None) -> T | None:
        """The oldest item, as soon as there is one; None when closed, or after `timeout` seconds (None: ever) without.

        Raises:
            Exception: what `end` was given, once all items before it are taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed or self._ended, timeout)
            if self._closed:
                return None
            if self._items:
                return self._items.popleft()
            if self._ended:
                raise self._ended
            return None

    def closed_within(self, seconds: float) -> bool:
        """Wait so long, or until the taker closes it; whether it is closed."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, max(seconds, 0.0))

    def end(self, error: Exception) -> None:
        """The giver has nothing more, and why."""
        with self._changed:
            self._ended = error
            self._changed.notify()

    def close(self) -> bool:
        """The taker wants nothing more; whether that is news."""
        with self._changed:
            news, self._closed = not self._closed, True
            self._changed.notify_all()
            return news

    @property
    def closed(self) -> bool:
        """Whether the taker has closed it."""
        return self._closed
