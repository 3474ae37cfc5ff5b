"""The settings as a page: every key with its default and its meaning, made from the settings themselves."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import tomlkit
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from safety_monitor.config import PREFIX, Settings


def template(values: Mapping[str, Any] | None = None) -> str:
    """A `station.toml` with every key and its meaning; all are commented out with their default, but for `values`.

    Keys without a default stand there empty; secrets are named by their variable, because they never stand in a file
    that is passed around.

    Args:
        values: what is set, nested like the file: `{"alarm": {"volume": 0.5}, "contacts": [{"name": "anna"}]}`; None:
            nothing, so that the file changes nothing.
    """
    return "\n".join(
        [
            "# Settings of a safety-monitor station; every key is shown with its default.",
            *_keys(Settings, (), values or {}),
        ]
    )


def _keys(section: type[BaseModel], path: tuple[str, ...], values: Mapping[str, Any]) -> Iterator[str]:
    fields = section.model_fields
    for name, field in fields.items():
        if _section(field) is None:
            yield ""
            yield from (f"# {line}" for line in (field.description or "").splitlines())
            yield f"{name} = {_toml(values[name])}" if name in values else _key(name, field, path)
    for name, field in fields.items():
        nested = _section(field)
        if nested is not None:
            yield ""
            yield ""
            yield f"# {(nested.__doc__ or '').strip().splitlines()[0]}"
            yield from _table(field, nested, (*path, name), values.get(name))


def _table(field: FieldInfo, nested: type[BaseModel], path: tuple[str, ...], values: Any) -> Iterator[str]:
    header = ".".join(path)
    if _is_list(field):
        yield f"# [[{header}]]  (a table for each; may stand here several times)"
        yield from _keys(nested, path, {})
        yield from _rows(header, values or ())
    elif values or isinstance(field.get_default(), nested):
        yield f"[{header}]"
        yield from _keys(nested, path, values or {})
    else:
        yield f"# [{header}]  (off unless it stands here)"
        yield from _keys(nested, path, {})


def _rows(header: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield ""
        yield f"[[{header}]]"
        yield from (f"{key} = {_toml(value)}" for key, value in row.items())


def _key(name: str, field: FieldInfo, path: tuple[str, ...]) -> str:
    if SecretStr in (field.annotation, *get_args(field.annotation)):
        return f"# (a secret: set {PREFIX}{'__'.join((*path, name)).upper()} in the environment or in .env)"
    value = field.get_default()
    if value is None or field.is_required() or field.default_factory is not None:
        return f"# {name} ="
    return f"# {name} = {_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, bool | int | float | str):
        return tomlkit.item(value).as_string()
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return tomlkit.item(str(value)).as_string()


def _section(field: FieldInfo) -> type[BaseModel] | None:
    """The table that a key stands for, None for a plain value."""
    candidates = [field.annotation, *get_args(field.annotation)]
    return next((each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel)), None)


def _is_list(field: FieldInfo) -> bool:
    return getattr(field.annotation, "__origin__", None) in (tuple, list)
