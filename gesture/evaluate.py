"""How good seeing is on hands it was not trained on, as text.

Every figure of signs and sequences is of people left out: the model is trained anew without them. Where files of the
well-known two-model repository are given, its models are judged on the same hands and paths.

All functions raise `TableError` or `ModelError` where a file cannot be used.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from gesture.evaluate_help_sign import clip_help_signs, rehearsal_text, rehearse_help_sign
from gesture.evaluate_motions import CLIP_MOVEMENTS, clip_movements, score_motions, two_model_motions
from gesture.evaluate_signs import (
    SHORT,
    confusion_text,
    leave_source_out,
    people_text,
    score,
    score_table,
    two_model_score,
)
from gesture.point_history_classifier import MotionClassifier
from gesture.prepare import SIGN_LABELS
from gesture.tables import BASE_DATA, FLAT_SOURCES, HandTable, read_hands, shown_by_people
from gesture.tracked import Clip, read_clips
from gesture.train_signs import hold_out_people
from models.rate_bound import rate_bound


def signs_text(two_model: Path | None, every: bool, progress: Callable[[str], None]) -> str:
    """Signs: by person and by source left out, each source's people, and what is taken for what.

    Of people left out twice: all hands, and those that a camera's tracker saw, without the tables that lack depth.

    Args:
        two_model: folder of a two-model repository's static model; None: no comparison.
        every: a line for every person, too.
        progress: told a line at a time.
    """
    table = _base_hands()
    if two_model:  # before the trainings, which take minutes
        files = two_model / "keypoint_classifier.tflite", two_model / "keypoint_classifier_label.csv"
        two_model_score(table.select(np.arange(1)), *files)
    shown = shown_by_people(table)
    held_out = hold_out_people(table, SIGN_LABELS, SHORT, progress=progress)
    tracked = ~np.isin(shown.source, FLAT_SOURCES)
    scores = [score("people left out", held_out), score("people left out, tracked", held_out.select(tracked))]
    for source in np.unique(shown.source):
        progress(f"{source} left out")
        scores += leave_source_out(table, source)
        if two_model:
            scores.append(two_model_score(shown.select(shown.source == source), *files, f"{source}, two-model"))
    if two_model:
        scores.append(two_model_score(shown, *files, "two-model repository"))
    return "\n".join([score_table(scores), people_text(held_out, shown, every), confusion_text(held_out)])


def motions_text(two_model: Path | None, tracked: Sequence[Path]) -> str:
    """Recall of each movement on made-up paths and in recordings.

    Args:
        two_model: folder of a two-model repository's movement model; None: no comparison.
        tracked: tables of tracked recordings.
    """
    clips = _clips(tracked)
    recall = score_motions(MotionClassifier.load())
    theirs = {}
    if two_model:
        files = two_model / "point_history_classifier.tflite", two_model / "point_history_classifier_label.csv"
        theirs = two_model_motions(*files)
    real = clip_movements(clips, CLIP_MOVEMENTS)
    lines = [f"{'movement':20}{'made up':>10}{'two-model':>11}{'recordings':>12}"]
    for label, share in recall.items():
        count, found = real.get(label, (0, 0))
        theirs_text = f"{theirs[label]:.3f}" if label in theirs else "-"
        recorded = f"{found} of {count}" if count else "-"
        lines.append(f"{label:20}{share:10.3f}{theirs_text:>11}{recorded:>12}")
    return "\n".join(lines)


def help_sign_text(takes: int, tracked: Sequence[Path], progress: Callable[[str], None]) -> str:
    """How often the Signal for Help is told of in recordings, or, where none are given, in rehearsals.

    Args:
        takes: rehearsals of each script and fold.
        tracked: tables of tracked recordings.
        progress: told a line at a time.
    """
    if not tracked:
        return rehearsal_text(rehearse_help_sign(_base_hands(), takes, progress=progress))
    clips = _clips(tracked)
    told, hours = clip_help_signs(clips)
    return (
        f"recordings: told of in {told} of {len(clips)}, {hours:.2f} h\n"
        f"if none holds the sign, this can bound false ones to at most {rate_bound(told, hours):.1f} an hour (95 %)"
    )


def _base_hands() -> HandTable:
    table = read_hands(BASE_DATA / "signs.csv.gz")
    return table.select(np.isin(table.label, SIGN_LABELS))


def _clips(tables: Sequence[Path]) -> list[Clip]:
    return [clip for path in tables for clip in read_clips(path)]
