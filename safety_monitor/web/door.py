"""The socket that the pages are served on, with room for so many connections at a time.

Whoever reaches the address can open connections without end and say nothing on them, also before a handshake of TLS.
Each takes one of the files that this process may have open, and the journal and every message need some of those.
"""

import socket
from contextlib import suppress
from typing import Any

ROOM, OF_ONE = 400, 200
"""Most connections at a time, and most of them from one address."""
AT_ONCE = 64
"""Most that the system keeps until they are taken, and that are taken in one turn of the event loop."""

Peer = tuple[str, int]


class Door(socket.socket):
    """A listening socket; when there is no room, whoever comes takes the place of the oldest stranger, or none.

    A stranger is a connection of which nobody has said that it was `let_in`.

    Args:
        listening: becomes this one.
        room: most connections at a time.
        of_one: most of them from one address.
    """

    def __init__(self, listening: socket.socket, room: int = ROOM, of_one: int = OF_ONE) -> None:
        super().__init__(listening.family, listening.type, listening.proto, listening.detach())
        self._room, self._of_one = room, of_one
        self._inside: dict[Peer, socket.socket] = {}
        """The oldest first."""
        self._known: set[Peer] = set()

    def let_in(self, peer: Peer | None) -> None:
        """The connection from there belongs to somebody who may see the pages."""
        if peer in self._inside:
            self._known.add(peer)

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection.

        Raises:
            ConnectionAbortedError: there is no room for it.
        """
        connection, address = super().accept()
        peer: Peer = address[:2]
        self._inside = {each: open_ for each, open_ in self._inside.items() if open_.fileno() >= 0}
        self._known &= self._inside.keys()
        its_own = [each for each in self._inside if each[0] == peer[0]]
        crowd = its_own if len(its_own) >= self._of_one else list(self._inside)
        if len(its_own) >= self._of_one or len(self._inside) >= self._room:
            stranger = next((each for each in crowd if each not in self._known), None)
            if stranger is None:
                connection.close()
                raise ConnectionAbortedError
            with suppress(OSError):  # it has gone by itself
                self._inside.pop(stranger).shutdown(socket.SHUT_RDWR)  # the event loop closes it
        self._inside[peer] = connection
        return connection, address
