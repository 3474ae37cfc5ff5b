"""Trains a member of the zoo and writes its model folder.

The data is dealt by group into 70 % to learn from, 15 % that decide when to stop and where the threshold lies, and
15 % that are only judged; or, with folds, by source: each fold is judged by a model that has heard nothing of its
sources, and what is written learned from all. Everything in between is kept in a cache folder, so that an interrupted
run goes on where it stopped.
"""

import hashlib
import shutil
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE
from audio.calibration import temperature
from audio.candidate import (
    check_place,
    comparable,
    digest_each,
    digests_in,
    digests_of,
    note_beside,
    whole,
    write_learned,
)
from audio.corpus import (
    LABELS,
    SCREAM,
    Clip,
    CorpusError,
    are_screams,
    folds,
    labels_of,
    read_corpus,
    read_feedback,
    split,
)
from audio.detector import Persistence, ScreamModel, log_odds, strongest_second
from audio.judging import listen
from audio.recording import read_clip
from audio.zoo.clips import (
    MEMBERS,
    ClipModel,
    Consensus,
    Score,
    as_it_is,
    clip_model,
    estimator_score,
    open_clip_model,
    pool,
)
from audio.zoo.lesson import Epoch, Lesson
from audio.zoo.member import Kind, Member
from audio.zoo.plan import Desk, Plan
from audio.zoo.results import LISTENED_S, Results, Unheard, confusion, prose
from audio.zoo.segments import Heard, hear, workers
from audio.zoo.table import ZOO
from audio.zoo.yamnet import with_file
from models.card import Card, ModelError, read_card, sha256, write_card
from models.estimator import save_estimator
from models.registry import available, open_card

Array = NDArray[np.float32]
Flags = NDArray[np.bool_]

PERSISTENCE = Persistence(rise=0.6)
"""How windows add up, before there is a threshold."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of learning.

    Attributes:
        member: which approach.
        artefact: the estimator, the network, or the given file.
        score: probabilities of features.
        scale: that calibrates them.
        history: of a network.
    """

    member: Member
    artefact: Any
    score: Score
    scale: float = 1.0
    history: list[Epoch] = field(default_factory=list)

    @property
    def model(self) -> ClipModel:
        """As it judges recordings."""
        return clip_model(self.member, self.score, self.scale)

    def write(self, folder: Path) -> Path:
        """The model file, written into a folder."""
        path = folder / f"{self.member.name}{'.skops' if self.member.kind is Kind.ESTIMATOR else '.tflite'}"
        if self.member.kind is Kind.ESTIMATOR:
            save_estimator(self.artefact, path)
        elif self.member.kind is Kind.NETWORK:
            from audio.zoo.networks import export

            export(self.artefact, path)
        else:
            shutil.copyfile(self.artefact, path)
        return path


def find_member(name: str) -> Member:
    """A member by name.

    Raises:
        CorpusError: there is none of that name.
    """
    if name not in ZOO:
        raise CorpusError(f"no model '{name}' can be trained; there are: scream, {', '.join(ZOO)}")
    return ZOO[name]


def ready(member: Member, desk: Desk) -> Member:
    """The member with the file that it needs.

    Raises:
        CorpusError: there is none.
        ModelError: it is another one.
    """
    if member.kind is not Kind.GIVEN:
        return member
    if desk.given is None:
        raise CorpusError(f"{member.name} is not trained here: give its TFLite file with --teacher")
    return with_file(desk.given)


def hear_all(
    members: Sequence[Member], clips: Sequence[Clip], parts: Sequence[object], plan: Plan, desk: Desk
) -> dict[str, Heard]:
    """What all these members look at, by name of the features."""
    wanted = {each.features.name: each.features for each in members if each.kind is not Kind.CONSENSUS}
    if not wanted:
        return {}
    with workers(desk.jobs, desk.dask):
        return hear(
            clips,
            parts,
            list(wanted.values()),
            plan.cutting,
            desk.cache / "windows",
            lambda done, total: desk.tick("listening to recordings", done, total),
        )


