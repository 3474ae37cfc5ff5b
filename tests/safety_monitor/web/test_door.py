"""A listening socket with room for so many connections."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from safety_monitor.web.door import Door
from tests.web_site import stays

ROOM, OF_ONE = 4, 3


class Street:
    """A door, and those who come to it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._door = stack.enter_context(Door(socket.create_server(("127.0.0.1", 0)), ROOM, OF_ONE))
        self._taken: list[socket.socket] = []

    def come(self, host: int, *, known: bool = False) -> socket.socket:
        """Connect from 127.0.0.`host`, and be let in if one is known."""
        source = (f"127.0.0.{host}", 0)
        guest = self._stack.enter_context(socket.create_connection(self._door.getsockname(), source_address=source))
        try:
            self._taken.append(self._stack.enter_context(self._door.accept()[0]))
        except ConnectionAbortedError:
            return guest
        if known:
            self._door.let_in(guest.getsockname())
        return guest

    def leave(self, number: int) -> None:
        """The event loop closes a connection."""
        self._taken[number].close()


@pytest.fixture
def street() -> Iterator[Street]:
    with ExitStack() as stack:
        yield Street(stack)


@pytest.mark.parametrize(
    ("who", "gone"),
    [
        ("2 3 4 5", []),
        ("2 3 4 5 6", [0]),  # the oldest stranger
        ("2k 3 4 5 6", [1]),
        ("2k 3k 4k 5k 6", [4]),  # nobody has to go for it
        ("2 2k 2 2", [0]),  # one address alone
        ("2k 2k 2k 2 3 4", [3, 4]),
        ("3 2k 2k 2k 2k 4", [0, 4]),
    ],
)
def test_who_comes_when_there_is_no_room_takes_the_place_of_the_oldest_stranger(
    street: Street, who: str, gone: list[int]
) -> None:
    guests = [street.come(int(each.rstrip("k")), known=each.endswith("k")) for each in who.split()]
    assert [number for number, guest in enumerate(guests) if not stays(guest)] == gone


def test_who_has_gone_takes_no_room(street: Street) -> None:
    known = [street.come(host, known=True) for host in (2, 3, 4, 5)]
    street.leave(1)
    assert stays(street.come(6))
    assert [stays(guest) for guest in known] == [True, False, True, True]
