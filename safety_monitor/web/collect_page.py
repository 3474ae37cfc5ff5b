"""Gestures of one's own, collected in front of the station's camera."""

import time

from fastapi import Request
from nicegui import events, ui

from gesture.collect import session_name
from gesture.collection import Collection
from gesture.rows import SIGNS, CollectionError, Origin
from models.card import ModelError
from models.registry import open_card
from safety_monitor.incident import Sense
from safety_monitor.learning.collecting import LiveCollecting, Progress
from safety_monitor.web import texts
from safety_monitor.web.layout import (
    arm_button,
    changed,
    dialog_about,
    may,
    page_for,
    panel,
    site_of,
    table_row,
    visitor_of,
)
from safety_monitor.web.live_page import KEEP_LOOKING, PICTURE
from safety_monitor.web.site import Site

REFRESH_S = 0.2
COUNT_DOWN_S, RECORD_S = 3, 10.0
RELEASED = "window.addEventListener('blur', () => document.activeElement && document.activeElement.blur())"
"""A key that is let go in another window is never told of."""


@ui.page("/collect", response_timeout=10.0)
def collect_page(request: Request) -> None:
    """Choose, show, see how many."""
    site = site_of(request)
    with page_for(request, texts.COLLECT, "operator") as allowed:
        if not allowed:
            return
        health = site.view.snapshot().health.get(Sense.GESTURE)
        if health is None:
            with panel(texts.COLLECT):
                ui.label(texts.NO_CAMERA)
            return
        origin = Origin(health.name or "camera", "me" if site.access.open else visitor_of(request).name, session_name())
        session = LiveCollecting(site.view, Collection(site.settings.gestures_folder), origin)
        client = ui.context.client
        client.on_disconnect(lambda: session.record(False))
        client.on_delete(session.close)
        _Page(request, site, session, origin)


