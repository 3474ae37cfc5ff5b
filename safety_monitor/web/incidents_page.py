"""What happened: a table that stays fast however long it is, to look at and to take along."""

import asyncio
from collections.abc import Sequence
from urllib.parse import urlencode

from fastapi import Request
from nicegui import ui

from safety_monitor.incident import Sense, State
from safety_monitor.journal import Entry, Search
from safety_monitor.journal_file import JournalError
from safety_monitor.web import texts
from safety_monitor.web.layout import mark_badge, page_frame, panel, site_of, state_badge
from safety_monitor.web.local_time import moment_of, when, zone

PAGE = 25
FILTERS = ("state", "sense", "label", "since", "after")


@ui.page("/incidents")
async def incidents_page(request: Request) -> None:
    """The table; what it shows is in its address."""
    asked = {name: request.query_params.get(name, "")[:100] for name in FILTERS}
    site = site_of(request)
    entries: Sequence[Entry] = ()
    older = since = None
    try:
        since = moment_of(asked["since"])
        search = Search(
            State(asked["state"]) if asked["state"] else None,
            Sense(asked["sense"]) if asked["sense"] else None,
            asked["label"],
            since,
        )
        entries, older = await asyncio.to_thread(site.journal.search, search, asked["after"], PAGE)
    except (ValueError, JournalError):
        pass  # an address that somebody has made up finds nothing

    def go(**changes: str | None) -> None:
        wanted = {name: value for name, value in (asked | {"after": ""} | changes).items() if value}
        ui.navigate.to("/incidents?" + urlencode(wanted))

    with page_frame(request, texts.INCIDENTS):
        with ui.row().classes("gap-3 items-center"):
            states = {"": texts.ANY} | {str(state): texts.STATE[state] for state in State}
            senses = {"": texts.ANY} | {str(sense): texts.SENSE[sense] for sense in Sense}
            known = {"": texts.ANY} | {label: texts.label(label) for label in _labels(site.settings.emergency.gestures)}
            for name, text, options in (
                ("state", texts.STATE_COLUMN, states),
                ("sense", texts.SENSES_COLUMN, senses),
                ("label", texts.WHAT, known),
            ):
                ui.select(
                    options,
                    label=text,
                    value=asked[name] if asked[name] in options else "",
                    on_change=lambda change, name=name: go(**{name: change.value}),
                ).props("outlined dense").classes("w-44")
            ui.input(texts.SINCE, value=asked["since"], on_change=lambda change: go(since=change.value)).props(
                "outlined dense type=date stack-label"
            ).classes("w-44")
        with panel(texts.INCIDENTS):
            _table(entries)
        with ui.row().classes("gap-4 w-full"):
            if asked["after"]:
                ui.button(texts.NEWEST, icon="first_page", on_click=lambda: go()).props("outline no-caps")
            if older:
                ui.button(texts.OLDER, icon="chevron_right", on_click=lambda: go(after=older)).props("outline no-caps")
            ui.space()
            exact = asked | {"since": since.isoformat() if since else "", "after": ""}
            wanted = urlencode({name: value for name, value in exact.items() if value})
            for text, kind in ((texts.AS_CSV, "csv"), (texts.AS_JSON, "json")):
                ui.link(text, f"/api/v1/incidents.{kind}?{wanted}").classes("self-center").props("download")


def _labels(gestures: tuple[object, ...]) -> list[str]:
    return ["scream", *(getattr(gesture, "label", "") for gesture in gestures)]


def _table(entries: Sequence[Entry]) -> None:
    if not entries:
        ui.label(texts.NO_INCIDENTS).classes("quiet")
        return
    with ui.element("div").classes("overflow-x-auto w-full"), ui.element("table").classes("plain"):
        with ui.element("thead"), ui.element("tr"):
            at = texts.WHEN.format(zone=zone())
            for text in (at, texts.STATE_COLUMN, texts.WHAT, texts.CONFIDENCE, texts.REASON, texts.MARK):
                with ui.element("th"):
                    ui.label(text)
        with ui.element("tbody"):
            for entry in entries:
                incident = entry.incident
                with ui.element("tr"):
                    with ui.element("td"):
                        ui.link(when(entry.opened_at), f"/incidents/{incident.id}").classes("whitespace-nowrap")
                    with ui.element("td"):
                        state_badge(incident.state)
                    for text in (
                        ", ".join(texts.label(label) for label in incident.labels),
                        f"{incident.confidence:.2f}",
                        incident.reason,
                    ):
                        with ui.element("td"):
                            ui.label(text)
                    with ui.element("td"):
                        mark_badge(entry.mark)
