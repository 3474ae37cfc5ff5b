"""Listening with the browser's own microphone: what is heard, and what to do when it is a scream."""

import asyncio
import json

from fastapi import Request
from nicegui import events, ui

from safety_monitor.delivery import Delivery
from safety_monitor.journal.entry import Entry
from safety_monitor.journal.file import JournalError
from safety_monitor.web import texts
from safety_monitor.web.alerts import alert_buttons
from safety_monitor.web.layout import incident_head, panel, site_of

REFRESH_S = 1.0
PARTS = """
<div id="listen-status" role="status"></div>
<div id="listen-position" class="quiet"></div>
<div id="listen-bars"></div>
"""
STYLE = """
#listen-status { font-size: 1.25rem; font-weight: 600; min-height: 1.8rem; margin-top: 12px }
#listen-status.bad::before { content: "⚠ " }
#listen-position { min-height: 1.5rem }
.listen .stop { display: none }
.listen.on .stop { display: inline-flex }
.listen.on .start { display: none }
.listen:not(.on) #listen-bars { opacity: .45 }
.bar { display: flex; align-items: center; gap: 12px; padding: 3px 0 }
.bar span { width: 8rem } .bar b { width: 6rem; text-align: right; font-weight: 400 }
.bar div { flex: 1; height: 14px; border-radius: 7px; background: var(--edge); overflow: hidden }
.bar i { display: block; height: 100%; background: #78909c; transition: width .15s }
.bar.level i { background: #00897b } .bar.score i { background: #e5484d }
"""


def microphone_panel(request: Request) -> None:
    """What belongs to it."""
    ui.add_css(STYLE)
    words = json.dumps(texts.LISTENING | {"labels": texts.LABEL}).replace("<", "\\u003c")
    ui.add_body_html(f'<script type="application/json" id="listen-texts">{words}</script>')
    ui.add_body_html('<script src="/static/listen.js"></script>')
    with panel(texts.LISTEN, "listen"):
        ui.label(texts.LISTEN_HINT).classes("mb-3")
        for text, icon, kind in ((texts.LISTEN_START, "mic", "start"), (texts.LISTEN_STOP, "mic_off", "stop")):
            button = ui.button(text, icon=icon).props("no-caps color=blue-8").classes(kind)
            button.on("click", js_handler="() => listening.toggle()")
        ui.html(PARTS, sanitize=False)
        heard = _Heard(request)
    ui.on("heard", heard.take)
    ui.timer(REFRESH_S, heard.refresh)


class _Heard:
    """The incident that was heard last, and the buttons to tell others of it, which wait for one."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._site = site_of(request)
        self._id = ""
        self._shown: Entry | None = None
        self._box = ui.column().classes("w-full gap-3 mt-3").props("aria-live=assertive")
        self._show()

    async def take(self, event: events.GenericEventArguments) -> None:
        """The browser says that an incident has changed."""
        if isinstance(event.args, str):
            self._id = event.args[:64]
            await self.refresh()

    async def refresh(self) -> None:
        """Show what has changed."""
        if not self._id:
            return
        try:
            entry = await asyncio.to_thread(self._site.journal.show, self._id)
        except JournalError:
            return
        if entry != self._shown:
            self._shown = entry
            self._show()

    def _show(self) -> None:
        self._box.clear()
        with self._box:
            if self._shown is not None:
                self._incident(self._shown)
            alert_buttons(self._request, self._shown)
            if self._shown is not None:
                for delivery in self._shown.deliveries:
                    ui.label(delivery_line(delivery)).classes("text-sm")

    def _incident(self, entry: Entry) -> None:
        incident = entry.incident
        with ui.row().classes("items-center w-full gap-4"), incident_head(self._request, incident):
            ui.label(f"{texts.STATE_MEANS[incident.state]} {incident.reason}").classes("quiet")
            ui.link(texts.OPEN_INCIDENT, f"/incidents/{incident.id}", new_tab=True)


def delivery_line(delivery: Delivery) -> str:
    """What became of a delivery, in a line."""
    detail = f" – {delivery.detail}" if delivery.detail else ""
    return f"{texts.channel(delivery.channel)}: {texts.DELIVERY[delivery.state]}{detail}"
