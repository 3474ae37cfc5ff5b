"""A server that answers byte by byte, each in time, and never to an end."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

EVERY_S, LONGEST_S = 0.05, 10.0


@contextmanager
def trickling_server() -> Iterator[int]:
    """The port of one that runs; it gives every connection up by itself after `LONGEST_S`."""
    released = threading.Event()

    def trickle(taken: socket.socket) -> None:
        with suppress(OSError), taken:
            for _ in range(int(LONGEST_S / EVERY_S)):
                taken.sendall(b"H")
                if released.wait(EVERY_S):
                    return

    def take(server: socket.socket) -> None:
        with suppress(OSError):
            while not released.is_set():
                threading.Thread(target=trickle, args=[server.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=take, args=[server], daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            released.set()
