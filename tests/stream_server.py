"""A network camera of the test's own: an HTTP server on loopback that answers as the test says."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Send = Callable[[bytes], object]
Answer = Callable[[Send], None]
"""Sends the body of an answer piece by piece; the connection is closed when it returns."""

BOUNDARY = "frame"
MJPEG = f"multipart/x-mixed-replace; boundary={BOUNDARY}"


@contextmanager
def stream_server(answer: Answer, content_type: str = MJPEG, path: str = "/stream") -> Iterator[str]:
    """Serve what `answer` sends, anew for each connection; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            try:
                answer(self.wfile.write)
            except (ConnectionError, TimeoutError):
                self.close_connection = True  # the other side has gone, as it may

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{path}"
    finally:
        server.shutdown()
        server.server_close()


def jpeg(image: Image) -> bytes:
    """An RGB picture as a JPEG file."""
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def part(data: bytes) -> bytes:
    """One picture of an MJPEG stream."""
    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data + b"\r\n"


def pictures(images: Iterable[Image], fps: float, stop: threading.Event) -> Answer:
    """An answer that sends these pictures at that rate until they end or `stop` is set."""

    def answer(send: Send) -> None:
        for image in images:
            send(part(jpeg(image)))
            if stop.wait(1 / fps):
                return

    return answer
