"""The commands around hearing: train the scream models, compare them. Thin: parse, call, print."""

import logging
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safety_monitor.commands.conventions import (
    ConfigOption,
    fail,
    fail_without,
    given_options,
    read_settings,
    silence_native_libraries,
)
from safety_monitor.commands.models import Task, name_in_use, put_in_use
from safety_monitor.commands.training import ForceOption, UseOption, train_app

if TYPE_CHECKING:
    from audio.parallel import Progress

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""
DataOption = Annotated[Path, typer.Option("--data", help="manifest.csv, its folder, or folders of labels.")]
TeacherOption = Annotated[Path | None, typer.Option(help="YAMNet's TFLite file.")]
CacheOption = Annotated[Path, typer.Option("--cache", help="Folder for everything in between; a run goes on there.")]
JobsOption = Annotated[int, typer.Option(min=1, help="Processes that work at once.")]
DaskOption = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Scheduler of a Dask cluster to work on.")]
SeedOption = Annotated[int, typer.Option(min=0, help="The same seed and data give the same model.")]
EpochsOption = Annotated[int, typer.Option(min=1, help="Passes of a network over the data, at most.")]


def add_hearing_commands(app: typer.Typer) -> None:
    """Add these commands to the others; training joins the group that gestures have."""
    train_app.command("scream")(train_scream_command)
    app.command("compare")(compare)


@contextmanager
def complaints() -> Iterator[None]:
    """What can be wrong with data, models and the installation becomes one line."""
    from audio.corpus import CorpusError
    from models.card import ModelError

    try:
        yield
    except ModuleNotFoundError as error:
        fail_without(error)
    except (CorpusError, ModelError, OSError) as error:
        fail(error)


@contextmanager
def steps_told() -> Iterator[None]:
    """What a training that has no bar logs and prints of its steps goes to stderr, with the time."""
    log, handler = logging.getLogger("audio"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)


@contextmanager
def resumable() -> Iterator[None]:
    """Ctrl-C ends with a line that says what is kept."""
    try:
        yield
    except KeyboardInterrupt:
        fail("stopped; the same command goes on from here", INTERRUPTED)


