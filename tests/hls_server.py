"""A network camera of the test's own that sends pieces (HLS), each when it is over: an HTTP server on loopback."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers.http import http_server

LISTED = 3
"""Pieces that can be had at a time."""


@contextmanager
def hls_server(recording: Path, before: int = 1) -> Iterator[str]:
    """Send a recording, `.m3u8` with its pieces beside it, as if it were made now; gives the address.

    Args:
        recording: see `tests.recordings.write_media`.
        before: so many of its pieces are there at the beginning.
    """
    head, *pieces = recording.read_text().replace("#EXT-X-ENDLIST\n", "").split("#EXTINF:")
    lengths_s = [float(piece.partition(",")[0]) for piece in pieces]
    begun = time.monotonic() - sum(lengths_s[:before])

    def playlist() -> str:
        over = 0
        while over < len(pieces) and sum(lengths_s[: over + 1]) <= time.monotonic() - begun:
            over += 1
        first = max(over - LISTED, 0)
        listed = "".join(f"#EXTINF:{piece}" for piece in pieces[first:over])
        return head.replace("#EXT-X-MEDIA-SEQUENCE:0", f"#EXT-X-MEDIA-SEQUENCE:{first}") + listed

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = urlsplit(self.path).path.strip("/")
            data = playlist().encode() if name == recording.name else (recording.parent / name).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with http_server(Handler) as address:
        yield f"{address}/{recording.name}"
