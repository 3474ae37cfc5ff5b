"""Trains the scream model that ships: `python -m audio.train --data ../shared/data/audio`.

Every step is kept in a cache folder, so that an interrupted run goes on where it stopped:

1. Examples are composed of the corpus, a part at a time (`audio.examples`).
2. The trunk learns from the teacher what sounds are, of all examples and without labels (`audio.network`).
3. The sources are dealt to folds. For each fold heads learn from examples that hold nothing of the fold's sources,
   and judge the fold's recordings. All figures, the calibration and the thresholds come from these.
4. The head that ships learns from all examples.
"""

import argparse
import csv
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audio.calibration import persisted, scream_odds, strongest, temperature, threshold_at
from audio.corpus import LABELS, Clip, CorpusError, folds, read_corpus, read_feedback
from audio.detector import (
    HEAD_FILE,
    OPERATING_POINT,
    TRUNK_FILE,
    VERDICT_FILE,
    VERDICT_WINDOWS,
    Persistence,
    log_odds,
    overview,
)
from audio.examples import PART, load
from audio.metrics import RATES, Figures, figures
from audio.preparation import Windows, compose_parts, cut_windows, listen, read_sounds
from audio.zoo.yamnet import SCREAMING
from models.card import Card, write_card
from models.registry import find

if TYPE_CHECKING:
    import keras

Array = NDArray[np.float32]

log = logging.getLogger(__name__)

FALSE_CLIPS = 0.025
"""The operating point: the threshold lets through so many of the other recordings, of sources never learned from."""
PRIOR_SHARE = 0.25
"""Weight of the teacher's opinion of a scream, as the trunk learned it, beside the heads'."""
OPINION_SHARE = 1.0
"""Weight of the second opinion on whole recordings."""
SCORES_FILE = "scream-sources-left-out.csv"
"""In the cache: what heads that had not learned from a recording's source said of it."""
RECORDED = 12
"""Most windows of a recording that heads learn from as they are."""
UNSURE = 0.4
"""Weight of recordings whose label is weak or disputed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides about a training besides the recordings.

    Attributes:
        parts: how many parts of `examples.PART` examples are composed.
        folds: into how many the sources are dealt.
        trunk_epochs: passes of the trunk over the examples.
        head_epochs: passes of a head over the examples.
        heads: how many heads with other seeds; the model is their mean.
    """

    parts: int = 117
    folds: int = 6
    trunk_epochs: int = 9
    head_epochs: int = 14
    heads: int = 2


DEFAULT = Plan()
RETRAIN = Plan(parts=30)
"""For a trunk that is taken over."""


def learn_trunk(parts: Sequence[Path], plan: Plan, cache: Path) -> Path:
    """The trunk's file, kept in the cache."""
    import keras

    from audio.network import TrunkRecipe, export_trunk, fit_line, fit_trunk

    name = f"trunk-{parts[0].parent.name}-{plan.parts}-{plan.trunk_epochs}"
    path, learned = cache / f"{name}.tflite", cache / f"{name}.keras"
    if not path.exists():
        log.info("the trunk learns from %d examples", len(parts) * PART)
        recipe, examples = TrunkRecipe(epochs=plan.trunk_epochs), load(parts)
        if not learned.exists():
            fit_trunk(examples, recipe, checkpoint=cache / name).save(learned)
        trunk = keras.models.load_model(learned)
        export_trunk(trunk, recipe, fit_line(trunk, examples, SCREAMING), path)
    return path


@dataclass(frozen=True, slots=True)
class Lessons:
    """What heads learn from: n examples.

    Attributes:
        heard: float32 of shape (n, HEARD), what the trunk makes of them.
        facts: float32 of shape (n, DESCRIPTION).
        labels: int8 of shape (n,).
        weights: float32 of shape (n,).
        sources: int16 of shape (n, 2), see `Examples.sources`.
    """

    heard: Array
    facts: Array
    labels: NDArray[np.int8]
    weights: Array
    sources: NDArray[np.int16]

    def then(self, others: "Lessons") -> "Lessons":
        """These and others."""
        both = ((getattr(self, field.name), getattr(others, field.name)) for field in fields(self))
        return Lessons(*(np.concatenate(each) for each in both))


