"""How good the Signal for Help is: told of in rehearsals by people left out of the training, and in recordings."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gesture.detector import HandJudge
from gesture.evaluate_signs import SHORT
from gesture.held_out import folds_by_person, kinds_of
from gesture.keypoint_classifier import SignClassifier
from gesture.network import export
from gesture.point_history_classifier import MotionClassifier
from gesture.prepare import SIGN_LABELS
from gesture.rehearsal import ASPECT, SCRIPTS, Cast, Take, rehearse
from gesture.signal_for_help import COMPLETE, NAME
from gesture.tables import DRAWN, FLAT_SOURCES, HandTable, join
from gesture.tracked import Clip
from gesture.train_signs import fit_signs
from models.rate_bound import rate_bound
from models.runtime import TFLiteModel

WITHIN_S = 0.5
FOLDS = 4


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


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one take: how long it lasted, whether the sign was told of, and whether in time."""

    seconds: float
    told: bool
    in_time: bool

    @staticmethod
    def of(take: Take, judge: HandJudge) -> "_Outcome":
        """What a judge, used for nothing else, says of it."""
        told_s = [
            at_s
            for at_s, hands in take.frames
            for reading in judge(hands, at_s, ASPECT)
            if reading.sequences[NAME] >= COMPLETE
        ]
        in_time = bool(told_s) and abs(told_s[0] - (take.closed_s or 0.0)) <= WITHIN_S
        return _Outcome(take.frames[-1][0], bool(told_s), in_time)


def rehearse_help_sign(
    table: HandTable,
    takes: int,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Rehearsed]:
    """Every script by people left out of the training, `takes` times in each fold, at 10, 15, 30 and irregular rates.

    Only hands that were tracked with their depth act. A fold in which nobody shows a sign borrows it from the others.
    """
    tracked = ~np.isin(table.source, (*FLAT_SOURCES, DRAWN))
    fold = folds_by_person(table.person, kinds_of(table), FOLDS, SHORT.seed)
    motions = MotionClassifier.load()
    outcomes: dict[str, list[_Outcome]] = {script.name: [] for script in SCRIPTS}
    for number in range(FOLDS):
        progress(f"part {number + 1} of {FOLDS} left out")
        mine = table.select((fold == number) & tracked)
        missing = [sign for sign in SIGN_LABELS if not (mine.label == sign).any()]
        cast = Cast.of(join([mine, table.select(np.isin(table.label, missing) & tracked)]))
        signs = _trained(table.select(fold != number))
        rng = np.random.default_rng((SHORT.seed, number))
        for script in SCRIPTS:
            for i in range(takes):
                take = rehearse(cast, script, (10, 15, 30, 15)[i % 4], rng, irregular=i % 4 == 3)
                outcomes[script.name].append(_Outcome.of(take, HandJudge(signs, motions)))
    return [
        Rehearsed(
            script.name,
            len(mine),
            sum(one.seconds for one in mine) / 3600,
            sum(one.told for one in mine),
            sum(one.in_time for one in mine),
            script.help,
        )
        for script in SCRIPTS
        for mine in [outcomes[script.name]]
    ]


def _trained(table: HandTable) -> SignClassifier:
    """A sign model of some hands, run as the station runs it."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.tflite"
        export(fit_signs(table, SIGN_LABELS, SHORT).networks, 1.0, path)
        return SignClassifier(TFLiteModel(path), SIGN_LABELS)


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


def clip_help_signs(clips: Sequence[Clip]) -> tuple[int, float]:
    """How often the Signal for Help is told of in recordings, and hours they last."""
    signs, motions = SignClassifier.load(), MotionClassifier.load()
    told = sum(
        any(reading.sequences[NAME] >= COMPLETE for reading in clip.readings(HandJudge(signs, motions)))
        for clip in clips
    )
    return told, sum(clip.seconds for clip in clips) / 3600
