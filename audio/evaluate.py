"""How good a detector is: `safety-monitor evaluate scream --data ../shared/data/audio`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio.blocks import SoundError
from audio.candidate import digest_each, familiar, note_beside
from audio.continuous import watch_hours
from audio.corpus import SCREAM, read_corpus
from audio.judging import Judged, judge_corpus
from audio.noise import recall_in_noise
from audio.parallel import Progress, silent
from audio.report import held_back_figures, summarize
from audio.unusable import unusable
from audio.zoo.comparison import read_table
from models.in_use import Comparison
from models.registry import find


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything about a model on a corpus.

    Attributes:
        report: the metrics, JSON values.
        judged: what was said of each recording, in the order of the corpus.
    """

    report: dict[str, Any]
    judged: tuple[Judged, ...]


def evaluate(
    name: str,
    data: Path | None,
    *,
    hours: Sequence[Path] = (),
    home: Path | None = None,
    jobs: int = 1,
    noise: bool = True,
    progress: Progress = silent,
) -> Evaluation:
    """Everything about a model on a corpus and on long recordings.

    Args:
        name: of the model.
        data: see `audio.corpus.read_corpus`; None: only long recordings.
        hours: see `watch_hours`.
        home: a folder with further models.
        jobs: processes.
        noise: whether screams are also mixed with backgrounds.
        progress: told how far each step is.

    Raises:
        CorpusError: data that cannot be used.
        ModelError: no such model.
        SoundError: a long recording that cannot be decoded.
    """
    report: dict[str, Any] = {"model": name}
    judged: list[Judged] = []
    clips = read_corpus(data.absolute()) if data else ()
    if data:
        try:
            judged = judge_corpus(name, clips, home=home, jobs=jobs, progress=progress)
        except SoundError as error:
            raise unusable(clips, error) from None
        learned = familiar(find(name, home), digest_each(clips))
        report |= {"data": data.name, "learned_from": learned, **summarize(judged)}
    if hours:
        report["continuous"] = watch_hours(name, hours, home=home, jobs=jobs, progress=progress)
    if data and noise:
        report["noise"] = recall_in_noise(name, clips, home=home, jobs=jobs, progress=progress)
    return Evaluation(report, tuple(judged))


def compare_on(data: Path, candidate: Path, in_use: Path, *, jobs: int = 1) -> Comparison:
    """Two models on the same recordings, which neither should have been trained on.

    Args:
        data: see `audio.corpus.read_corpus`.
        candidate: folder of one.
        in_use: folder of the other.
        jobs: processes.

    Raises:
        CorpusError: data that cannot be used.
        ModelError: a model that cannot be used.
        SoundError: a recording that cannot be decoded.
    """
    clips = read_corpus(data.absolute())
    first, second = (
        held_back_figures(judge_corpus(str(folder.absolute()), clips, jobs=jobs)) for folder in (candidate, in_use)
    )
    return Comparison(first, second)


def note_retrained(
    folder: Path, data: Path, scores: Path, in_use: Path, *, jobs: int = 1, progress: Progress = silent
) -> None:
    """Write into a retrained model's card how it does beside the model in use.

    Args:
        folder: of the model, which learned from everything.
        data: recordings that it learned from, see `audio.corpus.read_corpus`.
        scores: what was said of the recordings by models that had heard nothing of their sources, see `read_table`.
        in_use: folder of the model in use.
        jobs: processes.
        progress: told how far it is.

    Raises:
        CorpusError: data that cannot be used.
        ModelError: a model that cannot be used.
    """
    clips = read_corpus(data)
    chances = read_table(scores, clips, data if data.is_dir() else data.parent)[:, SCREAM]
    note_beside(folder, clips, chances, in_use, jobs=jobs, progress=progress)
