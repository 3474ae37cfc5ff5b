"""What happened: a table that stays fast however long it is, to look at and to take along."""

import asyncio
from collections.abc import Sequence
from urllib.parse import urlencode

from fastapi import Request
from nicegui import ui

from safety_monitor.incident import Sense, State
from safety_monitor.journal.entry import Entry
from safety_monitor.journal.file import JournalError, JournalUnusableError
from safety_monitor.journal.search import Search, find_incidents
from safety_monitor.local_time import moment_of, when, zone
from safety_monitor.web import texts
from safety_monitor.web.layout import mark_badge, page_frame, panel, site_of, state_badge, trouble_line

PAGE = 25
WIDE = "max-md:hidden"
"""What a phone has no room for; it stands on the incident's own page."""
FILTERS = ("state", "sense", "label", "since", "after")


@ui.page("/incidents")
async def incidents_page(request: Request) -> None:
    """The table; what it shows is in its address."""
    asked = {name: request.query_params.get(name, "")[:100] for name in FILTERS}
    site = site_of(request)
    entries: Sequence[Entry] = ()
    older = since = None
    trouble = ""
    try:
        since = moment_of(asked["since"])
        search = Search(
            State(asked["state"]) if asked["state"] else None,
            Sense(asked["sense"]) if asked["sense"] else None,
            asked["label"],
            since,
        )
        entries, older = await asyncio.to_thread(find_incidents, site.journal.file, search, asked["after"], PAGE)
    except JournalUnusableError as error:
        trouble = str(error)
    except (ValueError, JournalError):
        pass  # an address that somebody has made up finds nothing

    def go(**changes: str | None) -> None:
        wanted = {name: value for name, value in (asked | {"after": ""} | changes).items() if value}
        ui.navigate.to("/incidents?" + urlencode(wanted))

    with page_frame(request, texts.INCIDENTS):
        with ui.element("div").classes("grid grid-cols-2 gap-3 items-center w-full md:flex"):
            states = {"": texts.ANY} | {str(state): texts.STATE[state] for state in State}
            senses = {"": texts.ANY} | {str(sense): texts.SENSE[sense] for sense in Sense}
            labels = ("scream", *(gesture.label for gesture in site.settings.emergency.gestures))
            known = {"": texts.ANY} | {label: texts.label(label) for label in labels}
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
                ).props("outlined dense").classes("md:w-44")
            # Typed digit by digit a date passes through years long ago; it is taken when it stands still.
            ui.input(texts.SINCE, value=asked["since"], on_change=lambda change: go(since=change.value)).props(
                "outlined dense type=date stack-label debounce=1500"
            ).classes("md:w-44")
        with panel(texts.INCIDENTS):
            if trouble:
                trouble_line(trouble)
            else:
                _table(entries, texts.NO_INCIDENTS if any(asked.values()) else texts.NOTHING_HAPPENED)
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


def _table(entries: Sequence[Entry], none: str) -> None:
    if not entries:
        ui.label(none).classes("quiet")
        return
    with ui.element("div").classes("overflow-x-auto w-full"), ui.element("table").classes("plain"):
        with ui.element("thead"), ui.element("tr"):
            at = texts.WHEN.format(zone=zone())
            for text, wide in (
                (at, ""),
                (texts.STATE_COLUMN, ""),
                (texts.WHAT, ""),
                (texts.CONFIDENCE, WIDE),
                (texts.REASON, WIDE),
                (texts.MARK, ""),
            ):
                with ui.element("th").classes(wide):
                    ui.label(text)
        with ui.element("tbody"):
            for entry in entries:
                incident = entry.incident
                with ui.element("tr"):
                    with ui.element("td").style("min-width: 6rem"):  # a date stays on one line on a phone, too
                        ui.link(when(entry.opened_at), f"/incidents/{incident.id}").classes("md:whitespace-nowrap")
                    with ui.element("td"):
                        state_badge(incident.state, entry.standing)
                    for text, wide in (
                        (", ".join(texts.label(label) for label in incident.labels), ""),
                        (f"{incident.confidence:.2f}", WIDE),
                        (entry.why, WIDE),
                    ):
                        with ui.element("td").classes(wide):
                            ui.label(text)
                    with ui.element("td"):
                        mark_badge(entry.mark)
