"""Trains the scream model that ships: `python -m audio.train --data ../shared/data/audio`.

Every step is kept in a cache folder, so that an interrupted run goes on where it stopped:

1. Examples are composed of the corpus, a part at a time (`audio.examples`).
2. The trunk learns from the teacher what sounds are, of all examples and without labels (`audio.network`).
3. The sources are dealt to folds. For each fold a head learns from what holds nothing of the fold's sources, and judges
   the fold's recordings (`audio.head`). All figures, the calibration and the thresholds come from these.
4. The head that ships learns from everything.
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

from audio.calibration import log_odds_line, persisted, strongest, threshold_at
from audio.corpus import LABELS, Clip, CorpusError, folds, read_corpus, read_feedback
from audio.detector import (
    HEAD_FILE,
    OPERATING_POINT,
    OVERVIEW_WINDOWS,
    TRUNK_FILE,
    VERDICT_FILE,
    Persistence,
    log_odds,
    overview,
)
from audio.examples import PART, load
from audio.head import Line, Machine, constant_line, learn_line, learn_machine
from audio.metrics import RATES, Figures, figures
from audio.preparation import Windows, compose_parts, cut_windows, listen, read_sounds
from audio.zoo.yamnet import SCREAMING
from models.card import Card, write_card
from models.registry import find

if TYPE_CHECKING:
    from audio.network import Head

Array = NDArray[np.float32]

log = logging.getLogger(__name__)

FALSE_CLIPS = 0.025
"""The operating point: the threshold lets through so many of the other recordings, of sources never learned from."""
OPINION_SHARE = 5.0
"""Weight of the second opinion on whole recordings."""
SCORES_FILE = "scream-sources-left-out.csv"
"""In the cache: what heads that had not learned from a recording's source said of it."""
OF_A_SCREAM, LIKE_SCREAMS, ANY = 3, 8, 3
"""A head learns from so many windows of a scream, so many of another recording that are most like one, and of that so
many others."""
APART = 2
"""Windows between two of a scream."""
HEAD_PENALTY, OPINION_PENALTY = 50.0, 2.0
"""See `learn_machine`. A head must let pass no window of what it knows to be none: a shout is near a scream."""
AUDIBLE = -4.0
"""A composed scream that the trunk believes in less, as the teacher's logit, is too faint to learn from."""
RARE = 6.0
"""Weight of a window of a recorded scream, to networks, beside those of other recordings and what is composed."""
COMPOSED = 0.3
"""Weight of a composed window, to a machine, beside those of the recordings as they are."""
CERTAIN = 5.0
"""Log-odds where only one of two kinds was to be learned from."""
UNSURE = 0.4
"""Weight of recordings whose label is weak or disputed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides about a training besides the recordings.

    Attributes:
        parts: how many parts of `examples.PART` examples are composed.
        folds: into how many the sources are dealt.
        trunk_epochs: passes of the trunk over the examples.
        networks: how many networks with other seeds a head has that ships.
        screams: its machine learns from at most so many composed screams,
        others: and from at most so many other composed windows.
    """

    parts: int = 117
    folds: int = 6
    trunk_epochs: int = 9
    networks: int = 2
    screams: int = 3000
    others: int = 5000


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
    """What heads learn from: n windows.

    Attributes:
        traits: float32 of shape (n, k): a description, then what the trunk heard.
        labels: int8 of shape (n,).
        weights: float32 of shape (n,).
        sources: int16 of shape (n, 2), see `Examples.sources`.
    """

    traits: Array
    labels: NDArray[np.int8]
    weights: Array
    sources: NDArray[np.int16]

    def then(self, others: "Lessons") -> "Lessons":
        """These and others."""
        both = ((getattr(self, field.name), getattr(others, field.name)) for field in fields(self))
        return Lessons(*(np.concatenate(each) for each in both))

    def only(self, chosen: NDArray[Any]) -> "Lessons":
        """Those at these places."""
        return Lessons(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def without(self, sources: Sequence[int]) -> "Lessons":
        """Those that hold nothing of these sources (places in the list of sources)."""
        return self.only(np.flatnonzero(~np.isin(self.sources, list(sources)).any(axis=1)))


def learn_head(composed: Lessons, recorded: Lessons, plan: Plan, networks: int) -> "Head":
    """A head with so many networks, which learn from all of both. Its machine sees only some of the composed."""
    from audio.network import Head, NetworkRecipe, fit_network

    counted = np.where(recorded.labels == LABELS.index("scream"), RARE, 1).astype(np.float32)
    everything = composed.then(replace(recorded, weights=recorded.weights * counted))
    fitted = [
        fit_network(everything.traits, everything.labels, everything.weights, NetworkRecipe(seed=seed + 1))
        for seed in range(networks)
    ]
    some = recorded.then(_telling(composed, plan))
    machine = learn_machine(some.traits, some.labels == LABELS.index("scream"), some.weights, HEAD_PENALTY)
    return Head(machine, fitted, learn_voices(some))


def learn_voices(lessons: Lessons) -> Line:
    """What tells conversation from ambient sounds."""
    others = lessons.only(lessons.labels != LABELS.index("scream"))
    kinds = np.unique(others.labels)
    if len(kinds) == 1:
        return constant_line(others.traits.shape[1], CERTAIN if kinds[0] == LABELS.index("conversation") else -CERTAIN)
    return learn_line(others.traits, others.labels == LABELS.index("conversation"), others.weights)


def overviews_of(traits: Array, judged: Windows, count: int) -> Array:
    """The overview of each of `count` recordings from the traits of its windows; zeros where it holds nothing."""
    starts = np.searchsorted(judged.clips, np.arange(count + 1))
    result = np.zeros((count, traits.shape[1]), np.float32)
    for place, (first, last) in enumerate(pairwise(starts)):
        loud = ~judged.quiet[first:last]
        if loud.any():
            result[place] = overview(traits[first:last][loud])
    return result


def learn_opinion(clips: Sequence[Clip], overviews: Array) -> Machine:
    """What tells recordings of screams from others, as they are, by their overviews."""
    screams = np.asarray([clip.label == "scream" for clip in clips])
    return learn_machine(overviews, screams, np.asarray([_trust(clip) for clip in clips], np.float32), OPINION_PENALTY)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is said of recordings by those who have learned nothing that holds a trace of their source.

    Attributes:
        distances: of n windows, on the side of a scream, float32 of shape (n,).
        voices: log-odds that a window without a scream is conversation, float32 of shape (n,).
        opinions: of the recordings, float32 of shape (recordings,).
    """

    distances: Array
    voices: Array
    opinions: Array


def judge_left_out(
    clips: Sequence[Clip],
    fold_of: Mapping[str, int],
    lessons: tuple[Lessons, Lessons],
    judged: Windows,
    traits: Array,
    overviews: Array,
    plan: Plan,
) -> LeftOut:
    """For each fold of sources learn from the other folds, and judge its recordings."""
    distances, voices = np.zeros(len(traits), np.float32), np.zeros(len(traits), np.float32)
    opinions = np.zeros(len(clips), np.float32)
    fold_of_clip = np.asarray([fold_of[clip.source] for clip in clips])
    count = len(set(fold_of.values()))
    for fold in sorted(set(fold_of.values())):
        log.info("fold %d of %d: a head learns from the other folds", fold + 1, count)
        sources = [place for place, source in enumerate(sorted(fold_of)) if fold_of[source] == fold]
        composed, recorded = (each.without(sources) for each in lessons)
        head = learn_head(composed, recorded, plan, 1)
        left_out = fold_of_clip == fold
        mine = left_out[judged.clips]
        distances[mine] = head.distances(traits[mine])
        voices[mine] = head.voices(traits[mine])
        learned = [clip for clip, out in zip(clips, left_out, strict=True) if not out]
        opinions[left_out] = learn_opinion(learned, overviews[~left_out])(overviews[left_out])
    return LeftOut(distances, voices, opinions)


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
    from audio.network import export_head, export_opinion

    marked = read_feedback(feedback) if feedback else ()
    clips = (*_apart(read_corpus(data), plan.folds), *marked)
    fold_of = folds(clips, plan.folds)
    _check(clips, fold_of)
    cache.mkdir(parents=True, exist_ok=True)
    sounds = read_sounds(clips, cache, jobs)
    parts = compose_parts(sounds, plan.parts, teacher, cache, jobs)
    judged = cut_windows(sounds, cache, jobs)
    trunk = find("scream") / TRUNK_FILE if teacher is None else learn_trunk(parts, plan, cache)
    traits = np.concatenate([judged.facts, listen(trunk, [judged.images], cache, f"heard-{judged.name}")], axis=1)
    composed, recorded = _composed(trunk, parts, cache), _as_recorded(clips, judged, traits)
    overviews = overviews_of(traits, judged, len(clips))
    screams = np.asarray([clip.label == "scream" for clip in clips])
    # What people marked is learned from, never judged: it is what the model in use got wrong, or just that one scream.
    sure = np.asarray([clip.sure and clip not in marked for clip in clips])
    said = judge_left_out(clips, fold_of, (composed, recorded), judged, traits, overviews, plan)

    raw = Persistence()
    slope, offset = log_odds_line(strongest(said.distances, judged.clips, len(clips))[sure], screams[sure])
    odds = np.where(judged.quiet, -raw.limit, slope * said.distances + offset).astype(np.float32)
    by_clip = strongest(odds, judged.clips, len(clips)) + OPINION_SHARE * said.opinions
    verdict = {"threshold": threshold_at(by_clip[sure & ~screams], FALSE_CLIPS), "slope": 1.0, "share": OPINION_SHARE}
    summed = persisted(odds, judged.clips, len(clips), raw)
    persistence = replace(raw, threshold=threshold_at(summed[sure & ~screams], FALSE_CLIPS))

    beyond = by_clip - np.float32(verdict["threshold"])
    starts = np.searchsorted(judged.clips, np.arange(len(clips)))
    voices = np.add.reduceat(np.where(judged.quiet, 0, _chance(said.voices)), starts) / np.bincount(judged.clips)
    _write_scores(cache / SCORES_FILE, data, clips, _chance(beyond + log_odds(OPERATING_POINT)), voices)
    log.info("head and second opinion learn from everything")
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(trunk, out / TRUNK_FILE)
    export_head(learn_head(composed, recorded, plan, plan.networks), slope, offset, out / HEAD_FILE)
    export_opinion(learn_opinion(clips, overviews), out / VERDICT_FILE)
    size = sum(file.stat().st_size for file in out.glob("*.tflite"))
    ranking = figures(by_clip[sure], screams[sure])
    parameters = {
        "persistence": asdict(persistence),
        "verdict": verdict,
        "held_back": {
            "auc": ranking.auc,
            "recall_at_1_percent": ranking.recall[RATES[0]],
        },
        "plan": asdict(plan),
        "teacher": teacher.name if teacher else "",
    }
    prose = _prose(clips, fold_of, by_clip, summed, persistence, verdict["threshold"], sure, screams, plan, size)
    return write_card(out, task="scream", model_format="tflite", labels=LABELS, parameters=parameters, prose=prose)


def _write_scores(path: Path, data: Path, clips: Sequence[Clip], screams: Array, voices: NDArray[Any]) -> None:
    """Probabilities of whole recordings whose sources were left out, for `safety-monitor compare --scores`.

    Args:
        path: where to.
        data: what the paths in it are relative to, where they can be.
        clips: the recordings.
        screams: probability that it is one, for each.
        voices: probability that it is conversation if it is none.
    """
    root = data if data.is_dir() else data.parent
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "scream", "conversation", "ambient"])
        for clip, scream, voice in zip(clips, screams, voices, strict=True):
            where = clip.path.relative_to(root) if clip.path.is_relative_to(root) else clip.path
            chances = scream, (1 - scream) * voice, (1 - scream) * (1 - voice)
            rows.writerow([where, *(f"{each:.5f}" for each in chances)])


def _chance(odds: Array) -> Array:
    """Probabilities of log-odds."""
    return np.asarray(1 / (1 + np.exp(-odds)), np.float32)


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


def _as_recorded(clips: Sequence[Clip], judged: Windows, traits: Array) -> Lessons:
    """Windows of the recordings as they are: those most like a scream, and of others any besides."""
    rng = np.random.default_rng(0)
    sources = sorted({clip.source for clip in clips})
    chosen: list[int] = []
    for place, (first, last) in enumerate(pairwise(np.searchsorted(judged.clips, np.arange(len(clips) + 1)))):
        there = np.flatnonzero(~judged.quiet[first:last]) + first
        by_likeness = there[np.argsort(-traits[there, -1], kind="stable")]
        if clips[place].label == "scream":
            picked = _apart_from_each_other(by_likeness)
        else:
            some = rng.choice(there, min(ANY, len(there)), replace=False)
            picked = np.union1d(by_likeness[:LIKE_SCREAMS], some).tolist()
        chosen += sorted(picked)
    where = judged.clips[chosen]
    lessons = Lessons(
        traits[chosen],
        np.asarray([LABELS.index(clip.label) for clip in clips], np.int8)[where],
        np.asarray([_trust(clip) for clip in clips], np.float32)[where],
        np.asarray([(sources.index(clip.source), -1) for clip in clips], np.int16)[where],
    )
    return lessons.only(lessons.weights > 0)


def _apart_from_each_other(places: NDArray[np.intp]) -> list[int]:
    """The first `OF_A_SCREAM` of the places that are `APART` at least from each other."""
    picked: list[int] = []
    for place in places.tolist():
        if len(picked) < OF_A_SCREAM and all(abs(place - other) >= APART for other in picked):
            picked.append(place)
    return picked


def _composed(trunk: Path, parts: Sequence[Path], cache: Path) -> Lessons:
    """The windows that were composed."""
    heard = listen(
        trunk, (np.load(part)["images"] for part in parts), cache, f"heard-{parts[0].parent.name}-{len(parts)}"
    )
    facts, labels, weights, sources = (
        np.concatenate([np.load(part)[name] for part in parts]) for name in ("facts", "labels", "weights", "sources")
    )
    lessons = Lessons(np.concatenate([facts, heard], axis=1), labels, weights, sources)
    return lessons.only(np.flatnonzero(weights > 0))


def _telling(composed: Lessons, plan: Plan) -> Lessons:
    """Some composed windows of each kind: screams in noise and from afar, and what is none there.

    Made-up screams are left to the networks: a machine that learns from them finds fewer real ones.
    """
    screams = composed.labels == LABELS.index("scream")
    audible = screams & (composed.sources[:, 0] >= 0) & (composed.traits[:, -1] > AUDIBLE)
    rng = np.random.default_rng(0)
    some = [
        rng.choice(there, min(most, len(there)), replace=False)
        for there, most in ((np.flatnonzero(audible), plan.screams), (np.flatnonzero(~screams), plan.others))
    ]
    chosen = composed.only(np.concatenate(some))
    return replace(chosen, weights=chosen.weights * np.float32(COMPOSED))


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
    from audio.network import KNOWN_SHARE, NETWORKS_SHARE

    whole = figures(by_clip[sure], screams[sure])
    lines = [
        "# Scream model",
        "",
        "A trunk, a convolutional network over a log-mel picture of a second, hears what sounds are; it learned that",
        "from the scores of another network. What is a scream is told from that, and from numbers that describe a",
        f"voice (pitch, salience, roughness, spectral shape), by a support vector machine, {plan.networks} small",
        f"networks (share {NETWORKS_SHARE}) and what the trunk took over of the teacher's own opinion (share",
        f"{KNOWN_SHARE}). What is none is conversation or ambient by logistic",
        f"regression. For whole recordings a second machine gives an opinion, of the mean of the {OVERVIEW_WINDOWS}",
        f"windows most like a scream (share {OPINION_SHARE}). The files have {size / 1e6:.1f} MB.",
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
        f"The trunk: {plan.parts * PART:,} windows composed of the recordings above, mixed with each other at -5 to 30",
        "dB, through made-up rooms, microphones, band limits and codecs, at peaks from -50 to 0 dBFS. Three in ten of",
        "the screams, and a fifth of the ambient sounds (cries, tones, noise), are synthesised. The head: its networks",
        "from these and from windows of the recordings as they are, its machine from the latter and from at most",
        f"{plan.screams:,} composed real screams that can be heard and {plan.others:,} other sounds, which count",
        f"{COMPOSED} as much. The trunk's teacher was",
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
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    plan = Plan(parts=given.parts, trunk_epochs=given.trunk_epochs)
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
