"""What every request passes before it reaches a page or the API: host, origin, session, size, headers.

Requests that change something, and web sockets, must come from the station's own pages or from a program: a browser
tells by `Sec-Fetch-Site` and `Origin` where a request comes from, and another site's is refused. Of what changes
nothing a browser may follow another site's link here, and no more. A station without users answers only to its local
names, so that no other site can pass for it by pointing its own name here, and to nobody whom a proxy brings. HEAD is
answered as GET is, without the body: programs that watch whether a site is well ask like that.
"""

import ipaddress
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from safety_monitor.operating.serving import LOCAL
from safety_monitor.web.access import Access, Visitor
from safety_monitor.web.door import Peer

COOKIE = "safety_monitor_session"
UPLOADS = re.compile(r"/api/v1/analyze|/_nicegui/client/[^/]+/upload/[^/]+")
PUBLIC = frozenset({"/login"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITE = frozenset({"same-origin", "none"})
"""What `Sec-Fetch-Site` says of our own pages, and of an address that a person has typed."""
BROUGHT = frozenset({"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"})
"""Headers of a proxy or tunnel. Many ask in the name of this machine for whoever is at their other end."""
GO_ON = '<!doctype html><meta http-equiv="refresh" content="0; url={address}">'
"""A link on another site, such as a mailbox, brings no cookie along (SameSite=Strict); what this page opens does. Over
HTTP no browser says where a link stood."""
CHECK_S, NOT_ALLOWED = 5.0, 1008
"""How often it is seen whether whoever holds a web socket open may still see the pages, and what it is closed with."""
NO_ANSWER = "No response returned."
"""What Starlette raises for a file that whoever has left the page did not get; it must not fill the log."""
TOO_LARGE = "larger than this station takes"
SMALL, FORM = 1 << 20, 1 << 14
"""Bytes of a request that is no upload, and of a stranger's."""

POLICY = (  # {images}: what pictures may come from besides
    "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:{images}; media-src 'self' blob:; font-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(self), geolocation=(self)",
}


class Guard:
    """ASGI middleware; see the module's text.

    Args:
        app: what is guarded.
        access: who may do what.
        upload: bytes that a recording may have; any other request has at most `SMALL`, a stranger's `FORM`.
        shared: what becomes the state of every request.
        https: whether the pages are served over HTTPS.
        map_tiles: address of the map's pictures, which the pages may show; empty: none.
        signed: beginnings of paths for posts by servers that cannot sign in: their routes check a signature first.
        let_in: told of the connections of those who may see the pages.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        *,
        upload: int,
        shared: Mapping[str, Any],
        https: bool,
        map_tiles: str = "",
        signed: tuple[str, ...] = (),
        let_in: Callable[[Peer | None], None] = lambda peer: None,
    ) -> None:
        self._app = app
        self._let_in = let_in
        self._access = access
        self._upload = upload
        self._signed = signed
        self._shared = shared
        images = f" {origin_of(map_tiles)}" if map_tiles else ""
        policy = {"Content-Security-Policy": POLICY.format(images=images)}
        self._headers = HEADERS | policy | ({"Strict-Transport-Security": "max-age=31536000"} if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it through, or answer."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        head = scope.get("method") == "HEAD"

        async def dressed(message: Message) -> None:
            if head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            elif message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/_nicegui/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, dressed)
            return
        websocket = scope["type"] == "websocket"
        bounded = self._watched(scope, receive, send) if websocket else self._counted(scope, receive)
        gone = False

        async def noted() -> Message:
            nonlocal gone
            message = await bounded()
            gone = gone or message["type"] == "http.disconnect"
            return message

        try:
            await self._app({**scope, "method": "GET"} if head else scope, noted, dressed)
        except RuntimeError as error:
            if not gone or str(error) != NO_ANSWER:
                raise

    def _refusal(self, scope: Scope) -> Response | None:
        """What is answered instead; None if the request may pass. Sets `scope["state"]["visitor"]`."""
        headers = Headers(scope=scope)
        signed = scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith(self._signed)
        here = _is_local(headers.get("host", "")) and BROUGHT.isdisjoint(headers.keys())
        if not signed and self._access.open and not here:
            return _problem(421, "this station answers only to localhost: it has no users")
        link = headers.get("sec-fetch-mode", "navigate") == "navigate"
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE
        if (changes or not link) and not _own_site(headers):
            return _problem(403, "the request comes from another site")
        visitor = None if signed else who_asks(self._access, headers)
        scope["state"] = {**scope.get("state", {}), **self._shared, "visitor": visitor}
        length = headers.get("content-length", "0")
        fits = length.isdecimal() and int(length) <= self._limit(scope)
        keep = {} if fits else {"Connection": "close"}
        if visitor is not None:
            self._let_in(scope.get("client"))
        if signed or visitor is not None or scope["path"] in PUBLIC:
            return None if fits else _problem(413, TOO_LARGE, keep)
        if scope["type"] == "http" and scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            login = f"/login?then={quote(scope['path'])}"
            if headers.get("sec-fetch-site") in OWN_SITE:
                return RedirectResponse(login, 303)
            return HTMLResponse(GO_ON.format(address=login))
        return _problem(401, "sign in, or send an API token", {"WWW-Authenticate": "Bearer"} | keep)

    def _limit(self, scope: Scope) -> int:
        if scope["state"]["visitor"] is None:
            return FORM
        return self._upload if UPLOADS.fullmatch(scope["path"]) else SMALL

    def _watched(self, scope: Scope, receive: Receive, send: Send) -> Receive:
        """Receives what comes over a web socket, as long as whoever is there has not signed out."""
        headers = Headers(scope=scope)
        checked = time.monotonic()

        async def watched() -> Message:
            nonlocal checked
            message = await receive()
            if message["type"] != "websocket.receive" or time.monotonic() - checked < CHECK_S:
                return message
            checked = time.monotonic()
            if who_asks(self._access, headers) is not None:
                return message
            await send({"type": "websocket.close", "code": NOT_ALLOWED, "reason": "signed out"})
            return {"type": "websocket.disconnect", "code": NOT_ALLOWED}

        return watched

    def _counted(self, scope: Scope, receive: Receive) -> Receive:
        """Receives the request's body, and no more of it than there may be."""
        limit = self._limit(scope)
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise HTTPException(413, TOO_LARGE, {"Connection": "close"})
            return message

        return counted


def origin_of(address: str) -> str:
    """The part of an address that a browser's policy takes; `{s}` in the host stands for any name."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{re.sub(r'[^.]*[{][^.]*', '*', parts.netloc)}"


def who_asks(access: Access, headers: Headers) -> Visitor | None:
    """Whoever a request is from, by its token or its session; None if it has neither."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return access.of_token(token.strip())
    return access.of_session(session_key(headers))


def session_key(headers: Headers) -> str:
    """The key in the session cookie; empty if there is none.

    Cookies know no port: others on the same machine put theirs beside it, whatever they have in them.
    """
    return cookie_parser(headers.get("cookie", "")).get(COOKIE, "")


def _own_site(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in OWN_SITE
    origin = headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == headers.get("host", "")
    except ValueError:  # no address at all
        return False


def _is_local(host: str) -> bool:
    """Whether a Host header names this machine."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name in LOCAL or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _problem(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"detail": text}, status, headers)