def learn_heads(lessons: Lessons, plan: Plan, count: int, without: Sequence[int] = ()) -> "list[keras.Model]":
    """So many heads that learned nothing from these sources (places in the list of sources)."""
    from audio.network import HeadRecipe, fit_head

    chosen = (lessons.weights > 0) & ~np.isin(lessons.sources, list(without)).any(axis=1)
    return [
        fit_head(
            lessons.heard[chosen],
            lessons.facts[chosen],
            lessons.labels[chosen],
            lessons.weights[chosen],
            HeadRecipe(epochs=plan.head_epochs, seed=seed + 1),
        )
        for seed in range(count)
    ]


@dataclass(frozen=True, slots=True)
class Opinion:
    """The second opinion on whole recordings: a support vector machine over their overviews.

    Attributes:
        machine: scikit-learn's SVC.
        mean: of the overviews it learned from.
        spread: their standard deviation.
    """

    machine: Any
    mean: Array
    spread: Array

    def __call__(self, overviews: Array) -> Array:
        """Log-odds of a scream, as far as a distance from a border can be called that: float32 of shape (n,)."""
        from audio.network import CUT

        cut = np.clip((overviews - self.mean) / self.spread, -CUT, CUT)
        return np.asarray(self.machine.decision_function(cut), np.float32)


def learn_opinion(overviews: Array, screams: NDArray[np.bool_], weights: Array) -> Opinion:
    """Learn from the recordings as they are: what composed examples cannot show is how a recording goes on."""
    from sklearn.svm import SVC

    from audio.network import CUT

    mean, spread = overviews.mean(axis=0), overviews.std(axis=0) + 1e-2
    machine = SVC(C=5.0, gamma=1.0 / overviews.shape[1], class_weight="balanced")
    machine.fit(np.clip((overviews - mean) / spread, -CUT, CUT), screams, sample_weight=weights)
    return Opinion(machine, mean.astype(np.float32), spread.astype(np.float32))


def overviews_of(traits: Array, judged: Windows, count: int) -> Array:
    """The overview of each of `count` recordings from the traits of its windows; zeros where it holds nothing."""
    starts = np.searchsorted(judged.clips, np.arange(count + 1))
    result = np.zeros((count, 2 * traits.shape[1]), np.float32)
    for place, (first, last) in enumerate(pairwise(starts)):
        loud = ~judged.quiet[first:last]
        if loud.any():
            result[place] = overview(traits[first:last][loud])
    return result


