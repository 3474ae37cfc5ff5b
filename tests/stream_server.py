"""A network camera or microphone of the test's own: an HTTP server on loopback that answers as the test says."""

import itertools
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import cv2
import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE, Samples
from tests.servers.http import http_server

Image = NDArray[np.uint8]
Send = Callable[[bytes], object]
Answer = Callable[[Send], None]
"""Sends the body of an answer piece by piece; the connection is closed when it returns."""

BOUNDARY = "frame"
MJPEG = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
PIECE_S = 0.05


@contextmanager
def stream_server(
    answer: Answer, content_type: str = MJPEG, path: str = "/stream", allowed: Callable[[], bool] = lambda: True
) -> Iterator[str]:
    """Serve what `answer` sends, anew for each connection that is allowed; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not allowed():
                self.send_error(403)
                return
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            try:
                answer(self.wfile.write)
            except (ConnectionError, TimeoutError):
                self.close_connection = True  # the other side has gone, as it may

    with http_server(Handler) as address:
        yield f"{address}{path}"


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


def endless_sound(samples: Samples, stop: threading.Event, pace: float = 1.0) -> Answer:
    """An answer that sends sound, mono at `SAMPLE_RATE`, over and over until `stop` is set: a WAV file without an end.

    As web radios and intercoms do it: the header says the greatest length there is.

    Args:
        samples: at least `PIECE_S` of them.
        stop: ends it.
        pace: how much faster it is sent than time passes.
    """
    pcm, size = (samples * 32767).astype("<i2").tobytes(), 2 * round(SAMPLE_RATE * PIECE_S)
    form = (1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 2**32 - 1, b"WAVE", b"fmt ", 16, *form, b"data", 2**32 - 1)

    def answer(send: Send) -> None:
        send(head)
        looped, begun = pcm + pcm[:size], time.monotonic()
        for number in itertools.count(1):
            at = (number - 1) * size % len(pcm)
            send(looped[at : at + size])
            if stop.wait(max(begun + number * PIECE_S / pace - time.monotonic(), 0.0)):
                return

    return answer
