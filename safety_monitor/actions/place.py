"""Where an incident happened: as the settings say, as a browser told, or as an address on the internet suggests.

What has to be asked for is asked for beforehand, in a thread of its own, and kept: no message waits for it.
"""

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from media.lasting import lasting
from models.extras import installing
from safety_monitor.actions.failure import one_line
from safety_monitor.incident import Incident
from safety_monitor.place import Place, from_browser

log = logging.getLogger(__name__)

LIMIT_S = 10.0
"""Longest wait for a connection, and for an answer."""
RENEWED_S = 6 * 3600.0
"""How long the position of an internet address is taken to hold."""
TRY_AGAIN_S = 300.0
"""Wait after a look-up that failed."""
CITY_M = 25_000.0
"""An internet address tells the city at best."""
REPORTS_KEPT = 100
LONGEST_ANSWER = 100_000
NONSENSE = (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What comes of an answer that is none, such as that of a service which refuses, or of a hotspot."""

Geocode = Callable[[float, float], str]
"""Latitude and longitude -> address for people; raises OSError or ValueError."""


class Places:
    """Knows where incidents happened; may be asked from any thread, and answers at once.

    Args:
        fixed: where the station stands, if the settings say so.
        ip_lookup_url: page that tells as JSON where its visitor is; empty: nobody is asked.
        geocode: makes addresses of positions; None: they have none unless the settings say so.
        written: what the journal says of an incident's place; it knows those of browsers from before the last start.
    """

    def __init__(
        self,
        fixed: Place | None = None,
        *,
        ip_lookup_url: str = "",
        geocode: Geocode | None = None,
        written: Callable[[str], Place | None] = lambda incident_id: None,
    ) -> None:
        self._written = written
        self._here = fixed
        self._ip_lookup_url = "" if fixed else ip_lookup_url
        self._geocode = geocode
        self._reports: OrderedDict[str, Place] = OrderedDict()
        self._lock = threading.Lock()
        self._asked = threading.Event()
        self._closed = threading.Event()
        if self._ip_lookup_url or geocode:
            lasting("places", self._ask, self._closed)

    def place(self, incident: Incident) -> Place | None:
        """Where it happened, as far as that is known by now."""
        with self._lock:
            reported, here = self._reports.get(incident.id), self._here
        return reported or self._written(incident.id) or here

    def report(self, incident_id: str, latitude: float, longitude: float, accuracy_m: float | None) -> None:
        """A browser has told where the one who looks at an incident is.

        Raises:
            ValueError: not a position on earth.
        """
        place = from_browser(latitude, longitude, accuracy_m)
        with self._lock:
            self._reports[incident_id] = place
            while len(self._reports) > REPORTS_KEPT:
                self._reports.popitem(last=False)
        self._asked.set()

    def close(self) -> None:
        """Ask nobody any more."""
        self._closed.set()
        self._asked.set()

    def _ask(self) -> None:
        """The life of the thread."""
        wait_s: float | None = 0.0
        while True:
            self._asked.wait(wait_s)
            self._asked.clear()
            if self._closed.is_set():
                return
            wait_s = RENEWED_S if self._ip_lookup_url else None
            if self._ip_lookup_url and not self._look_up():
                wait_s = TRY_AGAIN_S
            if self._geocode and not self._name_positions():
                wait_s = TRY_AGAIN_S

    def _look_up(self) -> bool:
        try:
            found = parsed(fetched(self._ip_lookup_url))
        except (OSError, ValueError) as error:
            log.warning(
                "the position of the internet address is not known: %s", one_line(error, (self._ip_lookup_url,))
            )
            return False
        with self._lock:
            self._here = found
        return True

    def _name_positions(self) -> bool:
        """Find the address of every position that has none; False if that failed."""
        assert self._geocode is not None  # noqa: S101  # the caller looked
        with self._lock:
            wanted = {key: place for key, place in self._reports.items() if not place.address}
            if self._here and not self._here.address:
                wanted[""] = self._here
        for key, place in wanted.items():
            if place.position is None:
                continue
            try:
                address = self._geocode(*place.position)
            except (OSError, ValueError) as error:
                log.warning("the address of a position is not known: %s", one_line(error))
                return False
            named = replace(place, address=address)
            with self._lock:
                if key == "":
                    self._here = named
                elif key in self._reports:
                    self._reports[key] = named
        return True


def fetched(url: str) -> Any:
    """The JSON that a page answers.

    Raises:
        OSError: it cannot be reached, or refuses.
        ValueError: it answers something else.
    """
    import requests  # a station that asks nobody does not wait for this library

    with requests.get(url, timeout=LIMIT_S, headers={"Accept": "application/json"}, stream=True) as answer:
        answer.raise_for_status()
        body = answer.raw.read(LONGEST_ANSWER, decode_content=True)
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("the answer is no JSON") from None


def parsed(answer: Any) -> Place:
    """The position in an answer of the usual services, which call it lat and lon, latitude and longitude, or loc.

    Raises:
        ValueError: there is none in it.
    """
    if not isinstance(answer, Mapping):
        raise ValueError("the answer holds no position")
    try:
        if isinstance(answer.get("loc"), str):
            latitude, longitude = (float(part) for part in answer["loc"].split(","))
        else:
            latitude = float(answer["lat"] if "lat" in answer else answer["latitude"])
            longitude = float(next(answer[name] for name in ("lon", "lng", "longitude") if name in answer))
    except (*NONSENSE, StopIteration):
        raise ValueError("the answer holds no position") from None
    if not (-90.0 <= latitude <= 90.0 and -180.0 <= longitude <= 180.0):
        raise ValueError("the answer holds no position on earth")
    country = answer.get("country_name") or answer.get("country")
    address = ", ".join(str(part) for part in (answer.get("city"), answer.get("region"), country) if part)
    return Place(latitude, longitude, CITY_M, one_line(f"near {address}") if address else "", "ip")


def geocoder(service: str, *, domain: str = "", api_key: str = "") -> Geocode:
    """What makes addresses of positions, by one of the services that geopy knows.

    Args:
        service: such as "nominatim", "photon" or "opencage".
        domain: of a server of one's own, "https://…" or "http://…" before it.
        api_key: where the service asks for one.

    Raises:
        ValueError: geopy is not installed, or knows no such service, or the service needs other things.
    """
    try:
        from geopy.exc import GeocoderNotFound, GeopyError
        from geopy.geocoders import SERVICE_TO_GEOCODER, get_geocoder_for_service
    except ImportError:
        raise ValueError(f"needs the package geopy: {installing('geocoding')}") from None
    options: dict[str, Any] = {"timeout": LIMIT_S, "user_agent": "safety-monitor"}
    if domain:
        scheme, _, host = domain.rpartition("://")
        options |= {"domain": host, "scheme": scheme or "https"}
    if api_key:
        options["api_key"] = api_key
    try:
        service_of_geopy = get_geocoder_for_service(service)(**options)
    except GeocoderNotFound:
        raise ValueError(f"unknown '{service}'; known: {', '.join(SERVICE_TO_GEOCODER)}") from None
    except (GeopyError, TypeError) as error:
        raise ValueError(one_line(error, (api_key,))) from None

    def geocode(latitude: float, longitude: float) -> str:
        try:
            found = service_of_geopy.reverse((latitude, longitude), exactly_one=True)
        except GeopyError as error:
            raise OSError(one_line(error, (api_key,))) from None
        except NONSENSE:
            raise ValueError("the answer holds no address") from None
        return one_line(found.address) if found else ""

    return geocode
