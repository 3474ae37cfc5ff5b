"""Train the movement model: networks on recorded and made-up paths, measured on paths left out, written with a card."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gesture.held_out import HeldOut, folds_by_person, hold_out, kinds_of
from gesture.model_folder import share_text, write_model
from gesture.network import Fitted, LeftOut, fit
from gesture.plan import MotionPlan
from gesture.plots import CONFUSION, CURVES
from gesture.point_history_classifier import MOTION_FEATURES, POINTS, SPANS_S, motion_features
from gesture.sign_samples import draw_weights
from gesture.tables import MADE_UP, PathTable, join
from gesture.trajectories import MOTION_LABELS
from gesture.trajectories import draw as draw_motion

Points = NDArray[np.float32]

UNSEEN = 40
"""Made-up paths of each movement and span that movements are measured on."""


def fit_motions(
    table: PathTable,
    labels: tuple[str, ...],
    plan: MotionPlan,
    progress: Callable[[str], None] = lambda line: None,
    left_out: LeftOut | None = None,
) -> Fitted:
    """Networks that give the logits of `labels` from motion features; made-up paths are added to those of `table`."""
    made = made_up_paths(labels, plan.made_up, plan.seed)
    table = join([table.select(np.isin(table.label, labels)), made])
    paths = table.paths
    names = np.array([labels.index(label) for label in table.label], np.intp)
    weights = draw_weights(table.label, table.person).astype(np.float64)
    weights /= weights.sum()
    eye = np.eye(len(labels), dtype=np.float32)

    def draw(rng: np.random.Generator) -> tuple[Points, Points]:
        chosen = rng.choice(len(paths), plan.samples, p=weights)
        angle = rng.normal(0, np.deg2rad(5), plan.samples)
        turn = np.stack([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
        varied = np.einsum("nij,nkj->nki", turn, paths[chosen]) * rng.uniform(0.9, 1.1, plan.samples)[:, None, None]
        varied += rng.normal(0, 0.01, varied.shape)
        return motion_features(varied.astype(np.float32)), eye[names[chosen]]

    return fit(draw, MOTION_FEATURES, len(labels), (96, 48), plan, progress, left_out)


def made_up_paths(labels: Sequence[str], count: int, seed: int) -> PathTable:
    """`count` paths of each span for every movement of `labels` that can be made up."""
    rng = np.random.default_rng(seed)
    known = [label for label in labels if label in MOTION_LABELS]
    paths = [draw_motion(label, span, rng) for label in known for span in SPANS_S for _ in range(count)]
    names = np.repeat(np.array(known, np.str_), count * len(SPANS_S))
    none = np.full(len(names), MADE_UP)
    return PathTable(
        np.array(paths, np.float32).reshape(-1, POINTS, 2), names, none, none, none, np.zeros(len(names), np.float32)
    )


def hold_out_paths(
    table: PathTable,
    labels: tuple[str, ...],
    plan: MotionPlan,
    folds: int = 3,
    progress: Callable[[str], None] = lambda line: None,
) -> HeldOut:
    """Answers for every path of `table`, and for made-up ones of another seed, by models that have not seen them."""
    table = table.select(np.isin(table.label, labels))
    table = join([table, made_up_paths(labels, UNSEEN, plan.seed + 1)])
    unseen = table.person == MADE_UP
    fold = np.where(
        unseen, np.arange(len(table)) % folds, folds_by_person(table.person, kinds_of(table), folds, plan.seed)
    )
    features = motion_features(table.paths)
    target = np.array([labels.index(label) for label in table.label], np.intp)

    def learn(others: NDArray[np.bool_], say: Callable[[str], None], left_out: LeftOut) -> Fitted:
        return fit_motions(table.select(others & ~unseen), labels, plan, say, left_out)

    return hold_out(fold, folds, LeftOut(features, target), labels, learn, progress)


def train_motions(
    table: PathTable,
    labels: tuple[str, ...],
    target: Path,
    plan: MotionPlan | None = None,
    progress: Callable[[str], None] = print,
    folds: int = 3,
) -> HeldOut:
    """Train the movement model and write it to the folder `target`, with its card, curves and confusions.

    Returns:
        The answers for paths left out: of every person once, and made-up ones of another seed.
    """
    plan = plan or MotionPlan()
    held_out = hold_out_paths(table, labels, plan.short(), folds, progress)
    for label, share in held_out.recall().items():
        progress(f"paths left out: {label} {share:.3f}")
    plan = replace(plan, epochs=held_out.passes(plan))
    networks = fit_motions(table, labels, plan, progress).networks
    parameters = {"points": POINTS, "spans_s": list(SPANS_S), "seed": plan.seed, "passes": plan.epochs}
    write_model(target, "motions", networks, 1.0, held_out, parameters, _motion_prose(table, held_out, plan))
    return held_out


def _motion_prose(table: PathTable, held_out: HeldOut, plan: MotionPlan) -> str:
    table = table.select(np.isin(table.label, held_out.labels))
    recorded = np.arange(len(held_out.target)) < len(table)
    shown, made = held_out.select(recorded).recall(), held_out.select(~recorded).recall()
    rows = "\n".join(
        f"| {label} | {int((table.label == label).sum())} | {share_text(shown, label)} "
        f"| {plan.made_up * len(SPANS_S) if label in MOTION_LABELS else 0} | {share_text(made, label)} |"
        for label in held_out.labels
    )
    sources = "\n".join(
        f"- {source}: {int((table.source == source).sum())} paths" for source in np.unique(table.source)
    )
    return f"""# Movements of one hand

{POINTS} points of the index tip's or the wrist's path in, the probability of each movement out; made by
`python -m gesture.train motions`. Directions are those of the picture. Recall is of single paths, by short trainings
that leave every person out once: of recorded ones by the people left out, and of paths made up from another seed.
`{CONFUSION}` shows which is taken for which, `{CURVES}` how the loss fell.

| movement | recorded paths | recall | made-up paths | recall |
|---|---|---|---|---|
{rows}

Most paths are made up (`gesture/trajectories.py`): strokes of least jerk or steadier, along arcs, circles and waves
with a wandering speed, size and place, cameras of 9 to 31 frames a second, lost frames, jitter.
`safety-monitor evaluate motions` says how the model does on them and, with `--tracked`, on hands tracked in
recordings.

Recorded paths, each source one person (`data/README.md` says where they come from):

{sources}
"""