def learn(
    member: Member, heard: Heard, clips: Sequence[Clip], mine: Flags, held: Flags, plan: Plan, desk: Desk
) -> Learned:
    """Let a member learn.

    Args:
        member: an estimator, a network, or a given one, which is only calibrated.
        heard: what it looks at, of all recordings.
        clips: the recordings.
        mine: which recordings it learns from.
        held: which decide when to stop, and calibrate.
        plan: what else decides.
        desk: where and how.

    Raises:
        CorpusError: SMOTE has too few windows of a label.
    """
    if member.kind is Kind.GIVEN:
        return _calibrated(Learned(member, desk.given, as_it_is), heard, clips, held)
    lesson, other = _lesson(heard, clips, mine), _lesson(heard, clips, held)
    if member.kind is Kind.ESTIMATOR:
        estimator = _fit_estimator(member, lesson, plan.seed)
        return _calibrated(Learned(member, estimator, estimator_score(estimator)), heard, clips, held)
    from audio.zoo.networks import fit, probabilities

    key = fingerprint(plan, lesson.x, lesson.y, lesson.weights, other.x, other.y)
    network, history = fit(
        member.build,
        lesson,
        other,
        epochs=plan.epochs,
        patience=plan.patience,
        seed=plan.seed,
        state=desk.cache / "networks" / f"{member.name}-{key}",
        tick=lambda done, total, epoch: desk.tick(f"{member.name} learns (loss {epoch.held:.3f})", done, total),
    )
    found = Learned(member, network, lambda x: probabilities(network, x), 1.0, history)
    return _calibrated(found, heard, clips, held)


