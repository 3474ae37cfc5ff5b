"""How good seeing is on hands it was not trained on: `python -m gesture.evaluate signs|motions|help-sign`.

Every figure is of people left out: the model is trained anew without them. Where files of the well-known two-model
repository are given, its static model is judged on the same hands.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gesture.detector import HandJudge
from gesture.features import sign_features
from gesture.keypoint_classifier import SignClassifier
from gesture.point_history_classifier import SPANS_S, MotionClassifier, combine, motion_features
from gesture.prepare import SIGNS
from gesture.rehearsal import ASPECT, SCRIPTS, Cast, rehearse
from gesture.tables import HandTable, TableError, join, read_hands
from gesture.train import (
    FLAT_SOURCES,
    HeldOut,
    SignPlan,
    export,
    fit_signs,
    folds_by_person,
    hold_out_people,
    predict,
    square_rows,
)
from gesture.trajectories import MOTIONS, draw
from models.card import ModelError, read_labels
from models.runtime import TFLiteModel

Points = NDArray[np.float32]

DATA = Path(__file__).resolve().parent.parent / "data"
SHORT = SignPlan(epochs=12, samples=8_000, members=1)
PARTS = ("open_palm", "thumb_tucked", "fist")
WITHIN_S = 0.5
TWO_MODEL_SIGNS = {"Open": "open_palm", "Close": "fist", "Pointer": "pointer", "OK": "ok"}
"""Labels of the two-model repository, and the signs they mean."""


@dataclass(frozen=True, slots=True)
class Score:
    """How one model does on some hands.

    Attributes:
        name: for the table.
        recall: share of the hands of each sign that are taken for it.
        false_parts: share of the hands that show no sign but are taken for a part of the Signal for Help.
    """

    name: str
    recall: Mapping[str, float]
    false_parts: float


def score(name: str, held_out: HeldOut) -> Score:
    """Recall by sign, and false parts of the Signal for Help."""
    return Score(name, held_out.recall(), held_out.false_parts(PARTS))


def leave_source_out(table: HandTable, source: str, plan: SignPlan = SHORT) -> HeldOut:
    """Answers for all hands of a source by a model that was trained on the others: what a new place will give."""
    mine = table.source == source
    probabilities = predict(fit_signs(table.select(~mine), SIGNS, plan), sign_features(square_rows(table.select(mine))))
    target = np.array([SIGNS.index(label) for label in table.label[mine]], np.intp)
    return HeldOut(probabilities, target, SIGNS)


def two_model_input(table: HandTable) -> Points:
    """What the two-model repository feeds its static model: 42 numbers a hand, in a mirrored picture as it expects."""
    points = table.landmarks[:, :, :2] * np.stack([np.ones(len(table)), table.aspect], axis=1)[:, None]
    points = points * np.array([-1, 1], np.float32)
    moved = (points - points[:, :1]).reshape(len(table), -1)
    return np.asarray(moved / np.maximum(np.abs(moved).max(axis=1, keepdims=True), 1e-6), np.float32)


def two_model_score(table: HandTable, model: Path, labels: Path) -> Score:
    """The static model of the two-model repository on the same hands.

    Raises:
        ModelError: a file is missing or damaged.
    """
    names = [TWO_MODEL_SIGNS.get(label, label) for label in read_labels(labels)]
    network = TFLiteModel(model)
    answers = np.array([names[int(network(row[None])[0].argmax())] for row in two_model_input(table)])
    recall = {
        sign: float((answers[table.label == sign] == sign).mean()) for sign in SIGNS if (table.label == sign).any()
    }
    none = answers[table.label == "none"]
    return Score("two-model repository", recall, float(np.isin(none, PARTS).mean()) if len(none) else 0.0)


def score_table(scores: Sequence[Score]) -> str:
    """Scores side by side, as text."""
    head = f"{'':24}" + "".join(f"{sign:>14}" for sign in SIGNS) + f"{'mean':>8}{'false parts':>13}"
    lines = [head]
    for one in scores:
        cells = "".join(f"{one.recall[sign]:14.3f}" if sign in one.recall else f"{'-':>14}" for sign in SIGNS)
        lines.append(f"{one.name:24}{cells}{float(np.mean(list(one.recall.values()))):8.3f}{one.false_parts:13.4f}")
    return "\n".join(lines)


def confusion_text(held_out: HeldOut) -> str:
    """Which sign is taken for which, as a table of counts; rows are what was shown."""
    answers = held_out.probabilities.argmax(axis=1)
    lines = [f"{'shown':>14}" + "".join(f"{label[:12]:>13}" for label in held_out.labels)]
    for i, label in enumerate(held_out.labels):
        counts = np.bincount(answers[held_out.target == i], minlength=len(held_out.labels))
        lines.append(f"{label:>14}" + "".join(f"{count:13d}" for count in counts))
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """How the Signal for Help does on one script.

    Attributes:
        name: of the script.
        takes: how often it was rehearsed.
        hours: how long that lasted together.
        found: takes in which the sign was told of.
        in_time: of these, how many within `WITHIN_S` of the closing of the hand.
        help: whether the script is the sign.
    """

    name: str
    takes: int
    hours: float
    found: int
    in_time: int
    help: bool


def rehearse_help_sign(
    table: HandTable, takes: int, plan: SignPlan = SHORT, folds: int = 4, progress: Callable[[str], None] = print
) -> list[Rehearsed]:
    """Every script by people left out of the training, `takes` times in each fold, at 10, 15, 30 and irregular rates.

    Only hands that were tracked with their depth act. A fold in which nobody shows a sign borrows it from the others.
    """
    tracked = ~np.isin(table.source, FLAT_SOURCES)
    fold = folds_by_person(table.person, folds, plan.seed)
    motions = MotionClassifier.load()
    totals = {script.name: [0, 0.0, 0, 0] for script in SCRIPTS}
    for number in range(folds):
        progress(f"fold {number + 1} of {folds}")
        mine = table.select((fold == number) & tracked)
        missing = [sign for sign in SIGNS if not (mine.label == sign).any()]
        cast = Cast.of(join([mine, table.select(np.isin(table.label, missing) & tracked)]))
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "model.tflite"
            export(fit_signs(table.select(fold != number), SIGNS, plan), 1.0, path)
            signs = SignClassifier(TFLiteModel(path), SIGNS)
        rng = np.random.default_rng((plan.seed, number))
        for script in SCRIPTS:
            for i in range(takes):
                take = rehearse(cast, script, (10, 15, 30, 15)[i % 4], rng, irregular=i % 4 == 3)
                judge = HandJudge(signs, motions)
                told = [
                    at_s
                    for at_s, hands in take.frames
                    for reading in judge(hands, at_s, ASPECT)
                    if reading.sequences["signal_for_help"] >= 0.80
                ]
                total = totals[script.name]
                total[0] += 1
                total[1] += take.frames[-1][0] / 3600
                total[2] += bool(told)
                total[3] += bool(told) and abs(told[0] - (take.closed_s or 0.0)) <= WITHIN_S
    return [
        Rehearsed(
            script.name,
            int(totals[script.name][0]),
            totals[script.name][1],
            int(totals[script.name][2]),
            int(totals[script.name][3]),
            script.help,
        )
        for script in SCRIPTS
    ]


def rehearsal_text(results: Sequence[Rehearsed]) -> str:
    """Recall within the time limit of what is the sign, and false ones of what is not, as text."""
    lines = [f"{'script':20}{'takes':>7}{'hours':>8}{'told of':>9}{'in time':>9}"]
    for one in results:
        in_time = f"{one.in_time / one.takes:9.3f}" if one.help else f"{'-':>9}"
        lines.append(f"{one.name:20}{one.takes:7d}{one.hours:8.2f}{one.found:9d}{in_time}")
    signs = [one for one in results if one.help]
    others = [one for one in results if not one.help]
    share = sum(one.in_time for one in signs) / sum(one.takes for one in signs)
    hours, false = sum(one.hours for one in others), sum(one.found for one in others)
    lines.append(f"the sign: {share:.3f} within {WITHIN_S} s of the closing of the hand")
    # Three over the time without an event is the 95 % upper bound of a rate (rule of three).
    bound = f"; at 95 % less than {3 / hours:.1f} an hour" if not false else ""
    lines.append(f"everything else: {false} false ones in {hours:.2f} h of hands in view{bound}")
    return "\n".join(lines)


def score_motions(classifier: MotionClassifier, count: int = 300, seed: int = 99) -> dict[str, float]:
    """Recall of each movement on made-up paths that were not trained on: the tip and the wrist move alike."""
    rng = np.random.default_rng(seed)
    recall = {}
    for label in (label for label in classifier.labels if label in MOTIONS):
        right = 0
        for i in range(count):
            path = draw(label, SPANS_S[i % len(SPANS_S)], rng)
            answer = np.asarray(classifier.model(motion_features(path[None]))[0], np.float32)
            both = np.repeat(answer[None], 2, axis=1).reshape(1, 2, -1)
            right += classifier.labels[int(combine(both, classifier.labels).argmax())] == label
        recall[label] = right / count
    return recall


def main(arguments: list[str]) -> int:
    """Print what the command line asks for; exit status 1 and one line where a file cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m gesture.evaluate")
    parser.add_argument("what", choices=["signs", "motions", "help-sign"])
    parser.add_argument("--data", type=Path, default=DATA / "signs.csv.gz", help="table of hands")
    parser.add_argument("--takes", type=int, default=40, help="rehearsals of each script and fold")
    parser.add_argument("--two-model", type=Path, help="folder of a two-model repository's keypoint_classifier")
    options = parser.parse_args(arguments)
    try:
        if options.what == "motions":
            for label, share in score_motions(MotionClassifier.load()).items():
                print(f"{label:20}{share:.3f}")
            return 0
        table = read_hands(options.data)
        table = table.select(np.isin(table.label, SIGNS))
        if options.what == "help-sign":
            print(rehearsal_text(rehearse_help_sign(table, options.takes)))
            return 0
        held_out = hold_out_people(table, SIGNS, SHORT)
        scores = [score("people left out", held_out)]
        scores += [score(f"{source} left out", leave_source_out(table, source)) for source in np.unique(table.source)]
        if options.two_model:
            folder: Path = options.two_model
            files = folder / "keypoint_classifier.tflite", folder / "keypoint_classifier_label.csv"
            scores.append(two_model_score(table, *files))
        print(score_table(scores))
        print(confusion_text(held_out))
    except (TableError, ModelError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
