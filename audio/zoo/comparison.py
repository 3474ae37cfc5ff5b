"""All models side by side: one table, one picture of ROC curves, a page."""

import csv
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio.blocks import SoundError
from audio.cache import keep
from audio.candidate import digest_each, familiar
from audio.corpus import LABELS, SCREAM, Clip, CorpusError, are_screams, are_sure, labels_of
from audio.detector import OVERLAP, STEP, Classifier, load_scream_model
from audio.metrics import RATES, RECALLS, UNSTATED, Figures, figures, shown
from audio.recording import read_clip
from audio.unusable import unusable
from audio.zoo.clips import clip_model, network_score
from audio.zoo.consensus import agree
from audio.zoo.member import Kind, Member
from audio.zoo.plan import Desk, Plan
from audio.zoo.table import ZOO
from audio.zoo.training import (
    deal,
    find_member,
    fingerprint,
    hear_all,
    judge_clips,
    learn,
    learners,
    ready,
)
from models.registry import find
from models.runtime import TFLiteModel

Array = NDArray[np.float32]

OURS = "scream"
TITLES = {OURS: "The model that ships; judged by its own training, by sources left out in folds of its own (its card)"}


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of a model.

    Attributes:
        name: of the model.
        title: what it is.
        chances: of each recording, float32 of shape (clips, labels); None: it could not be had, see `note`.
        megabytes: of its file.
        milliseconds: of one core for a decision, of which there are 6.25 a second.
        note: what must be said of it.
    """

    name: str
    title: str
    chances: Array | None = None
    megabytes: float | None = None
    milliseconds: float | None = None
    note: str = ""


def compare_folds(
    names: Sequence[str], clips: Sequence[Clip], tables: Mapping[str, Array], plan: Plan, desk: Desk
) -> list[Row]:
    """Train each on the other sources, once for each fold, and let it judge the fold.

    Args:
        names: members of the zoo, or "scream"; none: all.
        clips: the recordings.
        tables: probabilities that another training gave on sources left out, by name, see `read_table`.
        plan: its folds, and what else decides.
        desk: where and how; what has been judged already is taken from its cache.

    Raises:
        CorpusError: no such member, data that cannot be used.
    """
    chosen = list(dict.fromkeys((*(names or (*ZOO, OURS)), *tables)))
    members = [find_member(name) for name in chosen if name != OURS and name not in tables]
    parts = plan.members if any(each.kind is Kind.CONSENSUS for each in members) else ()
    needed = {each.name: each for each in [*members, *(find_member(name) for name in parts)]}
    able = [
        ready(each, desk)
        for each in needed.values()
        if each.kind is not Kind.CONSENSUS and (each.kind is not Kind.GIVEN or desk.given is not None)
    ]
    rows = {name: Row(name, TITLES.get(name, name), tables[name]) for name in chosen if name in tables}
    rows |= _judged_folds(able, clips, plan, desk)
    for member in members:
        if member.kind is Kind.GIVEN and member.name not in rows:
            rows[member.name] = Row(member.name, member.title, note="its TFLite file was not given (--teacher)")
        if member.kind is Kind.CONSENSUS:
            rows[member.name] = _agreed(member, [rows[name] for name in parts])
    if OURS in chosen and OURS not in rows:
        note = f"its probabilities on sources left out were not given (--scores {OURS}=FILE)"
        rows[OURS] = Row(OURS, TITLES[OURS], note=note)
    return [rows[name] for name in chosen]


def _judged_folds(members: Sequence[Member], clips: Sequence[Clip], plan: Plan, desk: Desk) -> dict[str, Row]:
    fold = deal(clips, plan.folds)
    turns = [learners(clips, fold, number, plan.seed) for number in range(plan.folds)]
    truth = labels_of(clips)
    heard = hear_all(members, clips, fold.tolist(), plan, desk)
    place = desk.cache / "judged"
    place.mkdir(parents=True, exist_ok=True)
    rows = {}
    for member in members:
        chances = np.zeros((len(clips), len(LABELS)), np.float32)
        costs: Array = np.zeros(2, np.float32)
        key = fingerprint(plan, heard[member.features.name].x, heard[member.features.name].clips, truth, fold)
        for number, (mine, held) in enumerate(turns):
            file = place / f"{member.name}-{key}-{number}.npz"
            if not file.exists():
                desk.tick(f"{member.name} on the other sources", number, plan.folds)
                found = learn(member, heard[member.features.name], clips, mine, held, plan, desk)
                judged = judge_clips(found.model, heard[member.features.name], fold == number)
                with tempfile.TemporaryDirectory() as folder:
                    written = found.write(Path(folder))
                    model = found.model
                    if member.kind is Kind.NETWORK:
                        model = clip_model(member, network_score(TFLiteModel(written)), found.scale)
                    measured = np.asarray([written.stat().st_size / 1e6, decision_ms(model)], np.float32)
                keep(file, {"chances": judged, "costs": measured})
            with np.load(file) as kept:
                chances += kept["chances"]
                costs = kept["costs"]
        rows[member.name] = Row(member.name, member.title, chances, float(costs[0]), float(costs[1]))
    return rows


def _agreed(member: Member, rows: Sequence[Row]) -> Row:
    votes = [row.chances for row in rows if row.chances is not None]
    if len(votes) < len(rows):
        missing = ", ".join(row.name for row in rows if row.chances is None)
        return Row(member.name, member.title, note=f"{missing} could not be had")
    return Row(
        member.name,
        f"{member.title}: {', '.join(row.name for row in rows)}",
        agree(votes),
        sum(row.megabytes or 0 for row in rows),
        sum(row.milliseconds or 0 for row in rows),
    )


def compare_trained(names: Sequence[str], clips: Sequence[Clip], home: Path | None, desk: Desk) -> list[Row]:
    """Let models that are there judge all recordings.

    Args:
        names: of models, or paths of their folders.
        clips: the recordings.
        home: a folder with further models.
        desk: where and how.

    Raises:
        ModelError: no such model, or a damaged one.
        CorpusError: a recording that cannot be decoded.
    """
    models = {name: load_scream_model(name, home).classifier for name in dict.fromkeys(names)}
    chances = {name: np.zeros((len(clips), len(LABELS)), np.float32) for name in models}
    for done, clip in enumerate(clips):
        try:
            samples = read_clip(clip.path)
        except SoundError as error:
            raise unusable(clips, error) from None
        for name, model in models.items():
            order = [model.labels.index(label) for label in LABELS]
            chances[name][done] = model.predict_proba([samples])[0][order]
        desk.tick("judging recordings", done + 1, len(clips))
    digests = digest_each(clips)
    return [
        Row(
            name,
            find(name, home).name,
            chances[name],
            _size(find(name, home)),
            decision_ms(model),
            _flattered(familiar(find(name, home), digests), len(clips)),
        )
        for name, model in models.items()
    ]


def _flattered(learned: int, of: int) -> str:
    return f"it has learned from {learned} of these {of} recordings and looks better than it is" if learned else ""


def _size(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.suffix in {".tflite", ".skops"}) / 1e6


def decision_ms(model: Classifier, rounds: int = 12) -> float:
    """CPU milliseconds of one decision on noise, features included; the median of some."""
    rng = np.random.default_rng(0)
    stream = model.listen()
    times = []
    for _ in range(rounds):
        step = (rng.standard_normal(STEP + OVERLAP) * 0.1).astype(np.float32)
        begin = time.process_time()
        stream.hear(step)
        times.append(time.process_time() - begin)
    return float(np.median(times[2:]) * 1000)


def read_table(path: Path, clips: Sequence[Clip], root: Path) -> Array:
    """Probabilities of recordings from a CSV with the columns path (as in the manifest), scream, conversation, ambient.

    Args:
        path: the CSV.
        clips: the recordings.
        root: the folder that its paths start from.

    Raises:
        CorpusError: it cannot be read, or lacks one of the recordings.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            by_path = {root / row["path"]: [float(row[label]) for label in LABELS] for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, KeyError, ValueError, TypeError):
        raise CorpusError(f"{path}: needs the columns path, {', '.join(LABELS)}") from None
    missing = [clip.path for clip in clips if clip.path not in by_path]
    if missing:
        raise CorpusError(f"{path}: lacks {missing[0]} and {len(missing) - 1} other recordings")
    return np.asarray([by_path[clip.path] for clip in clips], np.float32)


