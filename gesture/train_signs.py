"""Train the sign model: networks on drawn hands, measured on people left out, written with a card."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gesture.features import SIGN_FEATURES, sign_features
from gesture.held_out import HeldOut, calibrate, folds_by_person, hold_out, kinds_of
from gesture.model_folder import share_text, write_model
from gesture.network import Fitted, LeftOut, fit, softmax
from gesture.plan import SignPlan
from gesture.plots import CONFUSION, CURVES
from gesture.sign_samples import COMPOSED, SignSampler
from gesture.signal_for_help import TUCKED
from gesture.tables import DRAWN, FLAT_SOURCES, HandTable, join, shown_by_people, square_rows

Points = NDArray[np.float32]


def fit_signs(
    table: HandTable,
    labels: tuple[str, ...],
    plan: SignPlan,
    progress: Callable[[str], None] = lambda line: None,
    left_out: LeftOut | None = None,
) -> Fitted:
    """Networks that give the logits of `labels` from sign features."""
    sampler = SignSampler.of(table, labels)

    def draw(rng: np.random.Generator) -> tuple[Points, Points]:
        return sampler.draw(plan.samples, rng)

    return fit(draw, SIGN_FEATURES, len(labels), (128, 64), plan, progress, left_out)


def hold_out_people(
    table: HandTable,
    labels: tuple[str, ...],
    plan: SignPlan,
    folds: int = 4,
    progress: Callable[[str], None] = lambda line: None,
) -> HeldOut:
    """Answers for every hand shown by somebody, by a model that has seen no hand of that person."""
    table = table.select(np.isin(table.label, labels))
    drawn, table = table.select(table.source == DRAWN), shown_by_people(table)
    fold = folds_by_person(table.person, kinds_of(table), folds, plan.seed)
    features = sign_features(square_rows(table))
    target = np.array([labels.index(label) for label in table.label], np.intp)

    def learn(others: NDArray[np.bool_], say: Callable[[str], None], left_out: LeftOut) -> Fitted:
        return fit_signs(join([table.select(others), drawn]), labels, plan, say, left_out)

    return hold_out(fold, folds, LeftOut(features, target), labels, learn, progress)


def train_signs(
    table: HandTable,
    labels: tuple[str, ...],
    target: Path,
    plan: SignPlan | None = None,
    progress: Callable[[str], None] = print,
    folds: int = 4,
) -> HeldOut:
    """Train the sign model on all hands of `table` and write it to the folder `target`, with its card.

    What the card says of unseen people, the temperature that calibrates the probabilities and the number of passes
    come from shorter trainings that leave every person out once; their curves and confusions are drawn beside it.

    Returns:
        The answers for people left out, calibrated.
    """
    plan = plan or SignPlan()
    table = table.select(np.isin(table.label, labels))
    held_out = hold_out_people(table, labels, plan.short(), folds, progress)
    temperature = calibrate(held_out.probabilities, held_out.target)
    logits = np.log(np.maximum(held_out.probabilities, np.float32(1e-9))) / np.float32(temperature)
    held_out = replace(held_out, probabilities=softmax(logits))
    for label, share in held_out.recall().items():
        progress(f"people left out: {label} {share:.3f}")
    plan = replace(plan, epochs=held_out.passes(plan))
    networks = fit_signs(table, labels, plan, progress).networks
    parameters = {"temperature": round(temperature, 3), "seed": plan.seed, "passes": plan.epochs}
    write_model(target, "signs", networks, temperature, held_out, parameters, _sign_prose(table, held_out))
    return held_out


def _sign_prose(table: HandTable, held_out: HeldOut) -> str:
    recall = held_out.recall()
    drawn = Counter(table.label[table.source == DRAWN].tolist())
    table = shown_by_people(table)
    flat = np.isin(table.source, FLAT_SOURCES)
    tracked, lifted = held_out.select(~flat), held_out.select(flat).recall()
    seen = tracked.recall()
    rows = "\n".join(
        f"| {label} | {int((table.label[~flat] == label).sum())} | {share_text(seen, label)} "
        f"| {int((table.label[flat] == label).sum())} | {share_text(lifted, label)} |"
        for label in held_out.labels
        if label in recall
    )
    sources = "\n".join(
        f"- {source}: {int(mine.sum())} hands of {len(np.unique(table.person[mine]))} people"
        for source, mine in ((source, table.source == source) for source in np.unique(table.source))
    )
    macro = float(np.mean(list(seen.values())))
    drawings = " and ".join(f"{count} hands of {label}" for label, count in drawn.items()) or "none"
    made_up = ", ".join(label for label in held_out.labels if label not in recall) or "none"
    return f"""# Static signs of one hand

Landmarks of a hand in, the probability of each sign out; made by `python -m gesture.train signs` from `data/`.

Recall on people left out of the training (every person once), of hands that were tracked with their depth, and of hands
from tables without depth, which were given that of similar hands:

| sign | hands | recall | without depth | recall |
|---|---|---|---|---|
{rows}

Mean {macro:.3f} of the tracked hands. Of those that show no sign, {tracked.false_parts():.4f} are taken for a part of
the Signal for Help, {tracked.false_parts((TUCKED,)):.4f} for its tucked thumb. `{CONFUSION}` shows which sign is taken
for which, `{CURVES}` how the loss fell on the hands trained on and on those left out.

The tables without depth are whole sources of one person each, so leaving the person out leaves the source out: some of
their hands are turned further than 60 degrees or seen from behind, as no other source shows them
(`safety-monitor evaluate signs` measures each of them with its depth and without).

Made up in training: every hand turned, tilted and shaken at random, mirrored where its side was mistaken; poses between
two hands of one sign; poses on the way between two signs, taught as none of these; {COMPOSED} thumbs up put together of
closed hands and the thumbs of open ones; thumbs down from thumbs up turned round; {drawings}
drawn and passed through MediaPipe (`safety_monitor/demo/thumbs.py`). All of this is trained on and measured on nowhere.
Signs without a recorded hand: {made_up}.

{sources}

`data/README.md` says where these hands come from, and which of them have a depth that was taken from similar hands.
"Person" is what the source tells apart, sometimes only a session of the same person.
"""
