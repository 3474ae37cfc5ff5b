"""Forms for settings, made from the settings themselves: a key that is added there is on the page.

What a page holds is a draft: the values of the file, nested like it. A key that is not in the draft has its default.
Secrets and hashes are not shown: of those only whether they are set is told.
"""

import asyncio
import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from nicegui import ui
from pydantic import BaseModel

from gesture.capture import list_cameras
from safety_monitor.config import PREFIX
from safety_monitor.config.secret_file import env_file
from safety_monitor.sources import microphones
from safety_monitor.web import texts
from safety_monitor.web.access import hash_password, new_token
from safety_monitor.web.layout import dialog_about
from safety_monitor.web.settings_keys import Draft, Key, Kind, keys_of

DEVICES: Mapping[tuple[str, ...], Callable[[], list[str]]] = {
    ("camera", "source"): lambda: [camera.name for camera in list_cameras()],
    ("microphone", "source"): lambda: [device.name for device in microphones()],
}
"""Keys that name a device, and what lists the names of those that are there."""


@dataclass(frozen=True, slots=True)
class DraftTable:
    """A table of the draft, whether it is there or not.

    Attributes:
        read: gives it; an empty one if it is not there.
        make: the same, but makes it.
        path: of the table.
    """

    read: Callable[[], Draft]
    make: Callable[[], Draft]
    path: tuple[str, ...] = ()

    def inner(self, name: str) -> "DraftTable":
        """The table under a key of this one."""
        return DraftTable(
            lambda: self.read().get(name, {}), lambda: self.make().setdefault(name, {}), (*self.path, name)
        )

    def variable(self, name: str) -> str:
        """The variable of the environment that sets a key of this table."""
        return PREFIX + "__".join((*self.path, name)).upper()


