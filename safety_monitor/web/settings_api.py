"""The part of the REST API that is about the settings: all of them to look at, single values to change."""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path
from pydantic import BaseModel, Field

from safety_monitor import disarming
from safety_monitor.config import PREFIX, Settings, SettingsError
from safety_monitor.config.secret_file import env_file
from safety_monitor.operating.redaction import MASK
from safety_monitor.people.decision import PinError
from safety_monitor.web import texts
from safety_monitor.web.conventions import REFUSALS, Answered, Decision, needs, problems
from safety_monitor.web.settings_keys import Draft, Key, Kind, keys_of, pruned
from safety_monitor.web.site import Site

HIDDEN = frozenset({Kind.SECRET, Kind.SECRETS, Kind.PASSWORD, Kind.TOKEN})
NOT_SINGLE = HIDDEN | {Kind.TABLE, Kind.TABLES}
CREDENTIALS = re.compile(r"(?<=://)\S+(?=@)|(?<=\?).+")
"""What an address may hold of passwords and keys; rather too much of it than too little."""

Whole = Annotated[int, Field(ge=-(2**53), le=2**53)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]
Texts = Annotated[list[Text], Field(max_length=100)]


def single_keys(section: type[BaseModel] = Settings, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every setting that is a single value, no secret, and in no list of tables."""
    for key in keys_of(section):
        if key.kind is Kind.TABLE and key.section is not None:
            yield from single_keys(key.section, (*above, key.name))
        elif key.kind not in NOT_SINGLE:
            yield (*above, key.name)


NAMES = sorted(".".join(path) for path in single_keys())
Name = Annotated[
    str,
    Path(description="Its table and key, such as fusion.threshold", json_schema_extra={"enum": list[Any](NAMES)}),
]


class SettingsOut(Answered):
    """The settings of the station."""

    values: dict[str, Any]
    """As the next start will use them, nested like the file; what is secret is masked, and null where it is not set."""
    restart_needed: list[str]
    """Tables that have changed and that only a start takes up."""


class Wanted(Decision):
    """What a setting is to be; the PIN is asked for where nobody signs in and one is set."""

    value: bool | Whole | Number | Text | Texts | None
    """Null: its default."""


class SettingOut(Answered):
    """A setting that has been written."""

    key: str
    value: Any
    restart_needed: bool
    """Whether it comes into force when the station starts again, and not at once."""
    warnings: list[str]
    """Why an emergency may reach nobody elsewhere, a line each, as a start says."""


def make_settings_api(site: Site) -> APIRouter:
    """The routes over a site."""
    api = APIRouter(prefix="/api/v1", responses=REFUSALS, dependencies=[needs("admin")])

    def values_now() -> dict[str, Any]:
        try:
            file = site.settings_file
            return told(file.settings(file.read().values))
        except SettingsError as error:
            raise HTTPException(409, str(error)) from None

    @api.get("/settings", responses=problems({409: "What stands in the file cannot be used"}))
    def settings() -> SettingsOut:
        """All settings as the next start will use them; secrets are masked."""
        return SettingsOut(values=values_now(), restart_needed=list(site.restart.wanted_for))

    @api.put(
        "/settings/{key}",
        responses=problems({404: "No such single value", 409: "It is set elsewhere, or the file cannot be used"}),
    )
    def change(key: Name, wanted: Wanted) -> SettingOut:
        """Write a single value into the settings file; nothing is written that a start would refuse.

        What belongs together, such as latitude and longitude, and lists of tables, such as contacts and policies, are
        changed on the page Settings or in the file.
        """
        if key not in NAMES:
            raise HTTPException(404, f"'{key}' is no single value that can be set here; see docs/settings.md")
        path = tuple(key.split("."))
        if MASK in str(wanted.value):
            raise HTTPException(422, f"{key}: {MASK} stands for what is secret: give the whole value")
        try:
            if within(site.settings_file.outside(), path) is not None:
                variable = PREFIX + "__".join(path).upper()
                raise HTTPException(409, f"{key}: {texts.SET_OUTSIDE.format(variable=variable, secrets=env_file())}")
            before = site.settings_file.read()
        except SettingsError as error:
            raise HTTPException(409, str(error)) from None
        if site.change_takes_pin:
            try:
                disarming.allow(site.station, wanted.pin)
            except PinError as error:
                raise HTTPException(403, str(error)) from None
        try:
            values = pruned(Settings, with_value(before.values, path, wanted.value), before.values)
            saved = site.save_settings(before, values)
        except SettingsError as error:
            raise HTTPException(422, str(error)) from None
        return SettingOut(
            key=key, value=within(values_now(), path), restart_needed=path[0] in saved.later, warnings=saved.doubts
        )

    return api


def with_value(values: Mapping[str, Any], path: tuple[str, ...], value: Any) -> Draft:
    """Values nested like the file, with another one at a path; None takes away what is there."""
    new = table = copy.deepcopy(dict(values))
    for name in path[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            return new  # the check says what is wrong with it
    if value is None:
        table.pop(path[-1], None)
    else:
        table[path[-1]] = value
    return new


def within(values: Any, path: tuple[str, ...]) -> Any:
    """What stands at a path; None where nothing does."""
    for name in path:
        values = values.get(name) if isinstance(values, dict) else None
    return values


def told(section: BaseModel) -> dict[str, Any]:
    """The values of a table as JSON has them; what is secret only says whether it is set."""
    plain = section.model_dump(mode="json")
    return {key.name: _told(key, getattr(section, key.name), plain[key.name]) for key in keys_of(type(section))}


def _told(key: Key, value: Any, plain: Any) -> Any:
    if key.kind is Kind.SECRETS:
        return dict.fromkeys(value, MASK)
    if key.kind in HIDDEN:
        return MASK if value else None
    if key.kind is Kind.TABLE:
        return told(value) if value is not None else None
    if key.kind is Kind.TABLES:
        return [told(each) for each in value]
    return CREDENTIALS.sub(MASK, plain) if isinstance(plain, str) and "://" in plain else plain