def train_scream(
    data: Path,
    out: Path,
    *,
    teacher: Path | None,
    cache: Path,
    feedback: Path | None = None,
    plan: Plan = DEFAULT,
    jobs: int = 2,
) -> Card:
    """Train, measure on sources left out, and write the model folder.

    Args:
        data: see `audio.corpus.read_corpus`.
        out: the model folder; its name becomes the model's.
        teacher: YAMNet's TFLite file; None: the trunk of the model that ships is taken over, and only what follows it
            learns.
        cache: folder for everything in between; some 3 GB.
        feedback: folder of recordings that people marked, see `audio.corpus.read_feedback`.
        plan: how much of everything.
        jobs: processes that compose examples.

    Raises:
        CorpusError: data that cannot be used.
    """
    from audio.network import export_head, export_opinion, judge

    marked = read_feedback(feedback) if feedback else ()
    clips = (*_apart(read_corpus(data), plan.folds), *marked)
    fold_of = folds(clips, plan.folds)
    _check(clips, fold_of)
    cache.mkdir(parents=True, exist_ok=True)
    sounds = read_sounds(clips, cache, jobs)
    parts = compose_parts(sounds, plan.parts, teacher, cache, jobs)
    judged = cut_windows(sounds, cache, jobs)
    trunk = find("scream") / TRUNK_FILE if teacher is None else learn_trunk(parts, plan, cache)
    lessons = _lessons(trunk, parts, cache)
    heard = listen(trunk, [judged.images], cache, f"heard-{judged.name}")
    lessons = lessons.then(_as_recorded(clips, judged, heard))
    traits = np.concatenate([judged.facts, heard], axis=1)
    overviews = overviews_of(traits, judged, len(clips))
    screams = np.asarray([clip.label == "scream" for clip in clips])
    # What people marked is learned from, never judged: it is what the model in use got wrong, or just that one scream.
    sure = np.asarray([clip.sure and clip not in marked for clip in clips])
    trust = np.asarray([_trust(clip) for clip in clips], np.float32)

    logits = np.zeros((len(judged.clips), len(LABELS)), np.float32)
    opinions = np.zeros(len(clips), np.float32)
    fold_of_clip = np.asarray([fold_of[clip.source] for clip in clips])
    for fold in range(plan.folds):
        log.info("fold %d of %d: heads learn from the other folds", fold + 1, plan.folds)
        without = [place for place, source in enumerate(sorted(fold_of)) if fold_of[source] == fold]
        mine = fold_of_clip[judged.clips] == fold
        for head in learn_heads(lessons, plan, 1, without):
            logits[mine] += judge(head, heard[mine], judged.facts[mine])
        others = fold_of_clip != fold
        opinions[~others] = learn_opinion(overviews[others], screams[others], trust[others])(overviews[~others])
    logits[:, LABELS.index("scream")] += PRIOR_SHARE * heard[:, -1]

    raw = Persistence()
    odds = scream_odds(logits)
    odds[judged.quiet] = -raw.limit
    scale = temperature(strongest(odds, judged.clips, len(clips))[sure], screams[sure])
    by_clip = strongest(odds * scale, judged.clips, len(clips)) + OPINION_SHARE * opinions
    verdict = {"threshold": threshold_at(by_clip[sure & ~screams], FALSE_CLIPS), "slope": 1.0, "share": OPINION_SHARE}
    summed = persisted(odds * scale, judged.clips, len(clips), raw)
    persistence = replace(raw, threshold=threshold_at(summed[sure & ~screams], FALSE_CLIPS))

    _write_scores(cache / SCORES_FILE, data, clips, logits, judged, by_clip - np.float32(verdict["threshold"]))
    log.info("heads and second opinion learn from everything")
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(trunk, out / TRUNK_FILE)
    export_head(learn_heads(lessons, plan, plan.heads), PRIOR_SHARE, scale, out / HEAD_FILE)
    last = learn_opinion(overviews, screams, trust)
    export_opinion(last.machine, last.mean, last.spread, out / VERDICT_FILE)
    size = sum(file.stat().st_size for file in out.glob("*.tflite"))
    ranking = figures(by_clip[sure], screams[sure])
    parameters = {
        "persistence": asdict(persistence),
        "verdict": verdict,
        "held_back": {
            "auc": ranking.auc,
            "recall_at_1_percent": ranking.recall[RATES[0]],
        },
        "scale": scale,
        "plan": asdict(plan),
        "teacher": teacher.name if teacher else "",
    }
    prose = _prose(clips, fold_of, by_clip, summed, persistence, verdict["threshold"], sure, screams, plan, size)
    return write_card(out, task="scream", model_format="tflite", labels=LABELS, parameters=parameters, prose=prose)


def _write_scores(path: Path, data: Path, clips: Sequence[Clip], logits: Array, judged: Windows, beyond: Array) -> None:
    """Probabilities of whole recordings whose sources were left out, for `safety-monitor compare --scores`."""
    root = data if data.is_dir() else data.parent
    screams = 1 / (1 + np.exp(-beyond - log_odds(OPERATING_POINT)))
    starts = np.searchsorted(judged.clips, np.arange(len(clips) + 1))
    others = [place for place, label in enumerate(LABELS) if label != "scream"]
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "scream", *(LABELS[place] for place in others)])
        for clip, scream, (first, last) in zip(clips, screams, pairwise(starts), strict=True):
            shares = np.exp(logits[first:last][:, others])
            mean = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0) * (1 - scream)
            where = clip.path.relative_to(root) if clip.path.is_relative_to(root) else clip.path
            rows.writerow([where, f"{scream:.5f}", *(f"{each:.5f}" for each in mean)])


