"""One incident with all that belongs to it; each part is drawn anew only when it has changed."""

import asyncio
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from nicegui import app, ui

from audio.blocks import SoundError
from audio.recording import read_clip
from audio.spectrogram import spectrogram
from safety_monitor.actions.evidence import EvidenceError
from safety_monitor.actions.recorder import SOUND
from safety_monitor.delivery import Delivery, DeliveryState
from safety_monitor.escalation import Nature
from safety_monitor.incident import Incident, Mark
from safety_monitor.journal.entry import Entry
from safety_monitor.journal.file import JournalError, JournalUnusableError
from safety_monitor.journal.incidents import LONGEST_REMARK
from safety_monitor.journal.tables import PERSON
from safety_monitor.local_time import when
from safety_monitor.place import Place
from safety_monitor.web import texts
from safety_monitor.web.alerts import alert_buttons
from safety_monitor.web.chart import GREY, over_seconds, seconds_of
from safety_monitor.web.incident_api import protect_evidence, say
from safety_monitor.web.layout import (
    AWAY_S,
    MARK_ICON,
    STATE_COLOR,
    STATE_ICON,
    changed,
    incident_head,
    mark_badge,
    may,
    named,
    of_the_page,
    page_frame,
    panel,
    site_of,
    table_row,
    trouble_line,
    visitor_of,
)
from safety_monitor.web.picture import drawn
from safety_monitor.web.site import Site

REFRESH_S = 2.0
ZOOM = 16
COLUMNS = 800
MOST_TIMES, LEAST_S = 10.0, 6.0
"""How many times as long as its incident a chart of the readings is at most, and how long that counts at least."""
_Files = tuple[Path, ...] | str
"""Of an incident; or a line that says why they cannot be had."""
DELIVERY_ICON = {
    DeliveryState.PENDING: ("hourglass_top", "amber-9"),
    DeliveryState.SENDING: ("outgoing_mail", "blue-8"),
    DeliveryState.SENT: ("check", "green-8"),
    DeliveryState.DELIVERED: ("done_all", "green-8"),
    DeliveryState.FAILED: ("error", "red-8"),
    DeliveryState.DROPPED: ("block", "grey-7"),
}


@app.get("/incidents/{incident_id}/spectrogram.png", include_in_schema=False)
def sound_drawn(request: Request, incident_id: str) -> Response:
    """The spectrogram of an incident's sound; made here, only because somebody asks."""
    site = site_of(request)
    try:
        files = site.recorded(site.journal.show(incident_id[:64]).incident.id).files
        sound = next(path for path, _ in files if path.name == SOUND)
        levels = spectrogram([read_clip(sound)], COLUMNS)
    except (JournalError, EvidenceError, StopIteration, SoundError, OSError):
        return Response(status_code=404)
    return Response(drawn(levels), media_type="image/png") if len(levels) else Response(status_code=404)


