"""Trains a member of the zoo and writes its model folder.

The data is dealt by group into 70 % to learn from, 15 % that decide when to stop and where the threshold lies, and
15 % that are only judged; or, with folds, by source: each fold is judged by a model that has heard nothing of its
sources, and what is written learned from all. Everything in between is kept in a cache folder, so that an interrupted
run goes on where it stopped.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.calibration import temperature, threshold_at
from audio.capture import SAMPLE_RATE, read_clip
from audio.corpus import LABELS, Clip, CorpusError, folds, read_corpus, read_feedback, split
from audio.detector import OPERATING_POINT, Persistence, ScreamModel, log_odds, strongest_second
from audio.evaluate import RATES, Figures, Progress, figures, listen, silent
from audio.zoo.clips import (
    ClipModel,
    Consensus,
    Score,
    as_it_is,
    clip_model,
    estimator_score,
    open_clip_model,
    open_part,
    pool,
)
from audio.zoo.consensus import DEFAULT
from audio.zoo.lesson import Epoch, Lesson
from audio.zoo.member import Kind, Member
from audio.zoo.segments import Cutting, Heard, hear, workers
from audio.zoo.table import ZOO
from audio.zoo.yamnet import with_file
from models.card import Card, ModelError, read_card, sha256, write_card
from models.estimator import save_estimator

Array = NDArray[np.float32]
Flags = NDArray[np.bool_]

FALSE_CLIPS = 0.01
"""The operating point: the threshold lets through so many of the other recordings that were not learned from."""
LISTENED_S = 20.0
"""So much of a recording is played to the detector to find the threshold."""
PERSISTENCE = Persistence(rise=0.6)
"""How windows add up, before there is a threshold."""
SCREAM = LABELS.index("scream")


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides about a training besides its recordings; the same plan and data give the same model.

    Attributes:
        folds: into how many the sources are dealt; 0: 70/15/15 by group.
        epochs: of a network, at most.
        patience: epochs without improvement before a network stops.
        listened: at most so many recordings without a scream are played to the detector to find the threshold.
        cutting: how recordings are cut and disturbed.
        members: of a consensus.
    """

    folds: int = 0
    epochs: int = 20
    patience: int = 4
    listened: int = 300
    cutting: Cutting = field(default_factory=Cutting)
    members: tuple[str, ...] = DEFAULT

    @property
    def seed(self) -> int:
        """Of every dice."""
        return self.cutting.seed


