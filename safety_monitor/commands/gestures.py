"""The commands around what gestures are trained on: collect, labels, data. Thin: parse, call, print."""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safety_monitor.commands.conventions import (
    TROUBLE,
    ConfigOption,
    fail,
    lists,
    read_settings,
    say,
    say_for_now,
    silence_native_libraries,
)
from safety_monitor.config import Settings

if TYPE_CHECKING:
    from gesture.capture import FrameSource
    from gesture.collect import Collector
    from gesture.collection import Collection

app = typer.Typer(help="Collect gestures.", no_args_is_help=True)
labels_app = typer.Typer(help="Labels of what you have collected.", no_args_is_help=False)
data_app = typer.Typer(help="The rows you have collected.", no_args_is_help=True)
app.add_typer(labels_app, name="labels")
app.add_typer(data_app, name="data")


class Kind(StrEnum):
    """What a label names."""

    SIGNS = "signs"
    MOTIONS = "motions"


DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of the collection; default: in the home folder.")
]
KEYS = (
    "0 to 9 choose a label and log a row, a logs by itself, u takes the last row back, p pauses, l asks for a new "
    "label; k logs hands, h movements, n nothing; q ends"
)
KindOption = Annotated[Kind, typer.Option("--kind", help="Signs or movements.")]


@contextmanager
def complaints() -> Iterator[None]:
    """What can be wrong with collections, tables, models and the disk becomes one line."""
    from gesture.rows import CollectionError
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
    from gesture.collect import Collector, Panel, session_name, summary
    from gesture.detector import GestureDetector, PictureReader
    from gesture.rows import Origin

    label, still = sign or motion, Path(camera).is_dir()
    if sign and motion:
        fail("give --sign or --motion, not both")
    if motion and still:
        fail("a movement cannot be seen in pictures that have nothing to do with each other; give a recording")
    if window and sys.platform == "linux" and not os.environ.get("DISPLAY"):
        fail("there is no screen for a window; give --no-window")
    if not (window or label or sys.stdin.isatty()):
        fail("without a window and a keyboard the label must be said: give --sign or --motion")
    settings = read_settings(config)
    silence_native_libraries(settings)
    name, home = session or session_name(), settings.models_folder
    with complaints():
        for text in (person, name):
            if not text.isprintable():
                fail(f"{text!r} holds a line break or another sign that cannot be printed")
        collection = _collection(config, data)
        if label:
            collection.check_label("motions" if motion else "signs", label)
        try:
            frames = open_camera(camera, fast=not window)
        except CameraError as error:
            fail(error)
        seeing = PictureReader if still else GestureDetector
        with closing(frames), closing(seeing(max_hands=hands, home=home)) as seer:
            # Of pictures that have nothing to do with each other none is like the one before: all of them count.
            every = math.inf if still else rate
            automatic = bool(label) and (auto or not frames.live)
            panel = Panel("motions" if motion else "signs", label, automatic=automatic, rate=every)
            collector = Collector(collection, seer, Origin(frames.name, person, name), panel)
            try:
                _run(collector, frames, window)
            except KeyboardInterrupt:
                pass
            except CameraError as error:
                fail(error, TROUBLE)
            finally:
                say_for_now()
    typer.echo(summary(collector, recorded=not frames.live))
    if collector.trouble:
        fail(f"not every row could be written: {collector.trouble}", TROUBLE)


def _run(collector: "Collector", frames: "FrameSource", window: bool) -> None:
    """Collect until the frames or the user come to an end."""
    collector.look_up()
    if window:
        from gesture.collect_window import in_window

        in_window(collector, frames)
        return
    from gesture.collect import in_terminal, keyboard

    with keyboard() as keys:
        if sys.stdin.isatty():
            say(f"ready: {KEYS}")
            say(f"labels: {'  '.join(collector.choices()) or 'none yet'}")
        in_terminal(collector, frames, say, say_for_now, keys)


