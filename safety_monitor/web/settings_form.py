"""Forms for settings, made from the settings themselves: a key that is added there is on the page.

What a page holds is a draft: the values of the file, nested like it. A key that is not in the draft has its default.
Secrets and hashes are not shown: of those only whether they are set is told.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from nicegui import ui
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from safety_monitor.config import PREFIX
from safety_monitor.web import texts
from safety_monitor.web.access import hash_password, new_token

Draft = dict[str, Any]


class Kind(StrEnum):
    """What a key takes."""

    SECRET = "secret"
    SECRETS = "secrets"
    PASSWORD = "password"
    TOKEN = "token"
    SWITCH = "switch"
    CHOICE = "choice"
    CHOICES = "choices"
    NUMBER = "number"
    WHOLE = "whole"
    TEXT = "text"
    LINES = "lines"
    TABLE = "table"
    TABLES = "tables"


MADE_HERE = {"password_hash": Kind.PASSWORD, "token_hash": Kind.TOKEN}
"""Keys whose value is the hash of something that is never shown."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the settings, as a form needs it.

    Attributes:
        name: in its table.
        kind: what it takes.
        means: for people.
        default: None if there is none, or it is to be left open.
        choices: of CHOICE and CHOICES.
        section: of TABLE and TABLES.
        optional: a TABLE that is off unless it stands in the file.
        bounds: which numbers it takes, for people.
    """

    name: str
    kind: Kind
    means: str
    default: Any = None
    choices: tuple[str, ...] = ()
    section: type[BaseModel] | None = None
    optional: bool = False
    bounds: str = ""


def keys_of(section: type[BaseModel]) -> list[Key]:
    """The keys of a table, plain ones first."""
    keys = [key_of(name, field) for name, field in section.model_fields.items()]
    return sorted(keys, key=lambda key: key.section is not None)


def key_of(name: str, field: FieldInfo) -> Key:
    """One key."""
    kind, inner, optional, metadata = _parts(field)
    means = field.description or ""
    if name in MADE_HERE:
        return Key(name, MADE_HERE[name], means)
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        means = means or (inner.__doc__ or "").strip().splitlines()[0]
        return Key(name, kind, means, section=inner, optional=optional)
    default = None if field.is_required() or field.default_factory is not None else field.get_default()
    if isinstance(default, tuple):
        default = list(default)
    elif isinstance(default, Path):
        default = str(default)
    choices = tuple(map(str, get_args(inner))) if kind in (Kind.CHOICE, Kind.CHOICES) else ()
    return Key(name, kind, means, default, choices, bounds=_bounds(metadata))


def _parts(field: FieldInfo) -> tuple[Kind, Any, bool, list[Any]]:
    """Kind, type without wrapping, whether it may be None, and what limits it."""
    metadata = list(field.metadata)
    annotation: Any = field.annotation
    optional = False
    while True:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin in (Union, UnionType):
            optional = optional or NoneType in arguments
            annotation = next(each for each in arguments if each is not NoneType)
        elif origin is Annotated:
            for each in arguments[1:]:
                metadata += each.metadata if isinstance(each, FieldInfo) else [each]
            annotation = arguments[0]
        else:
            break
    if origin is Literal:
        return Kind.CHOICE, annotation, optional, metadata
    if origin in (tuple, list):
        inner = arguments[0]
        if get_origin(inner) is Literal:
            return Kind.CHOICES, inner, optional, metadata
        tables = isinstance(inner, type) and issubclass(inner, BaseModel)
        return (Kind.TABLES if tables else Kind.LINES), inner, optional, metadata
    if origin is dict:
        return Kind.SECRETS, annotation, optional, metadata
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Kind.TABLE, annotation, optional, metadata
    kinds = {SecretStr: Kind.SECRET, bool: Kind.SWITCH, int: Kind.WHOLE, float: Kind.NUMBER}
    return kinds.get(annotation, Kind.TEXT), annotation, optional, metadata


def _bounds(metadata: Sequence[Any]) -> str:
    low = next((each for each in metadata if hasattr(each, "ge") or hasattr(each, "gt")), None)
    high = next((each for each in metadata if hasattr(each, "le") or hasattr(each, "lt")), None)
    least = getattr(low, "ge", None) if hasattr(low, "ge") else getattr(low, "gt", None)
    most = getattr(high, "le", None) if hasattr(high, "le") else getattr(high, "lt", None)
    if least is not None and most is not None:
        return texts.BETWEEN.format(least=f"{least:g}", most=f"{most:g}")
    if least is not None:
        return (texts.AT_LEAST if hasattr(low, "ge") else texts.MORE_THAN).format(least=f"{least:g}")
    return ""


def pruned(section: type[BaseModel], values: Mapping[str, Any]) -> Draft:
    """The draft without tables that hold nothing and mean nothing."""
    kept: Draft = {}
    keys = {key.name: key for key in keys_of(section)}
    for name, value in values.items():
        key = keys.get(name)
        if key is not None and key.section is not None and key.kind is Kind.TABLE:
            value = pruned(key.section, value)
            if not value and not key.optional:
                continue
        elif key is not None and key.section is not None:
            value = [pruned(key.section, each) for each in value]
            if not value:
                continue
        kept[name] = value
    return kept


@dataclass(frozen=True, slots=True)
class Form:
    """Builds controls that change a draft.

    Attributes:
        outside: what `.env` and the environment set; the file cannot change it.
        changed: called after every change.
    """

    outside: Mapping[str, Any]
    changed: Callable[[], None]

    def table(
        self,
        section: type[BaseModel],
        read: Callable[[], Draft],
        make: Callable[[], Draft],
        path: tuple[str, ...],
        outside: Mapping[str, Any] | None,
    ) -> None:
        """The keys of a table.

        Args:
            section: what it takes.
            read: gives the table of the draft; an empty one if it is not there.
            make: the same, but makes it.
            path: of the table.
            outside: what is set outside, of this table.
        """
        for key in keys_of(section):
            set_outside = outside is not None and key.name in outside
            if key.kind is Kind.TABLE:
                self._nested(key, read, make, path, (outside or {}).get(key.name))
            elif key.kind is Kind.TABLES:
                self._tables(key, read, make, path, set_outside)
            else:
                self._row(key, read, make, path, set_outside)

    def plain(self, key: Key, draft: Callable[[], Draft], path: tuple[str, ...]) -> None:
        """A key that is no table."""
        self._row(key, draft, draft, path, key.name in self.outside)

    def _row(
        self, key: Key, read: Callable[[], Draft], make: Callable[[], Draft], path: tuple[str, ...], set_outside: bool
    ) -> None:
        """One key: what it is called and means, and its control."""
        variable = PREFIX + "__".join((*path, key.name)).upper()
        with ui.element("div").classes("grid grid-cols-1 md:grid-cols-2 gap-x-6 gap-y-1 w-full py-2 items-start"):
            with ui.column().classes("gap-0"):
                ui.label(texts.setting(key.name)).classes("font-semibold")
                ui.label(" ".join(filter(None, (key.means, key.bounds)))).classes("quiet text-sm")
            if key.kind is Kind.SECRET:
                ui.label((texts.SECRET_SET if set_outside else texts.SECRET_OPEN).format(variable=variable)).classes(
                    "quiet"
                )
            elif key.kind is Kind.SECRETS:
                ui.label(texts.SECRETS_OPEN.format(variable=f"{variable}__<NAME>")).classes("quiet")
            elif set_outside:
                ui.label(texts.SET_OUTSIDE.format(variable=variable)).classes("quiet")
            else:
                self._control(key, read, make)

    def _control(self, key: Key, read: Callable[[], Draft], make: Callable[[], Draft]) -> None:
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
            set_already = key.name in read()
            ui.input(
                texts.NEW_PASSWORD if set_already else texts.PASSWORD,
                password=True,
                on_change=lambda event: put(hash_password(event.value)) if event.value else None,
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
            self._line(key, value, put, name)

    def _line(self, key: Key, value: Any, put: Callable[[Any], None], name: str) -> None:
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

    def _token(self, put: Callable[[Any], None], set_already: bool) -> None:
        with ui.column().classes("gap-1"):
            shown = ui.label(texts.TOKEN_SET if set_already else "").classes("quiet break-all")

            def make_one() -> None:
                token, digest = new_token()
                shown.text = texts.TOKEN_ONCE.format(token=token)
                put(digest)

            ui.button(texts.NEW_TOKEN, icon="key", on_click=make_one).props("outline no-caps color=quiet")

    def _nested(
        self,
        key: Key,
        read: Callable[[], Draft],
        make: Callable[[], Draft],
        path: tuple[str, ...],
        outside: Mapping[str, Any] | None,
    ) -> None:
        if key.section is None:
            return
        ui.label(texts.setting(key.name)).classes("text-lg font-semibold mt-3")
        self.table(
            key.section,
            lambda: read().get(key.name, {}),
            lambda: make().setdefault(key.name, {}),
            (*path, key.name),
            outside,
        )

    def tables(self, key: Key, read: Callable[[], Draft], make: Callable[[], Draft], path: tuple[str, ...]) -> None:
        """A list of tables: each a box that can be taken away, and a button for another."""
        section = key.section
        if section is None:
            return
        box = ui.column().classes("w-full gap-3")

        def show() -> None:
            box.clear()
            with box:
                rows: list[Draft] = read().get(key.name, [])
                if not rows:
                    ui.label(texts.NONE_YET).classes("quiet")
                for place, row in enumerate(rows):
                    title = str(row.get("name") or f"{texts.setting(key.name)} {place + 1}")
                    with ui.element("section").classes("panel").props(f'aria-label="{title}"'):
                        with ui.row().classes("items-center w-full"):
                            ui.label(title).classes("font-semibold grow")
                            ui.button(texts.REMOVE, icon="delete", on_click=_bound(remove, place)).props(
                                f'flat no-caps color=quiet aria-label="{texts.REMOVE} {title}"'
                            )
                        self.table(section, _bound_draft(row), _bound_draft(row), (*path, key.name), None)
                ui.button(texts.ADD_ONE.format(what=texts.setting(key.name)), icon="add", on_click=add).props(
                    "outline no-caps color=quiet"
                )

        def remove(place: int) -> None:
            del make()[key.name][place]
            show()
            self.changed()

        def add() -> None:
            make().setdefault(key.name, []).append({})
            show()
            self.changed()

        show()

    def _tables(
        self, key: Key, read: Callable[[], Draft], make: Callable[[], Draft], path: tuple[str, ...], set_outside: bool
    ) -> None:
        ui.label(texts.setting(key.name)).classes("text-lg font-semibold mt-3")
        if key.means:
            ui.label(key.means).classes("quiet text-sm")
        if set_outside:
            ui.label(texts.SET_OUTSIDE.format(variable=PREFIX + "__".join((*path, key.name)).upper())).classes("quiet")
        else:
            self.tables(key, read, make, path)


def _shown(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _number(text: str, kind: Kind) -> Any:
    """A number; what is none stays a text, which is then refused by name."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return text
    return int(value) if kind is Kind.WHOLE and value.is_integer() else value


def _bound(do: Callable[[int], None], place: int) -> Callable[[], None]:
    return lambda: do(place)


def _bound_draft(row: Draft) -> Callable[[], Draft]:
    return lambda: row
