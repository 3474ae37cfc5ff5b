"""The application: API and pages behind the guard."""

from importlib.metadata import version

from fastapi import FastAPI
from starlette.types import ASGIApp

from safety_monitor.web.api import make_api
from safety_monitor.web.guard import Guard
from safety_monitor.web.site import Site

FORM_BYTES = 4096
"""What a form has around the recording in it."""


def make_app(site: Site) -> ASGIApp:
    """The whole application over a site."""
    app = FastAPI(
        title="safety-monitor",
        version=version("safety-monitor"),
        description="The station: health, incidents, recordings.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # they would be loaded from the internet
        redoc_url=None,
    )
    app.include_router(make_api(site))
    upload = int(site.settings.web.upload_mb * 1e6) + FORM_BYTES
    return Guard(app, site.access, {"/api/v1/analyze": upload}, https=site.settings.web.certificate is not None)
