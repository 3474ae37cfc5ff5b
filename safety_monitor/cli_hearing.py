"""The commands around hearing: train the scream models, compare them. Thin: parse, call, print."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from safety_monitor.cli_gestures import train_app

WRONG_INPUT = 2

DataOption = Annotated[Path, typer.Option("--data", help="manifest.csv, its folder, or folders of labels.")]
CacheOption = Annotated[Path, typer.Option("--cache", help="Folder for everything in between; a run goes on there.")]
JobsOption = Annotated[int, typer.Option(min=1, help="Processes that work at once.")]


def add_hearing_commands(app: typer.Typer) -> None:
    """Add these commands to the others; training joins the group that gestures have."""
    train_app.command("scream")(train_scream_command)


def fail(text: object) -> NoReturn:
    """One line on stderr, and the exit status that says that nothing could be started."""
    typer.echo(f"safety-monitor: {text}", err=True)
    raise typer.Exit(WRONG_INPUT)


def train_scream_command(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder of the new model; its name becomes the model's.")],
    teacher: Annotated[Path | None, typer.Option(help="YAMNet's TFLite file, to learn from its scores.")] = None,
    cache: CacheOption = Path(".cache/hearing"),
    jobs: JobsOption = 2,
) -> None:
    """Train a scream model."""
    from audio.corpus import CorpusError

    try:
        from audio.train import train_scream

        typer.echo(train_scream(data, out, teacher=teacher, cache=cache, jobs=jobs).prose)
    except ModuleNotFoundError as error:
        fail(f"{error.name} is missing: training needs the extra packages (pip install -e '.[train]')")
    except (CorpusError, OSError) as error:
        fail(error)
