"""Positions come from where the settings allow, before a message needs them."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from safety_monitor.actions.place import Places, fetched, geocoder, parsed
from safety_monitor.incident import Incident, State
from safety_monitor.place import Place
from tests.servers.http import http_server

ANSWER_S = 60.0
INCIDENT = Incident("11111111-0000-0000-0000-000000000001", State.CONFIRMED, 1.0, 0.9, (), "")
BERLIN = Place(52.52, 13.405, None, "", "settings")


@dataclass
class Pages:
    """A server with a page that tells where its visitor is, and one that names positions."""

    url: str = ""
    body: str = json.dumps({"latitude": 52.5, "longitude": 13.4, "city": "Berlin", "country_name": "Germany"})
    named: str = json.dumps({"display_name": "Alexanderplatz", "lat": "52.5", "lon": "13.4"})
    status: int = 200
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def pages() -> Iterator[Pages]:
    state = Pages()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            self.send_response(state.status)
            self.end_headers()
            if self.path.startswith("/reverse"):
                self.wfile.write(state.named.encode())
            else:
                self.wfile.write(state.body.encode())

    with http_server(Handler) as state.url:
        yield state


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        (
            {"lat": 52.5, "lon": 13.4, "city": "Berlin", "country": "Germany"},
            Place(52.5, 13.4, 25_000.0, "near Berlin, Germany", "ip"),
        ),
        ({"latitude": "52.5", "longitude": "13.4"}, Place(52.5, 13.4, 25_000.0, "", "ip")),
        ({"loc": "52.5,13.4", "city": "Berlin"}, Place(52.5, 13.4, 25_000.0, "near Berlin", "ip")),
    ],
)
def test_the_usual_services_are_understood(answer: dict[str, Any], place: Place) -> None:
    assert parsed(answer) == place


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"lat": 52.5},
        {"lat": "north", "lon": 1},
        {"loc": "1"},
        {"lat": 95, "lon": 0},
        {"lat": None, "lon": 1},
        {"lat": 10**400, "lon": 1},
    ],
)
def test_an_answer_without_a_position_is_refused(answer: Any) -> None:
    with pytest.raises(ValueError, match="holds no position"):
        parsed(answer)


def test_nothing_is_known_and_nobody_asked_by_default() -> None:
    places = Places()
    assert places.place(INCIDENT) is None
    places.close()


def test_a_fixed_position_asks_nobody(pages: Pages) -> None:
    places = Places(BERLIN, ip_lookup_url=pages.url)
    assert places.place(INCIDENT) == BERLIN
    places.close()
    assert pages.asked == []


def test_the_internet_address_is_looked_up_beforehand(pages: Pages) -> None:
    asked = threading.Event()
    places = Places(ip_lookup_url=f"{pages.url}/json", geocode=lambda *_: asked.set() or "")  # type: ignore[func-returns-value]
    while (place := places.place(INCIDENT)) is None:
        assert not asked.wait(0.01)
    assert place == Place(52.5, 13.4, 25_000.0, "near Berlin, Germany", "ip")
    assert pages.asked == ["/json"]
    places.close()


def test_what_a_browser_tells_is_taken_for_its_incident_and_gets_an_address(pages: Pages) -> None:
    pytest.importorskip("geopy", reason="needs the extra geocoding")
    places = Places(BERLIN, geocode=geocoder("nominatim", domain=pages.url))
    places.report(INCIDENT.id, 48.1, 11.5, 12.0)
    first = places.place(INCIDENT)
    assert first is not None
    assert (first.latitude, first.longitude, first.accuracy_m, first.source) == (48.1, 11.5, 12.0, "browser")
    waited = threading.Event()
    while not (place := places.place(INCIDENT)) or not place.address:
        waited.wait(0.01)
    assert place.address == "Alexanderplatz"
    with pytest.raises(ValueError, match="no position on earth"):
        places.report(INCIDENT.id, 91.0, 0.0, None)
    places.close()


def test_a_page_that_is_away_or_talks_nonsense_is_an_error_and_no_end(pages: Pages) -> None:
    pages.body = "<html>"
    with pytest.raises(ValueError):
        fetched(pages.url)
    pages.body = "[" * 90_000
    with pytest.raises(ValueError):
        fetched(pages.url)
    pages.status = 500
    with pytest.raises(OSError):
        fetched(pages.url)
    with pytest.raises(OSError):
        fetched("http://127.0.0.1:1/")


def test_a_geocoder_that_is_away_is_an_error(pages: Pages) -> None:
    pytest.importorskip("geopy", reason="needs the extra geocoding")
    geocode = geocoder("nominatim", domain="http://127.0.0.1:1")
    with pytest.raises(OSError):
        geocode(52.5, 13.4)
    for service, message in (("nosuch", "unknown .nosuch.; known: arcgis"), ("opencage", "api_key")):
        with pytest.raises(ValueError, match=message):
            geocoder(service)


@pytest.mark.parametrize("service", ["nominatim", "photon"])
@pytest.mark.parametrize("answer", ['{"message": "refused"}', "5", "[5]", "[" * 90_000], ids=lambda answer: answer[:9])
def test_a_geocoder_that_talks_nonsense_is_an_error_and_no_end(pages: Pages, service: str, answer: str) -> None:
    pytest.importorskip("geopy", reason="needs the extra geocoding")
    pages.body = pages.named = answer
    with pytest.raises(ValueError, match="holds no address"):
        geocoder(service, domain=pages.url)(52.5, 13.4)


def test_an_address_is_one_line_and_leaves_room_for_the_rest_of_a_message(pages: Pages) -> None:
    pytest.importorskip("geopy", reason="needs the extra geocoding")
    city = "Berlin\nCalled off.\n" + "x" * 5000
    pages.named = json.dumps({"display_name": city, "lat": "52.5", "lon": "13.4"})
    for address in (
        parsed({"lat": 52.5, "lon": 13.4, "city": city}).address,
        geocoder("nominatim", domain=pages.url)(1, 2),
    ):
        assert "Berlin Called off." in address
        assert len(address) <= 300


def test_a_map_link_leads_to_the_position() -> None:
    assert BERLIN.map_link == "https://www.openstreetmap.org/?mlat=52.520000&mlon=13.405000"
