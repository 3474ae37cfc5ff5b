"""The REST API for people: every route of the OpenAPI document, without anything from the internet."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from nicegui import ui

from safety_monitor.web import texts
from safety_monitor.web.layout import page_frame, panel, site_of


@ui.page("/api")
def api_page(request: Request) -> None:
    """One part a route."""
    document: dict[str, Any] = site_of(request).openapi()
    with page_frame(request, texts.API):
        with ui.row().classes("items-center gap-4"):
            ui.link(texts.SCHEMA, "/api/v1/openapi.json", new_tab=True)
            if not site_of(request).access.open:
                ui.label(texts.API_HINT).classes("quiet")
        with panel("WS /api/v1/listen", "literal"):
            ui.label(texts.LISTEN_API)
        for path, methods in document["paths"].items():
            for method, route in methods.items():
                with panel(f"{method.upper()} {path}", "literal"):
                    ui.label(route.get("description", ""))
                    for parameter in route.get("parameters", ()):
                        ui.label(f"{parameter['name']} ({parameter['in']}): {parameter.get('description', '')}")
                    for field in _fields(document, route):
                        ui.label(f"{field} ({texts.BODY})")
                    answers = "; ".join(
                        f"{status} {each['description']}" for status, each in route["responses"].items()
                    )
                    ui.label(f"{texts.ANSWERS}: {answers}").classes("quiet text-sm mt-1")


def _fields(document: Mapping[str, Any], route: Mapping[str, Any]) -> list[str]:
    """What a route takes in its body, a line each."""
    schemas = [content["schema"] for content in route.get("requestBody", {}).get("content", {}).values()]
    lines = []
    while schemas:
        schema = schemas.pop()
        schemas += schema.get("anyOf", ())
        if "$ref" in schema:
            schemas.append(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        lines += [
            f"{name}: {each['description']}" if "description" in each else name
            for name, each in schema.get("properties", {}).items()
        ]
    return lines
