"""Train the sign and movement models from the tables in `data/`: Keras in, TFLite and a card out.

TensorFlow is imported inside the functions that need it: the station never pays for it.
"""

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gesture.augment import blend, turn, vary
from gesture.features import SIGN_FEATURES, sign_features, square, upright
from gesture.plots import CONFUSION, CURVES, plot_confusion, plot_curves
from gesture.point_history_classifier import MOTION_FEATURES, MOVING, POINTS, SPANS_S, motion_features
from gesture.signal_for_help import NONE
from gesture.tables import HandTable, PathTable, TableError, join, read_hands, read_paths
from gesture.trajectories import MOTIONS
from gesture.trajectories import draw as draw_motion
from models.card import write_card

Points = NDArray[np.float32]
Text = NDArray[np.str_]

MADE_UP = "made up"
"""Person of the paths that nobody has shown."""
UNSEEN = 40
"""Made-up paths of each movement and span that movements are measured on."""
FLAT_SOURCES = ("anis_rps", "jinzhu", "kinivi", "segfault_gestnet")
"""Sources of the base data whose hands have no depth of their own."""
COMPOSED = 400
"""Thumbs up that are put together of hands of other signs."""
DRAWN = "drawn"
"""Source of hands that were drawn and then tracked: they are trained on, and never measured on."""
FLIPPED = {"thumb_up": "thumb_down", "thumb_down": "thumb_up"}
"""Signs that turn into each other when the picture is stood on its head (and the hand becomes the other one)."""
MAX_ROLL_DEG = {"thumb_up": 45.0, "thumb_down": 45.0}
OTHER_ROLL_DEG = 75.0
PARTS = ("open_palm", "thumb_tucked", "fist")
"""Signs of which the Signal for Help is made."""
CLOSING = (("open_palm", "fist"), ("thumb_tucked", "fist"), ("open_palm", "thumb_tucked"), ("pointer", "fist"),
           ("victory", "open_palm"))  # fmt: skip
"""Pairs of signs between which real hands pass."""