@ui.page("/incidents/{incident_id}", reconnect_timeout=AWAY_S)
async def incident_page(request: Request, incident_id: str) -> None:
    """One incident."""
    site = site_of(request)

    def in_journal() -> tuple[Entry, Place | None]:
        entry = site.journal.show(incident_id[:64])
        return entry, site.station.place_of(entry.incident)

    def read() -> tuple[Entry, Place | None, _Files, bool]:
        entry, place = site.in_time(in_journal)
        files: _Files
        try:
            recorded = site.recorded(entry.incident.id)
            files, protected = tuple(path for path, _ in recorded.files), recorded.protected
        except EvidenceError as error:  # whoever takes the incident on can do without
            files, protected = texts.UNREADABLE.format(why=error), False
        return entry, place, files, protected

    async def look() -> tuple[Entry, Place | None, _Files, bool] | str:
        """All that there is to show; or a line that says why there is nothing."""
        try:
            return await asyncio.to_thread(read)
        except JournalUnusableError as error:
            return str(error)
        except JournalError:
            return texts.NO_INCIDENT

    found = await look()
    with page_frame(request, texts.INCIDENTS):
        if isinstance(found, str):
            trouble_line(found)
            ui.link(texts.TO_LIVE, "/")
            return
        shown = found[0].incident
        old = ui.column().classes("w-full")  # says why what stands below is not the present
        old.set_visibility(False)
        head = ui.element("section").classes("panel").props("aria-live=polite")
        with ui.element("div").classes("grid grid-cols-1 lg:grid-cols-2 gap-4 w-full items-start"):
            with ui.column().classes("gap-4 w-full"):
                with panel(texts.RECORDED):
                    recorded = ui.column().classes("w-full gap-3")
                    kept = ui.column().classes("w-full mt-3")
                with panel(texts.MAP):
                    where = ui.column().classes("w-full gap-2")
            with ui.column().classes("gap-4 w-full"):
                with panel(texts.DELIVERIES):
                    deliveries = ui.column().classes("w-full gap-2")
                with panel(texts.REMARKS):
                    remarks = ui.column().classes("w-full gap-2")
                    if visitor_of(request).may("operator"):
                        _note_field(request, shown.id)
                with panel(texts.TIME_LINE):
                    steps = ui.column().classes("w-full")
                with panel(texts.READINGS):
                    readings = ui.column().classes("w-full gap-2")
    known: dict[int, object] = {}

    def part(box: ui.element, value: object, draw: Callable[[], None]) -> None:
        if changed(known, box.id, value):
            box.clear()
            with box:
                draw()

    def show(entry: Entry, place: Place | None, files: _Files, protected: bool) -> None:
        incident, there = entry.incident, bool(files) and not isinstance(files, str)
        part(head, (incident, entry.changed_at), partial(_head, request, entry))
        part(recorded, (incident.id, files), partial(_recordings, incident.id, files))
        part(kept, (there, protected), partial(_protection, request, incident.id, there, protected))
        part(where, place, partial(_map, site, place))
        part(remarks, entry.remarks, partial(_remarks, request, entry))
        part(deliveries, entry.deliveries, partial(_deliveries, request, entry))
        part(steps, entry.transitions, partial(_steps, entry))
        part(readings, (entry.transitions, incident.evidence), partial(_readings, entry))

    client = ui.context.client

    async def refresh() -> None:
        if not client.has_socket_connection:  # nobody looks
            return
        now = await look()
        why = now if isinstance(now, str) else ""
        old.set_visibility(bool(why))
        part(old, why, partial(trouble_line, why))
        if not isinstance(now, str):
            show(*now)

    show(*found)
    ui.timer(REFRESH_S, refresh)


def _head(request: Request, entry: Entry) -> None:
    incident = entry.incident
    with ui.row().classes("items-center w-full gap-4"):
        with incident_head(request, incident, entry.standing):
            ui.label(f"{when(entry.opened_at, zoned=True)} · {entry.why}").classes("quiet")
            ui.label(entry.source).classes("quiet")
        ui.link(texts.AS_JSON, f"/api/v1/incidents/{incident.id}", new_tab=True)
    with ui.element("div").classes("mt-3"):
        alert_buttons(request, entry)


def _steps(entry: Entry) -> None:
    with ui.timeline(side="right"):
        for step in entry.transitions:
            ui.timeline_entry(
                step.reason,
                title=texts.STATE[step.state],
                subtitle=f"{when(step.at)} · {step.by}",
                icon=STATE_ICON[step.state],
                color=STATE_COLOR[step.state],
            )


def _recordings(incident_id: str, files: _Files) -> None:
    """Players for what there is; the files come from the API, a part at a time."""
    if isinstance(files, str):
        trouble_line(files)
        return
    if not files:
        ui.label(texts.NOT_RECORDED).classes("quiet")
    order = list(texts.FILE)
    for path in sorted(files, key=lambda path: order.index(path.name) if path.name in order else len(order)):
        address = f"/api/v1/incidents/{incident_id}/evidence/{path.name}"
        name = texts.FILE.get(path.name, path.name)
        match path.suffix:
            case ".flac":
                ui.label(name).classes("font-semibold")
                named(ui.audio(address).classes("w-full"), name)
                drawing = f'src="/incidents/{incident_id}/spectrogram.png" alt="{texts.SPECTROGRAM_OF_IT}"'
                ui.html(f'<img class="spectrogram" {drawing}>', sanitize=False).classes("w-full")
            case ".mp4":
                ui.label(name).classes("font-semibold")
                named(ui.video(address).classes("w-full rounded-lg"), name)
            case ".jpg":
                ui.label(name).classes("font-semibold")
                ui.html(f'<img class="picture" alt="{name}" src="{address}">', sanitize=False).classes("w-full")
            case _:
                ui.link(name, address)