@dataclass(frozen=True, slots=True)
class Desk:
    """Where and how work is done.

    Attributes:
        cache: folder for everything in between.
        jobs: processes.
        dask: address of a Dask scheduler, instead of processes here.
        given: a TFLite file that somebody else trained (YAMNet's).
        home: a folder with further models.
        feedback: a folder of clips that people marked, see `audio.corpus.read_feedback`.
        tick: progress.
    """

    cache: Path
    jobs: int = 1
    dask: str | None = None
    given: Path | None = None
    home: Path | None = None
    feedback: Path | None = None
    tick: Progress = silent


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
        CorpusError: too little data.
    """
    for what, flags in (("learn from", mine), ("stop by", held)):
        there = {clip.label for clip, flag in zip(clips, flags, strict=True) if flag}
        if there != set(LABELS):
            missing = ", ".join(sorted(set(LABELS) - there))
            raise CorpusError(
                f"nothing labelled {missing} among the recordings to {what}: more sources or groups are needed"
            )
    if member.kind is Kind.GIVEN:
        return _calibrated(Learned(member, desk.given, as_it_is), heard, clips, held)
    lesson, other = _lesson(heard, clips, mine), _lesson(heard, clips, held)
    if member.kind is Kind.ESTIMATOR:
        estimator = _fit_estimator(member, lesson, plan.seed)
        return _calibrated(Learned(member, estimator, estimator_score(estimator)), heard, clips, held)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what TensorFlow logs as it starts says nothing to people
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
    y = np.asarray([LABELS.index(clip.label) for clip in clips])[heard.clips[chosen]]
    counts = np.bincount(y, minlength=len(LABELS))
    weights = np.asarray([clip.weight for clip in clips], np.float32)[heard.clips[chosen]]
    return Lesson(heard.x[chosen], y, (weights * (len(y) / len(LABELS) / counts[y])).astype(np.float32))


def _fit_estimator(member: Member, lesson: Lesson, seed: int) -> Any:
    estimator = member.build(seed)
    if not member.smote:
        # The estimators weigh classes themselves.
        counts = np.bincount(lesson.y, minlength=len(LABELS))
        own = lesson.weights * counts[lesson.y] * len(LABELS) / len(lesson.y)
        return estimator.fit(lesson.x, lesson.y, **{f"{estimator.steps[-1][0]}__sample_weight": own})
    from imblearn.over_sampling import SMOTE

    rarest = int(np.bincount(lesson.y).min())
    if rarest < 2:
        raise CorpusError("SMOTE needs two windows of each label at least")
    return estimator.fit(*SMOTE(random_state=seed, k_neighbors=min(5, rarest - 1)).fit_resample(lesson.x, lesson.y))


def _calibrated(found: Learned, heard: Heard, clips: Sequence[Clip], held: Flags) -> Learned:
    """With the scale at which recordings held back are likeliest."""
    chances = judge_clips(found.model, heard, held)[held]
    truth = np.asarray([clip.label == "scream" for clip in clips])[held]
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
    if out.exists() and not (out / "card.md").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise CorpusError(f"{out}: is there already and no model; give another place with --out")
    clips = (*read_corpus(data), *(read_feedback(desk.feedback) if desk.feedback else ()))
    if member.kind is Kind.CONSENSUS:
        return _train_consensus(member, clips, data, out, plan, desk)
    member = ready(member, desk)
    part = shares(clips, plan.seed)
    parts: Sequence[object] = deal(clips, plan.folds).tolist() if plan.folds else part.tolist()
    heard = hear_all([member], clips, parts, plan, desk)[member.features.name]
    if plan.folds:
        unheard = _by_folds(member, heard, clips, plan, desk)
        final = learn(member, heard, clips, part != "validation", part == "validation", plan, desk)
    else:
        final = learn(member, heard, clips, part == "train", part == "validation", plan, desk)
        held = part != "train"
        played = _play(final.model, clips, part == "validation", plan, desk)
        unheard = Unheard(judge_clips(final.model, heard, held), held, played)
    return _finish(member, clips, data, out, plan, unheard, part, final, {"scale": final.scale})


def _by_folds(member: Member, heard: Heard, clips: Sequence[Clip], plan: Plan, desk: Desk) -> Unheard:
    fold = deal(clips, plan.folds)
    chances = np.zeros((len(clips), len(LABELS)), np.float32)
    played = np.full((len(clips), 2), np.nan, np.float32)
    for number in range(plan.folds):
        mine, held = learners(clips, fold, number, plan.seed)
        found = learn(member, heard, clips, mine, held, plan, desk)
        chances += judge_clips(found.model, heard, fold == number)
        there = _play(found.model, clips, fold == number, plan, desk)
        played = np.where(np.isnan(there), played, there)
    return Unheard(chances, np.ones(len(clips), np.bool_), played)


def learners(clips: Sequence[Clip], fold: NDArray[np.int64], number: int, seed: int) -> tuple[Flags, Flags]:
    """Of the recordings outside a fold, which are learned from, and which decide when to stop."""
    stop = shares(clips, seed) == "validation"
    return (fold != number) & ~stop, (fold != number) & stop


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
    models, digests = [], {}
    for name in plan.members:
        try:
            folder, card = open_part(out, name, desk.home)
        except ModelError as error:
            raise ModelError(f"{error}; train it first: safety-monitor train scream --model {name}") from None
        if "member" not in card.parameters:
            raise ModelError(f"{folder}: only members of the zoo can be part of a consensus")
        model = open_clip_model(folder, card, desk.home)
        if isinstance(model, Consensus):
            raise ModelError(f"{folder}: a consensus cannot be part of another")
        models.append(model)
        digests[name] = sha256(folder / "card.md")
    part = shares(clips, plan.seed)
    held = part != "train"
    whole = Consensus(tuple(models))
    chances = np.zeros((len(clips), len(LABELS)), np.float32)
    for done, index in enumerate(np.flatnonzero(held).tolist(), start=1):
        chances[index] = whole.predict_proba([read_clip(clips[index].path)])[0]
        desk.tick("judging recordings", done, int(held.sum()))
    played = _play(whole, clips, part == "validation", plan, desk)
    unheard = Unheard(chances, held, played)
    return _finish(member, clips, data, out, plan, unheard, part, None, {"members": digests})


def threshold(scores: Array, screams: Flags) -> float:
    """Between the scores of other recordings that may pass and those that may not."""
    others = scores[~screams]
    return threshold_at(others, FALSE_CLIPS) if len(others) else 0.0


def _finish(
    member: Member,
    clips: Sequence[Clip],
    data: Path,
    out: Path,
    plan: Plan,
    unheard: Unheard,
    part: NDArray[np.str_],
    learned: Learned | None,
    own: Mapping[str, Any],
) -> Card:
    """Write the folder beside the one it replaces, so that there is a whole model at every moment."""
    from audio.zoo.pictures import confusion, curves

    screams = np.asarray([clip.label == "scream" for clip in clips])
    sure = np.asarray([clip.sure for clip in clips])
    odds = np.asarray([log_odds(float(chance)) for chance in unheard.chances[:, SCREAM]], np.float32)
    played = ~np.isnan(unheard.played[:, 0])
    live, verdict = (threshold(scores, screams[played]) for scores in unheard.played[played].T)
    parameters = {
        "member": member.name,
        **own,
        "window": member.features.window,
        "rate": SAMPLE_RATE,
        "persistence": asdict(replace(PERSISTENCE, threshold=live)),
        "verdict": {"threshold": verdict, "slope": 1.0},
        "plan": {**asdict(plan), "members": list(plan.members)},
        "data": data.name,
    }
    counted = sure & unheard.judged & (np.ones(len(clips), np.bool_) if plan.folds else part == "test")
    fresh = out.with_name(f"{out.name}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    size = learned.write(fresh).stat().st_size if learned else 0
    history = learned.history if learned else []
    if history:
        curves(history, fresh / "curves.png")
    truth = np.asarray([LABELS.index(clip.label) for clip in clips])
    confusion(truth[counted], unheard.chances[counted].argmax(axis=1), fresh / "confusion.png")
    prose = _prose(member, clips, data, plan, unheard, counted, screams, odds, live, size, bool(history))
    write_card(
        fresh,
        task="scream",
        model_format={Kind.ESTIMATOR: "skops", Kind.CONSENSUS: "consensus"}.get(member.kind, "tflite"),
        labels=LABELS,
        parameters=parameters,
        prose=prose,
    )
    shutil.rmtree(out, ignore_errors=True)
    fresh.rename(out)
    return read_card(out)


def _prose(
    member: Member,
    clips: Sequence[Clip],
    data: Path,
    plan: Plan,
    unheard: Unheard,
    counted: Flags,
    screams: Flags,
    odds: Array,
    live: float,
    size: int,
    network: bool,
) -> str:
    truth = np.asarray([LABELS.index(clip.label) for clip in clips])
    right = unheard.chances.argmax(axis=1) == truth
    how = (
        f"{plan.folds} folds by source: what judged a recording had heard nothing of its source; what is written"
        " learned from all sources"
        if plan.folds
        else "15 % of the groups, judged by what learned from 70 % and was tuned on the other 15 %: other recordings,"
        " but of the same sources; a new place is harder"
    )
    lines = [
        f"# {member.title}",
        "",
        f"A member of the zoo, trained by `{command(member, data, plan)}`. It looks at",
        f"{member.features.window / SAMPLE_RATE:.2f} s at a time. The file has {size / 1e6:.2f} MB."
        if size
        else f"{member.features.window / SAMPLE_RATE:.2f} s at a time, through {', '.join(plan.members)}.",
        "",
        "## How good it is",
        "",
        f"Judged: {how}. Weak and disputed labels are not counted.",
        "",
    ]
    if (counted & screams).any() and (counted & ~screams).any():
        found = figures(odds[counted], screams[counted])
        lines += [figures_table(found), "", f"Accuracy over three classes: {right[counted].mean():.3f}.", ""]
    else:
        lines += ["Too few recordings were left to judge it by.", ""]
    lines += ["![which label was taken for which](confusion.png)", ""]
    if network:
        lines += ["![loss by epoch](curves.png)", ""]
    played = ~np.isnan(unheard.played[:, 0])
    passing = unheard.played[:, 0] > live
    heard_screams, heard_others = int((played & screams).sum()), int((played & ~screams).sum())
    lines += [
        "## Threshold",
        "",
        f"It lies where {FALSE_CLIPS:.0%} of the other recordings that were played to the running detector pass it",
        f"({heard_others} that it had not learned from, at most {LISTENED_S:.0f} s of each): at {live:.2f} in",
        f"persisted log-odds, which the station shows as {OPERATING_POINT:.2f}. {int((passing & screams).sum())} of"
        f" {heard_screams} screams pass it there.",
        "",
        "## What it learned from",
        "",
        "| source | label | recordings | judged | right | licence |",
        "|---|---|---|---|---|---|",
    ]
    sources = np.asarray([clip.source for clip in clips])
    for number, label in enumerate(LABELS):
        for source in sorted(set(sources[truth == number].tolist())):
            mine = (sources == source) & (truth == number)
            licences = ", ".join(sorted({clip.licence for clip, here in zip(clips, mine, strict=True) if here} - {""}))
            judged = int((mine & counted).sum())
            lines.append(
                f"| {source} | {label} | {int(mine.sum())} | {judged} | {int((mine & counted & right).sum())} |"
                f" {licences[:80].replace('|', '/') or 'not stated'} |"
            )
    lines += [
        "",
        "Silence at both ends is trimmed; each scream is heard in "
        f"{plan.cutting.screams} further ways and any other sound in {plan.cutting.others}: other rooms, microphones,"
        " levels, before other sound.",
        "",
        "## Limits",
        "",
        "An approach as published, to compare with. It was not tuned to false alarms per hour on continuous sound, and"
        " acted and recorded screams are not those of an emergency.",
    ]
    return "\n".join(lines)


def figures_table(found: Figures) -> str:
    """Figures as a table for a page."""
    recalls = " | ".join(f"{found.recall[rate]:.2f}" for rate in RATES)
    return (
        "| screams | others | AUC | " + " | ".join(f"recall at {rate:.1%} false clips" for rate in RATES) + " |\n"
        "|---|---|---|" + "---|" * len(RATES) + "\n"
        f"| {found.screams} | {found.others} | {found.auc:.4f} | {recalls} |"
    )


def command(member: Member, data: Path, plan: Plan) -> str:
    """The command that trains it again."""
    words = ["safety-monitor train scream", f"--model {member.name}", f"--data {data.name}", f"--seed {plan.seed}"]
    words += [f"--folds {plan.folds}"] if plan.folds else []
    words += [f"--epochs {plan.epochs}"] if member.kind is Kind.NETWORK else []
    words += [f"--member {name}" for name in plan.members] if member.kind is Kind.CONSENSUS else []
    return " ".join(words)
