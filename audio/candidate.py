"""A new model beside the one in use, by recordings that neither has learned from.

Which recordings a model trained here has learned from stands in its folder: what it knows says nothing about it. Where
the model in use knows most of them, for it was trained on them as well, the figures in both cards are of alike
recordings, and `models.in_use` compares those; of others it compares nothing.
"""

import shutil
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio.corpus import Clip, CorpusError, are_screams
from audio.judging import judge_corpus
from audio.metrics import held_back
from audio.parallel import Progress, silent
from models.card import Card, change_card, read_card, sha256
from models.in_use import Comparison, note_comparison

Array = NDArray[np.float32]

LEARNED = "learned.csv"
"""In a model's folder: SHA-256 of each recording that it has learned from."""
FEWEST = 5
"""Screams, and other recordings, that must have been judged to say anything: of three, any model may find all."""


def check_place(folder: Path) -> None:
    """See that a model's folder is empty, missing, or a model: every file in it becomes part of the model.

    Raises:
        CorpusError: it is not, or has no name of its own, as the folder where one is.
    """
    if not folder.name.strip("."):
        raise CorpusError(f"{folder}: has no name that a model could have; give another place with --out")
    if folder.exists() and not (folder / "card.md").is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise CorpusError(f"{folder}: is there already and no model; give another place with --out")


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """Where a model is written: it takes the place of `folder` once all of it is there, and never half of it."""
    place = folder.resolve()  # a link, say to another disk, stays
    fresh = place.with_name(f"{place.name}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    yield fresh
    shutil.rmtree(place, ignore_errors=True)
    fresh.rename(place)


def digest_each(clips: Sequence[Clip]) -> list[str]:
    """SHA-256 of each recording: what is copied or renamed stays the same."""
    return [sha256(clip.path) for clip in clips]


def digests_of(clips: Sequence[Clip]) -> set[str]:
    """The different ones among them."""
    return set(digest_each(clips))


def digests_in(folder: Path) -> set[str]:
    """SHA-256 of the recordings that a model has learned from, as far as its folder says."""
    file = folder / LEARNED
    return set(file.read_text(encoding="utf-8").split()[1:]) if file.is_file() else set()


def familiar(folder: Path, digests: Sequence[str]) -> int:
    """From how many recordings of these digests a model has learned, as far as its folder says."""
    known = digests_in(folder)
    return sum(digest in known for digest in digests)


def write_learned(folder: Path, digests: Set[str]) -> None:
    """Write down what a model has learned from, before its card is written."""
    (folder / LEARNED).write_text("sha256\n" + "".join(f"{each}\n" for each in sorted(digests)), encoding="utf-8")


def comparable(in_use: Card | None) -> dict[str, str]:
    """Parameters of a card that say with which model's figures its own may be compared, see `models.in_use`."""
    return {"comparable_with": in_use.fingerprint if in_use else ""}


def note_beside(
    folder: Path,
    clips: Sequence[Clip],
    screams: Array,
    in_use: Path,
    *,
    jobs: int = 1,
    progress: Progress = silent,
) -> Comparison | None:
    """Compare a candidate with the model in use, and write it into the candidate's card.

    Args:
        folder: of the candidate.
        clips: recordings that it had not learned from when it judged them.
        screams: float32 of shape (clips,), how likely each was a scream to it then.
        in_use: folder of the model in use.
        jobs: processes.
        progress: told how far it is.

    Returns:
        None where there are too few recordings that the model in use has not learned from.

    Raises:
        ModelError: one of the models cannot be used.
        OSError: a recording that cannot be read.
        SoundError: a recording that cannot be decoded.
    """
    known = digests_in(in_use)
    sure = [place for place, clip in enumerate(clips) if clip.sure]
    kept = [place for place in sure if sha256(clips[place].path) not in known]
    chosen = [clips[place] for place in kept]
    truth = are_screams(chosen)
    if not _enough(truth):
        if 2 * len(kept) < len(sure) and _enough(are_screams([clips[place] for place in sure])):
            change_card(folder, parameters=comparable(read_card(in_use)))
        return None
    judged = judge_corpus(str(in_use.absolute()), chosen, jobs=jobs, progress=progress)
    present = np.asarray([each.probability for each in judged], np.float32)
    comparison = Comparison(held_back(screams[kept], truth), held_back(present, truth))
    note_comparison(folder, read_card(in_use), comparison)
    return comparison


def _enough(screams: NDArray[np.bool_]) -> bool:
    """Whether so many screams, and other recordings, say anything."""
    return bool(min(screams.sum(), (~screams).sum()) >= FEWEST)
