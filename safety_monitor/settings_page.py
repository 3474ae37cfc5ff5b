"""The settings as a page: every key with its default and its meaning, made from the settings themselves."""

from collections.abc import Iterator
from typing import Any, get_args

import tomlkit
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from safety_monitor.config import PREFIX, Settings


def template() -> str:
    """A `station.toml` that changes nothing: every key commented out, with its default and its meaning.

    Keys without a default stand there empty; secrets are named by their variable, because they never stand in a file
    that is passed around.
    """
    return "\n".join(
        ["# Settings of a safety-monitor station; every key is shown with its default.", *_keys(Settings, ())]
    )


def _keys(section: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    fields = section.model_fields
    for name, field in fields.items():
        if _section(field) is None:
            yield ""
            yield from (f"# {line}" for line in (field.description or "").splitlines())
            yield _key(name, field, path)
    for name, field in fields.items():
        nested = _section(field)
        if nested is not None:
            yield ""
            yield ""
            yield f"# {(nested.__doc__ or '').strip().splitlines()[0]}"
            header = ".".join((*path, name))
            if _is_list(field):
                yield f"# [[{header}]]  (a table for each; may stand here several times)"
            else:
                yield (
                    f"[{header}]"
                    if isinstance(field.get_default(), nested)
                    else f"# [{header}]  (off unless it stands here)"
                )
            yield from _keys(nested, (*path, name))


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
