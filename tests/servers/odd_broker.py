"""A broker that takes whoever connects, confirms what it is sent, and sends what a real one would not."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

CONNECT, PUBLISH, SUBSCRIBE, PING = 1, 3, 8, 12


@dataclass
class OddBroker:
    """What happened on the broker.

    Attributes:
        port: where it is.
        odd: sent to whoever subscribes.
        connections: how many there were.
    """

    port: int
    odd: bytes
    connections: int = 0

    def serve(self, taken: socket.socket) -> None:
        """The life of a connection."""
        with suppress(OSError), taken, taken.makefile("rb") as sent:
            while head := sent.read(1):
                kind, length, shift = head[0] >> 4, 0, 0
                while True:
                    digit = sent.read(1)[0]
                    length |= (digit & 0x7F) << shift
                    shift += 7
                    if digit < 0x80:
                        break
                body = sent.read(length)
                if kind == CONNECT:
                    taken.sendall(b"\x20\x02\x00\x00")
                elif kind == SUBSCRIBE:
                    taken.sendall(b"\x90\x03" + body[:2] + b"\x01" + self.odd)
                elif kind == PUBLISH:
                    end = 2 + int.from_bytes(body[:2], "big")
                    taken.sendall(b"\x40\x02" + body[end : end + 2])
                elif kind == PING:
                    taken.sendall(b"\xd0\x00")


@contextmanager
def odd_broker(odd: bytes) -> Iterator[OddBroker]:
    """One that runs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        broker = OddBroker(server.getsockname()[1], odd)

        def take() -> None:
            with suppress(OSError):
                while True:
                    taken = server.accept()[0]
                    broker.connections += 1
                    threading.Thread(target=broker.serve, args=[taken], daemon=True).start()

        threading.Thread(target=take, daemon=True).start()
        yield broker
        server.shutdown(socket.SHUT_RDWR)
