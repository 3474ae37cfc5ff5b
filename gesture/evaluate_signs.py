"""How good the static signs are on hands of people and sources left out of the training.

Every figure is of people left out: the model is trained anew without them. Where files of the well-known two-model
repository are given, its model is judged on the same hands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gesture.features import sign_features
from gesture.held_out import HeldOut
from gesture.network import predict
from gesture.plan import SignPlan
from gesture.prepare import SIGN_LABELS
from gesture.rows import SIGNS, TWO_MODEL_LABELS
from gesture.signal_for_help import NONE, STAGES, TUCKED
from gesture.tables import FLAT_SOURCES, HandTable, square_rows
from gesture.train_signs import fit_signs
from models.card import read_labels
from models.runtime import TFLiteModel

Points = NDArray[np.float32]

SHORT = SignPlan(epochs=12, samples=8_000, members=1)


@dataclass(frozen=True, slots=True)
class Score:
    """How one model does on some hands.

    Attributes:
        name: for the table.
        recall: share of the hands of each sign that are taken for it.
        false_parts: share of the hands that show no sign but are taken for a part of the Signal for Help.
        false_tucks: the same for its tucked thumb alone: without one, palms and fists are no Signal for Help.
    """

    name: str
    recall: Mapping[str, float]
    false_parts: float
    false_tucks: float


def score(name: str, held_out: HeldOut) -> Score:
    """Recall by sign, and false parts of the Signal for Help."""
    return Score(name, held_out.recall(), held_out.false_parts(), held_out.false_parts((TUCKED,)))


def leave_source_out(table: HandTable, source: str) -> list[Score]:
    """How all hands of a source do by a model that was trained on the others: what a new place will give.

    A source whose depth was made up is measured with it and with none.
    """
    mine = table.source == source
    fitted = fit_signs(table.select(~mine), SIGN_LABELS, SHORT)
    points = square_rows(table.select(mine))
    target = np.array([SIGN_LABELS.index(label) for label in table.label[mine]], np.intp)
    versions = {f"{source} left out": points}
    if source in FLAT_SOURCES:
        versions[f"{source}, no depth"] = points * np.array([1, 1, 0], np.float32)
    return [
        score(name, HeldOut(predict(fitted.networks, sign_features(version)), target, SIGN_LABELS))
        for name, version in versions.items()
    ]


def people_text(held_out: HeldOut, table: HandTable, every: bool = False) -> str:
    """Recall by source and person, as text: of each source the people's mean and who does worst.

    Args:
        held_out: the answers for the rows of `table`.
        table: who showed what.
        every: a line for every person, too.
    """
    right = held_out.probabilities.argmax(axis=1) == held_out.target
    lines = [f"{'source':20}{'people':>8}{'hands':>8}{'right':>8}{'people, mean':>14}{'worst':>8}  who"]
    for source in np.unique(table.source):
        mine = table.source == source
        people = {str(person): right[mine & (table.person == person)] for person in np.unique(table.person[mine])}
        shares = {person: float(share.mean()) for person, share in people.items()}
        worst = min(shares, key=lambda person: shares[person])
        lines.append(
            f"{source:20}{len(people):8d}{int(mine.sum()):8d}{right[mine].mean():8.3f}"
            f"{float(np.mean(list(shares.values()))):14.3f}{shares[worst]:8.3f}  {worst}"
        )
        if every:
            lines += [f"  {person:34}{len(people[person]):8d}{share:8.3f}" for person, share in shares.items()]
    return "\n".join(lines)


def two_model_input(table: HandTable) -> Points:
    """What the two-model repository feeds its static model: 42 numbers a hand, in a mirrored picture as it expects."""
    points = table.landmarks[:, :, :2] * np.stack([np.ones(len(table)), table.aspect], axis=1)[:, None]
    points = points * np.array([-1, 1], np.float32)
    moved = (points - points[:, :1]).reshape(len(table), -1)
    return np.asarray(moved / np.maximum(np.abs(moved).max(axis=1, keepdims=True), 1e-6), np.float32)


def two_model_score(table: HandTable, model: Path, labels: Path, name: str = "two-model repository") -> Score:
    """The static model of the two-model repository on the same hands.

    Raises:
        ModelError: a file is missing or damaged.
    """
    names = [TWO_MODEL_LABELS[SIGNS].get(label, label) for label in read_labels(labels)]
    network = TFLiteModel(model)
    answers = np.array([names[int(network(row[None])[0].argmax())] for row in two_model_input(table)])
    recall = {
        sign: float((answers[table.label == sign] == sign).mean())
        for sign in SIGN_LABELS
        if (table.label == sign).any()
    }
    none = answers[table.label == NONE]
    parts, tucks = (float(np.isin(none, some).mean()) if len(none) else 0.0 for some in (STAGES, (TUCKED,)))
    return Score(name, recall, parts, tucks)


def score_table(scores: Sequence[Score]) -> str:
    """Scores side by side, as text."""
    head = (
        f"{'':24}"
        + "".join(f"{sign:>14}" for sign in SIGN_LABELS)
        + f"{'mean':>8}{'false parts':>13}{'false tucks':>13}"
    )
    lines = [head]
    for one in scores:
        cells = "".join(f"{one.recall[sign]:14.3f}" if sign in one.recall else f"{'-':>14}" for sign in SIGN_LABELS)
        mean = float(np.mean(list(one.recall.values())))
        lines.append(f"{one.name:24}{cells}{mean:8.3f}{one.false_parts:13.4f}{one.false_tucks:13.4f}")
    return "\n".join(lines)


def confusion_text(held_out: HeldOut) -> str:
    """Which sign is taken for which, as a table of counts; rows are what was shown."""
    lines = [f"{'shown':>14}" + "".join(f"{label[:12]:>13}" for label in held_out.labels)]
    for label, counts in zip(held_out.labels, held_out.confusion(), strict=True):
        lines.append(f"{label:>14}" + "".join(f"{count:13d}" for count in counts))
    return "\n".join(lines)