def _lessons(trunk: Path, parts: Sequence[Path], cache: Path) -> Lessons:
    folder = parts[0].parent.name
    heard = listen(trunk, (np.load(part)["images"] for part in parts), cache, f"heard-{folder}-{len(parts)}")
    names = ("facts", "labels", "weights", "sources")
    kept = [[np.load(part)[name] for part in parts] for name in names]
    return Lessons(heard, *(np.concatenate(each) for each in kept))


def _trust(clip: Clip) -> float:
    return clip.weight * (1.0 if clip.sure else UNSURE)


def _apart(clips: Sequence[Clip], count: int) -> Sequence[Clip]:
    """A single source cannot be left out: its groups are dealt to `count` parts, which stand for sources."""
    if len({clip.source for clip in clips}) > 1:
        return clips
    part = {group: number % count + 1 for number, group in enumerate(dict.fromkeys(clip.group for clip in clips))}
    return [replace(clip, source=f"{clip.source} {part[clip.group]}") for clip in clips]


def _check(clips: Sequence[Clip], fold_of: Mapping[str, int]) -> None:
    """Whatever is left out, screams and others must be left to learn from."""
    for fold in set(fold_of.values()):
        if {clip.label == "scream" for clip in clips if fold_of[clip.source] != fold} != {True, False}:
            raise CorpusError("screams and other recordings are needed, both from two sources or groups at least")


def _as_recorded(clips: Sequence[Clip], judged: Windows, heard: Array) -> Lessons:
    """Windows of the recordings as they are: of screams those most like one to the trunk, of others any.

    Composed examples are harder than what happens; a head that sees only these is unsure of the plain case.
    """
    rng = np.random.default_rng(0)
    sources = sorted({clip.source for clip in clips})
    chosen: list[int] = []
    for place, (first, last) in enumerate(pairwise(np.searchsorted(judged.clips, np.arange(len(clips) + 1)))):
        there = np.flatnonzero(~judged.quiet[first:last]) + first
        if clips[place].label == "scream":
            chosen += list(there[np.argsort(-heard[there, -1])[:VERDICT_WINDOWS]])
        else:
            chosen += list(rng.choice(there, min(RECORDED, len(there)), replace=False))
    where = judged.clips[chosen]
    weights = [(3.0 if clip.label == "scream" else 1.0) * _trust(clip) for clip in clips]
    labels = [LABELS.index(clip.label) for clip in clips]
    places = [(sources.index(clip.source), -1) for clip in clips]
    return Lessons(
        heard[chosen],
        judged.facts[chosen],
        np.asarray(labels, np.int8)[where],
        np.asarray(weights, np.float32)[where],
        np.asarray(places, np.int16)[where],
    )


