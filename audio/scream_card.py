"""The card of the scream model: how good it is, on what, what it learned from, and its limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio.corpus import LABELS, Clip, are_screams
from audio.detector import OPERATING_POINT, OVERVIEW_WINDOWS, RECENT_OVERVIEW, RECENT_WINDOWS
from audio.drowned import COPIES, SNRS_DB
from audio.examples import PART
from audio.lessons import COMPOSED
from audio.metrics import RATES, RECALLS, UNSTATED, Figures, figures, shown
from audio.plan import FALSE_CLIPS, KNOWN_SHARE, OPINION_KNOWN_SHARE, OPINION_SHARE, RECENT_SHARE, Plan
from models.rate_bound import CONFIDENCE, rate_bound

Array = NDArray[np.float32]
Alarms = Mapping[str, tuple[int, float]]
"""By label how often the running detector alarmed in recordings without a scream, and in how many hours."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said of recordings by those who had learned nothing of their source.

    Attributes:
        clips: the recordings.
        fold_of: the fold of each source.
        sure: which count, bool of shape (clips,).
        by_clip: the verdict on each whole recording beyond its threshold, float32 of shape (clips,).
        summed: what the running detector made of it at most, beyond its threshold, the same.
    """

    clips: Sequence[Clip]
    fold_of: Mapping[str, int]
    sure: NDArray[np.bool_]
    by_clip: Array
    summed: Array


def prose(
    judged: Judged, alarms: Alarms, alarms_further: Alarms, further: Sequence[Clip], plan: Plan, size: int
) -> str:
    """The card's text.

    Args:
        judged: what the figures are of.
        alarms: in what was judged.
        alarms_further: in what was learned from besides, by detectors that had not heard its source.
        further: what was learned from besides; what weighs nothing was for the trunk alone.
        plan: see `Plan`.
        size: bytes of the files.
    """
    from audio.trunk import TrunkRecipe

    recipe = TrunkRecipe()
    also = f" and {plan.further_parts * PART:,} of further ones" if further else ""
    screams = are_screams(judged.clips)
    sure, by_clip, summed = judged.sure, judged.by_clip, judged.summed
    lowest, highest = SNRS_DB
    lines = [
        "# Scream model",
        "",
        "A trunk, a convolutional network over a log-mel picture of a second, hears what sounds are; it learned that",
        "from the scores of another network. What is a scream is told from that, and from numbers that describe a",
        "voice (pitch, salience, roughness, spectral shape), by a support vector machine, and from what the trunk",
        f"took over of the teacher's own opinion (share {KNOWN_SHARE}). What is none is conversation or ambient by",
        "logistic regression. Two more machines give second opinions, of the mean of the windows most like a scream:",
        f"while it listens, of {RECENT_OVERVIEW} of the newest {RECENT_WINDOWS} (share {RECENT_SHARE}), and of whole",
        f"recordings, of {OVERVIEW_WINDOWS} (share {OPINION_SHARE}; in it the teacher's has a share of",
        f"{OPINION_KNOWN_SHARE}). The files have {size / 1e6:.1f} MB.",
        "",
        "## How good it is",
        "",
        f"Judged by leaving sources out, in {plan.folds} folds by source: head and second opinions that judge a",
        "recording learned from nothing that holds a trace of its source, in front or behind. The trunk is the same",
        "for all: it has heard the sounds of all sources, but none of their labels. Recordings with weak or disputed",
        "labels are not counted. What ships learned in the same way from all sources.",
        "",
        f"| | screams | others | AUC | {RECALLS} |",
        "|---|---|---|---|" + "---|" * len(RATES),
        _row("all sources, whole recordings", figures(by_clip[sure], screams[sure])),
        _row("all sources, running detector", figures(summed[sure], screams[sure])),
    ]
    sources = np.asarray([clip.source for clip in judged.clips])
    for fold in range(plan.folds):
        names = sorted(source for source, number in judged.fold_of.items() if number == fold)
        mine = sure & np.isin(sources, names)
        if (mine & screams).any() and (mine & ~screams).any():
            lines.append(_row(", ".join(names), figures(by_clip[mine], screams[mine])))
    found, passing = ((each > 0) & sure & screams for each in (summed, by_clip))
    count = (sure & screams).sum()
    lines += [
        "",
        *([UNSTATED, ""] if any(line.endswith("– |") for line in lines) else []),
        f"The threshold is set so that {FALSE_CLIPS:.2%} of the other recordings pass it. There the running detector,",
        f"which adds windows up, finds {found.sum() / count:.1%} of the screams, and the verdict on whole files",
        f"{passing.sum() / count:.1%}. Both are scaled to {OPERATING_POINT:.2f} there.",
        "",
        "Alarms of the running detector in the recordings without a scream, most of them short: words, cries, shouts,",
        "animals and machines, one after the other.",
        *(_judged_besides() if alarms_further else ()),
        "",
        f"| | hours | alarms | an hour | at most ({CONFIDENCE:.0%}) |",
        "|---|---|---|---|---|",
        *(_hourly(label, *alarms[label]) for label in alarms),
        *(_hourly(f"{label}, further recordings", *alarms_further[label]) for label in alarms_further),
        "",
        "Recordings of each source that pass it:",
        "",
        "| source | label | recordings | pass | licence |",
        "|---|---|---|---|---|",
    ]
    labels = np.asarray([clip.label for clip in judged.clips])
    for label in LABELS:
        for source in sorted(set(sources[labels == label])):
            mine = (sources == source) & (labels == label)
            licences = sorted({clip.licence for clip, here in zip(judged.clips, mine, strict=True) if here})
            passed = int((summed[mine] > 0).sum())
            lines.append(f"| {source} | {label} | {int(mine.sum())} | {passed} | {', '.join(licences)[:80]} |")
    lines += [
        "",
        "Some of these licences forbid commercial use: mind them before selling what this model is part of.",
        "",
        "## What it learned from",
        "",
        f"The trunk: {recipe.steps * recipe.batch / 1e6:.1f} million windows, each another mixture of the recordings",
        "by which the model that ships is judged and of those that `data/README.md` names, at -5 to 30 dB, through",
        "made-up rooms, microphones, band limits and codecs, at peaks from -50 to 0 dBFS; no label. Its teacher was",
        "YAMNet (Apache-2.0): the scores of its 521 classes and the layer before them, and of what it misses in a",
        "mixture, part of what it hears without the sound behind. YAMNet is no part of the model.",
        "",
        "The head: windows of the recordings as they are, and at most",
        f"{plan.screams:,} real screams that can be heard and {plan.others:,} other sounds, which count {COMPOSED} as",
        f"much, out of {plan.parts * PART:,} windows composed in the same way of the recordings above{also}.",
        "",
        "Second opinions: the recordings as they are. That on the newest windows, which only speaks against a scream,",
        f"learned besides from each scream in {COPIES} other sounds and from each other recording in one, at",
        f"{lowest:.0f} to {highest:.0f} dB, which count {COMPOSED} as much, and was told again and again of what",
        "it took for a scream though it is none.",
        "",
        *(_besides(further) if further else ()),
        "## Limits",
        "",
        "Few real screams were to be had. Acted and recorded screams are not those of an emergency. Short hoarse death",
        "cries of games and screams with much echo are missed most; baby cries, shrieks of joy and cries of animals",
        "come closest to false alarms. `make models` trains all but the trunk anew, `make trunk` the trunk.",
    ]
    return "\n".join(lines)


def _besides(further: Sequence[Clip]) -> Sequence[str]:
    counting = [clip for clip in further if clip.weight]
    screams, unlabelled = int(are_screams(counting).sum()), len(further) - len(counting)
    sources = len({clip.source for clip in counting})
    return (
        f"Head and second opinions learned besides from {screams} screams and {len(counting) - screams:,} other sounds",
        f"of {sources} further sources, in every fold; by these only false alarms are counted.",
        *([f"The trunk heard {unlabelled:,} more, without a label."] if unlabelled else []),
        "Those of the model that ships come out of Debian's packages: `data/README.md`.",
        "",
    )


def _judged_besides() -> Sequence[str]:
    return (
        "Further recordings, from which it learned besides, were judged by two more detectors, each of which learned",
        "nothing from the sources that it judged. Most are ordinary talk, machines, animals and music; nobody has",
        "listened to all of them: some of these alarms may be screams.",
    )


def _hourly(what: str, times: int, hours: float) -> str:
    an_hour = f"{times / hours:.1f}" if hours else "–"
    return f"| {what} | {hours:.2f} | {times} | {an_hour} | {rate_bound(times, hours):.1f} |"


def _row(name: str, found: Figures) -> str:
    recalls = " | ".join(shown(found.stated(rate)) for rate in RATES)
    return f"| {name} | {found.screams} | {found.others} | {found.auc:.4f} | {recalls} |"
