"""A receiver of webhooks that fails at random: before it took a post, or after it without saying so."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.servers.http import http_server


@dataclass
class Hook:
    """What it took.

    Attributes:
        url: where it is.
        chance: decides which posts fail.
        failing: share of posts that fail.
        posts: the key of every post that was taken; one that comes again is there again.
    """

    url: str = ""
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    failing: float = 0.0
    posts: list[str] = field(default_factory=list)


@contextmanager
def hook(failing: float = 0.0) -> Iterator[Hook]:
    """A running receiver."""
    state = Hook(failing=failing)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            moment = state.chance.random()
            if moment >= state.failing / 2:
                state.posts.append(self.headers["Idempotency-Key"])
            if state.failing / 2 <= moment < state.failing:
                self.close_connection = True  # taken, and no word about it
                return
            self.send_response(204 if moment >= state.failing else 503)
            self.end_headers()

    with http_server(Handler) as address:
        state.url = f"{address}/"
        yield state
