"""Hands to train signs on, drawn from a table without end: varied, mixed, turned over, put together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gesture.augment import blend, turn, vary
from gesture.features import sign_features, upright
from gesture.point_history_classifier import MOVING
from gesture.signal_for_help import NONE
from gesture.tables import DRAWN, FLAT_SOURCES, MADE_UP, HandTable, square_rows

Points = NDArray[np.float32]
Text = NDArray[np.str_]

COMPOSED = 400
"""Thumbs up that are put together of hands of other signs."""
FLIPPED = {"thumb_up": "thumb_down", "thumb_down": "thumb_up"}
"""Signs that turn into each other when the picture is stood on its head (and the hand becomes the other one)."""
MAX_ROLL_DEG = {"thumb_up": 45.0, "thumb_down": 45.0}
OTHER_ROLL_DEG = 75.0
CLOSING = (("open_palm", "fist"), ("thumb_tucked", "fist"), ("open_palm", "thumb_tucked"), ("pointer", "fist"),
           ("victory", "open_palm"))  # fmt: skip
"""Pairs of signs between which real hands pass."""


def draw_weights(labels: Text, people: Text) -> Points:
    """How likely each row is drawn: classes alike, those that are nothing in particular twice, people more alike."""
    weights = np.zeros(len(labels), np.float64)
    for name in np.unique(labels):
        mine = labels == name
        _, index, counts = np.unique(people[mine], return_inverse=True, return_counts=True)
        share = 1 / np.sqrt(counts[index])
        weights[mine] = share / share.sum() * (2.0 if name in (NONE, MOVING) else 1.0)
    return np.asarray(weights / weights.sum(), np.float32)


@dataclass(frozen=True, slots=True)
class SignSampler:
    """Draws labelled, varied hands from a table, without end.

    Attributes:
        points: float32 of shape (n, 21, 3), right hands in one unit.
        target: int of shape (n,), index of the label.
        labels: all labels in the order of the model.
        people: n texts.
        weights: how likely each row is drawn.
    """

    points: Points
    target: NDArray[np.intp]
    labels: tuple[str, ...]
    people: NDArray[np.str_]
    weights: Points

    @staticmethod
    def of(table: HandTable, labels: tuple[str, ...]) -> "SignSampler":
        """A sampler over the rows whose label the model knows, the flipped ones added."""
        table = table.select(np.isin(table.label, labels))
        points = square_rows(table)
        index = {label: i for i, label in enumerate(labels)}
        target = np.array([index[label] for label in table.label], np.intp)
        people = table.person
        composed = compose_thumbs(points, table, np.random.default_rng(len(points)))
        if "thumb_up" in index:
            points = np.concatenate([points, composed])
            target = np.concatenate([target, np.full(len(composed), index["thumb_up"], np.intp)])
            people = np.concatenate([people, np.full(len(composed), MADE_UP)])
        shown = len(points)
        for before, after in FLIPPED.items():
            if before in index and after in index:
                mine = np.flatnonzero(target[:shown] == index[before])
                # Upside down is also the other hand; mirrored back into a right one both axes are turned.
                turned = points[mine] * np.array([-1, -1, 1], np.float32)
                turned[:, :, 0] *= -1
                points = np.concatenate([points, turned])
                target = np.concatenate([target, np.full(len(mine), index[after], np.intp)])
                people = np.concatenate([people, people[mine]])
        names = np.array(labels, np.str_)[target]
        return SignSampler(points, target, labels, people, draw_weights(names, people))

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Points, Points]:
        """`count` hands: features (count, SIGN_FEATURES) and soft targets (count, labels)."""
        rows = [np.flatnonzero(self.target == index) for index in range(len(self.labels))]
        chosen = rng.choice(len(self.points), count, p=self.weights / self.weights.sum(dtype=np.float64))
        points = self.points[chosen]
        target = np.eye(len(self.labels), dtype=np.float32)[self.target[chosen]]
        # Some hands lie between two hands of the same sign.
        mixed = np.flatnonzero(rng.random(count) < 0.3)
        partners = np.array([_one_of(rows[self.target[i]], rng) for i in chosen[mixed]], np.intp)
        keeps_angle = np.isin([self.labels[i] for i in self.target[chosen[mixed]]], list(MAX_ROLL_DEG))
        mixed, partners = mixed[~keeps_angle], partners[~keeps_angle]
        points[mixed] = blend(points[mixed], self.points[partners], rng.random(len(mixed)).astype(np.float32))
        # Some are on the way from one sign to another: neither, the more so the nearer to half-way.
        passing = np.flatnonzero(rng.random(count) < 0.08)
        points[passing], target[passing] = self._passing(len(passing), rows, rng)
        degrees = np.array([MAX_ROLL_DEG.get(label, OTHER_ROLL_DEG) for label in self.labels], np.float32)
        varied = vary(points, rng, np.deg2rad(degrees[target.argmax(axis=1)]))
        # MediaPipe takes a hand for the other side now and then.
        wrong = rng.random(count) < 0.03
        varied[wrong, :, 0] *= -1
        return sign_features(varied), target

    def _passing(self, count: int, rows: Sequence[NDArray[np.intp]], rng: np.random.Generator) -> tuple[Points, Points]:
        index = {label: i for i, label in enumerate(self.labels) if len(rows[i])}
        pairs = [(a, b) for a, b in CLOSING if a in index and b in index and NONE in self.labels]
        if not pairs:
            chosen = rng.choice(len(self.points), count)
            return self.points[chosen], np.eye(len(self.labels), dtype=np.float32)[self.target[chosen]]
        ends = np.array([pairs[i] for i in rng.integers(len(pairs), size=count)]).reshape(count, 2)
        places = np.array([[index[label] for label in pair] for pair in ends], np.intp).reshape(count, 2)
        ones = np.array([_one_of(rows[first], rng) for first in places[:, 0]], np.intp)
        theirs = self._rows_by_person(rows)
        twos = np.array(
            [
                _one_of(theirs.get((second, self.people[one]), rows[second]), rng)
                for one, second in zip(ones, places[:, 1], strict=True)
            ],
            np.intp,
        )
        share = rng.random(count).astype(np.float32)
        neither = np.clip(1 - np.abs(share - 0.5) / 0.3, 0, 1)
        target = np.zeros((count, len(self.labels)), np.float32)
        nearer = np.where(share < 0.5, places[:, 0], places[:, 1])
        target[np.arange(count), nearer] = 1 - neither
        target[:, self.labels.index(NONE)] += neither
        return blend(self.points[ones], self.points[twos], share), target

    def _rows_by_person(self, rows: Sequence[NDArray[np.intp]]) -> dict[tuple[int, str], NDArray[np.intp]]:
        """Rows of each label and person; none for what a person has not shown."""
        found = {}
        for label, mine in enumerate(rows):
            if not len(mine):
                continue
            names, person = np.unique(self.people[mine], return_inverse=True)
            order = np.argsort(person, kind="stable")
            parts = np.split(mine[order], np.cumsum(np.bincount(person, minlength=len(names)))[:-1])
            found.update({(label, str(name)): part for name, part in zip(names, parts, strict=True)})
        return found


def compose_thumbs(points: Points, table: HandTable, rng: np.random.Generator) -> Points:
    """Thumbs up put together of closed hands and of the thumbs of open ones, of one person where both were shown.

    Few people have shown a thumb up, many a fist and an open hand; between them there is nothing but the thumb.

    Args:
        points: the hands of `table`, as `square_rows` gives them.
        table: who shows what.
        rng: decides which.

    Returns:
        float32 of shape (n, 21, 3), thumbs pointing up.
    """
    tracked = ~np.isin(table.source, (*FLAT_SOURCES, DRAWN))
    fists = np.flatnonzero((table.label == "fist") & tracked)
    palms = np.flatnonzero((table.label == "open_palm") & tracked)
    if not len(fists) or not len(palms):
        return np.zeros((0, *points.shape[1:]), np.float32)
    weight = draw_weights(table.label[fists], table.person[fists]).astype(np.float64)
    fists = rng.choice(fists, COMPOSED, p=weight / weight.sum())
    theirs = {person: palms[table.person[palms] == person] for person in np.unique(table.person[palms])}
    palms = np.array([_one_of(theirs.get(person, palms), rng) for person in table.person[fists]], np.intp)
    hands, thumbs = upright(points[fists])[0], upright(points[palms])[0]
    # Closed hands are smaller than open ones: the palm's own length is the measure of both.
    lengths = [np.linalg.norm(each[:, [5, 9, 13, 17], :2].mean(axis=1), axis=1) for each in (hands, thumbs)]
    thumb = thumbs[:, 1:5] * (lengths[0] / np.maximum(lengths[1], 1e-3))[:, None, None]
    # Abducted further than in an open hand, about its root.
    away = rng.uniform(0, np.deg2rad(50), COMPOSED) * np.sign(thumb[:, 3, 0] - thumb[:, 0, 0])
    cos, sin = np.cos(away)[:, None], np.sin(away)[:, None]
    apart = thumb - thumb[:, :1]
    turned = np.stack(
        [cos * apart[:, :, 0] - sin * apart[:, :, 1], sin * apart[:, :, 0] + cos * apart[:, :, 1], apart[:, :, 2]],
        axis=2,
    )
    hands[:, 1:5] = thumb[:, :1] + turned
    # The thumb up.
    way = hands[:, 4, :2] - hands[:, 2, :2]
    angle = -np.pi / 2 - np.arctan2(way[:, 1], way[:, 0])
    still = np.zeros(COMPOSED, np.float32)
    return turn(hands, angle.astype(np.float32), still, still)


def _one_of(rows: NDArray[np.intp], rng: np.random.Generator) -> int:
    """One of some rows, all alike likely; `rng.choice` takes ten times as long."""
    return int(rows[rng.integers(len(rows))])
