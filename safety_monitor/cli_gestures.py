"""The commands around gestures: collect, labels, data, train, evaluate. Thin: parse, call, print."""

import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from safety_monitor.command import TROUBLE, ConfigOption, fail, fail_without, read_settings, silence_native_libraries
from safety_monitor.config import Settings

app = typer.Typer(help="Collect gestures, train them, measure them.", no_args_is_help=True)
labels_app = typer.Typer(help="Labels of what you have collected.", no_args_is_help=False)
data_app = typer.Typer(help="The rows you have collected.", no_args_is_help=True)
train_app = typer.Typer(help="Train models anew.", no_args_is_help=True)
evaluate_app = typer.Typer(help="Measure how good seeing and hearing are.", no_args_is_help=True)
app.add_typer(labels_app, name="labels")
app.add_typer(data_app, name="data")
app.add_typer(train_app, name="train")
app.add_typer(evaluate_app, name="evaluate")


NOTHING = "nothing has been collected yet; `safety-monitor collect --help` says how"


class Kind(StrEnum):
    """What a label names."""

    SIGNS = "signs"
    MOTIONS = "motions"


DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of the collection; default: in the home folder.")
]
KindOption = Annotated[Kind, typer.Option("--kind", help="Signs or movements.")]


def _folder(config: Path | None, data: Path | None) -> Path:
    return data or read_settings(config).gestures_folder


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
    from gesture.collection import Collection, CollectionError, Origin, check_label
    from gesture.detector import GestureDetector, PictureReader
    from models.card import ModelError

    if sign and motion:
        fail("give --sign or --motion, not both")
    settings = read_settings(config)
    silence_native_libraries(settings)
    name = session or session_name()
    still = Path(camera).is_dir()
    try:
        label = sign or motion
        if label:
            check_label(label)
        collection = Collection(data or settings.gestures_folder)
        frames = open_camera(camera, fast=not window)
        home = settings.models_folder
        seer = PictureReader(max_hands=hands, home=home) if still else GestureDetector(max_hands=hands, home=home)
    except (CollectionError, CameraError, ModelError, OSError) as error:
        fail(error)
    recorded = not frames.live
    panel = Panel("motions" if motion else "signs", label, automatic=bool(label) and (auto or recorded), rate=rate)
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
    if context.invoked_subcommand is None:
        list_labels(data, config)
    elif data or config:
        fail(f"--data and --config stand behind {context.invoked_subcommand}")


@labels_app.command("list")
def list_labels(data: DataOption = None, config: ConfigOption = None) -> None:
    """List labels and how many rows each has."""
    from gesture.collection import Collection
    from gesture.tables import TableError

    collection = Collection(_folder(config, data))
    try:
        for kind in Kind:
            counts = collection.counts(kind)
            for number, label in enumerate(collection.labels(kind)):
                rows = sum(count for (one, _, _), count in counts.items() if one == label)
                typer.echo(f"{kind}  {number}  {label}  {rows} rows")
        if not any(map(collection.labels, Kind)):
            typer.echo(NOTHING, err=True)
    except TableError as error:
        fail(error, TROUBLE)


@labels_app.command("add")
def add_label(label: str, kind: KindOption = Kind.SIGNS, data: DataOption = None, config: ConfigOption = None) -> None:
    """Make a label known."""
    from gesture.collection import Collection, CollectionError

    try:
        Collection(_folder(config, data)).add_label(kind, label)
    except CollectionError as error:
        fail(error)


@labels_app.command("rename")
def rename_label(
    old: str, new: str, kind: KindOption = Kind.SIGNS, data: DataOption = None, config: ConfigOption = None
) -> None:
    """Rename a label in the label file, in every row and in your own models."""
    from gesture.collection import Collection, CollectionError
    from gesture.retrain import rename_in_models
    from gesture.tables import TableError
    from models.card import ModelError

    try:
        count = Collection(_folder(config, data)).rename_label(kind, old, new)
        changed = rename_in_models(read_settings(config).models_folder, kind, old, new)
    except (CollectionError, TableError, ModelError) as error:
        fail(error)
    typer.echo(f"{old} is {new} now: {count} rows" + "".join(f", model {name}" for name in changed))


