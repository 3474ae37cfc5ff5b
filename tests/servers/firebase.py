"""A server with the REST rules of Firebase's Realtime Database: PATCH merges, GET reads, null deletes."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from tests.servers.http import http_server


@dataclass
class FakeFirebase:
    """What the server holds, and how it answers."""

    url: str = ""
    tree: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    mute: bool = False
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def fake_firebase() -> Iterator[FakeFirebase]:
    """A running server."""
    state = FakeFirebase()

    class Handler(BaseHTTPRequestHandler):
        def node(self) -> dict[str, Any]:
            path = urlsplit(self.path).path
            assert path.endswith(".json")
            node = state.tree
            for part in filter(None, path.removesuffix(".json").split("/")):
                node = node.setdefault(part, {})
            return node

        def answer(self, content: Any) -> None:
            if state.status != 200:
                content = {"error": "Permission denied"}
            self.send_response(state.status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def do_GET(self) -> None:
            self.answer(self.node())

        def do_PATCH(self) -> None:
            change = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if state.mute:
                state.released.wait()
                return
            if state.status == 200:
                node = self.node()
                for name, value in change.items():
                    assert not set(name) & set(".#$[]/"), name
                    node[name] = value
                    if value is None:
                        del node[name]
            self.answer(change)

    with http_server(Handler) as address:
        state.url = f"{address}?ns=safety"
        try:
            yield state
        finally:
            state.released.set()
