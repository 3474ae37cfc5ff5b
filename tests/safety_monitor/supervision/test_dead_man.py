"""The page of the dead man's switch is asked for while all is well, and only then."""

import queue
from http.server import BaseHTTPRequestHandler

from safety_monitor.supervision.dead_man import pinging
from tests.servers.http import http_server


def test_the_page_is_asked_for_while_all_is_well() -> None:
    asked: queue.Queue[str] = queue.Queue()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.put(self.path)
            self.send_response(200)
            self.end_headers()

    looked = queue.Queue[bool]()
    well = True

    def is_well() -> bool:
        looked.put(well)
        return well

    with http_server(Page) as address, pinging(f"{address}/check", 0.02, is_well):
        assert asked.get(timeout=60.0) == "/check"
        well = False
        while looked.get(timeout=60.0):
            pass
        while not asked.empty():
            asked.get()
        assert not looked.get(timeout=60.0)
        assert not looked.get(timeout=60.0)
        assert asked.empty()