@contextmanager
def progress() -> Iterator["Progress"]:
    """A bar on stderr with the time that is left; on anything but a terminal nothing is drawn."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description:40}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(file=sys.stderr), disable=not sys.stderr.isatty()) as bar:
        tasks: dict[str, TaskID] = {}
        reached: dict[str, int] = {}

        def tick(what: str, done: int, total: int) -> None:
            kind = what.split("(")[0]
            if kind not in tasks:
                tasks[kind] = bar.add_task(what, total=total)
            elif done < reached[kind]:  # begun again, for the next fold
                bar.reset(tasks[kind])
            reached[kind] = done
            bar.update(tasks[kind], description=what, completed=done, total=total)

        yield tick


def train_scream_command(
    context: typer.Context,
    data: DataOption,
    model: Annotated[
        str,
        typer.Option(
            help="scream, which ships, or a published approach: logistic-regression, svm, random-forest, smote-forest, "
            "dense, stft-cnn, mel-cnn, cnn-lstm, segment-cnn, yamnet, consensus."
        ),
    ] = "scream",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the new model; default: MODEL.new, beside your own models.")
    ] = None,
    folds: Annotated[
        int, typer.Option(min=0, help="Judge by sources left out, in so many folds; 0: 70/15/15 by group, scream: 6.")
    ] = 0,
    seed: SeedOption = 1,
    epochs: EpochsOption = 20,
    member: Annotated[list[str] | None, typer.Option(help="Of a consensus; again for each.")] = None,
    feedback: Annotated[
        bool, typer.Option(help="Take along the clips that people marked as real or false alarms.")
    ] = True,
    teacher: TeacherOption = None,
    cache: CacheOption = Path(".cache/hearing"),
    jobs: JobsOption = 2,
    dask: DaskOption = None,
    use: UseOption = False,
    force: ForceOption = False,
    config: ConfigOption = None,
) -> None:
    """Train a scream model: the one that ships, or a published approach to compare with."""
    _check_options(given_options(context), model)
    settings = read_settings(config)
    silence_native_libraries(settings)
    home = settings.models_folder
    folder = out or home / f"{model}.new"
    marked = settings.feedback_folder if feedback else None
    name = name_in_use(settings, Task.SCREAM) if use else settings.hearing.model
    with resumable(), complaints(), progress() as tick:
        from models.card import read_card

        in_use = _usable(name, home)
        if model == "scream":
            from audio.evaluate import note_retrained
            from audio.plan import DEFAULT
            from audio.train import SCORES_FILE, train_scream

            with steps_told():
                card = train_scream(
                    data,
                    folder,
                    feedback=marked,
                    cache=cache,
                    plan=replace(DEFAULT, folds=folds or DEFAULT.folds),
                    jobs=jobs,
                )
            if in_use is not None:
                note_retrained(folder, data, cache / SCORES_FILE, in_use, jobs=jobs, progress=tick)
        else:
            from audio.zoo.plan import Desk, Plan
            from audio.zoo.segments import Cutting
            from audio.zoo.training import train_zoo

            plan = Plan(folds=folds, epochs=epochs, cutting=Cutting(seed=seed))
            plan = replace(plan, members=tuple(member)) if member else plan
            desk = Desk(cache, jobs, dask, teacher, home, marked, tick, in_use)
            card = train_zoo(model, data, folder, plan, desk)
        typer.echo(card.prose)
        if use:
            put_in_use(settings, read_card(folder), folder, force=force)
        else:
            typer.echo(f"\ntrained: {folder}; safety-monitor models use {folder} puts it in use", err=True)


def _usable(name: str, home: Path) -> Path | None:
    """Folder of the model in use; None, and a line, where nothing can be compared with it."""
    from audio.detector import load_scream_model
    from models.card import ModelError
    from models.registry import find

    try:
        load_scream_model(name, home)
        return find(name, home)
    except ModelError as error:
        typer.echo(f"safety-monitor: {error}: the new model is not compared with it", err=True)
        return None


def _check_options(given: list[str], model: str) -> None:
    """An option that says nothing to a model is refused rather than overlooked."""
    useless = {"--seed", "--epochs", "--dask", "--teacher"} if model == "scream" else set()
    useless |= {"--folds", "--epochs"} if model == "consensus" else {"--member"}
    for option in sorted(useless.intersection(given)):
        fail(f"{option} says nothing to {model}: leave it out")
    if "--force" in given and "--use" not in given:
        fail("--force goes with --use")


def compare(
    data: DataOption,
    models: Annotated[
        list[str] | None, typer.Argument(help="Models, by name or folder; with --folds: members of the zoo.")
    ] = None,
    folds: Annotated[
        int, typer.Option(min=0, help="Train each on the other sources, in so many folds; 0: as they are.")
    ] = 0,
    scores: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=CSV", help="Probabilities on sources left out, of another training."),
    ] = None,
    roc: Annotated[Path | None, typer.Option(help="Draw the ROC curves into this PNG.")] = None,
    page: Annotated[Path | None, typer.Option(help="Write a page with all of it, the picture beside it.")] = None,
    seed: SeedOption = 1,
    epochs: EpochsOption = 20,
    teacher: TeacherOption = None,
    cache: CacheOption = Path(".cache/hearing"),
    jobs: JobsOption = 2,
    dask: DaskOption = None,
    config: ConfigOption = None,
) -> None:
    """Judge models by the same recordings: one table, one picture of ROC curves."""
    settings = read_settings(config)
    silence_native_libraries(settings)
    home = settings.models_folder
    if page is not None and not folds:
        fail("--page describes models trained on sources left out: give --folds")
    for picture_or_page in (roc, page):
        if picture_or_page and not picture_or_page.absolute().parent.is_dir():  # hours before it is written
            fail(f"{picture_or_page}: there is no such folder")
    with resumable(), complaints(), progress() as tick:
        from audio.corpus import read_corpus
        from audio.zoo import comparison
        from audio.zoo.plan import Desk, Plan
        from audio.zoo.segments import Cutting

        clips = read_corpus(data)
        root = data if data.is_dir() else data.parent
        plan = Plan(folds=folds, epochs=epochs, cutting=Cutting(seed=seed))
        desk = Desk(cache, jobs, dask, teacher, home, tick=tick)
        if folds:
            tables = {}
            for each in scores or []:
                name, equals, file = each.partition("=")
                if not equals:
                    fail(f"--scores {each}: write NAME=FILE")
                tables[name] = comparison.read_table(Path(file), clips, root)
            rows = comparison.compare_folds(models or [], clips, tables, plan, desk)
        elif models:
            rows = comparison.compare_trained(models, clips, home, desk)
        else:
            fail("name the models to compare, or give --folds to train every published approach")
        typer.echo(comparison.table(rows, clips))
        if roc is not None:
            comparison.draw(rows, clips, roc)
        if page is not None:
            picture = page.with_suffix(".png")
            comparison.draw(rows, clips, picture)
            command = shlex.join(["safety-monitor", *sys.argv[1:]])
            text = comparison.page(rows, clips, plan, str(data), command, picture.name)
            page.write_text(text, encoding="utf-8")
