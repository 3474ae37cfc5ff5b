"""A full screen that a stranger understands. Of a silent incident it shows nothing."""

from fastapi import Request
from nicegui import ui

from safety_monitor.incident import Sense, State
from safety_monitor.web import texts
from safety_monitor.web.layout import keep_connected, site_of
from safety_monitor.web.site import Site

REFRESH_S = 0.5
WAITS_S = 600.0
"""How long it is shown that nobody has answered an incident that is over: who called for help may still stand there."""
HINT = "font-size: max(1.4rem, min(4vw, 5vh)); line-height: 1.25"
STYLE = """
#popup { display: none }
.lost { position: fixed; inset: 0; background: #8a5a00; visibility: hidden }
body:has(#popup[aria-hidden=false]) .lost { visibility: visible; transition: visibility 0s 3s }
"""
"""A screen that has lost its station must not go on to say that all is well; `#popup` is how NiceGUI tells of that."""
CALM, ALARM, TAKEN, OFF, ILL = "#0f5132", "#b00020", "#0b4f9e", "#3a3f47", "#8a5a00"


@ui.page("/kiosk")
def kiosk_page(request: Request) -> None:
    """One sentence, one sign, one colour."""
    site = site_of(request)
    ui.page_title(site.settings.station.name)
    ui.query(".nicegui-content").classes("p-0")
    ui.add_css(STYLE)
    keep_connected()
    with (
        ui.column()
        .classes("w-full h-screen items-center justify-center gap-8 text-white text-center p-8")
        .props("role=status aria-live=assertive") as screen
    ):
        icon = ui.icon("shield").style("font-size: min(32vw, 32vh)").props("aria-hidden=true")
        title = ui.label().style("font-size: min(9vw, 12vh); line-height: 1.1; font-weight: 700")
        hint = ui.label().style(f"{HINT}; max-width: 24em")
        ui.label(site.settings.station.name).style("font-size: min(3vh, 4vw); opacity: .75")
    with ui.column().classes("lost items-center justify-center gap-8 text-white text-center p-8").props("role=alert"):
        ui.icon("build").style("font-size: min(32vw, 32vh)").props("aria-hidden=true")
        ui.label(texts.KIOSK_LOST).style("font-size: min(9vw, 12vh); line-height: 1.1; font-weight: 700")
        ui.label(texts.KIOSK_TROUBLE_HINT).style(HINT)

    def refresh() -> None:
        color, sign, title.text, hint.text = told(site)
        screen.style(f"background: {color}; transition: background .3s")
        icon.name = sign

    refresh()
    ui.timer(REFRESH_S, refresh)


def told(site: Site) -> tuple[str, str, str, str]:
    """Colour, sign, title and hint of what is the case now."""
    snapshot = site.view.snapshot()
    if snapshot.incident is not None and snapshot.incident.state is State.CONFIRMED:
        called = site.station.dispatch.calls_help(snapshot.incident)
        return ALARM, "warning", texts.KIOSK_HELP, texts.KIOSK_HELP_HINT if called else texts.KIOSK_ALONE_HINT
    if snapshot.incident is not None and snapshot.incident.state is State.ACKNOWLEDGED:
        return TAKEN, "support_agent", texts.KIOSK_TAKEN, texts.KIOSK_TAKEN_HINT
    if snapshot.unanswered is not None and snapshot.unanswered_s < WAITS_S:
        called = site.station.dispatch.calls_help(snapshot.unanswered)
        return ALARM, "warning", texts.KIOSK_HELP, texts.KIOSK_WAITS_HINT if called else texts.KIOSK_ALONE_HINT
    if site.view.troubles():
        return ILL, "build", texts.KIOSK_TROUBLE, texts.KIOSK_TROUBLE_HINT
    if not snapshot.armed:
        return OFF, "remove_moderator", texts.KIOSK_OFF, texts.KIOSK_OFF_HINT
    if Sense.AUDIO in snapshot.health and (seeing := snapshot.health.get(Sense.GESTURE)) and seeing.note:
        return CALM, "hearing", texts.KIOSK_DARK, texts.KIOSK_DARK_HINT
    return CALM, "hearing", texts.KIOSK_QUIET, texts.KIOSK_QUIET_HINT
