"""How good seeing is on hands it was not trained on: `python -m gesture.evaluate signs|motions|help-sign`.

Every figure is of people left out: the model is trained anew without them. Where files of the well-known two-model
repository are given, its models are judged on the same hands and paths.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gesture.evaluate_help_sign import clip_help_signs, rate_bound, rehearsal_text, rehearse_help_sign
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
from gesture.prepare import SIGNS
from gesture.tables import HandTable, TableError, read_hands, shown_by_people
from gesture.tracked import Clip, read_clips
from gesture.train_signs import hold_out_people
from models.card import ModelError

DATA = Path(__file__).resolve().parent.parent / "data"


def main(arguments: list[str]) -> int:
    """Print what the command line asks for; exit status 1 and one line where a file cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m gesture.evaluate")
    parser.add_argument("what", choices=["signs", "motions", "help-sign"])
    parser.add_argument("--data", type=Path, default=DATA / "signs.csv.gz", help="table of hands")
    parser.add_argument("--takes", type=int, default=40, help="rehearsals of each script and fold")
    parser.add_argument("--two-model", type=Path, help="folder of a two-model repository's model to compare with")
    parser.add_argument("--tracked", type=Path, nargs="*", default=[], help="tables of tracked recordings")
    parser.add_argument("--people", action="store_true", help="a line for every person")
    options = parser.parse_args(arguments)
    try:
        clips = [clip for path in options.tracked for clip in read_clips(path)]
        if options.what == "motions":
            _measure_motions(options.two_model, clips)
        elif options.what == "help-sign":
            if clips:
                told, hours = clip_help_signs(clips)
                bound = rate_bound(told, hours)
                print(f"recordings: told of in {told} of {len(clips)}, {hours:.2f} h")
                print(f"if none holds the sign, this can bound false ones to at most {bound:.1f} an hour (95 %)")
            else:
                table = read_hands(options.data)
                table = table.select(np.isin(table.label, SIGNS))
                print(rehearsal_text(rehearse_help_sign(table, options.takes)))
        else:
            table = read_hands(options.data)
            _measure_signs(table.select(np.isin(table.label, SIGNS)), options.two_model, options.people)
    except (TableError, ModelError) as error:
        print(f"safety-monitor: {error}", file=sys.stderr)
        return 1
    return 0


def _measure_signs(table: HandTable, two_model: Path | None, every: bool) -> None:
    if two_model:  # before the trainings, which take minutes
        files = two_model / "keypoint_classifier.tflite", two_model / "keypoint_classifier_label.csv"
        two_model_score(table.select(np.arange(1)), *files)
    shown = shown_by_people(table)
    held_out = hold_out_people(table, SIGNS, SHORT)
    scores = [score("people left out", held_out)]
    for source in np.unique(shown.source):
        scores += leave_source_out(table, source)
        if two_model:
            scores.append(two_model_score(shown.select(shown.source == source), *files, f"{source}, two-model"))
    if two_model:
        scores.append(two_model_score(shown, *files, "two-model repository"))
    print(score_table(scores))
    print(people_text(held_out, shown, every))
    print(confusion_text(held_out))


def _measure_motions(two_model: Path | None, clips: Sequence[Clip]) -> None:
    recall = score_motions(MotionClassifier.load())
    theirs = {}
    if two_model:
        files = two_model / "point_history_classifier.tflite", two_model / "point_history_classifier_label.csv"
        theirs = two_model_motions(*files)
    real = clip_movements(clips, CLIP_MOVEMENTS)
    print(f"{'movement':20}{'made up':>10}{'two-model':>11}{'recordings':>12}")
    for label, share in recall.items():
        count, found = real.get(label, (0, 0))
        print(
            f"{label:20}{share:10.3f}"
            + (f"{theirs[label]:11.3f}" if label in theirs else f"{'-':>11}")
            + (f"{f'{found} of {count}':>12}" if count else f"{'-':>12}")
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