@dataclass(frozen=True, slots=True)
class Form:
    """Builds controls that change a draft.

    Attributes:
        outside: what `.env` and the environment set; the file cannot change it.
        changed: called after every change.
    """

    outside: Mapping[str, Any]
    changed: Callable[[], None]

    def table(self, section: type[BaseModel], draft: DraftTable, outside: Mapping[str, Any]) -> None:
        """The keys of a table.

        Args:
            section: what it takes.
            draft: the table of the draft.
            outside: what is set outside, of this table.
        """
        for key in keys_of(section):
            if key.kind is Kind.TABLE and key.section is not None:
                ui.label(texts.setting(key.name)).classes("text-lg font-semibold mt-3")
                self.table(key.section, draft.inner(key.name), outside.get(key.name, {}))
            elif key.kind is Kind.TABLES:
                self._titled_tables(key, draft, set_outside=key.name in outside)
            else:
                self._row(key, draft, set_outside=key.name in outside)

    def plain(self, key: Key, draft: DraftTable) -> None:
        """A key at the top that is no table."""
        self._row(key, draft, set_outside=key.name in self.outside)

    def _row(self, key: Key, draft: DraftTable, *, set_outside: bool) -> None:
        """One key: what it is called and means, and its control."""
        variable = draft.variable(key.name)
        with ui.element("div").classes("grid grid-cols-1 md:grid-cols-2 gap-x-6 gap-y-1 w-full py-2 items-start"):
            with ui.column().classes("gap-0"):
                ui.label(texts.setting(key.name)).classes("font-semibold")
                ui.label(" ".join(filter(None, (_said(key.means), key.bounds)))).classes("quiet text-sm")
            if key.kind is Kind.SECRET:
                _tell(texts.SECRET_SET if set_outside else texts.SECRET_OPEN, variable)
            elif key.kind is Kind.SECRETS:
                _tell(texts.SECRETS_OPEN, f"{variable}__<NAME>")
            elif set_outside:
                _tell(texts.SET_OUTSIDE, variable)
            else:
                self._control(key, draft)

    def _control(self, key: Key, draft: DraftTable) -> None:
        read, make = draft.read, draft.make
        value = read().get(key.name, key.default)

        def put(new: Any) -> None:
            if new is None or (new == key.default and key.name not in read()):
                if key.name in read():
                    del make()[key.name]
            else:
                make()[key.name] = new
            self.changed()

        name = texts.setting(key.name)
        if key.kind is Kind.PASSWORD:
            before = read().get(key.name)  # stays where what was typed is taken out again
            ui.input(
                texts.NEW_PASSWORD if before else texts.PASSWORD,
                password=True,
                on_change=lambda event: put(hash_password(event.value) if event.value else before),
            ).props("outlined dense autocomplete=new-password debounce=600").classes("w-full")
        elif key.kind is Kind.TOKEN:
            self._token(put, key.name in read())
        elif key.kind is Kind.SWITCH:
            ui.switch(value=bool(value), on_change=lambda event: put(bool(event.value))).props(f'aria-label="{name}"')
        elif key.kind is Kind.CHOICE:
            ui.select(list(key.choices), value=value, on_change=lambda event: put(event.value)).props(
                f'outlined dense options-dense aria-label="{name}"'
            ).classes("w-full")
        elif key.kind is Kind.CHOICES:
            ui.select(
                list(key.choices), value=value or [], multiple=True, on_change=lambda event: put(list(event.value))
            ).props(f'outlined dense options-dense use-chips aria-label="{name}"').classes("w-full")
        elif key.kind is Kind.LINES:
            ui.textarea(
                texts.ONE_A_LINE,
                value="\n".join(map(str, value or [])),
                on_change=lambda event: put(
                    [line.strip() for line in (event.value or "").splitlines() if line.strip()]
                ),
            ).props(f'outlined dense autogrow aria-label="{name}"').classes("w-full")
        else:
            field = self._line(key, value, put, name)
            if (look := DEVICES.get((*draft.path, key.name))) is not None:
                _offer_devices(look, field)

    def _line(self, key: Key, value: Any, put: Callable[[Any], None], name: str) -> ui.input:
        """A text or a number on one line; empty is the default."""
        default = "" if key.default is None else _shown(key.default)
        number = key.kind in (Kind.NUMBER, Kind.WHOLE)

        def changed(text: str | None) -> None:
            text = (text or "").strip()
            if number:
                put(_number(text, key.kind) if text else None)
            else:
                put(text if text or key.default not in (None, "") else None)

        field = ui.input(value="" if value is None else _shown(value), on_change=lambda event: changed(event.value))
        field.props(f'outlined dense aria-label="{name}"').classes("w-full")
        if number:
            field.props("inputmode=decimal")
        if default:
            field.props["hint"] = texts.DEFAULT.format(value=default)
        return field

    def _token(self, put: Callable[[Any], None], set_already: bool) -> None:
        with ui.column().classes("gap-1"):
            state = ui.label(texts.TOKEN_SET if set_already else "").classes("quiet")

            def make_one() -> None:
                token, digest = new_token()
                state.text = texts.TOKEN_SET
                put(digest)
                # Not in the form: that is drawn anew when it is saved.
                with dialog_about(texts.NEW_TOKEN) as dialog:
                    dialog.props("persistent")
                    ui.label(texts.TOKEN_ONCE)
                    ui.label(token).classes("font-mono break-all select-all")
                    ui.button(texts.TOKEN_COPIED, on_click=dialog.close).props("no-caps color=blue-8 autofocus")

            ui.button(texts.NEW_TOKEN, icon="key", on_click=make_one).props("outline no-caps color=quiet")

    def tables(self, key: Key, draft: DraftTable) -> None:
        """A list of tables: each a box that can be taken away, and a button for another."""
        section = key.section
        if section is None:
            return
        box = ui.column().classes("w-full gap-3")

        def rows() -> list[Draft]:
            return list(draft.read().get(key.name, key.default or ()))

        def own() -> list[Draft]:
            """The rows of the draft, which begin as the default: what is added must not take its place unseen."""
            kept: list[Draft] = draft.make().setdefault(key.name, copy.deepcopy(key.default or []))
            return kept

        def show() -> None:
            box.clear()
            with box:
                if not rows():
                    ui.label(texts.NONE_YET).classes("quiet")
                for number, row in enumerate(rows()):
                    title = str(row.get("name") or f"{texts.setting(key.name)} {number + 1}")
                    with ui.element("section").classes("panel") as table:
                        table.props["aria-label"] = title  # not parsed: people put quotes into a name
                        with ui.row().classes("items-center w-full"):
                            ui.label(title).classes("font-semibold grow")
                            gone = ui.button(texts.REMOVE, icon="delete", on_click=partial(remove, number))
                            gone.props("flat no-caps color=quiet").props["aria-label"] = f"{texts.REMOVE} {title}"
                        inner = DraftTable(partial(_row_of, rows, number), partial(_row_of, own, number))
                        self.table(section, replace(inner, path=(*draft.path, key.name)), {})
                ui.button(texts.ADD_ONE.format(what=texts.setting(key.name)), icon="add", on_click=add).props(
                    "outline no-caps color=quiet"
                )

        def remove(number: int) -> None:
            del own()[number]
            if not rows() and key.default:
                del draft.make()[key.name]  # without any the default is in force
            show()
            self.changed()

        def add() -> None:
            own().append({})
            show()
            self.changed()

        show()

    def _titled_tables(self, key: Key, draft: DraftTable, *, set_outside: bool) -> None:
        ui.label(texts.setting(key.name)).classes("text-lg font-semibold mt-3")
        if key.means:
            ui.label(_said(key.means)).classes("quiet text-sm")
        if set_outside:
            _tell(texts.SET_OUTSIDE, draft.variable(key.name))
        else:
            self.tables(key, draft)


def _offer_devices(look: Callable[[], list[str]], field: ui.input) -> None:
    """A button that shows which devices there are; pressing one of these puts its name into the field."""

    async def show() -> None:
        names = await asyncio.to_thread(look)
        found.clear()
        with found:
            for name in names:
                ui.button(name, on_click=partial(field.set_value, name)).props("outline no-caps dense color=quiet")
            if not names:
                ui.label(texts.NO_DEVICES).classes("quiet")

    ui.button(texts.WHICH_DEVICES, icon="search", on_click=show).props("flat no-caps dense color=quiet")
    found = ui.row().classes("gap-2").props("role=status")


def _tell(text: str, variable: str) -> None:
    """Say something about what stands outside the settings file, and where that is."""
    told = ui.label(text.format(variable=variable, secrets=env_file())).classes("quiet")
    told.style("overflow-wrap: anywhere")  # names of variables are wider than a phone


def _said(means: str) -> str:
    """What a key means, with other keys in it called as they are on the page."""
    return re.sub(r"`([a-z_.]+)`", lambda found: f"“{': '.join(map(texts.setting, found[1].split('.')))}”", means)


def _shown(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _number(text: str, kind: Kind) -> Any:
    """A number; what is none stays a text, which is then refused by name."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return text
    return int(value) if kind is Kind.WHOLE and value.is_integer() else value


def _row_of(rows: Callable[[], list[Draft]], number: int) -> Draft:
    return rows()[number]
