"""Commands about the models in use: list, check, put another one in use, roll back."""

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safety_monitor.commands.conventions import (
    TROUBLE,
    ConfigOption,
    JsonOption,
    fail,
    fail_without,
    lists,
    read_settings,
    silence_native_libraries,
)
from safety_monitor.config import Settings

if TYPE_CHECKING:
    from models.card import Card
    from models.in_use import Comparison

models = typer.Typer(help="Models: which are there, which are in use.", no_args_is_help=False)


class Task(StrEnum):
    """What a model decides."""

    SCREAM = "scream"
    SIGNS = "signs"
    MOTIONS = "motions"


def name_in_use(settings: Settings, task: str) -> str:
    """Under which name the settings look for the model of a task; one line and an end where they name a folder."""
    name = settings.models_named[task]
    if len(Path(name).parts) > 1:
        key = "hearing.model" if task == Task.SCREAM else f"seeing.{task}"
        fail(f"{key} names the folder {name}: change that setting to use another model")
    return name


@models.callback(invoke_without_command=True)
def models_default(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Models: which are there, which are in use."""
    if lists(context):
        list_models(config, as_json)


@models.command("list")
def list_models(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Every model that is there; a star marks those in use."""
    from models.card import ModelError
    from models.registry import find, installed

    settings = read_settings(config)
    home = settings.models_folder
    used = set()
    for name in settings.models_named.values():
        try:
            used.add(find(name, home))
        except ModelError as error:
            typer.echo(f"safety-monitor: {error}", err=True)
    for model in installed(home):
        row = {
            "name": model.folder.name,
            "task": model.card.task if model.card else None,
            "in_use": model.folder in used,
            "ships": model.shipped,
            "folder": str(model.folder),
            "labels": list(model.card.labels) if model.card else [],
            "held_back": model.card.parameters.get("held_back", {}) if model.card else {},
            "problem": model.problem,
        }
        print(json.dumps(row) if as_json else _line(row))


def _line(row: dict[str, object]) -> str:
    star, where = "*" if row["in_use"] else " ", "ships" if row["ships"] else "yours"
    figures = row["held_back"]
    good = "  ".join(f"{name} {value:.3f}" for name, value in figures.items()) if isinstance(figures, dict) else ""
    return f"{star} {row['name']:<24} {row['task'] or '-':<8} {where}  {row['problem'] or good}".rstrip()


@models.command("check")
def check_models(
    names: Annotated[list[str] | None, typer.Argument(help="Default: all that are there.")] = None,
    config: ConfigOption = None,
) -> None:
    """Load models and compare their files with their cards; exit status 1 if one cannot be used."""
    from models.card import ModelError, read_card
    from models.registry import find, installed
    from safety_monitor.senses import try_model

    settings = read_settings(config)
    silence_native_libraries(settings)
    home = settings.models_folder
    bad = False
    for name in names or [str(model.folder) for model in installed(home)]:
        try:
            folder = find(name, home)
            card = read_card(folder)
            try_model(folder, card)
            print(f"ok       {card.name} ({card.task}): {folder}")
        except ModelError as error:
            bad = True
            print(f"damaged  {error}")
    if bad:
        raise typer.Exit(TROUBLE)


@models.command("use")
def use_model(
    name: Annotated[str, typer.Argument(help="Name of a model, or the path of its folder.")],
    data: Annotated[
        Path | None, typer.Option(help="Recordings that neither model was trained on: both are measured on them.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Even if it is worse, or nobody knows.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that measure.")] = os.cpu_count() or 1,
    config: ConfigOption = None,
) -> None:
    """Put a model in use if it is not worse than the one that is; that one is kept, and `rollback` brings it back."""
    from audio.blocks import SoundError
    from audio.corpus import CorpusError
    from models.card import ModelError, read_card
    from models.registry import find
    from safety_monitor.senses import try_model

    settings = read_settings(config)
    silence_native_libraries(settings)
    home = settings.models_folder
    try:
        folder = find(name, home)
        card = read_card(folder)
        try_model(folder, card)
        comparison = None
        if data is not None:
            if card.task != Task.SCREAM:
                fail("--data measures scream models; those of gestures are compared while they are trained")
            from audio.evaluate import compare_on

            comparison = compare_on(data, folder, find(name_in_use(settings, card.task), home), jobs=jobs)
        put_in_use(settings, card, folder, comparison, force=force)
    except ModuleNotFoundError as error:
        fail_without(error, "measuring")
    except (ModelError, CorpusError, SoundError, OSError) as error:
        fail(error)


def put_in_use(
    settings: Settings, card: "Card", folder: Path, comparison: "Comparison | None" = None, *, force: bool
) -> None:
    """Put a candidate in use, unless it is worse; then one line for each reason, and exit status 1.

    Args:
        settings: of the station.
        card: of the candidate.
        folder: of the candidate.
        comparison: with the model in use; None: what the cards say of it.
        force: put it in use whatever the figures say.

    Raises:
        ModelError: the cards say nothing that could be compared.
    """
    from models.card import ModelError
    from models.in_use import compare, use
    from models.registry import open_card

    home, name = settings.models_folder, name_in_use(settings, card.task)
    if not force:
        try:
            present = open_card(name, task=card.task, home=home)[1]
        except ModelError as error:
            fail(f"{error}; --force puts {card.name} in its place")
        if card.fingerprint == present.fingerprint:
            fail(f"{card.name} is in use already")
        try:
            found = comparison or compare(card, present)
        except ModelError as error:
            measure = " --data measures both," if card.task == Task.SCREAM else ""
            fail(f"{error};{measure} --force puts it in use all the same")
        for figure in sorted(set(found.candidate) & set(found.in_use)):
            print(f"{figure:<28} {found.candidate[figure]:.3f}  in use {found.in_use[figure]:.3f}")
        if found.worse:
            for line in found.worse:
                typer.echo(f"safety-monitor: worse: {line}", err=True)
            fail(f"{card.name} was not put in use; --force does it all the same", TROUBLE)
    _refuse_what_loses_an_emergency(settings, card, folder)
    place = use(home, name, folder)
    print(f"in use: {place}, from the next start on; `safety-monitor models rollback {card.task}` goes back")


@models.command("rollback")
def roll_back_model(
    task: Annotated[Task, typer.Argument(help="Of which model.")] = Task.SCREAM, config: ConfigOption = None
) -> None:
    """Go back to the model that was in use before."""
    from models.card import ModelError

    try:
        go_back(read_settings(config), task)
    except (ModelError, OSError) as error:
        fail(error)


def go_back(settings: Settings, task: str) -> None:
    """Put the model before the one in use in its place, and say which that is.

    Raises:
        ModelError: no model of the user is in use, or the one before cannot be used, as after an upgrade.
    """
    from models.card import read_card
    from models.in_use import model_before, roll_back
    from safety_monitor.senses import try_model

    silence_native_libraries(settings)
    home, name = settings.models_folder, name_in_use(settings, task)
    before = model_before(home, name)
    card = read_card(before)
    try_model(before, card)
    _refuse_what_loses_an_emergency(settings, card, before)
    typer.echo(roll_back(home, name))


def _refuse_what_loses_an_emergency(settings: Settings, card: "Card", folder: Path) -> None:
    from audio.detector import persistence_of
    from safety_monitor.emergency import gestures_lost, loses_an_emergency, never_a_scream

    if card.task == Task.SCREAM:
        for line in never_a_scream(settings.thresholds, persistence_of(folder, card).highest):
            fail(settings.named(line))
    elif lost := gestures_lost(settings.emergency.gestures, card.task, card.labels):
        fail(loses_an_emergency(lost))
