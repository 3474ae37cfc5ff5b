"""The application: API and pages behind the guard."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from nicegui import app as ui_app
from nicegui import core, ui
from starlette.types import ASGIApp

from safety_monitor.actions import voice
from safety_monitor.web import (
    analyse_page,
    api_page,
    collect_page,
    incident_page,
    incidents_page,
    kiosk_page,
    live_page,
    login_page,
    retrain_page,
    settings_page,
)
from safety_monitor.web.calls import make_calls, takes_answers
from safety_monitor.web.door import Peer
from safety_monitor.web.guard import Guard
from safety_monitor.web.incident_api import make_incident_api
from safety_monitor.web.listen import make_listen
from safety_monitor.web.settings_api import make_settings_api
from safety_monitor.web.site import Site
from safety_monitor.web.station_api import make_station_api
from safety_monitor.web.unknown_address import answer_below_api, missing

log = logging.getLogger(__name__)

FORM_BYTES = 4096
"""What a form has around the recording in it."""
PAGES = (
    live_page,
    kiosk_page,
    incidents_page,
    incident_page,
    analyse_page,
    collect_page,
    retrain_page,
    settings_page,
    api_page,
)
"""Modules that make their pages known when they are imported; each finds its site in the request."""


def make_app(site: Site, *, pages: bool = True, let_in: Callable[[Peer | None], None] = lambda peer: None) -> ASGIApp:
    """The application over a site; with pages there can be one in a process. For `let_in` see `Door`."""
    app = FastAPI(
        title="safety-monitor",
        version=version("safety-monitor"),
        description="The station: health, incidents, recordings.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # they would be loaded from the internet
        redoc_url=None,
    )
    app.add_exception_handler(RequestValidationError, malformed)
    app.include_router(make_station_api(site))
    app.include_router(make_incident_api(site))
    app.include_router(make_settings_api(site))
    app.include_router(make_listen(site))
    app.include_router(login_page.router)
    signed: tuple[str, ...] = ()
    if takes_answers(site.settings) and site.settings.twilio is not None:
        app.include_router(make_calls(site, site.settings.twilio.signing_secret))
        signed = (f"{voice.PATH}/",)
    answer_below_api(app)
    if pages:
        ui_app.add_exception_handler(404, missing)
        core.sio.on("log", told_by_browser)  # in place of NiceGUI's own
        ui.run_with(app, title="safety-monitor", show_welcome_message=False, reconnect_timeout=10.0, language="en-US")
    return Guard(
        app,
        site.access,
        upload=int(site.settings.web.upload_mb * 1e6) + FORM_BYTES,
        shared={"site": replace(site, openapi=app.openapi)},
        signed=signed,
        map_tiles=site.settings.web.map_tiles,
        https=site.settings.web.certificate is not None,
        let_in=let_in,
    )


def told_by_browser(_socket: str, told: object) -> None:
    """Hears what a page says of itself; whoever sees the pages can say anything, and must not write the log."""
    log.debug("a browser says: %.300s", told)


async def malformed(_request: Request, error: Exception) -> Response:
    """Says what is wrong with a request without repeating it: it may be a PIN, or nothing that can be sent back."""
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    detail = [{name: each[name] for name in ("type", "loc", "msg")} for each in found]
    return Response(json.dumps({"detail": detail}), 422, media_type="application/json")