@dataclass(frozen=True, slots=True)
class SignPlan:
    """How the sign model is trained.

    Attributes:
        epochs: passes; each draws `samples` hands anew.
        samples: hands of one pass.
        members: networks whose probabilities are averaged.
        seed: decides everything random.
        patience: a training that measures itself on hands left out stops after so many passes without progress.
    """

    epochs: int = 36
    samples: int = 12_000
    members: int = 3
    seed: int = 20
    patience: int = 4

    def short(self) -> "SignPlan":
        """The plan for trainings that only measure."""
        return replace(self, epochs=max(self.epochs // 2, 1), samples=max(self.samples // 2, 1), members=1)


@dataclass(frozen=True, slots=True)
class MotionPlan:
    """How the movement model is trained.

    Attributes:
        epochs: passes; each draws `samples` paths anew.
        samples: paths of one pass.
        made_up: paths made up for each label and span.
        members: networks whose probabilities are averaged.
        seed: decides everything random.
        patience: a training that measures itself on paths left out stops after so many passes without progress.
    """

    epochs: int = 30
    samples: int = 16_000
    made_up: int = 1_000
    members: int = 2
    seed: int = 20
    patience: int = 4

    def short(self) -> "MotionPlan":
        """The plan for trainings that only measure."""
        return replace(
            self,
            epochs=max(self.epochs // 3, 1),
            samples=max(self.samples // 2, 1),
            made_up=max(self.made_up // 4, 1),
            members=1,
        )


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


def square_rows(table: HandTable) -> Points:
    """Points of a table in one unit, left hands mirrored; float32 of shape (n, 21, 3)."""
    scale = np.ones((len(table), 1, 3), np.float32)
    scale[:, 0, 1] = table.aspect
    return square(table.landmarks * scale, list(table.handedness), 1.0)


def build_network(inputs: int, outputs: int, mean: Points, spread: Points, hidden: tuple[int, ...]) -> Any:
    """A small fully connected Keras network that ends in logits; inputs are standardised inside."""
    import keras

    layers = [
        keras.Input((inputs,)),
        keras.layers.Rescaling((1 / spread).tolist(), (-mean / spread).tolist()),
        *(
            layer
            for units in hidden
            for layer in (keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(0.15))
        ),
        keras.layers.Dense(outputs),
    ]
    return keras.Sequential(layers)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a training measures itself on after every pass, without learning from it.

    Attributes:
        features: float32 of shape (n, features).
        target: int of shape (n,), index of the right label.
    """

    features: Points
    target: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a training gives.

    Attributes:
        networks: they end in logits; their probabilities are averaged.
        loss: of each network and pass, on what was trained on.
        left_out: the same on what was left out; empty lists where nothing was.
    """

    networks: list[Any]
    loss: list[list[float]]
    left_out: list[list[float]]


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


def fit(
    draw: Callable[[np.random.Generator], tuple[Points, Points]],
    inputs: int,
    outputs: int,
    hidden: tuple[int, ...],
    plan: SignPlan | MotionPlan,
    progress: Callable[[str], None],
    left_out: LeftOut | None = None,
) -> Fitted:
    """Train `plan.members` networks on samples that are drawn anew for every pass.

    With something left out, a network stops once its loss there has not fallen for `plan.patience` passes.
    """
    import keras

    networks: list[Any] = []
    losses: list[list[float]] = []
    others: list[list[float]] = []
    for member in range(plan.members):
        rng = np.random.default_rng((plan.seed, member))
        keras.utils.set_random_seed(plan.seed + member)
        x, _ = draw(np.random.default_rng(plan.seed))
        network = build_network(inputs, outputs, x.mean(axis=0), np.maximum(x.std(axis=0), 1e-3), hidden)
        optimizer = keras.optimizers.AdamW(learning_rate=2e-3, weight_decay=1e-3)
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.02)
        network.compile(optimizer=optimizer, loss=loss)
        losses.append([])
        others.append([])
        for epoch in range(plan.epochs):
            optimizer.learning_rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * epoch / plan.epochs)) + 2e-5
            x, y = draw(rng)
            result = network.fit(x, y, batch_size=128, verbose=0)
            losses[-1].append(float(result.history["loss"][0]))
            text = f"network {member + 1}/{plan.members}, pass {epoch + 1}/{plan.epochs}: loss {losses[-1][-1]:.4f}"
            if left_out is not None:
                others[-1].append(cross_entropy(predict([network], left_out.features), left_out.target))
                text += f", left out {others[-1][-1]:.4f}"
            progress(text)
            if epoch - best_pass(others[-1]) >= plan.patience:
                break
        networks.append(network)
    return Fitted(networks, losses, others)


def cross_entropy(probabilities: Points, target: NDArray[np.intp]) -> float:
    """Mean negative logarithm of the probability of what was right."""
    return float(-np.log(np.maximum(probabilities[np.arange(len(target)), target], 1e-6)).mean())


def best_pass(left_out: Sequence[float]) -> float:
    """Number of the pass with the lowest loss, from 0; infinity where there is none."""
    return float(np.argmin(left_out)) if left_out else np.inf


def softmax(logits: NDArray[np.floating[Any]]) -> Points:
    """Probabilities along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), np.float32)


def predict(networks: Sequence[Any], x: Points, temperature: float = 1.0) -> Points:
    """Averaged probabilities of the networks, float32 of shape (n, labels)."""
    answers = [network.predict(x, verbose=0, batch_size=4096) for network in networks]
    return np.asarray(np.mean([softmax(np.asarray(answer) / temperature) for answer in answers], axis=0), np.float32)


def export(networks: Sequence[Any], temperature: float, path: Path) -> None:
    """Write the averaged, calibrated networks as one TFLite file: features in, probabilities out."""
    import tensorflow as tf

    members = [_constants(network) for network in networks]
    inputs = len(members[0][0])

    def forward(x: Any) -> Any:
        answers = []
        for scale, offset, dense in members:
            value = x * scale + offset
            for i, (kernel, bias) in enumerate(dense):
                value = tf.matmul(value, kernel) + bias
                value = tf.nn.relu(value) if i + 1 < len(dense) else value / temperature
            answers.append(tf.nn.softmax(value))
        return tf.add_n(answers) / float(len(answers))

    function = tf.function(forward, input_signature=[tf.TensorSpec([None, inputs], tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    path.write_bytes(converter.convert())


def _constants(network: Any) -> tuple[Points, Points, list[tuple[Points, Points]]]:
    """Input scale and offset, and kernel and bias of every dense layer, of a network of `build_network`."""
    scaling, *others = network.layers
    dense = [layer.get_weights() for layer in others if layer.get_weights()]
    scale, offset = np.asarray(scaling.scale, np.float32), np.asarray(scaling.offset, np.float32)
    return scale, offset, [(kernel, bias) for kernel, bias in dense]


def calibrate(probabilities: Points, target: NDArray[np.intp]) -> float:
    """Temperature that makes probabilities of held-out hands match how often they are right.

    Guo et al., "On Calibration of Modern Neural Networks", 2017: one number that divides the logits. Found by trying.
    """
    logits = np.log(np.maximum(probabilities, np.float32(1e-9)))
    candidates = np.geomspace(0.3, 4, 60, dtype=np.float32)
    losses = [cross_entropy(softmax(logits / t), target) for t in candidates]
    return float(candidates[int(np.argmin(losses))])


def folds_by_person(people: Text, kinds: Text, count: int, seed: int) -> NDArray[np.intp]:
    """Fold of each row, 0 to `count` - 1; no person is in two folds, and every kind is spread over them.

    What few people show would otherwise be left out all at once, and the figure would be of a model that has hardly
    seen it.

    Args:
        people: n texts.
        kinds: n texts; what is to be spread, such as the label of each row, or its source and label.
        count: number of folds.
        seed: decides between people that are alike.
    """
    names, person = np.unique(people, return_inverse=True)
    known, kind = np.unique(kinds, return_inverse=True)
    rows = np.zeros((len(names), len(known)), np.float64)
    np.add.at(rows, (person, kind), 1)
    shares = rows / np.maximum(rows.sum(axis=0), 1)
    folds, filled = np.zeros(len(names), np.intp), np.zeros((count, len(known)))
    some = np.random.default_rng(seed).permutation(len(names))
    # Those who show the largest part of something choose first.
    for one in some[np.argsort(-shares[some].max(axis=1), kind="stable")]:
        folds[one] = np.lexsort((filled.sum(axis=1), filled @ shares[one]))[0]
        filled[folds[one]] += shares[one]
    return folds[person]


def kinds_of(table: HandTable | PathTable) -> Text:
    """Source and label of each row: every source shows a label in its own way."""
    return np.char.add(np.char.add(table.source, " "), table.label)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What a model says of hands of people it was not trained on.

    Attributes:
        probabilities: float32 of shape (n, labels).
        target: int of shape (n,), index of the right label.
        labels: in the order of the probabilities.
        curves: loss of each pass on what was trained on and on what was left out, for each training.
    """

    probabilities: Points
    target: NDArray[np.intp]
    labels: tuple[str, ...]
    curves: tuple[tuple[list[float], list[float]], ...] = ()

    def select(self, chosen: NDArray[np.bool_]) -> "HeldOut":
        """The hands that a mask names."""
        return HeldOut(self.probabilities[chosen], self.target[chosen], self.labels)

    def passes(self, plan: SignPlan | MotionPlan) -> int:
        """How many passes of a plan are worth while: the share after which its short one was best at what was left out.

        The mean of the trainings.
        """
        most = plan.short().epochs
        share = float(np.mean([(best_pass(left_out) + 1) / most for _, left_out in self.curves]))
        return max(round(plan.epochs * share), 1)

    def plot(self, folder: Path) -> None:
        """Draw which label is taken for which, and the losses, into a folder."""
        plot_confusion(self.confusion(), self.labels, folder / CONFUSION)
        plot_curves(self.curves, folder / CURVES)

    def recall(self) -> dict[str, float]:
        """Share of hands of each sign that are taken for it; signs without a hand are left out."""
        answers = self.probabilities.argmax(axis=1)
        return {
            label: float((answers[self.target == i] == i).mean())
            for i, label in enumerate(self.labels)
            if (self.target == i).any()
        }

    def confusion(self) -> NDArray[np.intp]:
        """How many hands of each sign (row) were taken for each (column)."""
        matrix = np.zeros((len(self.labels), len(self.labels)), np.intp)
        np.add.at(matrix, (self.target, self.probabilities.argmax(axis=1)), 1)
        return matrix

    def false_parts(self) -> float:
        """Share of hands that show no sign but are taken for a part of the Signal for Help."""
        answers = self.probabilities.argmax(axis=1)
        none = self.target == self.labels.index(NONE)
        wrong = np.isin(answers[none], [i for i, label in enumerate(self.labels) if label in PARTS])
        return float(wrong.mean()) if none.any() else 0.0


def shown_by_people(table: HandTable) -> HandTable:
    """The rows that somebody has shown: what a model can be measured on."""
    return table.select(table.source != DRAWN)


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

    return _hold_out(fold, folds, LeftOut(features, target), labels, learn, progress)


def _hold_out(
    fold: NDArray[np.intp],
    folds: int,
    rows: LeftOut,
    labels: tuple[str, ...],
    learn: Callable[[NDArray[np.bool_], Callable[[str], None], LeftOut], Fitted],
    progress: Callable[[str], None],
) -> HeldOut:
    """Answers for all rows, those of each fold by networks that `learn` from the other rows."""
    probabilities = np.zeros((len(rows.target), len(labels)), np.float32)
    curves = []
    for number in range(folds):
        mine = fold == number
        if mine.any():
            left_out = LeftOut(rows.features[mine], rows.target[mine])
            fitted = learn(~mine, told(progress, number, folds), left_out)
            probabilities[mine] = predict(fitted.networks, left_out.features)
            curves.append((fitted.loss[0], fitted.left_out[0]))
    return HeldOut(probabilities, rows.target, labels, tuple(curves))


def told(progress: Callable[[str], None], fold: int, folds: int) -> Callable[[str], None]:
    """Progress that says which part is left out meanwhile."""
    return lambda line: progress(f"part {fold + 1}/{folds} left out: {line}")


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
    _write(target, "signs", networks, temperature, held_out, parameters, _sign_prose(table, held_out))
    return held_out


def _write(
    target: Path,
    task: str,
    networks: Sequence[Any],
    temperature: float,
    held_out: HeldOut,
    parameters: Mapping[str, Any],
    prose: str,
) -> None:
    """The model's folder: the network, how it did on what was left out, and the card."""
    target.mkdir(parents=True, exist_ok=True)
    export(networks, temperature, target / "model.tflite")
    held_out.plot(target)
    write_card(target, task=task, model_format="tflite", labels=held_out.labels, parameters=parameters, prose=prose)


def _share(recall: Mapping[str, float], label: str) -> str:
    return f"{recall[label]:.3f}" if label in recall else "-"


def _sign_prose(table: HandTable, held_out: HeldOut) -> str:
    recall = held_out.recall()
    drawn = Counter(table.label[table.source == DRAWN].tolist())
    table = shown_by_people(table)
    flat = np.isin(table.source, FLAT_SOURCES)
    tracked, lifted = held_out.select(~flat), held_out.select(flat).recall()
    seen = tracked.recall()
    rows = "\n".join(
        f"| {label} | {int((table.label[~flat] == label).sum())} | {_share(seen, label)} "
        f"| {int((table.label[flat] == label).sum())} | {_share(lifted, label)} |"
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
the Signal for Help. `{CONFUSION}` shows which sign is taken for which, `{CURVES}` how the loss fell on the hands
trained on and on those left out.

The tables without depth are whole sources of one person each, so leaving the person out leaves the source out: some of
their hands are turned further than 60 degrees or seen from behind, as no other source shows them
(`python -m gesture.evaluate signs` measures each of them with its depth and without).

Made up in training: every hand turned, tilted and shaken at random, mirrored where its side was mistaken; poses between
two hands of one sign; poses on the way between two signs, taught as none of these; {COMPOSED} thumbs up put together of
closed hands and the thumbs of open ones; thumbs down from thumbs up turned round; {drawings}
drawn and passed through MediaPipe (`safety_monitor/demo/thumbs.py`). All of this is trained on and measured on nowhere.
Signs without a recorded hand: {made_up}.

{sources}

`data/README.md` says where these hands come from, and which of them have a depth that was taken from similar hands.
"Person" is what the source tells apart, sometimes only a session of the same person.
"""


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
    known = [label for label in labels if label in MOTIONS]
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
    folds: int = 2,
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

    return _hold_out(fold, folds, LeftOut(features, target), labels, learn, progress)


def train_motions(
    table: PathTable,
    labels: tuple[str, ...],
    target: Path,
    plan: MotionPlan | None = None,
    progress: Callable[[str], None] = print,
    folds: int = 2,
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
    _write(target, "motions", networks, 1.0, held_out, parameters, _motion_prose(table, held_out, plan))
    return held_out


def _motion_prose(table: PathTable, held_out: HeldOut, plan: MotionPlan) -> str:
    table = table.select(np.isin(table.label, held_out.labels))
    recorded = np.arange(len(held_out.target)) < len(table)
    shown, made = held_out.select(recorded).recall(), held_out.select(~recorded).recall()
    rows = "\n".join(
        f"| {label} | {int((table.label == label).sum())} | {_share(shown, label)} "
        f"| {plan.made_up * len(SPANS_S) if label in MOTIONS else 0} | {_share(made, label)} |"
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
`python -m gesture.evaluate motions` says how the model does on them and, with `--tracked`, on hands tracked in
recordings.

Recorded paths, each source one person (`data/README.md` says where they come from):

{sources}
"""


def main(arguments: list[str]) -> int:
    """Train what the command line names: `signs`, `motions`, or both where it names nothing."""
    from gesture.prepare import SIGNS

    root = Path(__file__).resolve().parent.parent
    wanted = arguments or ["signs", "motions"]
    if not set(wanted) <= {"signs", "motions"}:
        print("usage: python -m gesture.train [signs] [motions]", file=sys.stderr)
        return 2
    try:
        if "signs" in wanted:
            train_signs(read_hands(root / "data" / "signs.csv.gz"), SIGNS, root / "models" / "signs")
        if "motions" in wanted:
            train_motions(read_paths(root / "data" / "motions.csv.gz"), MOTIONS, root / "models" / "motions")
    except TableError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
