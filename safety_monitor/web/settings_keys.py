"""What the settings take, made from the settings themselves: a key that is added there is known here.

Values are nested like the file. A key that is not among them has its default.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from safety_monitor.web import texts

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
        default: None if there is none, or it is to be left open; of TABLES a draft of each.
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
        rows = field.get_default() if kind is Kind.TABLES and not field.is_required() else ()
        told = [row for each in rows if (row := each.model_dump(mode="json", exclude_defaults=True))]
        return Key(name, kind, means, told or None, section=inner, optional=optional)
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


def pruned(section: type[BaseModel], values: Mapping[str, Any], before: Mapping[str, Any]) -> Draft:
    """The draft without tables that hold nothing and mean nothing.

    Args:
        section: what it takes.
        values: the draft.
        before: what stood in the file; an empty table of that stays: keys that are commented out may stand in it.
    """
    kept: Draft = {}
    keys = {key.name: key for key in keys_of(section)}
    for name, value in values.items():
        key = keys.get(name)
        if key is not None and key.section is not None and key.kind is Kind.TABLE:
            value = pruned(key.section, value, before.get(name, {}))
            if not value and not key.optional and name not in before:
                continue
        elif key is not None and key.section is not None:
            value = [pruned(key.section, each, {}) for each in value]
            if not value and before.get(name) != []:
                continue
        kept[name] = value
    return kept
