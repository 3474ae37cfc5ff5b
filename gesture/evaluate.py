"""How good seeing is on hands it was not trained on: `python -m gesture.evaluate signs|motions|help-sign`.

Every figure is of people left out: the model is trained anew without them. Where files of the well-known two-model
repository are given, its models are judged on the same hands and paths.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gesture.collection import PALM
from gesture.detector import HandJudge
from gesture.features import sign_features
from gesture.held_out import HeldOut, folds_by_person, kinds_of
from gesture.keypoint_classifier import SignClassifier
from gesture.network import export, predict
from gesture.plan import SignPlan
from gesture.point_history_classifier import MOVING, SPANS_S, STILL, MotionClassifier, combine, motion_features
from gesture.prepare import SIGNS
from gesture.rehearsal import ASPECT, SCRIPTS, Cast, rehearse
from gesture.signal_for_help import COMPLETE, STAGES
from gesture.tables import DRAWN, FLAT_SOURCES, HandTable, TableError, join, read_hands, shown_by_people, square_rows
from gesture.tracked import Clip, read_clips
from gesture.train_signs import fit_signs, hold_out_people
from gesture.trajectories import MOTIONS, draw
from models.card import ModelError, read_labels
from models.runtime import TFLiteModel

Points = NDArray[np.float32]

DATA = Path(__file__).resolve().parent.parent / "data"
SHORT = SignPlan(epochs=12, samples=8_000, members=1)
WITHIN_S = 0.5
TWO_MODEL_SIGNS = {"Open": "open_palm", "Close": "fist", "Pointer": "pointer", "OK": "ok"}
"""Labels of the two-model repository, and the signs they mean."""
TWO_MODEL_MOTIONS = {
    "Stop": "stop", "Clockwise": "clockwise", "Counter Clockwise": "counter_clockwise", "Move": "move"
}  # fmt: skip
CLIP_MOVEMENTS = {
    "circlecc": "counter_clockwise", "left": "swipe_left", "right": "swipe_right", "up": "swipe_up",
    "down": "swipe_down",
}  # fmt: skip
"""What file names of recorded movements call them."""
SURE = 0.5


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
    return Score(name, held_out.recall(), held_out.false_parts())


def leave_source_out(table: HandTable, source: str, plan: SignPlan = SHORT) -> list[Score]:
    """How all hands of a source do by a model that was trained on the others: what a new place will give.

    A source whose depth was made up is measured with it and with none.
    """
    mine = table.source == source
    fitted = fit_signs(table.select(~mine), SIGNS, plan)
    points = square_rows(table.select(mine))
    target = np.array([SIGNS.index(label) for label in table.label[mine]], np.intp)
    versions = {f"{source} left out": points}
    if source in FLAT_SOURCES:
        versions[f"{source}, no depth"] = points * np.array([1, 1, 0], np.float32)
    return [
        score(name, HeldOut(predict(fitted.networks, sign_features(version)), target, SIGNS))
        for name, version in versions.items()
    ]


def people_text(held_out: HeldOut, table: HandTable, every: bool = False) -> str:
    """Recall by source and person, as text: of each source the people's mean and who does worst.

    Args:
        held_out: the answers for the rows of `table`.
        table: who showed what.
        every: a line for every person, too.
    """
    right = held_out.probabilities.argmax(axis=1) == held_out.target
    lines = [f"{'source':20}{'people':>8}{'hands':>8}{'right':>8}{'people, mean':>14}{'worst':>8}  who"]
    for source in np.unique(table.source):
        mine = table.source == source
        people = {str(person): right[mine & (table.person == person)] for person in np.unique(table.person[mine])}
        shares = {person: float(share.mean()) for person, share in people.items()}
        worst = min(shares, key=lambda person: shares[person])
        lines.append(
            f"{source:20}{len(people):8d}{int(mine.sum()):8d}{right[mine].mean():8.3f}"
            f"{float(np.mean(list(shares.values()))):14.3f}{shares[worst]:8.3f}  {worst}"
        )
        if every:
            lines += [f"  {person:34}{len(people[person]):8d}{share:8.3f}" for person, share in shares.items()]
    return "\n".join(lines)


def two_model_input(table: HandTable) -> Points:
    """What the two-model repository feeds its static model: 42 numbers a hand, in a mirrored picture as it expects."""
    points = table.landmarks[:, :, :2] * np.stack([np.ones(len(table)), table.aspect], axis=1)[:, None]
    points = points * np.array([-1, 1], np.float32)
    moved = (points - points[:, :1]).reshape(len(table), -1)
    return np.asarray(moved / np.maximum(np.abs(moved).max(axis=1, keepdims=True), 1e-6), np.float32)


def two_model_score(table: HandTable, model: Path, labels: Path, name: str = "two-model repository") -> Score:
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
    return Score(name, recall, float(np.isin(none, STAGES).mean()) if len(none) else 0.0)


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
    lines = [f"{'shown':>14}" + "".join(f"{label[:12]:>13}" for label in held_out.labels)]
    for label, counts in zip(held_out.labels, held_out.confusion(), strict=True):
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
    tracked = ~np.isin(table.source, (*FLAT_SOURCES, DRAWN))
    fold = folds_by_person(table.person, kinds_of(table), folds, plan.seed)
    motions = MotionClassifier.load()
    totals = {script.name: [0, 0.0, 0, 0] for script in SCRIPTS}
    for number in range(folds):
        progress(f"fold {number + 1} of {folds}")
        mine = table.select((fold == number) & tracked)
        missing = [sign for sign in SIGNS if not (mine.label == sign).any()]
        cast = Cast.of(join([mine, table.select(np.isin(table.label, missing) & tracked)]))
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "model.tflite"
            export(fit_signs(table.select(fold != number), SIGNS, plan).networks, 1.0, path)
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


def rate_bound(count: int, hours: float, sure: float = 0.95) -> float:
    """Highest rate an hour at which so few events in so many hours are not yet unlikely.

    The exact upper bound of a Poisson rate (Garwood, "Fiducial Limits for the Poisson Distribution", 1936): the mean of
    which `count` or fewer events have a probability of 1 - `sure`.
    """
    from scipy.stats import chi2

    return float(chi2.ppf(sure, 2 * count + 2)) / 2 / hours if hours > 0 else math.inf


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
    lines.append(
        f"everything else: {false} false ones in {hours:.2f} h of hands in view; "
        f"this can bound it to at most {rate_bound(false, hours):.1f} an hour (95 %)"
    )
    return "\n".join(lines)


def score_motions(classifier: MotionClassifier, count: int = 300, seed: int = 99) -> dict[str, float]:
    """Recall of each movement on made-up paths that were not trained on: the tip and the wrist move alike."""
    recall = {}
    for label, paths in unseen_paths(classifier.labels, count, seed).items():
        answers = np.asarray(classifier.model(motion_features(paths))[0], np.float32)
        both = np.repeat(answers[:, None], 2, axis=1)[:, None]  # (paths, 1 span, tip and wrist, labels)
        right = [classifier.labels[int(combine(one, classifier.labels).argmax())] == label for one in both]
        recall[label] = float(np.mean(right))
    return recall


def unseen_paths(labels: Sequence[str], count: int, seed: int) -> dict[str, Points]:
    """`count` made-up paths of each movement that can be made up, float32 of shape (count, POINTS, 2)."""
    rng = np.random.default_rng(seed)
    return {
        label: np.array([draw(label, SPANS_S[i % len(SPANS_S)], rng) for i in range(count)], np.float32)
        for label in labels
        if label in MOTIONS
    }


def two_model_motions(model: Path, labels: Path, count: int = 300, seed: int = 99) -> dict[str, float]:
    """The movement model of the two-model repository on the same paths, where it knows the movement.

    Its paths are relative to the oldest point, in shares of the picture; a palm counts as 0.09 of the width.

    Raises:
        ModelError: a file is missing or damaged.
    """
    names = [TWO_MODEL_MOTIONS.get(label, label) for label in read_labels(labels)]
    network = TFLiteModel(model)
    recall = {}
    for label, paths in unseen_paths(names, count, seed).items():
        points = (paths - paths[:, :1]) * np.array([PALM, PALM * 16 / 9], np.float32)
        answers = [names[int(network(row[None])[0].argmax())] for row in points.reshape(count, -1)]
        recall[label] = float(np.mean([answer == label for answer in answers]))
    return recall


def clip_movements(clips: Sequence[Clip], names: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """How many clips of each movement there are, and in how many it is the surest of all but rest and moving about.

    Args:
        clips: recordings of one movement each.
        names: movement by what the file's name holds between underscores.
    """
    signs, motions = SignClassifier.load(), MotionClassifier.load()
    counts: dict[str, tuple[int, int]] = {}
    for clip in clips:
        label = next((names[part] for part in clip.name.split("_") if part in names), None)
        if label is None:
            continue
        surest: dict[str, float] = {}
        for reading in clip.readings(HandJudge(signs, motions)):
            for name, probability in reading.movement_probabilities.items():
                if name not in (STILL, MOVING):
                    surest[name] = max(surest.get(name, 0.0), probability)
        right = bool(surest) and max(surest, key=lambda name: surest[name]) == label and surest[label] >= SURE
        count, found = counts.get(label, (0, 0))
        counts[label] = count + 1, found + right
    return counts


def clip_help_signs(clips: Sequence[Clip]) -> tuple[int, float]:
    """How often the Signal for Help is told of in recordings, and hours they last."""
    signs, motions = SignClassifier.load(), MotionClassifier.load()
    told = sum(
        any(reading.sequences["signal_for_help"] >= COMPLETE for reading in clip.readings(HandJudge(signs, motions)))
        for clip in clips
    )
    return told, sum(clip.seconds for clip in clips) / 3600


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
