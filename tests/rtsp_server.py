"""An intercom of the test's own: an RTSP server on loopback that sends telephone sound (PCMU, 8 kHz) over TCP."""

import socketserver
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=door\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:track\r\n"
PACKET = 160
"""Bytes, and samples, of 20 ms."""


@contextmanager
def rtsp_server(
    packets: Iterable[bytes], stop: threading.Event, stamp: Callable[[int], int] = lambda number: number * PACKET
) -> Iterator[str]:
    """Send each of `packets` 20 ms after the other, until they end or `stop` is set; gives the address.

    Args:
        packets: to send.
        stop: ends it.
        stamp: time stamp of the packet of a number, in samples.
    """

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while request := self.rfile.readline().decode():
                headers = {}
                while line := self.rfile.readline().decode().strip():
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                self._reply(request.split()[0], headers)
                if request.startswith("PLAY"):
                    self._play()
                    return

        def _reply(self, method: str, headers: dict[str, str]) -> None:
            extra, body = "", ""
            if method == "OPTIONS":
                extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            elif method == "DESCRIBE":
                extra, body = f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n", SDP
            elif method == "SETUP":
                extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
            elif method == "PLAY":
                extra = "Session: 1\r\n"
            self.wfile.write(f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\n{extra}\r\n{body}".encode())

        def _play(self) -> None:
            try:
                for number, packet in enumerate(packets):
                    rtp = struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, stamp(number) % 2**32, 1) + packet
                    self.wfile.write(struct.pack("!cBH", b"$", 0, len(rtp)) + rtp)
                    if stop.wait(PACKET / 8_000):
                        return
            except ConnectionError:
                return  # the other side has gone, as it may

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"rtsp://127.0.0.1:{server.server_address[1]}/door"
        finally:
            stop.set()
            server.shutdown()