def _prose(
    clips: Sequence[Clip],
    fold_of: dict[str, int],
    by_clip: Array,
    summed: Array,
    persistence: Persistence,
    verdict: float,
    sure: NDArray[np.bool_],
    screams: NDArray[np.bool_],
    plan: Plan,
    size: int,
) -> str:
    whole = figures(by_clip[sure], screams[sure])
    lines = [
        "# Scream model",
        "",
        "A trunk, a convolutional network over a log-mel picture of a second, hears what sounds are; it learned that",
        f"from the scores of another network. The mean of {plan.heads} heads tells from it, and from numbers that",
        "describe a voice (pitch, salience, roughness, spectral shape), what is a scream; beside them speaks what the",
        f"trunk took over of the teacher's own opinion (share {PRIOR_SHARE}). Three classes: scream, conversation,",
        "ambient. For whole recordings a support vector machine gives a second opinion, from the mean and the maximum",
        f"of the same numbers over all windows. The files have {size / 1e6:.1f} MB.",
        "",
        "## How good it is",
        "",
        f"Judged by leaving sources out, in {plan.folds} folds by source: head and second opinion that judge a",
        "recording learned from nothing that holds a trace of its source, in front or behind. The trunk is the same",
        "for all: it has heard the sounds of all sources, but none of their labels. Recordings with weak or disputed",
        "labels are not counted. What ships learned in the same way from all sources.",
        "",
        "| | screams | others | AUC | " + " | ".join(f"recall at {rate:.1%} false clips" for rate in RATES) + " |",
        "|---|---|---|---|" + "---|" * len(RATES),
        _row("all sources, whole recordings", whole),
        _row("all sources, running detector", figures(summed[sure], screams[sure])),
    ]
    sources = np.asarray([clip.source for clip in clips])
    for fold in range(plan.folds):
        names = sorted(source for source, number in fold_of.items() if number == fold)
        mine = sure & np.isin(sources, names)
        if (mine & screams).any() and (mine & ~screams).any():
            lines.append(_row(", ".join(names), figures(by_clip[mine], screams[mine])))
    found = float((summed[sure & screams] > persistence.threshold).mean())
    lines += [
        "",
        f"The threshold is set so that {FALSE_CLIPS:.1%} of the other recordings pass it. There the running detector,",
        f"which adds windows up, finds {found:.1%} of the screams, and the verdict on whole files",
        f"{float((by_clip[sure & screams] > verdict).mean()):.1%}. Both are scaled to {OPERATING_POINT:.2f} there.",
        "",
        "Recordings of each source that pass it:",
        "",
        "| source | label | recordings | pass | licence |",
        "|---|---|---|---|---|",
    ]
    labels = np.asarray([clip.label for clip in clips])
    for label in LABELS:
        for source in sorted(set(sources[labels == label])):
            mine = (sources == source) & (labels == label)
            licences = sorted({clip.licence for clip, here in zip(clips, mine, strict=True) if here})
            passed = int((summed[mine] > persistence.threshold).sum())
            lines.append(f"| {source} | {label} | {int(mine.sum())} | {passed} | {', '.join(licences)[:80]} |")
    lines += [
        "",
        "Some of these licences forbid commercial use: mind them before selling what this model is part of.",
        "",
        "## What it learned from",
        "",
        f"{plan.parts * PART:,} windows composed of the recordings above, mixed with each other at -5 to 30 dB,",
        "through made-up rooms, microphones, band limits and codecs, at peaks from -50 to 0 dBFS. Three in ten of the",
        "screams, and a fifth of the ambient sounds (cries, tones, noise), are synthesised. Heads also learned from",
        "windows of the recordings as they are. The trunk's teacher was",
        "YAMNet (Apache-2.0): the scores of its 521 classes and the layer before them. YAMNet is no part of the model.",
        "",
        "## Limits",
        "",
        "Few real screams were to be had. Acted and recorded screams are not those of an emergency. Short hoarse death",
        "cries of games and screams with much echo are missed most; baby cries and shrieks of joy come closest to",
        "false alarms. `make models` trains it anew.",
    ]
    return "\n".join(lines)


def _row(name: str, found: Figures) -> str:
    recalls = " | ".join(f"{recall:.2f}" for recall in found.recall.values())
    return f"| {name} | {found.screams} | {found.others} | {found.auc:.4f} | {recalls} |"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="manifest.csv, its folder, or folders of labels")
    parser.add_argument("--teacher", type=Path, help="YAMNet's TFLite file, to learn from its scores as well")
    parser.add_argument("--out", type=Path, default=Path("models/scream"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/hearing"))
    parser.add_argument("--feedback", type=Path, help="folder of recordings that people marked as real or false")
    parser.add_argument("--parts", type=int, default=DEFAULT.parts)
    parser.add_argument("--trunk-epochs", type=int, default=DEFAULT.trunk_epochs)
    parser.add_argument("--heads", type=int, default=DEFAULT.heads)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    plan = Plan(parts=given.parts, trunk_epochs=given.trunk_epochs, heads=given.heads)
    try:
        card = train_scream(
            given.data,
            given.out,
            teacher=given.teacher,
            cache=given.cache,
            feedback=given.feedback,
            plan=plan,
            jobs=given.jobs,
        )
    except CorpusError as error:
        parser.exit(2, f"{error}\n")
    print(card.prose)


if __name__ == "__main__":
    main()
