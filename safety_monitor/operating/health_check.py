"""Whether the station that runs here answers: `python -m safety_monitor.operating.health_check`, for a container."""

import http.client
import ipaddress
import ssl
import sys

from safety_monitor.config import SettingsError
from safety_monitor.config.sources import load_settings
from safety_monitor.config.web import Web

LIMIT_S = 8.0
LONGEST = 1 << 20
"""Bytes that are read of an answer: another program may be there."""
WELL = (200, 401)
"""A station with users answers 401: it lives, and tells strangers no more."""


def ask(web: Web, limit_s: float = LIMIT_S) -> tuple[int, str]:
    """What the station that runs here answers when it is asked how it is: the status, and the text.

    Args:
        web: its settings; it serves pages.
        limit_s: how long each step of that may take.

    Raises:
        OSError: nobody answers.
        http.client.HTTPException: what answers is no station.
    """
    host = _asked(web.host)
    connection = http.client.HTTPConnection(host, web.port, timeout=limit_s)
    if web.certificate is not None:
        # Not verified: it is for the name by which others know the station.
        context = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection(host, web.port, timeout=limit_s, context=context)
    try:
        connection.request("GET", "/api/v1/health")
        answer = connection.getresponse()
        return answer.status, answer.read(LONGEST).decode(errors="replace")
    finally:
        connection.close()


def complaint(web: Web) -> str:
    """Why the station is not well, in one line; empty if it is, or serves no pages that could be asked."""
    if not web.port:
        return ""
    where = f"port {web.port} of {_asked(web.host)}"
    try:
        status, _ = ask(web)
    except (OSError, http.client.HTTPException) as error:
        return f"{where} does not answer: {error or type(error).__name__}"
    return "" if status in WELL else f"{where} answers {status}"


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