@dataclass(frozen=True, slots=True)
class Score:
    """How good a model is, over recordings whose labels are sure.

    Attributes:
        ranking: AUC and recalls.
        accuracy: over three classes, the likeliest taken.
        f1: of screams against everything else, the likeliest class taken.
        mcc: Matthews correlation of the same.
    """

    ranking: Figures
    accuracy: float
    f1: float
    mcc: float


def score(chances: Array, clips: Sequence[Clip]) -> Score:
    """Metrics of a model.

    Args:
        chances: float32 of shape (clips, labels).
        clips: the recordings; weak and disputed labels are left out.

    Raises:
        CorpusError: no screams, or nothing else.
    """
    from sklearn.metrics import f1_score, matthews_corrcoef

    sure = are_sure(clips)
    truth = labels_of(clips)[sure]
    screams, given = truth == SCREAM, chances[sure].argmax(axis=1)
    if screams.all() or not screams.any():
        raise CorpusError("comparing needs recordings of screams and of other sounds")
    return Score(
        figures(chances[sure, SCREAM], screams),
        float((given == truth).mean()),
        float(f1_score(screams, given == SCREAM)),
        float(matthews_corrcoef(screams, given == SCREAM)),
    )


def table(rows: Sequence[Row], clips: Sequence[Clip]) -> str:
    """All models as one table in Markdown, the best AUC first."""
    lines = [
        f"| model | AUC | {RECALLS} | accuracy | F1 | MCC | MB | ms a decision |",
        "|---|---|" + "---|" * len(RATES) + "---|---|---|---|---|",
    ]
    scored = {row.name: score(row.chances, clips) for row in rows if row.chances is not None}
    for row in sorted(rows, key=lambda row: -scored[row.name].ranking.auc if row.name in scored else 1):
        if row.name not in scored:
            lines.append(f"| {row.name} | {row.note} |" + " |" * (len(RATES) + 5))
            continue
        found = scored[row.name]
        cells = [f"{found.ranking.auc:.4f}", *(shown(found.ranking.stated(rate)) for rate in RATES)]
        cells += [f"{found.accuracy:.3f}", f"{found.f1:.2f}", f"{found.mcc:.2f}"]
        cells += ["" if row.megabytes is None else f"{row.megabytes:.2f}"]
        cells += ["" if row.milliseconds is None else f"{row.milliseconds:.1f}"]
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    if any(found.ranking.stated(rate) is None for found in scored.values() for rate in RATES):
        lines += ["", UNSTATED]
    lines += [f"\n{row.name}: {row.note}." for row in rows if row.note and row.name in scored]
    return "\n".join(lines)