class _Page:
    """One person's page."""

    def __init__(self, request: Request, site: Site, session: LiveCollecting, origin: Origin) -> None:
        self._request = request
        self._site = site
        self._session = session
        self._countdown: float | None = None
        """`time.monotonic()` at which recording begins; a time that has come: at which it began."""
        self._shown: dict[str, object] = {}
        with panel(texts.COLLECT):
            ui.label(texts.COLLECT_HINT)
        self._armed = ui.element("section").classes("panel").props("aria-live=polite")
        with ui.element("div").classes("grid grid-cols-1 lg:grid-cols-2 gap-4 w-full"):
            with panel(texts.SEES):
                with ui.element("div").classes("relative"):
                    ui.html(PICTURE % texts.SEES, sanitize=False)
                    self._big = ui.label("").classes(
                        "absolute inset-0 flex items-center justify-center text-white font-bold pointer-events-none"
                    )
                    self._big.style("font-size: 9rem; text-shadow: 0 0 12px #000").props("aria-hidden=true")
                with ui.row().classes("items-center gap-2 mt-2"):
                    self._hands = ui.label("").classes("quiet")
            with ui.column().classes("gap-4 w-full"):
                with panel(texts.CHOOSE_GESTURE):
                    self._choice(origin)
                with panel(texts.SHOW_IT):
                    self._recorder()
                with panel(texts.COLLECTED):
                    self._table = ui.column().classes("w-full gap-1")
        ui.timer(0.1, lambda: ui.run_javascript(KEEP_LOOKING + RELEASED), once=True)
        ui.keyboard(on_key=self._key, repeating=False)
        ui.timer(REFRESH_S, self._refresh)
        self._refresh()

    def _choice(self, origin: Origin) -> None:
        self._kind = ui.toggle(texts.KINDS, value=SIGNS, on_change=self._kind_chosen).props(
            f'no-caps unelevated spread toggle-color=blue-8 aria-label="{texts.KIND}"'
        )
        with ui.row().classes("items-center w-full gap-2 mt-3 no-wrap"):
            self._label = (
                ui.select(self._labels(SIGNS), label=texts.LABEL_FIELD, on_change=lambda: self._choose())
                .props("outlined dense options-dense")
                .classes("grow")
            )
            ui.button(texts.NEW_LABEL, icon="add", on_click=self._ask_label).props("outline no-caps color=quiet")
        with ui.row().classes("w-full gap-2 mt-3 no-wrap"):
            person = ui.input(texts.PERSON, value=origin.person, on_change=lambda: named()).props("outlined dense")
            person.classes("grow").tooltip(texts.PERSON_HINT)
            session = ui.input(texts.SESSION, value=origin.session, on_change=lambda: named()).props("outlined dense")
            session.classes("grow").tooltip(texts.SESSION_HINT)

        def named() -> None:
            self._session.name(_plain(person.value) or origin.person, _plain(session.value) or origin.session)

    def _recorder(self) -> None:
        with ui.row().classes("items-center gap-3 w-full"):
            self._hold = ui.button(texts.HOLD, icon="fiber_manual_record").props("no-caps color=red-8 size=lg")
            self._hold.style("touch-action: none").on("pointerdown", lambda: self._record(True))
            for event in ("pointerup", "pointerleave", "pointercancel", "blur"):
                self._hold.on(event, lambda: self._record(False))
            self._hold.on("keydown.space", lambda: self._record(True), throttle=0.5)
            self._hold.on("keyup.space", lambda: self._record(False))
            ui.label(texts.HOLD_HINT).classes("quiet")
        with ui.row().classes("items-center gap-2 mt-3"):
            ui.button(
                texts.COUNT_DOWN.format(seconds=RECORD_S), icon="timer", on_click=lambda: self._count_down()
            ).props("outline no-caps color=quiet")
            ui.button(texts.STOP, icon="stop", on_click=lambda: self._record(False)).props(
                "outline no-caps color=quiet"
            )
            ui.button(texts.UNDO, icon="undo", on_click=self._undo).props("outline no-caps color=quiet")
        with ui.row().classes("items-center gap-2 mt-3 no-wrap").props("role=status aria-live=polite"):
            self._sign = ui.icon("pause_circle", size="28px").props("aria-hidden=true")
            self._status = ui.label(texts.NOT_RECORDING).classes("font-semibold")
        self._message = ui.label("").classes("quiet")

    def _labels(self, kind: str) -> dict[str, str]:
        """Those that were collected, then those of the model in use."""
        settings = self._site.settings
        try:
            known = open_card(settings.models_named[kind], task=kind, home=settings.models_folder)[1].labels
        except ModelError:
            known = ()
        mine = Collection(settings.gestures_folder).labels(kind)
        return {label: texts.label(label) for label in dict.fromkeys([*mine, *known])}

    def _kind_chosen(self) -> None:
        self._label.set_options(self._labels(self._kind.value), value=None)
        self._choose()

    def _choose(self) -> None:
        self._countdown = None
        self._session.choose(self._kind.value, self._label.value)

    def _ask_label(self) -> None:
        kind = self._kind.value
        with dialog_about(texts.NEW_LABEL) as dialog:
            name = ui.input(texts.NEW_LABEL_HINT).props("autofocus outlined")

            def add() -> None:
                if not may(self._request, "operator"):
                    return
                try:
                    self._session.add_label(kind, name.value.strip())
                except (CollectionError, OSError) as error:
                    ui.notify(str(error), type="negative")
                    return
                self._label.set_options(self._labels(kind), value=name.value.strip())
                dialog.close()

            name.on("keydown.enter", add)
            with ui.row().classes("w-full justify-end"):
                ui.button(texts.BACK, on_click=dialog.close).props("flat no-caps")
                ui.button(texts.ADD, on_click=add).props("no-caps color=blue-8")

    def _key(self, event: events.KeyEventArguments) -> None:
        if event.key == " ":
            self._record(bool(event.action.keydown))

    def _ready(self) -> bool:
        if not may(self._request, "operator"):
            return False
        if not self._label.value:
            ui.notify(texts.CHOOSE_FIRST, type="warning")
            return False
        return True

    def _record(self, on: bool) -> None:
        self._countdown = None
        if not on or self._ready():
            self._session.record(on)

    def _count_down(self) -> None:
        if self._ready():
            self._session.record(False)
            self._countdown = time.monotonic() + COUNT_DOWN_S

    def _undo(self) -> None:
        if may(self._request, "operator"):
            self._session.undo()

    def _refresh(self) -> None:
        progress, left = self._session.progress, self._tick()
        self._big.text = str(left) if left else ""
        self._hands.text = texts.HANDS_SEEN.format(count=progress.hands) if progress.hands else texts.NO_HAND_SEEN
        self._message.text = progress.message
        if left:
            self._say("timer", "amber-9", texts.STARTS_IN.format(seconds=left))
        elif progress.recording:
            self._say("fiber_manual_record", "red-7", texts.RECORDING.format(label=texts.label(progress.label or "")))
        else:
            self._say("pause_circle", "grey-6", texts.NOT_RECORDING)
        if changed(self._shown, "armed", self._site.station.armed):
            self._show_armed(self._site.station.armed)
        if changed(self._shown, "rows", (progress.kind, progress.rows, progress.total)):
            self._show_rows(progress)

    def _tick(self) -> int:
        """Seconds left to count; begins and ends a recording that was counted down to."""
        if self._countdown is None:
            return 0
        left = self._countdown - time.monotonic()
        if left > 0:
            return int(left) + 1
        if left < -RECORD_S:
            self._record(False)
        elif not self._session.progress.recording and left > -1.0:
            self._session.record(True)
        return 0

    def _say(self, icon: str, color: str, text: str) -> None:
        if changed(self._shown, "status", (icon, text)):
            self._sign.name = icon
            self._sign.props(f"color={color}")
            self._status.text = text

    def _show_armed(self, armed: bool) -> None:
        self._armed.clear()
        with self._armed, ui.row().classes("items-center w-full gap-3"):
            ui.icon(
                "warning" if armed else "remove_moderator", color="amber-9" if armed else "grey-6", size="28px"
            ).props("aria-hidden=true")
            ui.label(texts.WHILE_ARMED if armed else texts.WHILE_DISARMED).classes("grow")
            arm_button(self._request, armed)

    def _show_rows(self, progress: Progress) -> None:
        self._table.clear()
        here = {label: count for (kind, label), count in progress.rows.items() if kind == progress.kind}
        labels = sorted({*here, *progress.total})
        with self._table:
            if not labels:
                ui.label(texts.NOTHING_COLLECTED).classes("quiet")
                return
            with ui.element("table").classes("plain"):
                table_row("th", (texts.LABEL_FIELD, texts.THIS_SESSION, texts.ALTOGETHER))
                for label in labels:
                    table_row("td", (texts.label(label), here.get(label, 0), progress.total.get(label, 0)))


def _plain(name: str | None) -> str:
    """A name as a table takes it."""
    return " ".join("".join(letter for letter in name or "" if letter.isprintable()).split())[:60]
