"""The notice that the station must start again, and the button that makes it."""

import asyncio

from fastapi import Request
from nicegui import ui

from safety_monitor.config import SettingsError
from safety_monitor.operating.restart import RestartError
from safety_monitor.web import texts
from safety_monitor.web.layout import confirm, may, site_of

ABOUT_S = 15
LOOK_S = 1.0
COMES_BACK = """
const again = () => fetch('/login', {cache: 'no-store'}).then(a => a.ok ? location.reload() : later()).catch(later);
const later = () => setTimeout(again, 1000);
setTimeout(again, 4000);
"""
"""Loads the page anew when the station answers again."""


def restart_notice(request: Request) -> None:
    """Shows what waits for a restart, as soon as something does."""
    site = site_of(request)

    async def restart() -> None:
        if not may(request, "admin"):
            return
        try:
            await asyncio.to_thread(site.check_restart)
            ui.notify(texts.RESTARTING, type="ongoing", timeout=60_000)
            ui.run_javascript(COMES_BACK)
            await asyncio.sleep(0.5)  # so that the page still gets it
            site.restart.now()
        except (SettingsError, RestartError) as error:
            ui.notify(str(error), type="negative", multi_line=True, timeout=15_000)

    def ask() -> None:
        confirm(request, "admin", texts.RESTART_NOW, (texts.RESTART_ASK.format(seconds=ABOUT_S),), restart)

    # One button for as long as the page is open: a press on one that is being drawn anew would go nowhere.
    box = ui.element("section").classes("panel").props("aria-live=polite")
    with box, ui.row().classes("items-center w-full gap-3"):
        ui.icon("restart_alt", color="amber-9", size="28px").props("aria-hidden=true")
        waits = ui.label().classes("grow")
        ui.button(texts.RESTART_NOW, on_click=ask).props("outline no-caps color=quiet")

    def refresh() -> None:
        wanted = site.restart.wanted_for
        box.set_visibility(bool(wanted))
        waits.text = texts.RESTART_NEEDED.format(what=", ".join(map(texts.setting, wanted)))

    refresh()
    ui.timer(LOOK_S, refresh)