def _protection(request: Request, incident_id: str, there: bool, protected: bool) -> None:
    """Whether the recordings stay, and the button that changes it."""
    if not there:
        return
    kept = site_of(request).settings.evidence
    goes = texts.GOES.format(days=kept.days, gigabytes=kept.gigabytes)
    with ui.row().classes("w-full items-center gap-3"):
        ui.icon("lock" if protected else "lock_open", size="24px").classes("quiet").props("aria-hidden=true")
        ui.label(texts.KEPT if protected else goes).classes("grow quiet")
        if visitor_of(request).may("operator"):
            ui.button(
                texts.LET_GO if protected else texts.KEEP,
                on_click=partial(_protect, request, incident_id, not protected),
            ).props("outline no-caps color=quiet")


@of_the_page
async def _protect(request: Request, incident_id: str, protected: bool) -> None:
    if not may(request, "operator"):
        return
    by = visitor_of(request).name
    try:
        await asyncio.to_thread(protect_evidence, site_of(request), incident_id, protected, by=by)
    except EvidenceError as error:
        ui.notify(str(error), type="negative", multi_line=True)


def _map(site: Site, place: Place | None) -> None:
    """The place in words with a link to a map; on one where that is set, which without the internet stays grey."""
    if place is None:
        ui.label(texts.NO_PLACE).classes("quiet")
        return
    at = place.position
    words = [place.address, "{:.5f}, {:.5f}".format(*at) if at else ""]
    if place.accuracy_m is not None:
        words.append(texts.WITHIN.format(metres=place.accuracy_m))
    words.append(texts.PLACE_SOURCE.get(place.source, place.source))
    with ui.row().classes("w-full items-baseline gap-3"):
        ui.label(" · ".join(word for word in words if word)).classes("grow")
        if at:
            ui.link(texts.ON_THE_MAP, place.map_link, new_tab=True)
    web = site.settings.web
    if not web.map_tiles or not at:
        return
    chart = ui.leaflet(center=at, zoom=ZOOM).classes("w-full h-72 rounded-lg")
    chart.clear_layers()
    # Servers of maps want to know whose page asks; the page's own policy tells nobody else.
    options = {"attribution": web.map_credit, "maxZoom": 19, "referrerPolicy": "origin"}
    chart.tile_layer(url_template=web.map_tiles, options=options)
    chart.marker(latlng=at)
    if place.accuracy_m:
        chart.generic_layer(name="circle", args=[at, {"radius": place.accuracy_m, "weight": 1}])


def _deliveries(request: Request, entry: Entry) -> None:
    if not entry.deliveries:
        ui.label(texts.NO_DELIVERIES).classes("quiet")
    for each in entry.deliveries:
        icon, color = DELIVERY_ICON[each.state]
        with ui.row().classes("w-full items-center gap-3 no-wrap"):
            ui.icon(icon, size="24px", color=color).props("aria-hidden=true")
            with ui.column().classes("gap-0 grow"):
                ui.label(
                    f"{texts.channel(each.channel)} ({texts.MESSAGE_KIND[each.kind]}): {texts.DELIVERY[each.state]}"
                )
                ui.label(_more(each)).classes("quiet text-sm")
            if _can_retry(request, each):
                ui.button(texts.RETRY, icon="refresh", on_click=partial(_retry, request, each.key)).props(
                    "outline no-caps dense"
                ).classes("px-3")


def _more(delivery: Delivery) -> str:
    words = [when(delivery.changed_at), delivery.detail]
    if delivery.attempts > 1:
        words.append(f"{texts.ATTEMPTS}: {delivery.attempts}")
    if delivery.due_at and delivery.state is DeliveryState.PENDING:
        words.append(f"{texts.NEXT}: {when(delivery.due_at)}")
    return " · ".join(word for word in words if word)


def _can_retry(request: Request, delivery: Delivery) -> bool:
    nature = site_of(request).station.dispatch.channels.get(delivery.channel)
    waits = delivery.state is DeliveryState.PENDING and delivery.attempts > 0
    return (
        nature in (Nature.MESSAGE, Nature.RECORD)
        and (waits or delivery.state is DeliveryState.FAILED)
        and visitor_of(request).may("operator")
    )


@of_the_page
async def _retry(request: Request, key: str) -> None:
    if not may(request, "operator"):
        return
    try:
        await asyncio.to_thread(site_of(request).journal.outbox.retry, key)
    except JournalError as error:
        ui.notify(str(error), type="negative")
        return
    ui.notify(texts.RETRIED, type="positive")


