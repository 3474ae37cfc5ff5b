"""What tests of pages and API make and ask."""

import socket
from collections.abc import Callable

from starlette.testclient import TestClient

from safety_monitor.incident import Evidence, Incident, Sense, State
from safety_monitor.web.app import make_app
from safety_monitor.web.site import Site

PIN, DURESS_PIN = "2468", "2469"
MakeSite = Callable[..., Site]


def incident_of(number: int, state: State = State.CONFIRMED, sense: Sense = Sense.AUDIO) -> Incident:
    label = "scream" if sense is Sense.AUDIO else "signal_for_help"
    return Incident(f"{number:032x}", state, 1.5, 0.9, (Evidence(sense, label, 0.9, 1.0),), "0.90, threshold 0.80")


def client_of(site: Site, **headers: str) -> TestClient:
    return TestClient(make_app(site, pages=False), base_url="http://localhost", headers=headers)


def stays(guest: socket.socket) -> bool:
    """Whether a connection is still open at its other end."""
    guest.setblocking(False)
    try:
        return guest.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False
