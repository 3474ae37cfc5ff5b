"""The groups of commands that train and measure models, and what they do for gestures. Thin: parse, call, print."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from safety_monitor.commands.conventions import (
    TROUBLE,
    ConfigOption,
    fail,
    fail_without,
    read_settings,
    say_for_now,
    silence_native_libraries,
)
from safety_monitor.commands.gestures import Kind, complaints
from safety_monitor.config import Settings


class _Measured(TyperGroup):
    """What is no command of the group is the name of a scream model: `evaluate svm` is `evaluate scream svm`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        return super().resolve_command(ctx, args if args[0] in self.commands else ["scream", *args])


train_app = typer.Typer(help="Train models anew.", no_args_is_help=True)
evaluate_app = typer.Typer(
    cls=_Measured,
    help="Measure how good seeing and hearing are. Instead of a command, a scream model may be named.",
    no_args_is_help=True,
)

BaseOption = Annotated[
    Path | None, typer.Option("--data", help="Table of base data; default: the one that ships in data/.")
]
AddOption = Annotated[Path | None, typer.Option("--add", help="Folder of a collection; default: in the home folder.")]
UseOption = Annotated[
    bool, typer.Option("--use", help="Put the new model in use if it is not worse; the present one is kept.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="With --use: even if it is worse.")]
RollBackOption = Annotated[bool, typer.Option("--rollback", help="Go back to the model that was in use before.")]


@train_app.command("signs")
def train_signs_command(
    data: BaseOption = None,
    add: AddOption = None,
    use: UseOption = False,
    force: ForceOption = False,
    rollback: RollBackOption = False,
    config: ConfigOption = None,
) -> None:
    """Train the signs: the base data and what you have collected."""
    _train(Kind.SIGNS, data, add, rollback, config, use=use, force=force)


@train_app.command("motions")
def train_motions_command(
    data: BaseOption = None,
    add: AddOption = None,
    use: UseOption = False,
    force: ForceOption = False,
    rollback: RollBackOption = False,
    config: ConfigOption = None,
) -> None:
    """Train the movements: the base data and what you have collected."""
    _train(Kind.MOTIONS, data, add, rollback, config, use=use, force=force)


def _train(
    kind: Kind, data: Path | None, add: Path | None, rollback: bool, config: Path | None, *, use: bool, force: bool
) -> None:
    from gesture.collection import Collection
    from gesture.retrain import comparison
    from models.card import read_card
    from safety_monitor.commands.models import go_back, name_in_use, put_in_use
    from safety_monitor.learning.training import TrainingError, train_candidate

    settings = read_settings(config)
    silence_native_libraries(settings)
    if add is not None and not add.is_dir():
        fail(f"{add}: no such folder")

    with complaints():
        if rollback:
            go_back(settings, kind)
            return
        collection = Collection(add or settings.gestures_folder)
        in_use = name_in_use(settings, kind)
        try:
            result = train_candidate(settings, kind, collection, base=data, in_use=in_use, progress=say_for_now)
        except TrainingError as error:
            fail(error, TROUBLE)
        except ModuleNotFoundError as error:
            fail_without(error)
        say_for_now()
        typer.echo(comparison(result))
        target = result.folder
        typer.echo(f"curves.png and confusion.png are in {target}")
        if use:
            put_in_use(settings, read_card(target), target, force=force)
        else:
            typer.echo(f"trained: {target}; `safety-monitor models use {target.name}` puts it in use")


TwoModelOption = Annotated[Path | None, typer.Option(help="Folder of a two-model repository's model, to compare with.")]
TrackedOption = Annotated[
    list[Path] | None, typer.Option(help="Table of tracked recordings to judge; may be given often.")
]


@evaluate_app.command("signs")
def evaluate_signs_command(
    two_model: TwoModelOption = None,
    people: Annotated[bool, typer.Option("--people", help="A line for every person, too.")] = False,
) -> None:
    """Measure signs on people and sources left out of the training."""
    from gesture.evaluate import signs_text

    _evaluate(lambda: signs_text(two_model, people, say_for_now))


@evaluate_app.command("motions")
def evaluate_motions_command(two_model: TwoModelOption = None, tracked: TrackedOption = None) -> None:
    """Measure movements on made-up paths left out of the training, and on tracked recordings."""
    from gesture.evaluate import motions_text

    _evaluate(lambda: motions_text(two_model, tracked or []))


@evaluate_app.command("help-sign")
def evaluate_help_sign_command(
    takes: Annotated[int, typer.Option(min=1, help="Rehearsals of each script.")] = 40,
    tracked: TrackedOption = None,
    footage: Annotated[
        list[Path] | None,
        typer.Option(
            help="Recording, or folder of recordings, without an emergency: counts the false alarms that the emergency "
            "gestures of the settings give there; may be given often."
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Measure the Signal for Help on rehearsals by people left out of the training, or false alarms in footage."""
    from gesture.evaluate import help_sign_text

    if footage:
        _false_alarms(footage, read_settings(config))
    else:
        _evaluate(lambda: help_sign_text(takes, tracked or [], say_for_now))


def _false_alarms(footage: list[Path], settings: Settings) -> None:
    from safety_monitor.learning.false_alarms import recordings, report, watch
    from safety_monitor.sensing import SenseError

    for place in footage:
        if not place.exists():
            fail(f"{place}: no such file or folder")
    files = [file for place in footage for file in recordings(place)]
    if not files:
        fail(f"{footage[0]}: no recordings there")
    silence_native_libraries(settings)
    watched = []
    try:
        for number, file in enumerate(files, start=1):
            say_for_now(f"{number}/{len(files)} {file.name}")
            watched.append(watch(file, settings))
    except SenseError as error:
        fail(error)
    say_for_now()
    typer.echo(report(watched, settings))
    if any(one.trouble for one in watched):
        raise typer.Exit(TROUBLE)


def _evaluate(measure: Callable[[], str]) -> None:
    silence_native_libraries(Settings())
    with complaints():
        try:
            text = measure()
        except ModuleNotFoundError as error:
            fail_without(error, "measuring trains anew and")
    say_for_now()
    typer.echo(text)