@labels_app.callback(invoke_without_command=True)
def labels_default(context: typer.Context, data: DataOption = None, config: ConfigOption = None) -> None:
    """List labels and how many rows each has."""
    if lists(context):
        list_labels(data, config)


@labels_app.command("list")
def list_labels(data: DataOption = None, config: ConfigOption = None) -> None:
    """List labels and how many rows each has."""
    with complaints():
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
    with complaints():
        _collection(config, data).add_label(kind, label)
    typer.echo(f"{label} is known now; safety-monitor collect --{kind.removesuffix('s')} {label} collects it")


@labels_app.command("rename")
def rename_label(
    old: str, new: str, kind: KindOption = Kind.SIGNS, data: DataOption = None, config: ConfigOption = None
) -> None:
    """Rename a label in the label file, in every row and in your own models; what the program came with stays there."""
    from gesture.retrain import models_that_know, rename_in_models

    settings = read_settings(config)
    with complaints():
        models_that_know(settings.models_folder, kind, old)  # one that is damaged is told of before a row is changed
        count = _collection(config, data).rename_label(kind, old, new)
        changed, both = rename_in_models(settings.models_folder, kind, old, new)
    typer.echo(f"{old} is {new} now: {count} rows" + "".join(f", model {name}" for name in changed))
    for name in both:
        typer.echo(f"model {name} tells {old} and {new} apart until it is trained anew: safety-monitor train {kind}")
    if changed and _means_emergency(settings, kind, old):
        typer.echo(
            f"{old} means an emergency in the settings: change emergency.gestures to {new} before the next start"
        )


def _means_emergency(settings: Settings, kind: Kind, label: str) -> bool:
    gestures = settings.emergency.gestures
    return label in {gesture.sign if kind is Kind.SIGNS else gesture.movement for gesture in gestures}


@labels_app.command("remove")
def remove_label(
    label: str,
    kind: KindOption = Kind.SIGNS,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Forget a label and its rows; models trained with it know it until they are trained anew."""
    settings = read_settings(config)
    with complaints():
        collection = _collection(config, data)
        rows = sum(count for (one, _, _), count in collection.counts(kind).items() if one == label)
        if rows and sys.stdin.isatty() and not yes:
            typer.confirm(f"delete {label} and its {rows} rows? nothing brings them back", abort=True)
        count = collection.remove_label(kind, label)
    typer.echo(f"{label} and {count} rows are gone; train anew to have it out of the model too")
    if _means_emergency(settings, kind, label):
        typer.echo(f"{label} means an emergency in the settings; a model trained anew may know it no longer")


@data_app.command()
def stats(data: DataOption = None, config: ConfigOption = None) -> None:
    """Rows by label, person and session."""
    with complaints():
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
    with complaints():
        collection = _collection(config, data)
        found = collection.check()
        for complaint in found:
            typer.echo(complaint)
        if found:
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
    from gesture.rows import TWO_MODEL_LABELS, Origin

    with complaints():
        origin = Origin(file.name, person, "import")
        collection = _collection(config, data)
        count = collection.import_two_model(kind, file, label_file, origin)
        there = set(collection.labels(kind))
    typer.echo(f"{count} new rows")
    for theirs, ours in TWO_MODEL_LABELS[kind].items():
        if theirs in there:
            put_together = (
                f"safety-monitor labels remove '{theirs}' --kind {kind}, and import once more: it comes in as {ours}"
                if ours in there
                else f"safety-monitor labels rename '{theirs}' {ours} --kind {kind}"
            )
            typer.echo(
                f"'{theirs}' is what safety-monitor calls {ours}; trained under two names, one is taken for the other: "
                + put_together
            )


@data_app.command("export")
def export_rows(
    folder: Path, kind: KindOption = Kind.SIGNS, data: DataOption = None, config: ConfigOption = None
) -> None:
    """Write the rows in the two-model format."""
    with complaints():
        count = _collection(config, data).export_two_model(kind, folder)
    typer.echo(f"{count} rows in {folder}")
