"""A webhook: every message is posted as JSON to an address, signed so that the receiver knows whom it comes from.

The signature is the HMAC-SHA256, by the shared secret, of the time stamp, a point and the body. It proves who sent what
and when; a receiver refuses what is older than some minutes, and takes what has the same key only once (see `verified`,
which is how a receiver written in Python may do it).
"""

import hashlib
import hmac
import json
import logging
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy

from media.in_time import in_time
from safety_monitor.actions.document import document
from safety_monitor.actions.failure import cause_of, one_line
from safety_monitor.actions.message import Message
from safety_monitor.actions.outcome import Outcome
from safety_monitor.identity import Identity

CONNECT_S, ANSWER_S = 5.0, 10.0
TIMESTAMP, SIGNATURE, KEY = "X-Safety-Monitor-Timestamp", "X-Safety-Monitor-Signature", "Idempotency-Key"
FRESH_S = 300.0
"""A receiver refuses what is older."""
LATER = frozenset({408, 409, 421, 425, 429})
"""Refusals that may be none the next time; so is every 5xx."""


class Webhook:
    """The channel that posts to an address.

    Args:
        url: http or https.
        secret: that the receiver knows, too.
        station: who posts.
        limits_s: longest waits for a connection, and for an answer.
        clock: seconds since 1970.
    """

    name = "webhook"
    apart = True

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        station: Identity,
        limits_s: tuple[float, float] = (CONNECT_S, ANSWER_S),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._host = urlsplit(url).hostname or ""
        self._secret = secret
        self._station = station
        self._limits_s = limits_s
        self._clock = clock
        self._session = requests.Session()
        logging.getLogger("urllib3").setLevel(logging.ERROR)  # it logs the paths of pages, which may be tokens

    def deliver(self, message: Message) -> Outcome:
        """Post the message."""
        body = json.dumps(document(message, self._station), ensure_ascii=False).encode()
        stamp = str(int(self._clock()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "safety-monitor",
            KEY: message.key,
            TIMESTAMP: stamp,
            SIGNATURE: signature(self._secret, stamp, body),
        }
        # Each wait has its limit, but an answer that comes byte by byte, each in time, has none.
        try:
            return in_time(f"webhook {message.key}", lambda: self._post(body, headers), 2 * sum(self._limits_s))
        except requests.RequestException as error:
            return self._failed(cause_of(error), again=True)
        except TimeoutError:
            return self._failed("no whole answer in time", again=True)

    def check(self) -> Outcome:
        """Connect, and ask for nothing: there are receivers that act on every request, whatever its method."""
        given = self._session.merge_environment_settings(self._url, {}, None, None, None)
        if select_proxy(self._url, given["proxies"]):
            return Outcome(ok=True, detail=f"{self._host} is reached by a proxy; not tried without a message")
        url = urlsplit(self._url)
        secure = url.scheme == "https"
        try:
            with socket.create_connection(
                (self._host, url.port or (443 if secure else 80)), self._limits_s[0]
            ) as plain:
                if secure:
                    plain.settimeout(self._limits_s[1])
                    _trusting(given["verify"]).wrap_socket(plain, server_hostname=self._host).close()
        except OSError as error:
            return self._failed(cause_of(error), again=True)
        return Outcome(ok=True, detail=f"{self._host} can be reached; not tried without a message")

    def close(self) -> None:
        """End all connections."""
        self._session.close()

    def _post(self, body: bytes, headers: Mapping[str, str]) -> Outcome:
        # Nothing of the answer is read but its status; a redirection is not followed: the address is wrong then.
        with self._session.post(
            self._url, data=body, headers=headers, timeout=self._limits_s, allow_redirects=False, stream=True
        ) as answer:
            return self._outcome(answer.status_code, answer.headers.get("Retry-After", ""))

    def _outcome(self, status: int, retry_after: str) -> Outcome:
        if 200 <= status < 300:
            return Outcome(ok=True, detail=f"{self._host} took it (HTTP {status})", delivered=True)
        again = status in LATER or status >= 500
        return self._failed(f"HTTP {status}", again=again, retry_after_s=self._wait(retry_after) if again else None)

    def _wait(self, retry_after: str) -> float | None:
        """The header's seconds or date, as seconds from now."""
        if retry_after.isdecimal():  # ² is a digit, too
            return float(retry_after)
        try:
            return max(parsedate_to_datetime(retry_after).replace(tzinfo=UTC).timestamp() - self._clock(), 0.0)
        except ValueError:
            return None

    def _failed(self, why: str, *, again: bool, retry_after_s: float | None = None) -> Outcome:
        path = urlsplit(self._url).path.strip("/")
        detail = one_line(f"{self._host}: {why}", (self._secret, self._url, *([path] if path else [])))
        return Outcome(ok=False, detail=detail, again=again, retry_after_s=retry_after_s)


def _trusting(verify: bool | str) -> ssl.SSLContext:
    """Whom `requests` trusts: the certificates of a file or folder, or else its own."""
    where = verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH
    if Path(where).is_dir():
        return ssl.create_default_context(capath=where)
    return ssl.create_default_context(cafile=where)


def signature(secret: str, stamp: str, body: bytes) -> str:
    """What stands in the header: the version of the method, and the HMAC-SHA256 in hexadecimal."""
    return "v1=" + hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def verified(secret: str, stamp: str, given: str, body: bytes, now: datetime) -> bool:
    """What a receiver does: whether a post is from one who knows the secret, and fresh."""
    if not hmac.compare_digest(signature(secret, stamp, body).encode(), given.encode()):
        return False
    return abs(now.timestamp() - int(stamp)) <= FRESH_S