def fingerprint(plan: Plan, *arrays: NDArray[Any]) -> str:
    """What tells one training from another: what is kept in the cache bears it."""
    digest = hashlib.sha256(repr(plan).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _lesson(heard: Heard, clips: Sequence[Clip], mine: Flags) -> Lesson:
    """Windows to learn from; each class weighs as much as any other."""
    chosen = heard.learned & mine[heard.clips]
    y = labels_of(clips)[heard.clips[chosen]]
    counts = np.bincount(y, minlength=len(LABELS))
    weights = np.asarray([clip.weight for clip in clips], np.float32)[heard.clips[chosen]]
    return Lesson(heard.x[chosen], y, (weights * (len(y) / len(LABELS) / counts[y])).astype(np.float32))


def _fit_estimator(member: Member, lesson: Lesson, seed: int) -> Any:
    estimator = member.build(seed)
    # The estimators weigh classes themselves: what is left is the weight of each recording.
    counts = np.bincount(lesson.y, minlength=len(LABELS))
    own = lesson.weights * counts[lesson.y] * len(LABELS) / len(lesson.y)
    if not member.smote:
        return estimator.fit(lesson.x, lesson.y, **{f"{estimator.steps[-1][0]}__sample_weight": own})
    from imblearn.over_sampling import SMOTE

    # What is made up cannot be weighed: what weighs more is there more often.
    times = np.maximum(np.rint(own), own > 0).astype(np.int64)
    x, y = np.repeat(lesson.x, times, axis=0), np.repeat(lesson.y, times)
    rarest = int(np.bincount(y, minlength=len(LABELS)).min())
    if rarest < 2:
        raise CorpusError("SMOTE needs two windows of each label at least")
    return estimator.fit(*SMOTE(random_state=seed, k_neighbors=min(5, rarest - 1)).fit_resample(x, y))


def _calibrated(found: Learned, heard: Heard, clips: Sequence[Clip], held: Flags) -> Learned:
    """With the scale at which recordings held back are likeliest."""
    chances = judge_clips(found.model, heard, held)[held]
    truth = are_screams(clips)[held]
    odds = np.asarray([log_odds(float(chance)) for chance in chances[:, SCREAM]], np.float32)
    return replace(found, scale=temperature(odds, truth))


def judge_clips(model: ClipModel, heard: Heard, mine: Flags) -> Array:
    """Probabilities of whole recordings from what was heard of them: float32 of shape (clips, labels), 0 elsewhere."""
    chosen = np.flatnonzero(heard.judged & mine[heard.clips])
    result = np.zeros((len(mine), len(LABELS)), np.float32)
    if len(chosen):
        chances = model.judge(heard.x[chosen])
        edges = np.flatnonzero(np.diff(heard.clips[chosen])) + 1
        for rows, part in zip(np.split(chosen, edges), np.split(chances, edges), strict=True):
            result[heard.clips[rows[0]]] = pool(part, votes=model.votes)
    return result


def deal(clips: Sequence[Clip], count: int) -> NDArray[np.int64]:
    """The fold of each recording, by source."""
    fold_of = folds(clips, count)
    return np.asarray([fold_of[clip.source] for clip in clips])


def shares(clips: Sequence[Clip], seed: int) -> NDArray[np.str_]:
    """Of each recording whether it is to learn from ("train"), to stop by ("validation") or to be judged ("test")."""
    part_of = split(clips, seed)
    return np.asarray([part_of[clip.group] for clip in clips])


def train_zoo(name: str, data: Path, out: Path, plan: Plan, desk: Desk) -> Card:
    """Train a member of the zoo, measure it, and write its model folder.

    Args:
        name: of the member.
        data: see `audio.corpus.read_corpus`.
        out: the model folder; its name becomes the model's.
        plan: what decides about the model.
        desk: where and how.

    Raises:
        CorpusError: data that cannot be used, or no such member.
        ModelError: a member of a consensus that cannot be used.
    """
    member = find_member(name)
    check_place(out)
    given = read_corpus(data)
    if member.kind is Kind.CONSENSUS:
        return _train_consensus(member, given, data, out, plan, desk)
    member = ready(member, desk)
    clips = (*given, *(read_feedback(desk.feedback) if desk.feedback else ()))
    marked = np.arange(len(clips)) >= len(given)
    # What people marked is learned from, never judged: it is what the model in use got wrong, or just that one scream.
    part = np.concatenate([shares(given, plan.seed), np.full(marked.sum(), "train")])
    learned = part != "validation" if plan.folds else part == "train"
    mine, held = complete(clips, learned, part == "validation")
    known = [] if member.kind is Kind.GIVEN else [clip for clip, its in zip(clips, mine | held, strict=True) if its]
    if plan.folds:
        fold = np.concatenate([deal(given, plan.folds), np.full(marked.sum(), -1)])
        turns = [learners(clips, fold, number, plan.seed) for number in range(plan.folds)]
        heard = hear_all([member], clips, fold.tolist(), plan, desk)[member.features.name]
        unheard = _by_folds(member, heard, clips, fold, turns, plan, desk)
        final = learn(member, heard, clips, mine, held, plan, desk)
    else:
        heard = hear_all([member], clips, part.tolist(), plan, desk)[member.features.name]
        final = learn(member, heard, clips, mine, held, plan, desk)
        held = part != "train"
        played = _play(final.model, clips, part == "validation", plan, desk)
        unheard = Unheard(judge_clips(final.model, heard, held), held, played)
    results = Results(member, clips, data, plan, unheard, part, final.history)
    return _write(results, out, final, {"scale": final.scale}, digests_of(known), desk)


def _by_folds(
    member: Member,
    heard: Heard,
    clips: Sequence[Clip],
    fold: NDArray[np.int64],
    turns: Sequence[tuple[Flags, Flags]],
    plan: Plan,
    desk: Desk,
) -> Unheard:
    chances = np.zeros((len(clips), len(LABELS)), np.float32)
    played = np.full((len(clips), 2), np.nan, np.float32)
    for number, (mine, held) in enumerate(turns):
        found = learn(member, heard, clips, mine, held, plan, desk)
        chances += judge_clips(found.model, heard, fold == number)
        there = _play(found.model, clips, fold == number, plan, desk)
        played = np.where(np.isnan(there), played, there)
    return Unheard(chances, fold >= 0, played)


def learners(clips: Sequence[Clip], fold: NDArray[np.int64], number: int, seed: int) -> tuple[Flags, Flags]:
    """Of the recordings outside a fold, which are learned from, and which decide when to stop.

    Those of no fold (-1) are learned from whatever is left out.

    Raises:
        CorpusError: a label is missing among either.
    """
    outside = fold != number
    part = np.full(len(clips), "judged", dtype="<U10")
    dealt = outside & (fold >= 0)
    part[dealt] = shares([clip for clip, its in zip(clips, dealt, strict=True) if its], seed)
    return complete(clips, outside & (part != "validation"), part == "validation")


def complete(clips: Sequence[Clip], mine: Flags, held: Flags) -> tuple[Flags, Flags]:
    """The recordings that are learned from, and those that decide when to stop, as they are given.

    Raises:
        CorpusError: a label is missing among either.
    """
    for what, flags in (("learn from", mine), ("stop by", held)):
        missing = set(LABELS) - {clip.label for clip, flag in zip(clips, flags, strict=True) if flag}
        if missing:
            raise CorpusError(
                f"no recording labelled {' or '.join(sorted(missing))} is left to {what}: training takes recordings of "
                "each label in two groups at least (people, evenings) and, with folds, from two sources"
            )
    return mine, held


def _play(model: ClipModel | Consensus, clips: Sequence[Clip], mine: Flags, plan: Plan, desk: Desk) -> Array:
    """What recordings reach in the running detector, screams and some of the others: see `Unheard.played`."""
    chosen = [index for index in np.flatnonzero(mine).tolist() if clips[index].sure]
    screams = [index for index in chosen if clips[index].label == "scream"]
    others = [index for index in chosen if clips[index].label != "scream"]
    # Spread over all sources: the manifest is sorted by them.
    kept = [others[round(place)] for place in np.linspace(0, len(others) - 1, min(plan.listened, len(others)))]
    result = np.full((len(clips), 2), np.nan, np.float32)
    listener = ScreamModel(model, PERSISTENCE)
    for done, index in enumerate([*screams, *kept], start=1):
        samples = read_clip(clips[index].path)[: int(LISTENED_S * SAMPLE_RATE)]
        chances = [reading.probabilities["scream"] for reading in listen(listener, samples)]
        sums = accumulate(chances, PERSISTENCE.step, initial=-PERSISTENCE.limit)
        result[index] = max(sums), strongest_second(np.asarray([log_odds(chance) for chance in chances]))
        desk.tick("finding the threshold", done, len(screams) + len(kept))
    return result


def _train_consensus(member: Member, clips: Sequence[Clip], data: Path, out: Path, plan: Plan, desk: Desk) -> Card:
    """Nothing is learned: the members are there already, and only the threshold is found."""
    models: list[ClipModel] = []
    places: dict[str, Path] = {}
    for name in plan.members:
        folder, card = _trained(name, desk.home)
        if "member" not in card.parameters:
            raise ModelError(f"{folder}: only members of the zoo can be part of a consensus")
        model = open_clip_model(folder, card)
        if isinstance(model, Consensus):
            raise ModelError(f"{folder}: a consensus cannot be part of another")
        models.append(model)
        places[card.name] = folder
    part = shares(clips, plan.seed)
    # A member that was trained with folds, or dealt otherwise, has learned from some of what would be judged.
    known = set().union(*(digests_in(place) for place in places.values()))
    familiar = np.asarray([digest in known for digest in digest_each(clips)])
    part[(part == "test") & familiar] = "train"
    held = part != "train"
    consensus = Consensus(tuple(models))
    chances = np.zeros((len(clips), len(LABELS)), np.float32)
    for done, index in enumerate(np.flatnonzero(held).tolist(), start=1):
        chances[index] = consensus.predict_proba([read_clip(clips[index].path)])[0]
        desk.tick("judging recordings", done, int(held.sum()))
    played = _play(consensus, clips, part == "validation", plan, desk)
    results = Results(member, clips, data, plan, Unheard(chances, held, played), part)
    return _write(results, out, None, {}, known, desk, places)


def _trained(name: str, home: Path | None) -> tuple[Path, Card]:
    """Folder and card of a member that was trained before, under its own name or the one that training gives."""
    there = available(home)
    try:
        return open_card(
            name if name in there or f"{name}.new" not in there else f"{name}.new", task="scream", home=home
        )
    except ModelError as error:
        raise ModelError(f"{error}; train it first: safety-monitor train scream --model {name}") from None


def _write(
    results: Results,
    out: Path,
    learned: Learned | None,
    own: Mapping[str, Any],
    known: Set[str],
    desk: Desk,
    parts: Mapping[str, Path] | None = None,
) -> Card:
    """Write the model folder.

    Args:
        results: of the training.
        out: the model folder.
        learned: the model; None if it has no file of its own.
        own: parameters that this kind of model needs.
        known: SHA-256 of the recordings that it learned from.
        desk: where the model in use is, to be compared with.
        parts: the members of a consensus, by name: they are copied, so that it stays what it is when they are trained
            anew.
    """
    from audio.plots import draw_confusion, draw_losses

    member, plan = results.member, results.plan
    live, verdict = results.thresholds
    with whole(out) as fresh:
        size = learned.write(fresh).stat().st_size if learned else 0
        for place in (parts or {}).values():
            shutil.copytree(place, fresh / place.name)
            size += sum(file.stat().st_size for file in place.iterdir() if file.suffix in {".tflite", ".skops"})
        if parts:
            rows = [f"{name},{sha256(place / 'card.md')}\n" for name, place in parts.items()]
            (fresh / MEMBERS).write_text("name,sha256\n" + "".join(rows), encoding="utf-8")
        if results.history:
            draw_losses([(epoch.learned, epoch.held) for epoch in results.history], fresh / "curves.png")
        write_learned(fresh, known)
        draw_confusion({"recordings left out": confusion(results).tolist()}, fresh / "confusion.png")
        write_card(
            fresh,
            task="scream",
            model_format={Kind.ESTIMATOR: "skops", Kind.CONSENSUS: "consensus"}.get(member.kind, "tflite"),
            labels=LABELS,
            parameters={
                "member": member.name,
                **own,
                "window": member.features.window,
                "rate": SAMPLE_RATE,
                "persistence": asdict(replace(PERSISTENCE, threshold=live)),
                "verdict": {"threshold": verdict, "slope": 1.0},
                "held_back": results.held_back,
                **comparable(None),
                "plan": {**asdict(plan), "members": list(plan.members)},
                "data": results.data.name,
            },
            prose=prose(results, size),
        )
        if desk.in_use is not None:
            left_out = [clip for clip, its in zip(results.clips, results.counted, strict=True) if its]
            chances = results.unheard.chances[results.counted, SCREAM]
            note_beside(fresh, left_out, chances, desk.in_use, jobs=desk.jobs, progress=desk.tick)
    return read_card(out)
