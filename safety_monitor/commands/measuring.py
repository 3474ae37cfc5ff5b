"""Commands that show how good hearing is: measure a scream model, draw recordings. Thin: parse, call, print."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from safety_monitor.commands.conventions import (
    WRONG_INPUT,
    ConfigOption,
    JsonOption,
    complain,
    fail,
    fail_without,
    read_settings,
    silence_native_libraries,
)
from safety_monitor.commands.hearing import JobsOption, complaints, progress
from safety_monitor.commands.training import evaluate_app

CORES = os.cpu_count() or 1


def add_measuring_commands(app: typer.Typer) -> None:
    """Add these commands to the others; measuring joins the group that gestures have."""
    evaluate_app.command("scream")(evaluate_scream_command)
    app.command("plot")(plot_command)


def evaluate_scream_command(
    model: Annotated[
        str | None, typer.Argument(help="Name of a scream model, or the path of its folder; default: the one in use.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="manifest.csv, its folder, or folders of labels.", show_default=False)
    ] = None,
    hours: Annotated[
        list[Path] | None,
        typer.Option(help="A long recording without screams, or a folder of them; may be given again."),
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for pictures of the result.")] = None,
    noise: Annotated[bool, typer.Option(help="Mix screams with backgrounds, too.")] = True,
    jobs: JobsOption = CORES,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a scream model: how it tells labels apart, what it misses, how often and how fast it alarms."""
    if data is None and not hours:
        fail("give recordings with labels (--data), long ones without screams (--hours), or both")
    settings = read_settings(config)
    silence_native_libraries(settings)
    from audio.blocks import SoundError

    try:
        from audio.evaluate import evaluate
        from audio.report import table
    except ModuleNotFoundError as error:
        fail_without(error, "measuring")
    try:
        with complaints(), progress() as tick:
            found = evaluate(
                model or settings.hearing.model,
                data,
                hours=hours or (),
                home=settings.models_folder,
                jobs=jobs,
                noise=noise,
                progress=tick,
            )
    except SoundError as error:
        fail(error)
    print(json.dumps(found.report) if as_json else table(found.report))
    if plots is not None:
        with complaints():
            from audio.plots import draw_evaluation

            for path in draw_evaluation(found, plots):
                typer.echo(path, err=True)


def plot_command(
    files: Annotated[list[Path], typer.Argument(help="Recordings, sound or video.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path(),
    model: Annotated[str | None, typer.Option(help="Name of a scream model; default: the one in use.")] = None,
    config: ConfigOption = None,
) -> None:
    """Draw recordings: waveform, spectrograms, MFCC, level, spectral shape, and what the detector says of them."""
    from audio.blocks import SoundError
    from audio.detector import load_scream_model

    settings = read_settings(config)
    silence_native_libraries(settings)
    try:
        from audio.sound_plots import draw_recording
    except ModuleNotFoundError as error:
        fail_without(error, "drawing")
    with complaints():
        loaded = load_scream_model(model or settings.hearing.model, settings.models_folder)
    bad = False
    alike = Counter(file.name for file in files)
    for file in files:
        # kitchen/0001.wav and hall/0001.wav are two pictures
        folder = out / file.absolute().parent.name if alike[file.name] > 1 else out
        try:
            print(draw_recording(loaded, file, folder))
        except (SoundError, OSError) as error:
            complain(error)
            bad = True
    if bad:
        raise typer.Exit(WRONG_INPUT)
