"""The commands around gestures: collect, labels, data, train, evaluate. Thin: parse, call, print."""

import math
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from safety_monitor.command import (
    TROUBLE,
    ConfigOption,
    fail,
    fail_without,
    lists,
    read_settings,
    silence_native_libraries,
)
from safety_monitor.config import Settings

if TYPE_CHECKING:
    from gesture.collection import Collection

app = typer.Typer(help="Collect gestures, train them, measure them.", no_args_is_help=True)
labels_app = typer.Typer(help="Labels of what you have collected.", no_args_is_help=False)
data_app = typer.Typer(help="The rows you have collected.", no_args_is_help=True)
train_app = typer.Typer(help="Train models anew.", no_args_is_help=True)
evaluate_app = typer.Typer(help="Measure how good seeing and hearing are.", no_args_is_help=True)
app.add_typer(labels_app, name="labels")
app.add_typer(data_app, name="data")
app.add_typer(train_app, name="train")
app.add_typer(evaluate_app, name="evaluate")


class Kind(StrEnum):
    """What a label names."""

    SIGNS = "signs"
    MOTIONS = "motions"


DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of the collection; default: in the home folder.")
]
KindOption = Annotated[Kind, typer.Option("--kind", help="Signs or movements.")]


@contextmanager
def _complaints() -> Iterator[None]:
    """What can be wrong with collections, tables, models and the disk becomes one line."""
    from gesture.collection import CollectionError
    from gesture.tables import TableError
    from models.card import ModelError

    try:
        yield
    except TableError as error:
        fail(error, TROUBLE)
    except (CollectionError, ModelError, OSError) as error:
        fail(error)


def _collection(config: Path | None, data: Path | None) -> "Collection":
    from gesture.collection import Collection

    return Collection(data or read_settings(config).gestures_folder)


def _tell_empty(collection: "Collection") -> None:
    typer.echo(
        f"nothing has been collected yet in {collection.folder}; `safety-monitor collect --help` says how", err=True
    )


