"""What came of a training: how recordings left out were judged, where the threshold lies, and the card's page on it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE
from audio.calibration import threshold_at
from audio.corpus import LABELS, SCREAM, Clip, are_sure, labels_of
from audio.detector import OPERATING_POINT, log_odds
from audio.metrics import RATES, RECALLS, UNSTATED, Figures, figures, held_back, shown
from audio.zoo.lesson import Epoch
from audio.zoo.member import Kind, Member
from audio.zoo.plan import Plan

Array = NDArray[np.float32]
Flags = NDArray[np.bool_]

FALSE_CLIPS = 0.01
"""The operating point: the threshold lets through so many of the other recordings that were not learned from."""
LISTENED_S = 20.0
"""So much of a recording is played to the detector to find the threshold."""


@dataclass(frozen=True, slots=True)
class Unheard:
    """Recordings judged by models that had heard nothing of them, or of their sources.

    Attributes:
        chances: float32 of shape (clips, labels).
        judged: which of them.
        played: float32 of shape (clips, 2), of those that were played to the running detector, nan elsewhere: the
            highest persisted log-odds, and the score that its verdict on a file rests on.
    """

    chances: Array
    judged: Flags
    played: Array


def threshold(scores: Array, screams: Flags) -> float:
    """Between the scores of other recordings that may pass and those that may not."""
    others = scores[~screams]
    return threshold_at(others, FALSE_CLIPS) if len(others) else 0.0


@dataclass(frozen=True, slots=True)
class Results:
    """A training and what came of it.

    Attributes:
        member: which approach.
        clips: all recordings.
        data: where they are from.
        plan: what decided about it.
        unheard: how recordings were judged that it had not learned from.
        part: of each recording what it was for, see `audio.zoo.training.shares`.
        history: of a network.
    """

    member: Member
    clips: Sequence[Clip]
    data: Path
    plan: Plan
    unheard: Unheard
    part: NDArray[np.str_]
    history: Sequence[Epoch] = ()

    @property
    def truth(self) -> NDArray[np.int64]:
        """Index of the label of each recording."""
        return labels_of(self.clips)

    @property
    def given(self) -> NDArray[np.int64]:
        """Index of the label that each recording was taken for."""
        return np.asarray(self.unheard.chances.argmax(axis=1), np.int64)

    @property
    def counted(self) -> Flags:
        """Which recordings the figures are of."""
        asked = (self.part == "test") | bool(self.plan.folds)
        return np.asarray(are_sure(self.clips) & self.unheard.judged & asked, np.bool_)

    @property
    def held_back(self) -> dict[str, float]:
        """How good it is on what it had not learned from, see `audio.metrics.held_back`."""
        return held_back(self.unheard.chances[self.counted, SCREAM], (self.truth == SCREAM)[self.counted])

    @property
    def played(self) -> Flags:
        """Which recordings were played to the running detector."""
        return ~np.isnan(self.unheard.played[:, 0])

    @property
    def thresholds(self) -> tuple[float, float]:
        """In log-odds: of the running detector, and of its verdict on a file."""
        screams = (self.truth == SCREAM)[self.played]
        live, verdict = (threshold(scores, screams) for scores in self.unheard.played[self.played].T)
        return live, verdict


def confusion(results: Results) -> NDArray[np.int64]:
    """How many counted recordings of each label (row) were taken for each (column)."""
    counts = np.zeros((len(LABELS), len(LABELS)), np.int64)
    np.add.at(counts, (results.truth[results.counted], results.given[results.counted]), 1)
    return counts


def prose(results: Results, size: int) -> str:
    """The card's page, in Markdown.

    Args:
        results: of the training.
        size: bytes of the model's file; 0: it has none.
    """
    member = results.member
    window_s = f"{member.features.window / SAMPLE_RATE:.2f} s at a time"
    lines = [
        f"# {member.title}",
        "",
        f"A member of the zoo, trained by `{command(member, results.data, results.plan)}`. It looks at",
        f"{window_s}. The file has {size / 1e6:.2f} MB."
        if size
        else f"{window_s}, through {', '.join(results.plan.members)}.",
        "",
        *_how_good(results),
        *_threshold(results),
        *_learned_from(results),
        "## Limits",
        "",
        "An approach as published, to compare with. It was not tuned to false alarms per hour on continuous sound, and"
        " acted and recorded screams are not those of an emergency.",
    ]
    return "\n".join(lines)


def _how_good(results: Results) -> list[str]:
    counted, screams = results.counted, results.truth == SCREAM
    folds = results.plan.folds
    how = (
        f"{folds} folds by source: what judged a recording had heard nothing of its source; what is written learned"
        " from all sources"
        if folds
        else "15 % of the groups, judged by what learned from 70 % and was tuned on the other 15 %: other recordings,"
        " but of the same sources; a new place is harder"
    )
    lines = ["## How good it is", "", f"Judged: {how}. Weak and disputed labels are not counted.", ""]
    if (counted & screams).any() and (counted & ~screams).any():
        odds = np.asarray([log_odds(float(chance)) for chance in results.unheard.chances[counted, SCREAM]], np.float32)
        right = (results.given == results.truth)[counted]
        lines += [figures_table(figures(odds, screams[counted])), ""]
        lines += [f"Accuracy over three classes: {right.mean():.3f}.", ""]
    else:
        lines += ["Too few recordings were left to judge it by.", ""]
    lines += ["![which label was taken for which](confusion.png)", ""]
    return [*lines, "![loss by epoch](curves.png)", ""] if results.history else lines


def _threshold(results: Results) -> list[str]:
    screams, played, live = results.truth == SCREAM, results.played, results.thresholds[0]
    passing, others = results.unheard.played[:, 0] > live, int((played & ~screams).sum())
    allowed = f"at most {int(FALSE_CLIPS * others)}" if int(FALSE_CLIPS * others) else "here none"
    return [
        "## Threshold",
        "",
        f"{others} other recordings that it had not learned from were played to the running detector, at most"
        f" {LISTENED_S:.0f} s of each.",
        f"The threshold lets {FALSE_CLIPS:.0%} of them pass, {allowed}: it lies at {live:.2f} in persisted"
        f" log-odds, which the station shows as",
        f"{OPERATING_POINT:.2f}. {int((passing & screams).sum())} of {int((played & screams).sum())} screams pass it.",
        "",
    ]


def _learned_from(results: Results) -> list[str]:
    lines = [
        "## What it learned from",
        "",
        "| source | label | recordings | judged | right | licence |",
        "|---|---|---|---|---|---|",
    ]
    cutting, counted, right = results.plan.cutting, results.counted, results.given == results.truth
    sources = np.asarray([clip.source for clip in results.clips])
    for number, label in enumerate(LABELS):
        for source in sorted(set(sources[results.truth == number].tolist())):
            mine = (sources == source) & (results.truth == number)
            licences = {clip.licence for clip, here in zip(results.clips, mine, strict=True) if here} - {""}
            lines.append(
                f"| {source} | {label} | {int(mine.sum())} | {int((mine & counted).sum())} |"
                f" {int((mine & counted & right).sum())} |"
                f" {', '.join(sorted(licences))[:80].replace('|', '/') or 'not stated'} |"
            )
    return [
        *lines,
        "",
        "Silence at both ends is trimmed; each scream is heard in "
        f"{cutting.screams} further ways and any other sound in {cutting.others}: other rooms, microphones,"
        " levels, before other sound.",
        "",
    ]


def figures_table(found: Figures) -> str:
    """Figures as a table for a page."""
    recalls = " | ".join(shown(found.stated(rate)) for rate in RATES)
    unstated = f"\n\n{UNSTATED}" if any(found.stated(rate) is None for rate in RATES) else ""
    return (
        f"| screams | others | AUC | {RECALLS} |\n"
        "|---|---|---|" + "---|" * len(RATES) + "\n"
        f"| {found.screams} | {found.others} | {found.auc:.4f} | {recalls} |{unstated}"
    )


def command(member: Member, data: Path, plan: Plan) -> str:
    """The command that trains it again."""
    words = [
        "safety-monitor train scream",
        f"--model {member.name}",
        f"--data {shlex.quote(str(data))}",
        f"--seed {plan.seed}",
    ]
    words += [f"--folds {plan.folds}"] if plan.folds else []
    words += ["--teacher yamnet.tflite"] if member.kind is Kind.GIVEN else []
    words += [f"--epochs {plan.epochs}"] if member.kind is Kind.NETWORK else []
    words += [f"--member {name}" for name in plan.members] if member.kind is Kind.CONSENSUS else []
    return " ".join(words)
