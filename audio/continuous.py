"""False alarms on continuous sound: long recordings in which nobody screams, played as a stream."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from audio.blocks import SAMPLE_RATE
from audio.capture import open_sound
from audio.corpus import CorpusError
from audio.detector import ScreamDetector, ScreamModel, SoundReading, load_scream_model
from audio.judging import alarms_in
from audio.metrics import rate
from audio.parallel import Progress, in_portions, silent
from audio.recording import SUFFIXES
from media.folders import files_in
from models.rate_bound import CONFIDENCE


def _watch_each(name: str, home: Path | None, paths: list[Path]) -> list[dict[str, Any]]:
    model = load_scream_model(name, home)
    return [_watch(model, path) for path in paths]


def _watch(model: ScreamModel, path: Path) -> dict[str, Any]:
    detector, heard = ScreamDetector(model), 0

    def readings() -> Iterator[SoundReading]:
        nonlocal heard
        with closing(open_sound(str(path), fast=True)) as source:
            for block in source:
                heard += len(block.samples)
                yield from detector.feed(block)
            yield from detector.flush()

    alarms = [round(at_s, 2) for at_s in alarms_in((each.at_s, each.scream) for each in readings())]
    return {"file": str(path), "hours": heard / SAMPLE_RATE / 3600, "alarms_at_s": alarms}


def watch_hours(
    name: str, files: Sequence[Path], *, home: Path | None = None, jobs: int = 1, progress: Progress = silent
) -> dict[str, Any]:
    """Long recordings in which nobody screams: every alarm is a false one.

    Args:
        name: of the model.
        files: recordings, played as a stream, however long; a folder stands for all recordings in it.
        home: a folder with further models.
        jobs: processes.
        progress: told how far it is.

    Raises:
        CorpusError: a folder without recordings.
        ModelError: no such model.
        SoundError: a recording that cannot be decoded.
    """
    load_scream_model(name, home)
    recordings = _watch_all(files)
    found = in_portions(f"{name}: long recordings", partial(_watch_each, name, home), recordings, jobs, progress)
    total = rate(sum(len(each["alarms_at_s"]) for each in found), sum(each["hours"] for each in found))
    return {**total, "confidence": CONFIDENCE, "files": found}


def _watch_all(files: Sequence[Path]) -> list[Path]:
    recordings: list[Path] = []
    for file in (file.absolute() for file in files):
        inside = list(files_in(file, SUFFIXES)) if file.is_dir() else [file]
        if not inside:
            raise CorpusError(f"{file}: no recordings in this folder")
        recordings += inside
    return recordings
