"""All settings of the station, with a test of every way out."""

import asyncio
import copy
from collections.abc import Callable

from fastapi import Request
from nicegui import ui

from safety_monitor.config import Settings, SettingsError
from safety_monitor.config.file import Written
from safety_monitor.config.secret_file import env_file
from safety_monitor.operating.service import command_line
from safety_monitor.web import texts
from safety_monitor.web.layout import AWAY_S, ask_owner, may, named, page_for, panel, site_of
from safety_monitor.web.restart import restart_notice
from safety_monitor.web.settings_form import DraftTable, Form
from safety_monitor.web.settings_keys import Draft, Key, Kind, key_of, pruned
from safety_monitor.web.site import AT_ONCE, Site
from safety_monitor.web.trials import tried

FEW = 3
"""So many tables are opened when somebody looks for a word."""


@ui.page("/settings", response_timeout=10.0, reconnect_timeout=AWAY_S)
def settings_page(request: Request) -> None:
    """Look, change, try, save."""
    site = site_of(request)
    with page_for(request, texts.SETTINGS, "admin") as allowed:
        if allowed:
            _Page(request, site)


class _Page:
    """One person's draft of the settings."""

    def __init__(self, request: Request, site: Site) -> None:
        self._request = request
        self._site = site
        self._before = Written("", {})
        self._draft: Draft = {}
        self._top = DraftTable(lambda: self._draft, lambda: self._draft)
        self._sections: dict[str, ui.expansion] = {}
        restart_notice(request)
        with panel(texts.CHANNELS):
            self._channels()
        with panel(texts.SETTINGS):
            path = site.settings_file.path.absolute()
            hint = texts.SETTINGS_HINT.format(
                path=path, secrets=env_file().absolute(), command=command_line("init", path)
            )
            ui.label(hint).classes("break-words")
            self._wanted = ui.input(texts.FIND, on_change=lambda event: self._find(event.value or ""))
            self._wanted.props("outlined dense clearable").classes("w-full mt-2")
        # As high as the window, so that the bar below stays where it is while tables open and close.
        self._forms = ui.column().classes("w-full gap-2 min-h-screen")
        bar = ui.element("section").classes("panel sticky bottom-2 z-10").props(f'aria-label="{texts.SAVE}"')
        with bar, ui.row().classes("items-center w-full gap-3"):
            self._sign = ui.icon("check_circle", color="green-7", size="26px").props("aria-hidden=true")
            self._state = ui.label(texts.NO_CHANGES).classes("grow head").props("role=status")
            self._discard = ui.button(texts.DISCARD, on_click=self._load).props("flat no-caps color=quiet")
            self._save = ui.button(texts.SAVE, icon="save", on_click=self._ask).props("no-caps color=blue-8")
        self._load()

    def _channels(self) -> None:
        ui.label(texts.CHANNELS_HINT).classes("quiet")
        names = list(self._site.station.dispatch.channels)
        if not names:
            with ui.row().classes("items-center gap-2"):
                ui.icon("warning", color="amber-9", size="24px").props("aria-hidden=true")
                ui.label(texts.NO_CHANNELS)
        for name in names:
            with ui.row().classes("items-center w-full gap-3 mt-2"):
                with ui.column().classes("gap-0 w-40"):
                    ui.label(texts.channel(name)).classes("font-semibold break-words w-full")
                    ui.label(name).classes("quiet text-sm break-words w-full")
                button = named(ui.button(texts.SEND_TEST, icon="send"), f"{texts.SEND_TEST}: {name}")
                button.props("outline no-caps color=quiet")
                sign = ui.icon("", size="22px").props("aria-hidden=true")
                answer = ui.label("").classes("grow head").props("role=status")
            button.on_click(self._test(name, button, sign, answer))

    def _test(self, name: str, button: ui.button, sign: ui.icon, answer: ui.label) -> Callable[[], object]:
        async def test() -> None:
            if not may(self._request, "admin"):
                return
            button.disable()
            answer.text = texts.TESTING
            try:
                outcome = await tried(self._site.station.dispatch, name)
            finally:
                button.enable()
            sign.name = "check_circle" if outcome.ok else "error"
            sign.props(f"color={'green-7' if outcome.ok else 'red-7'}")
            word = texts.ARRIVED if outcome.delivered else texts.HANDED_OVER if outcome.ok else texts.TEST_FAILED
            answer.text = f"{word}: {outcome.detail}"

        return test

    def _load(self) -> None:
        """Begin anew from what stands in the file."""
        opened = [name for name, box in self._sections.items() if box.value]
        self._forms.clear()
        self._sections.clear()
        try:
            self._before = self._site.settings_file.read()
            outside = self._site.settings_file.outside()
        except SettingsError as error:
            self._save.disable()
            self._say("error", "red-7", str(error))
            return
        self._draft = copy.deepcopy(self._before.values)
        form = Form(outside, self._changed)
        plain = [key_of(name, field) for name, field in Settings.model_fields.items()]
        with self._forms:
            for key in sorted(plain, key=lambda key: key.section is None):
                self._section(form, key)
        self._find(self._wanted.value or "")
        for name in opened:
            self._sections[name].open()
        self._changed()

    def _section(self, form: Form, key: Key) -> None:
        """One table of the file, closed until somebody wants to see it, and not made before."""
        with self._forms:
            box = ui.expansion(texts.setting(key.name), caption=key.means).classes("panel")
        # At once: what is below must not move under the hands.
        box.props("header-class=font-semibold dense duration=0").style("padding: 6px 8px")
        self._sections[key.name] = box
        outside = form.outside.get(key.name)
        made = False

        def make() -> None:
            nonlocal made
            if made:
                return
            made = True
            with box:
                note = texts.AT_ONCE if key.name in AT_ONCE else texts.AT_NEXT_START
                ui.label(note[:1].upper() + note[1:] + ".").classes("quiet text-sm")
                if key.kind is Kind.TABLES:
                    form.tables(key, self._top)
                elif key.section is None or key.kind is not Kind.TABLE:
                    form.plain(key, self._top)
                else:
                    self._table(form, key, key.section, outside)

        box.on_value_change(lambda event: make() if event.value else None)

    def _table(self, form: Form, key: Key, section: type, outside: object) -> None:
        set_outside = outside if isinstance(outside, dict) else {}
        inside = ui.column().classes("w-full gap-0")

        def show() -> None:
            inside.clear()
            with inside:
                form.table(section, self._top.inner(key.name), set_outside)

        def use(on: bool) -> None:
            if on:
                self._draft.setdefault(key.name, {})
                show()
            else:
                self._draft.pop(key.name, None)
                inside.clear()
            self._changed()

        if key.optional and not set_outside:
            switch = ui.switch(
                texts.OFF_UNLESS, value=key.name in self._draft, on_change=lambda event: use(bool(event.value))
            )
            switch.move(target_index=1)
            if key.name in self._draft:
                show()
        else:
            show()

    def _find(self, wanted: str) -> None:
        """Show the tables that have something to do with a word, and open them where they are few."""
        words = wanted.lower().split()
        found = []
        for name, box in self._sections.items():
            text = _words(key_of(name, Settings.model_fields[name]))
            box.set_visibility(all(word in text for word in words))
            if box.visible:
                found.append(box)
        if words and len(found) <= FEW:
            for box in found:
                box.open()

    def _values(self) -> Draft:
        return pruned(Settings, self._draft, self._before.values)

    def _changed(self) -> None:
        changed = self._values() != pruned(Settings, self._before.values, self._before.values)
        self._save.set_enabled(changed)
        self._discard.set_enabled(changed)
        if changed:
            self._say("edit", "amber-9", texts.UNSAVED)
        else:
            self._say("check_circle", "green-7", texts.NO_CHANGES)

    def _say(self, icon: str, color: str, text: str) -> None:
        self._sign.name = icon
        self._sign.props(f"color={color}")
        self._state.text = text

    async def _ask(self) -> None:
        if may(self._request, "admin"):
            await ask_owner(self._request, texts.SAVE, self._write)

    async def _write(self) -> None:
        values, before = copy.deepcopy(self._values()), self._before
        self._save.disable()
        try:
            saved = await asyncio.to_thread(self._site.save_settings, before, values)
        except SettingsError as error:
            self._save.enable()
            self._say("error", "red-7", str(error))
            if error.key and (box := self._sections.get(str(error.key[0]))) is not None:
                box.open()
            return
        self._before = await asyncio.to_thread(self._site.settings_file.read)
        self._draft = copy.deepcopy(self._before.values)
        self._load()
        told = texts.SAVED_FOR_LATER if saved.later else texts.SAVED
        if saved.doubts:
            self._say("warning", "amber-9", " ".join([told, *map(texts.BUT.format, saved.doubts)]))
        else:
            self._say("check_circle", "green-7", told)


def _words(key: Key) -> str:
    """Everything that is said of a key and of what is in it."""
    own = f"{key.name} {texts.setting(key.name)} {key.means}".lower()
    if key.section is None:
        return own
    return " ".join([own, *(_words(key_of(name, field)) for name, field in key.section.model_fields.items())])
