"""Whether the pages can be served where the settings say, and in safety."""

import errno
import socket
import ssl

from safety_monitor.config.web import Web

LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})
"""Addresses of this machine that nobody else can reach."""


class WebError(Exception):
    """The pages cannot be served; the text is one line that says why and what to do."""


def check_exposure(web: Web) -> None:
    """A station that others can reach has users.

    Raises:
        WebError: it has none.
    """
    if web.host not in LOCAL and not web.users:
        raise WebError(
            f"web: serving on {web.host} needs a password: run `safety-monitor password-hash` and put what it prints "
            "into station.toml, or use host 127.0.0.1"
        )


def check_certificate(web: Web) -> ssl.SSLContext | None:
    """See whether pages can be served over HTTPS, where that is asked for; returns what would serve them so.

    Raises:
        WebError: they cannot.
    """
    if web.certificate is None or web.key is None:
        return None
    for key, path in (("certificate", web.certificate), ("key", web.key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise WebError(f"web.{key}: {path}: {error.strerror}") from None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # With a password in any case: else OpenSSL asks for one on the terminal.
        context.load_cert_chain(web.certificate, web.key, password="")
    except (OSError, ssl.SSLError):
        reason = "do not belong together, are not in PEM format, or the key has a password"
        raise WebError(f"web: certificate and key cannot be used: they {reason}") from None
    return context


def bound(web: Web) -> socket.socket:
    """The socket that pages are served on.

    Raises:
        WebError: there is none to be had.
    """
    host, port = web.host, web.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            reason = "another program is there, perhaps another station"
        raise WebError(f"web: cannot serve on {host} port {port}: {reason}; set web.port, or use --no-web") from None


def network_address() -> str:
    """Where others in the network find this machine: its address on the way out, else its name. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way_out:
        try:
            way_out.connect(("192.0.2.1", 9))  # an address of nobody
            return str(way_out.getsockname()[0])
        except OSError:
            return socket.gethostname()
