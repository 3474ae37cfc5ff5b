"""Whether the station that runs here answers: `python -m safety_monitor.operating.health_check`, for a container."""

import http.client
import ipaddress
import ssl
import sys

from safety_monitor.config import SettingsError
from safety_monitor.config.sources import load_settings
from safety_monitor.config.web import Web

LIMIT_S = 8.0
WELL = (200, 401)
"""A station with users answers 401: it lives, and tells strangers no more."""


def complaint(web: Web) -> str:
    """Why the station is not well, in one line; empty if it is, or serves no pages that could be asked."""
    if not web.port:
        return ""
    host = _asked(web.host)
    connection = http.client.HTTPConnection(host, web.port, timeout=LIMIT_S)
    if web.certificate is not None:
        # Not verified: it is for the name by which others know the station.
        context = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection(host, web.port, timeout=LIMIT_S, context=context)
    try:
        connection.request("GET", "/api/v1/health")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"port {web.port} of {host} does not answer: {error or type(error).__name__}"
    finally:
        connection.close()
    return "" if status in WELL else f"port {web.port} of {host} answers {status}"


def _asked(host: str) -> str:
    """The address to ask, by the one that is served on, which may be all there are."""
    try:
        everywhere = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return host
    return "localhost" if everywhere else host


def main() -> None:
    """Exit with 1, and a line that says why, if it does not answer or something is wrong."""
    try:
        why = complaint(load_settings().web)
    except SettingsError as error:
        why = str(error)
    if why:
        sys.exit(why)


if __name__ == "__main__":
    main()