@labels_app.command("remove")
def remove_label(
    label: str, kind: KindOption = Kind.SIGNS, data: DataOption = None, config: ConfigOption = None
) -> None:
    """Forget a label and its rows; models trained with it know it until they are trained anew."""
    from gesture.collection import Collection, CollectionError
    from gesture.tables import TableError

    try:
        count = Collection(_folder(config, data)).remove_label(kind, label)
    except (CollectionError, TableError) as error:
        fail(error)
    typer.echo(f"{label} and {count} rows are gone; train anew to have it out of the model too")


@data_app.command()
def stats(data: DataOption = None, config: ConfigOption = None) -> None:
    """Rows by label, person and session."""
    from gesture.collection import Collection
    from gesture.tables import TableError

    collection = Collection(_folder(config, data))
    try:
        for kind in Kind:
            for (label, person, session), count in sorted(collection.counts(kind).items()):
                typer.echo(f"{kind}  {label}  {person}  {session}  {count} rows")
        if not any(map(collection.counts, Kind)):
            typer.echo(NOTHING, err=True)
    except TableError as error:
        fail(error, TROUBLE)


@data_app.command()
def check(data: DataOption = None, config: ConfigOption = None) -> None:
    """Look for damaged rows and thin labels; exit status 1 where there are any."""
    from gesture.collection import Collection

    complaints = Collection(_folder(config, data)).check()
    for complaint in complaints:
        typer.echo(complaint)
    if complaints:
        raise typer.Exit(TROUBLE)
    typer.echo("nothing is wrong with the rows")


@data_app.command("import")
def import_rows(
    file: Path,
    kind: KindOption = Kind.SIGNS,
    label_file: Annotated[Path | None, typer.Option("--labels", help="Its label file.")] = None,
    person: Annotated[str, typer.Option(help="Who showed it.")] = "imported",
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Take over a keypoint.csv or point_history.csv of the two-model format."""
    from gesture.collection import Collection, CollectionError, Origin
    from gesture.tables import TableError

    try:
        collection = Collection(_folder(config, data))
        count = collection.import_two_model(kind, file, label_file, Origin(file.name, person, "import"))
    except (CollectionError, TableError) as error:
        fail(error)
    typer.echo(f"{count} rows")


@data_app.command("export")
def export_rows(
    folder: Path, kind: KindOption = Kind.SIGNS, data: DataOption = None, config: ConfigOption = None
) -> None:
    """Write the rows in the two-model format."""
    from gesture.collection import Collection
    from gesture.tables import TableError

    try:
        count = Collection(_folder(config, data)).export_two_model(kind, folder)
    except TableError as error:
        fail(error, TROUBLE)
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
    from gesture.collection import Collection, CollectionError
    from gesture.tables import TableError
    from models.card import ModelError, read_card
    from models.in_use import roll_back
    from safety_monitor.cli_models import name_in_use, put_in_use

    settings = read_settings(config)
    home = settings.models_folder
    try:
        if rollback:
            typer.echo(roll_back(home, name_in_use(settings, kind)))
            return
        from gesture import retrain

        collection = Collection(add or settings.gestures_folder)
        target = home / f"{kind}.new"
        shutil.rmtree(target, ignore_errors=True)

        def say(line: str) -> None:
            print(f"\r{line:70}", end="", file=sys.stderr, flush=True)

        present = name_in_use(settings, kind)
        base = data or retrain.DATA / f"{kind}.csv.gz"
        if kind is Kind.SIGNS:
            feedback = settings.feedback_folder
            result = retrain.retrain_signs(
                collection, target, home, base=base, progress=say, feedback=feedback, in_use=present
            )
        else:
            result = retrain.retrain_motions(collection, target, home, base=base, progress=say, in_use=present)
        print(file=sys.stderr)
    except ModuleNotFoundError as error:
        fail_without(error)
    except (CollectionError, TableError, ModelError, OSError) as error:
        fail(error)
    typer.echo(retrain.comparison(result))
    typer.echo(f"curves.png and confusion.png are in {result.folder}")
    if use:
        try:
            put_in_use(settings, read_card(result.folder), result.folder, force=force)
        except (ModelError, OSError) as error:
            fail(error)
    else:
        typer.echo(f"trained: {result.folder}; `safety-monitor models use {result.folder.name}` puts it in use")


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
    from safety_monitor.station import SenseError

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
