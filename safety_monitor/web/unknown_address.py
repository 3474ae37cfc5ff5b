"""What is answered where there is nothing: to programs in JSON, to people with a page and a way back."""

import html

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Match

from safety_monitor.web import texts
from safety_monitor.web.layout import site_of
from safety_monitor.web.plain_page import plain_page

API = "/api/"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def answer_below_api(app: FastAPI) -> None:
    """Answer in JSON below `API` to what no route of `app` takes; to be called when it has all of them."""
    routes = tuple(app.router.routes)

    async def unknown(request: Request) -> Response:
        asked = {method: {**request.scope, "method": method} for method in METHODS}
        if allowed := [
            method for method, scope in asked.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)
        ]:
            raise HTTPException(405, f"takes {', '.join(allowed)}", {"Allow": ", ".join(allowed)})
        raise HTTPException(404, "there is nothing at this address; /api tells what there is")

    app.add_api_route(API + "{rest:path}", unknown, methods=list(METHODS), include_in_schema=False)


async def missing(request: Request, error: Exception) -> Response:
    """The answer where there is no such page or file."""
    if request.method != "GET" or "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"detail": getattr(error, "detail", texts.NO_PAGE)}, 404)
    station = site_of(request).settings.station.name
    body = (
        f"<main><h1>{html.escape(station)}</h1><p>{texts.NO_PAGE}</p>"
        f'<p><a href="/">{texts.TO_LIVE}</a></p><p><a href="/incidents">{texts.TO_INCIDENTS}</a></p></main>'
    )
    return HTMLResponse(plain_page(texts.NO_PAGE_TITLE, station, body), 404)
