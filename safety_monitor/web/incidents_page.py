"""What happened: a table that stays fast however long it is, and one incident with all that belongs to it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlencode

from fastapi import Request
from nicegui import ui

from safety_monitor.incident import Sense, State
from safety_monitor.journal import Entry, JournalError, Search
from safety_monitor.web import texts
from safety_monitor.web.layout import (
    STATE_COLOR,
    STATE_ICON,
    decision_buttons,
    page_frame,
    panel,
    site_of,
    state_badge,
    when,
)

PAGE = 25
FILTERS = ("state", "sense", "label", "since", "after")


@ui.page("/incidents")
async def incidents_page(request: Request) -> None:
    """The table; what it shows is in its address."""
    asked = {name: request.query_params.get(name, "")[:100] for name in FILTERS}
    site = site_of(request)
    entries: Sequence[Entry] = ()
    older = None
    try:
        search = Search(
            State(asked["state"]) if asked["state"] else None,
            Sense(asked["sense"]) if asked["sense"] else None,
            asked["label"],
            datetime.fromisoformat(asked["since"]) if asked["since"] else None,
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
        with ui.row().classes("gap-2"):
            if asked["after"]:
                ui.button(texts.NEWEST, icon="first_page", on_click=lambda: go()).props("outline no-caps")
            if older:
                ui.button(texts.OLDER, icon="chevron_right", on_click=lambda: go(after=older)).props("outline no-caps")


def _labels(gestures: tuple[object, ...]) -> list[str]:
    return ["scream", *(getattr(gesture, "label", "") for gesture in gestures)]


def _table(entries: Sequence[Entry]) -> None:
    if not entries:
        ui.label(texts.NO_INCIDENTS).classes("quiet")
        return
    with ui.element("div").classes("overflow-x-auto w-full"), ui.element("table").classes("plain"):
        with ui.element("thead"), ui.element("tr"):
            for text in (texts.WHEN, texts.STATE_COLUMN, texts.WHAT, texts.CONFIDENCE, texts.REASON):
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


@ui.page("/incidents/{incident_id}")
async def incident_page(request: Request, incident_id: str) -> None:
    """One incident, shown anew when it changes."""
    site = site_of(request)

    async def look() -> Entry | None:
        try:
            return await asyncio.to_thread(site.journal.show, incident_id[:64])
        except JournalError:
            return None

    shown = await look()
    with page_frame(request, texts.INCIDENTS):
        if shown is None:
            ui.label(texts.NO_INCIDENT).classes("text-xl")
            return
        box = ui.column().classes("w-full gap-4")

    def show(entry: Entry) -> None:
        box.clear()
        with box:
            _incident(request, entry)

    async def refresh() -> None:
        nonlocal shown
        entry = await look()
        if entry is not None and entry != shown:
            shown = entry
            show(entry)

    show(shown)
    ui.timer(2.0, refresh)


def _incident(request: Request, entry: Entry) -> None:
    incident = entry.incident
    with ui.element("section").classes("panel"), ui.row().classes("items-center w-full gap-4"):
        ui.icon(STATE_ICON[incident.state], size="44px", color=STATE_COLOR[incident.state]).props("aria-hidden=true")
        with ui.column().classes("gap-0 grow"):
            what = ", ".join(texts.label(label) for label in incident.labels)
            ui.label(f"{texts.STATE[incident.state]}: {what}").classes("text-2xl font-semibold")
            ui.label(f"{when(entry.opened_at)} UTC · {incident.reason}").classes("quiet")
            ui.label(entry.source).classes("quiet")
        decision_buttons(request, incident.id, incident.state)
        ui.link(texts.AS_JSON, f"/api/v1/incidents/{incident.id}", new_tab=True)
    with ui.element("div").classes("grid grid-cols-1 lg:grid-cols-2 gap-4 w-full"):
        with panel(texts.TIME_LINE), ui.timeline(side="right"):
            for step in entry.transitions:
                ui.timeline_entry(
                    step.reason,
                    title=texts.STATE[step.state],
                    subtitle=f"{when(step.at)} · {step.by}",
                    icon=STATE_ICON[step.state],
                    color=STATE_COLOR[step.state],
                )
        with ui.column().classes("gap-4 w-full"):
            with panel(texts.EVIDENCE):
                _rows(
                    (texts.SENSES_COLUMN, texts.WHAT, texts.PROBABILITY, texts.AT),
                    [
                        (
                            texts.SENSE[piece.sense],
                            texts.label(piece.label),
                            f"{piece.probability:.2f}",
                            f"{piece.at_s:.2f}",
                        )
                        for piece in incident.evidence
                    ],
                )
            with panel(texts.DELIVERIES):
                if not entry.deliveries:
                    ui.label(texts.NO_DELIVERIES).classes("quiet")
                else:
                    _rows(
                        (texts.CHANNEL, texts.STATE_COLUMN, texts.ATTEMPTS, texts.DETAIL),
                        [
                            (f"{each.channel} ({each.kind})", each.state, str(each.attempts), each.detail)
                            for each in entry.deliveries
                        ],
                    )


def _rows(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    with ui.element("div").classes("overflow-x-auto w-full"), ui.element("table").classes("plain"):
        with ui.element("thead"), ui.element("tr"):
            for text in head:
                with ui.element("th"):
                    ui.label(text)
        with ui.element("tbody"):
            for row in rows:
                with ui.element("tr"):
                    for text in row:
                        with ui.element("td"):
                            ui.label(text)
