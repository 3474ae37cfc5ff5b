"""A server that speaks as much of MongoDB's wire protocol as is needed to log on, write and find documents.

It is no MongoDB: it takes what the real driver sends over a real connection (OP_MSG), and keeps it in memory.
"""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import bson

OP_MSG, OP_QUERY, OP_REPLY = 2013, 2004, 1
HELLO = {
    "ismaster": True,
    "isWritablePrimary": True,
    "helloOk": True,
    "maxBsonObjectSize": 16 * 2**20,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "minWireVersion": 0,
    "maxWireVersion": 25,
    "readOnly": False,
    "ok": 1.0,
}


@dataclass
class FakeMongo:
    """What the server holds, and how it behaves.

    Attributes:
        port: where it is.
        documents: id -> document.
        updates: how many were asked for.
        mute: it takes requests and does not answer.
    """

    port: int = 0
    documents: dict[Any, dict[str, Any]] = field(default_factory=dict)
    updates: int = 0
    mute: bool = False
    released: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """What comes of a command."""
        name = next(iter(request))
        if name.lower() in ("hello", "ismaster"):
            return HELLO
        if name == "update":
            return self._update(request["updates"])
        if name == "find":
            batch = list(self.documents.values())[:1]
            return {"cursor": {"id": 0, "ns": f"{request['$db']}.{request['find']}", "firstBatch": batch}, "ok": 1.0}
        return {"ok": 1.0}

    def _update(self, updates: list[dict[str, Any]]) -> dict[str, Any]:
        upserted = []
        for index, update in enumerate(updates):
            self.updates += 1
            number = update["q"]["_id"]
            new = number not in self.documents
            document = self.documents.setdefault(number, {"_id": number})
            document |= update["u"].get("$set", {})
            if new:
                assert update["upsert"]
                document |= update["u"].get("$setOnInsert", {})
                upserted.append({"index": index, "_id": number})
        made = {"upserted": upserted} if upserted else {}
        return {"n": len(updates), "nModified": len(updates) - len(upserted), "ok": 1.0} | made


@contextmanager
def fake_mongo() -> Iterator[FakeMongo]:
    """A running server."""
    state = FakeMongo()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError, struct.error):
                while True:
                    length, number, _, code = struct.unpack("<iiii", self.rfile.read(16))
                    body = self.rfile.read(length - 16)
                    request = document(body, code)
                    if state.mute and next(iter(request)).lower() not in ("hello", "ismaster"):
                        state.released.wait()
                        return
                    self.wfile.write(reply(state.answer(request), number, code))

    def document(body: bytes, code: int) -> dict[str, Any]:
        if code == OP_QUERY:
            return dict(bson.decode(body[body.index(b"\0", 4) + 9 :]))
        flags = struct.unpack_from("<I", body)[0]
        end = len(body) - (4 if flags & 1 else 0)
        request: dict[str, Any] = {}
        at = 4
        while at < end:
            kind, at = body[at], at + 1
            size = struct.unpack_from("<i", body, at)[0]
            if kind == 0:
                request = {**bson.decode(body[at : at + size]), **request}
            else:
                stop = body.index(b"\0", at + 4)
                request[body[at + 4 : stop].decode()] = bson.decode_all(body[stop + 1 : at + size])
            at += size
        return request

    def reply(content: dict[str, Any], number: int, code: int) -> bytes:
        data = bson.encode(content)
        if code == OP_QUERY:
            body, kind = struct.pack("<iqii", 8, 0, 0, 1) + data, OP_REPLY
        else:
            body, kind = struct.pack("<IB", 0, 0) + data, OP_MSG
        return struct.pack("<iiii", 16 + len(body), number + 1, number, kind) + body

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        server.server_close()
