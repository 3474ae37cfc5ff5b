"""A receiver of webhooks that fails at random: before it took a post, or after it without saying so."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


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
        def log_message(self, *_: Any) -> None:
            pass

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

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