@app.command()
def collect(
    camera: Annotated[str, typer.Option(help="Camera, video, stream or folder of pictures.")] = "default",
    sign: Annotated[str | None, typer.Option(help="Log this sign.")] = None,
    motion: Annotated[str | None, typer.Option(help="Log this movement.")] = None,
    session: Annotated[str | None, typer.Option(help="Name of what is collected in one go; default: the time.")] = None,
    person: Annotated[str, typer.Option(help="Who shows it: people are never in training and test at once.")] = "me",
    rate: Annotated[
        float, typer.Option(min=0.1, max=30, help="Rows a second where they are logged by themselves.")
    ] = 5,
    auto: Annotated[bool, typer.Option("--auto", help="Log by itself from the start.")] = False,
    window: Annotated[bool, typer.Option(help="Show a window; without one, keys come from the terminal.")] = True,
    hands: Annotated[int, typer.Option(min=1, max=4, help="Hands looked for.")] = 1,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Collect rows of a sign or a movement.

    Keys: n logs nothing, k hands, h movements; 0 to 9 choose a label and log a row; u takes the last row back,
    p pauses, a logs by itself, l asks for a new label, q or Escape ends.
    """
    from gesture.capture import CameraError, open_camera
    from gesture.collect import Collector, Panel, in_terminal, in_window, keyboard, session_name, summary
    from gesture.collection import Origin, check_label
    from gesture.detector import GestureDetector, PictureReader

    if sign and motion:
        fail("give --sign or --motion, not both")
    if motion and Path(camera).is_dir():
        fail("a movement cannot be seen in pictures that have nothing to do with each other; give a recording")
    if window and sys.platform == "linux" and not os.environ.get("DISPLAY"):
        fail("there is no screen for a window; give --no-window")
    if not (window or sign or motion or sys.stdin.isatty()):
        fail("without a window and a keyboard the label must be said: give --sign or --motion")
    settings = read_settings(config)
    silence_native_libraries(settings)
    name = session or session_name()
    still = Path(camera).is_dir()
    with _complaints():
        label = sign or motion
        if label:
            check_label(label)
        for text in (person, name):
            if not text.isprintable():
                fail(f"{text!r} holds a line break or another sign that cannot be printed")
        collection = _collection(config, data)
        try:
            frames = open_camera(camera, fast=not window)
        except CameraError as error:
            fail(error)
        home = settings.models_folder
        seer = PictureReader(max_hands=hands, home=home) if still else GestureDetector(max_hands=hands, home=home)
    recorded = not frames.live
    # Of pictures that have nothing to do with each other none is like the one before: all of them count.
    every = math.inf if still else rate
    panel = Panel("motions" if motion else "signs", label, automatic=bool(label) and (auto or recorded), rate=every)
    collector = Collector(collection, seer, Origin(frames.name, person, name), panel)
    try:
        if window:
            in_window(collector, frames)
        else:
            with keyboard() as keys:
                in_terminal(collector, frames, lambda line: typer.echo(line, err=True), keys)
    except KeyboardInterrupt:
        pass
    except CameraError as error:
        fail(error, TROUBLE)
    finally:
        frames.close()
        seer.close()
    typer.echo(summary(collector.counts))


@labels_app.callback(invoke_without_command=True)
def labels_default(context: typer.Context, data: DataOption = None, config: ConfigOption = None) -> None:
    """List labels and how many rows each has."""
    if lists(context):
        list_labels(data, config)


@labels_app.command("list")
def list_labels(data: DataOption = None, config: ConfigOption = None) -> None:
    """List labels and how many rows each has."""
    with _complaints():
        collection = _collection(config, data)
        lines = []
        for kind in Kind:
            counts = collection.counts(kind)
            for number, label in enumerate(collection.labels(kind)):
                rows = sum(count for (one, _, _), count in counts.items() if one == label)
                lines.append(f"{kind}  {number}  {label}  {rows} rows")
        for line in lines:
            typer.echo(line)
        if not lines:
            _tell_empty(collection)


@labels_app.command("add")
def add_label(label: str, kind: KindOption = Kind.SIGNS, data: DataOption = None, config: ConfigOption = None) -> None:
    """Make a label known."""
    with _complaints():
        _collection(config, data).add_label(kind, label)


@labels_app.command("rename")
def rename_label(
    old: str, new: str, kind: KindOption = Kind.SIGNS, data: DataOption = None, config: ConfigOption = None
) -> None:
    """Rename a label in the label file, in every row and in your own models; what the program came with stays there."""
    from gesture.retrain import models_that_know, rename_in_models

    settings = read_settings(config)
    with _complaints():
        models_that_know(settings.models_folder, kind, old, new)  # refused before a row is changed
        count = _collection(config, data).rename_label(kind, old, new)
        changed = rename_in_models(settings.models_folder, kind, old, new)
    typer.echo(f"{old} is {new} now: {count} rows" + "".join(f", model {name}" for name in changed))
    if changed and _means_emergency(settings, kind, old):
        typer.echo(
            f"{old} means an emergency in the settings: change emergency.gestures to {new} before the next start"
        )


def _means_emergency(settings: Settings, kind: Kind, label: str) -> bool:
    gestures = settings.emergency.gestures
    return label in {gesture.sign if kind is Kind.SIGNS else gesture.movement for gesture in gestures}


@labels_app.command("remove")
def remove_label(
    label: str, kind: KindOption = Kind.SIGNS, data: DataOption = None, config: ConfigOption = None
) -> None:
    """Forget a label and its rows; models trained with it know it until they are trained anew."""
    settings = read_settings(config)
    with _complaints():
        count = _collection(config, data).remove_label(kind, label)
    typer.echo(f"{label} and {count} rows are gone; train anew to have it out of the model too")
    if _means_emergency(settings, kind, label):
        typer.echo(f"{label} means an emergency in the settings; a model trained anew may know it no longer")


@data_app.command()
def stats(data: DataOption = None, config: ConfigOption = None) -> None:
    """Rows by label, person and session."""
    with _complaints():
        collection = _collection(config, data)
        lines = [
            f"{kind}  {label}  {person}  {session}  {count} rows"
            for kind in Kind
            for (label, person, session), count in sorted(collection.counts(kind).items())
        ]
        for line in lines:
            typer.echo(line)
        if not lines:
            _tell_empty(collection)


@data_app.command()
def check(data: DataOption = None, config: ConfigOption = None) -> None:
    """Look for damaged rows and thin labels; exit status 1 where there are any."""
    with _complaints():
        collection = _collection(config, data)
        complaints = collection.check()
        for complaint in complaints:
            typer.echo(complaint)
        if complaints:
            raise typer.Exit(TROUBLE)
        rows = sum(sum(collection.counts(kind).values()) for kind in Kind)
        if rows:
            typer.echo(f"{rows} rows in {collection.folder}; nothing is wrong with them")
        else:
            _tell_empty(collection)


@data_app.command("import")
def import_rows(
    file: Path,
    kind: KindOption = Kind.SIGNS,
    label_file: Annotated[Path | None, typer.Option("--labels", help="Its label file.")] = None,
    person: Annotated[str, typer.Option(help="Who showed it.")] = "imported",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Take over a keypoint.csv or point_history.csv of the two-model format; what is there already is left out."""
    from gesture.collection import Origin

    with _complaints():
        origin = Origin(file.name, person, "import")
        count = _collection(config, data).import_two_model(kind, file, label_file, origin)
    typer.echo(f"{count} new rows")


@data_app.command("export")
def export_rows(
    folder: Path, kind: KindOption = Kind.SIGNS, data: DataOption = None, config: ConfigOption = None
) -> None:
    """Write the rows in the two-model format."""
    with _complaints():
        count = _collection(config, data).export_two_model(kind, folder)
    typer.echo(f"{count} rows in {folder}")


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
    from filelock import FileLock, Timeout

    from gesture import retrain
    from gesture.collection import Collection
    from models.card import read_card
    from models.in_use import roll_back
    from safety_monitor.cli_models import name_in_use, put_in_use

    settings = read_settings(config)
    home = settings.models_folder
    if add is not None and not add.is_dir():
        fail(f"{add}: no such folder")

    def say(line: str) -> None:
        print(f"\r{line:70}", end="", file=sys.stderr, flush=True)

    with _complaints():
        if rollback:
            typer.echo(roll_back(home, name_in_use(settings, kind)))
            return
        collection = Collection(add or settings.gestures_folder)
        target, coming = home / f"{kind}.new", home / f"{kind}.training"
        home.mkdir(parents=True, exist_ok=True)
        present = name_in_use(settings, kind)
        base = data or retrain.DATA / f"{kind}.csv.gz"
        try:
            with FileLock(home / ".training.lock", timeout=0):
                shutil.rmtree(coming, ignore_errors=True)
                if kind is Kind.SIGNS:
                    feedback = settings.feedback_folder
                    result = retrain.retrain_signs(
                        collection, coming, home, base=base, progress=say, feedback=feedback, in_use=present
                    )
                else:
                    result = retrain.retrain_motions(collection, coming, home, base=base, progress=say, in_use=present)
                shutil.rmtree(target, ignore_errors=True)
                coming.rename(target)
        except Timeout:
            fail("another training is under way", TROUBLE)
        except ModuleNotFoundError as error:
            fail_without(error)
        print(file=sys.stderr)
        typer.echo(retrain.comparison(result))
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
    _evaluate("signs", *_two_model(two_model), *(["--people"] if people else []))


@evaluate_app.command("motions")
def evaluate_motions_command(two_model: TwoModelOption = None, tracked: TrackedOption = None) -> None:
    """Measure movements on made-up paths left out of the training, and on tracked recordings."""
    _evaluate("motions", *_two_model(two_model), *_tracked(tracked))


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
    if footage:
        _false_alarms(footage, read_settings(config))
    else:
        _evaluate("help-sign", "--takes", str(takes), *_tracked(tracked))


def _two_model(folder: Path | None) -> list[str]:
    return ["--two-model", str(folder)] if folder else []


def _tracked(tables: list[Path] | None) -> list[str]:
    return ["--tracked", *map(str, tables)] if tables else []


def _false_alarms(footage: list[Path], settings: Settings) -> None:
    from safety_monitor.false_alarms import recordings, report, watch
    from safety_monitor.sensing import SenseError

    files = [file for place in footage for file in recordings(place)]
    if not files:
        fail(f"{footage[0]}: no recordings there")
    watched = []
    try:
        for file in files:
            typer.echo(f"\r{file.name:60}", err=True, nl=False)
            watched.append(watch(file, settings))
    except SenseError as error:
        fail(error)
    typer.echo("", err=True)
    typer.echo(report(watched, settings))
    if any(one.trouble for one in watched):
        raise typer.Exit(TROUBLE)


def _evaluate(*arguments: str) -> NoReturn:
    from gesture.evaluate import main

    try:
        status = main([*arguments])
    except ModuleNotFoundError as error:
        fail_without(error, "measuring trains anew and")
    raise typer.Exit(status)
