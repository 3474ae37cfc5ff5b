"""Where settings come from: `station.toml`, the environment (`SAFETY_MONITOR_<SECTION>__<KEY>`) and `.env`.

The environment wins over `.env`, which wins over the file.
"""

import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError

from safety_monitor.config import FILE_NAME, PREFIX, Settings, SettingsError, place_of
from safety_monitor.config.mistakes import of_error
from safety_monitor.config.secret_file import SECRETS_VARIABLE, env_file, secrets_there

CONFIG_VARIABLE = f"{PREFIX}CONFIG"
"""Names the settings file where the command line does not: so commands go by that of the service."""
NOT_SETTINGS = frozenset({f"{PREFIX}CACHE", CONFIG_VARIABLE, SECRETS_VARIABLE})
"""Variables with our prefix that say where files are, the first where downloaded ones are kept."""


def load_settings(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check all settings.

    Args:
        path: the settings file; None: see `find_file`.
        environ: the environment; None: that of the process.

    Raises:
        SettingsError: the file is missing (when named) or malformed, or a key or value in any place is not one of ours.
    """
    path = path or find_file(environ)
    return checked(_from_file(path) if path else {}, path, environ)


def find_file(environ: Mapping[str, str] | None = None) -> Path | None:
    """What the environment names, else `station.toml` in the current folder, else in the station's home, else none.

    Raises:
        SettingsError: what the environment sets is malformed, or a folder cannot be looked into.
    """
    if named := (os.environ if environ is None else environ).get(CONFIG_VARIABLE):
        return Path(named)
    for place in (Path(FILE_NAME), home_file(environ)):
        try:
            if place.is_file():
                return place
        except OSError as error:
            raise SettingsError(f"{place}: cannot be read: {error.strerror}") from None
    return None


def home_of(in_file: Mapping[str, Any]) -> Path:
    """The station's home, with these values of a settings file.

    Raises:
        SettingsError: what the environment sets is malformed.
    """
    return Path(set_outside().get("home") or in_file.get("home") or Settings().home)


def home_file(environ: Mapping[str, str] | None = None) -> Path:
    """Where `station.toml` is in the station's home, whether it is there or not."""
    return Path(set_outside(environ).get("home") or Settings().home) / FILE_NAME


def set_outside(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What `.env` and the environment set, nested like the file; secrets among it.

    Raises:
        SettingsError: it is malformed.
    """
    return _together(_layers(environ))


def checked(in_file: dict[str, Any], path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings that a file's values make together with `.env` and the environment.

    Args:
        in_file: the file's values.
        path: of the file, for people; None: there is none.
        environ: the environment; None: that of the process.

    Raises:
        SettingsError: a key or value in any place is not one of ours, or a secret stands in the file.
    """
    layers = _layers(environ)
    if path is not None:
        _refuse_secrets(Settings, in_file, (), path)
        layers.insert(0, (str(path), in_file))
    places = {key: name for name, layer in layers for key in _keys(layer)}
    try:
        settings = Settings.model_validate(_together(layers))
    except ValidationError as error:
        raise SettingsError(_one_line(error, places), error.errors(include_input=False)[0]["loc"]) from None
    settings._places.update(places)
    return settings


def _layers(environ: Mapping[str, str] | None) -> list[tuple[str, dict[str, Any]]]:
    dotenv = {key: value for key, value in secrets_there().items() if value is not None}
    given = os.environ if environ is None else environ
    return [(str(env_file()), _from_environment(dotenv)), ("environment", _from_environment(given))]


def _together(layers: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """The values of all layers, the lowest first."""
    return reduce(_merged, (layer for _, layer in layers), {})


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return read_file(path)[1]
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such settings file") from None


def read_file(path: Path) -> tuple[str, dict[str, Any]]:
    """The text of a settings file, and its values as they stand there.

    Raises:
        FileNotFoundError: there is none.
        SettingsError: it cannot be read as TOML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        raise
    except IsADirectoryError:
        raise SettingsError(f"{path}: is a folder, not a settings file") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not a text in UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{path}: cannot be read as TOML: {error}") from None


def _refuse_secrets(section: type[BaseModel], values: Any, where: tuple[str, ...], path: Path) -> None:
    """A file is copied, shown and kept under version control: what is secret has no place in it."""
    if not isinstance(values, dict):
        return
    for key, value in values.items():
        field = section.model_fields.get(key)
        if field is None:
            continue
        kinds = (field.annotation, *get_args(field.annotation))
        here = (*where, key)
        if SecretStr in kinds:
            name = PREFIX + "__".join(here).upper()
            raise SettingsError(f"{path}: {'.'.join(here)} is a secret: set {name} in the environment or in .env")
        for nested in kinds:
            if isinstance(nested, type) and issubclass(nested, BaseModel):
                for each in value if isinstance(value, list) else [value]:
                    _refuse_secrets(nested, each, here, path)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Nested values of the variables that are ours; lists and tables are written as JSON."""
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.upper().startswith(PREFIX) or name.upper() in NOT_SETTINGS:
            continue
        *sections, key = name[len(PREFIX) :].lower().split("__")
        table = values
        for section in sections:
            table = table.setdefault(section, {})
            if not isinstance(table, dict):
                raise SettingsError(f"{name}: '{section}' is set as a value and as a section")
        try:
            as_it_is = text[:1] not in ("[", "{") or _takes_text((*sections, key))
            table[key] = text if as_it_is else json.loads(text)
        except json.JSONDecodeError as error:
            raise SettingsError(f"{name}: is not valid JSON: {error}") from None
    return values


def _takes_text(path: tuple[str, ...]) -> bool:
    """Whether what stands at a path is a text, which may begin like JSON: "{what}", or a password."""
    kind: Any = Settings
    for name in path:
        kinds = (kind, *get_args(kind)) if get_origin(kind) is not tuple else ()
        sections = [each for each in kinds if isinstance(each, type) and issubclass(each, BaseModel)]
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
        elif sections and name in sections[0].model_fields:
            kind = sections[0].model_fields[name].annotation
        else:
            return False
    return get_origin(kind) in (None, Union, UnionType) and not {str, SecretStr}.isdisjoint((kind, *get_args(kind)))


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables joined key by key, what is above wins."""
    values = dict(below)
    for key, value in above.items():
        old = values.get(key)
        values[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return values


def _keys(layer: Any, above: str = "") -> Iterator[str]:
    """Every key of nested tables and lists, such as "contacts.0.sms", and those above it."""
    items = layer.items() if isinstance(layer, dict) else enumerate(layer) if isinstance(layer, list) else ()
    for name, value in items:
        key = f"{above}.{name}" if above else str(name)
        yield key
        yield from _keys(value, key)


def _one_line(error: ValidationError, places: Mapping[str, str]) -> str:
    """The first mistake: place, key, and what is wrong. The value itself is not repeated: it may be a secret."""
    key, mistake = of_error(error.errors(include_input=False, include_url=False)[0])
    return f"{place_of(key, places)}: {mistake}"
