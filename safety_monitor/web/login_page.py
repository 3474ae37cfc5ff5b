"""Signing in: plain HTML, which needs nothing of what is behind it."""

import html
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from safety_monitor.operating.serving import LOCAL
from safety_monitor.web import texts
from safety_monitor.web.access import SESSION_S, TooManyTriesError
from safety_monitor.web.guard import COOKIE, session_key
from safety_monitor.web.layout import site_of
from safety_monitor.web.own_threads import signing_in
from safety_monitor.web.plain_page import plain_page

TOKEN_S = 400 * 86_400.0
"""How long a browser stays signed in with a token; browsers allow no longer."""

ONCE = "return !this.sent && (this.sent = true)"
"""A key that is held, or a button pressed twice, must not use up the tries of whoever has mistyped."""

router = APIRouter(include_in_schema=False)

FORM = """<form method="post" action="/login" onsubmit="{once}"><h1>{station}</h1>{problem}
<label>{name}<input name="name" value="{typed}" autocomplete="username" required{first} maxlength="64"></label>
<label>{password}
<input name="password" type="password" autocomplete="current-password" required{second} maxlength="256"></label>
<input type="hidden" name="then" value="{then}"><button>{title}</button></form>"""


def page(request: Request, then: str, problem: str = "", status: int = 200, typed: str = "") -> HTMLResponse:
    """The form, with what was wrong, and with the name that was typed: mostly only the password was another one."""
    station = site_of(request).settings.station.name
    values = {
        "title": texts.SIGN_IN,
        "station": station,
        "name": texts.NAME,
        "password": texts.PASSWORD,
        "typed": typed,
        "first": " autofocus" * (not typed),
        "second": " autofocus" * bool(typed),
        "then": then,
        "once": ONCE,
    }
    safe = {key: html.escape(value) for key, value in values.items()}
    form = FORM.format(**safe, problem=f'<p role="alert">{html.escape(problem)}</p>' * bool(problem))
    return HTMLResponse(plain_page(texts.SIGN_IN, station, form), status)


def own(path: str) -> str:
    """A path of this site; anything else becomes the first page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"


def asked_from(request: Request) -> str:
    """The address of whoever asks; of those whom a proxy on this machine brings the one that it tells.

    Else whoever types wrong passwords at the proxy's other end would keep everybody there from signing in.
    """
    address = request.client.host if request.client else ""
    return _told_by_proxy(request, "x-forwarded-for") or address


def over_https(request: Request) -> bool:
    """Whether whoever asks does so over HTTPS, be it to a proxy on this machine: then no cookie may go without."""
    return (_told_by_proxy(request, "x-forwarded-proto") or request.url.scheme) == "https"


def _told_by_proxy(request: Request, header: str) -> str:
    """The last that a header holds, if it comes from this machine; what stands before it anybody may have written."""
    told = request.headers.getlist(header)
    here = request.client is not None and request.client.host in LOCAL
    return told[-1].rpartition(",")[2].strip() if told and here else ""


@router.get("/login")
def form(request: Request, then: str = "/") -> Response:
    """The form; whoever is in already goes on."""
    return RedirectResponse(own(then), 303) if request.state.visitor else page(request, own(then))


@router.post("/login")
async def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=64)],
    password: Annotated[str, Form(max_length=256)],
    then: Annotated[str, Form(max_length=1000)] = "/",
) -> Response:
    """Open a session, or say what is wrong."""
    access = site_of(request).access
    address = asked_from(request)
    try:
        key = await signing_in(lambda: access.sign_in(name, password, address))
    except TooManyTriesError as error:
        answer = page(request, own(then), str(error), 429, name)
        answer.headers["Retry-After"] = str(round(error.wait_s))
        return answer
    if key is None:
        return page(request, own(then), texts.WRONG, 401, name)
    response = RedirectResponse(own(then), 303)
    age = SESSION_S if access.of_token(key) is None else TOKEN_S
    response.set_cookie(COOKIE, key, max_age=round(age), httponly=True, samesite="strict", secure=over_https(request))
    return response


@router.post("/logout")
def sign_out(request: Request) -> Response:
    """End the session."""
    site_of(request).access.sign_out(session_key(request.headers))
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response