def page(rows: Sequence[Row], clips: Sequence[Clip], plan: Plan, data: str, command: str, picture: str) -> str:
    """The page on all models, in Markdown."""
    sure = [clip for clip in clips if clip.sure]
    screams = sum(clip.label == "scream" for clip in sure)
    fold = deal(clips, plan.folds)
    lines = [
        "# Scream models compared",
        "",
        f"Written by `{command}`.",
        "",
        f"Published approaches to this task, trained and judged alike on {data}: {len(clips)} recordings from",
        f"{len({clip.source for clip in clips})} sources. The sources are dealt to {plan.folds} folds; each fold is"
        " judged by models that learned from the other",
        f"folds and have heard nothing of its sources. Judged are {screams} screams and {len(sure) - screams} other"
        " recordings; weak and disputed labels are",
        "left out. A scream is ranked by its probability; accuracy, F1 (of screams) and Matthews correlation (screams",
        "against the rest) take the likeliest class. Size is that of the file, time that of one core for a decision",
        "with its features, on the machine that wrote this page; the station takes 6.25 decisions a second.",
        "",
        table(rows, clips),
        "",
        f"![ROC curves]({picture})",
        "",
        "| model | what it is |",
        "|---|---|",
        *(f"| {row.name} | {row.title} |" for row in rows),
        "",
        "| fold | sources | screams | others |",
        "|---|---|---|---|",
    ]
    for number in range(plan.folds):
        there = [clip for clip, mine in zip(clips, fold, strict=True) if mine == number and clip.sure]
        names = ", ".join(sorted({clip.source for clip, mine in zip(clips, fold, strict=True) if mine == number}))
        count = sum(clip.label == "scream" for clip in there)
        lines.append(f"| {number + 1} | {names} | {count} | {len(there) - count} |")
    lines += [
        "",
        f"Networks learn for at most {plan.epochs} epochs and stop by 15 % of the groups; seed {plan.seed}; at most"
        f" {plan.cutting.windows} windows of a",
        f"recording are judged. From each recording its {plan.cutting.loudest} loudest windows are learned, and"
        f" disturbed copies: {plan.cutting.screams} of a scream,",
        f"{plan.cutting.others} of anything else.",
        "",
    ]
    return "\n".join(lines)


def draw(rows: Sequence[Row], clips: Sequence[Clip], path: Path) -> None:
    """ROC curves of all models as a PNG."""
    from audio.plots import draw_roc

    sure = are_sure(clips)
    screams = are_screams(clips)[sure]
    curves = {row.name: (row.chances[sure, SCREAM], screams) for row in rows if row.chances is not None}
    draw_roc(curves, path, marked=False)