def _remarks(request: Request, entry: Entry) -> None:
    operator = visitor_of(request).may("operator")
    if operator:
        ui.label(texts.REMARKS_HINT).classes("quiet")
        with ui.row().classes("gap-2"):
            for mark, text in texts.MARKED.items():
                on = entry.mark is mark
                button = ui.button(text, icon=MARK_ICON[mark])
                button.props("no-caps color=blue-8 aria-pressed=true" if on else "no-caps outline aria-pressed=false")
                # Pressed once more it takes the mark back.
                button.on_click(partial(_say, request, entry.incident.id, mark=Mark.NONE if on else mark))
    elif entry.mark is not None:
        mark_badge(entry.mark)
    for remark in entry.remarks:
        said = [remark.text]
        if remark.mark is not None:
            said.insert(0, texts.MARKED.get(remark.mark, texts.TAKEN_BACK))
        with ui.column().classes("gap-0 w-full"):
            ui.label(" – ".join(word for word in said if word)).classes("whitespace-pre-wrap")
            ui.label(f"{when(remark.at)} · {remark.by}").classes("quiet text-sm")


def _note_field(request: Request, incident_id: str) -> None:
    note = ui.textarea(texts.NOTE).props(f"outlined autogrow rows=2 maxlength={LONGEST_REMARK}").classes("w-full mt-2")

    async def add() -> None:
        if await _say(request, incident_id, note=note.value or ""):
            note.value = ""

    ui.button(texts.ADD_NOTE, icon="note_add", on_click=add).props("outline no-caps").classes("mt-3")


@of_the_page
async def _say(request: Request, incident_id: str, *, note: str = "", mark: Mark | None = None) -> bool:
    """Write down what the visitor says; whether that was possible."""
    if not may(request, "operator"):
        return False
    by = visitor_of(request).name
    try:
        told = await asyncio.to_thread(say, site_of(request), incident_id, note, by=by, mark=mark)
    except JournalError as error:
        ui.notify(str(error), type="negative")
        return False
    ui.notify(told or texts.NOTED, type="positive", multi_line=True)
    return True


def _readings(entry: Entry) -> None:
    incident = entry.incident
    with ui.element("div").classes("overflow-x-auto w-full"), ui.element("table").classes("plain"):
        with ui.element("thead"):
            table_row("th", (texts.SENSES_COLUMN, texts.WHAT, texts.PROBABILITY, texts.AT))
        with ui.element("tbody"):
            for piece in incident.evidence:
                sense, label = texts.SENSE[piece.sense], texts.label(piece.label)
                table_row("td", (sense, label, f"{piece.probability:.2f}", f"{piece.at_s:.2f}"))
    if len(entry.transitions) > 1:
        ui.echart(_chart(entry, incident)).classes("w-full h-56")


def _chart(entry: Entry, incident: Incident) -> dict[str, Any]:
    """States as a line of the confidence so far, readings as points, over seconds since it opened.

    What came so late that nothing else could be told apart any more stands at the end, with its time.
    """
    moments = seconds_of(entry.transitions)
    start = min([*moments, *(piece.at_s for piece in incident.evidence)])
    by_station = [at for at, step in zip(moments, entry.transitions, strict=True) if step.by != PERSON]
    end_s = MOST_TIMES * max(max(by_station, default=start) - start, LEAST_S)
    points = [
        [round(min(at - start, end_s), 2), round(step.confidence, 3)]
        for at, step in zip(moments, entry.transitions, strict=True)
    ]
    words = [
        texts.STATE[step.state] + (texts.AFTER_S.format(seconds=at - start) if at - start > end_s else "")
        for at, step in zip(moments, entry.transitions, strict=True)
    ]
    # Of steps that are drawn at one place the last one is named.
    together_s = max(at for at, _ in points) / 10
    named = [
        {"coord": at, "value": word}
        for at, after, word in zip(points, [*points[1:], [math.inf]], words, strict=True)
        if after[0] - at[0] > together_s
    ]
    confidence = {
        "name": texts.CONFIDENCE_SO_FAR,
        "type": "line",
        "step": "end",
        "color": "#3e8ed0",
        "data": points,
        "markPoint": {
            "symbol": "pin",
            "symbolSize": 1,
            "label": {"position": "top", "align": "left", "color": GREY},
            "data": named,
        },
    }
    readings = [
        {
            "name": f"{texts.label(piece.label)} {piece.probability:.2f}",
            "type": "scatter",
            "symbol": "diamond",
            "symbolSize": 14,
            "color": "#e5484d",
            "data": [[round(piece.at_s - start, 2), round(piece.probability, 3)]],
        }
        for piece in incident.evidence
    ]
    return over_seconds([confidence, *readings], left=60, right=90, top=48) | {"tooltip": {"trigger": "item"}}
