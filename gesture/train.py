"""Train the sign and movement models from the tables in `data/`: Keras in, TFLite and a card out.

TensorFlow is imported inside the functions that need it: the station never pays for it.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gesture.augment import blend, vary
from gesture.features import SIGN_FEATURES, sign_features, square
from gesture.point_history_classifier import MOTION_FEATURES, POINTS, SPANS_S, motion_features
from gesture.tables import HandTable, PathTable, TableError, join, read_hands, read_paths
from gesture.trajectories import MOTIONS
from gesture.trajectories import draw as draw_motion
from models.card import write_card

Points = NDArray[np.float32]
Text = NDArray[np.str_]

NONE = "none"
FLAT_SOURCES = ("anis_rps", "jinzhu", "kinivi", "segfault_gestnet")
"""Sources of the base data whose hands have no depth of their own."""
FLIPPED = {"thumb_up": "thumb_down", "thumb_down": "thumb_up"}
"""Signs that turn into each other when the picture is stood on its head (and the hand becomes the other one)."""
MAX_ROLL_DEG = {"thumb_up": 45.0, "thumb_down": 45.0}
OTHER_ROLL_DEG = 75.0
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
    """

    epochs: int = 36
    samples: int = 12_000
    members: int = 3
    seed: int = 20


def draw_weights(labels: Text, people: Text) -> Points:
    """How likely each row is drawn: classes alike ("none" twice), within a class no person drowns the others."""
    weights = np.zeros(len(labels), np.float64)
    for name in np.unique(labels):
        mine = labels == name
        _, index, counts = np.unique(people[mine], return_inverse=True, return_counts=True)
        share = 1 / np.sqrt(counts[index])
        weights[mine] = share / share.sum() * (2.0 if name == NONE else 1.0)
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
        for before, after in FLIPPED.items():
            if before in index and after in index:
                mine = np.flatnonzero(table.label == before)
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
        partners = np.array([rng.choice(rows[self.target[chosen[i]]]) for i in mixed], np.intp)
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
        points = np.zeros((count, 21, 3), np.float32)
        target = np.zeros((count, len(self.labels)), np.float32)
        if not pairs:
            chosen = rng.choice(len(self.points), count)
            return self.points[chosen], np.eye(len(self.labels), dtype=np.float32)[self.target[chosen]]
        for i in range(count):
            first, second = (index[label] for label in pairs[rng.integers(len(pairs))])
            one = int(rng.choice(rows[first]))
            theirs = rows[second][self.people[rows[second]] == self.people[one]]
            two = int(rng.choice(theirs if len(theirs) else rows[second]))
            share = rng.random(1).astype(np.float32)
            points[i] = blend(self.points[[one]], self.points[[two]], share)[0]
            neither = float(np.clip(1 - abs(share[0] - 0.5) / 0.3, 0, 1))
            target[i, self.labels.index(NONE)] = neither
            target[i, first if share[0] < 0.5 else second] += 1 - neither
        return points, target


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


def fit_signs(
    table: HandTable, labels: tuple[str, ...], plan: SignPlan, progress: Callable[[str], None] = lambda line: None
) -> list[Any]:
    """Networks that give the logits of `labels` from sign features."""
    sampler = SignSampler.of(table, labels)

    def draw(rng: np.random.Generator) -> tuple[Points, Points]:
        return sampler.draw(plan.samples, rng)

    return fit(draw, SIGN_FEATURES, len(labels), (128, 64), plan, progress)


def fit(
    draw: Callable[[np.random.Generator], tuple[Points, Points]],
    inputs: int,
    outputs: int,
    hidden: tuple[int, ...],
    plan: Any,
    progress: Callable[[str], None],
) -> list[Any]:
    """Train `plan.members` networks on samples that are drawn anew for every pass."""
    import keras

    networks = []
    for member in range(plan.members):
        rng = np.random.default_rng((plan.seed, member))
        keras.utils.set_random_seed(plan.seed + member)
        x, _ = draw(np.random.default_rng(plan.seed))
        network = build_network(inputs, outputs, x.mean(axis=0), np.maximum(x.std(axis=0), 1e-3), hidden)
        optimizer = keras.optimizers.AdamW(learning_rate=2e-3, weight_decay=1e-3)
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.02)
        network.compile(optimizer=optimizer, loss=loss)
        for epoch in range(plan.epochs):
            optimizer.learning_rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * epoch / plan.epochs)) + 2e-5
            x, y = draw(rng)
            result = network.fit(x, y, batch_size=128, verbose=0)
            loss_now = result.history["loss"][0]
            progress(f"network {member + 1}/{plan.members}, pass {epoch + 1}/{plan.epochs}: loss {loss_now:.4f}")
        networks.append(network)
    return networks


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
    losses = [-np.log(np.maximum(softmax(logits / t)[np.arange(len(target)), target], 1e-6)).mean() for t in candidates]
    return float(candidates[int(np.argmin(losses))])


def folds_by_person(people: Text, count: int, seed: int) -> NDArray[np.intp]:
    """Fold of each row, 0 to `count` - 1; no person is in two folds."""
    names, index = np.unique(people, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    return np.asarray(order[index] % count, np.intp)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What a model says of hands of people it was not trained on.

    Attributes:
        probabilities: float32 of shape (n, labels).
        target: int of shape (n,), index of the right label.
        labels: in the order of the probabilities.
    """

    probabilities: Points
    target: NDArray[np.intp]
    labels: tuple[str, ...]

    def select(self, chosen: NDArray[np.bool_]) -> "HeldOut":
        """The hands that a mask names."""
        return HeldOut(self.probabilities[chosen], self.target[chosen], self.labels)

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

    def false_parts(self, parts: Sequence[str] = ("open_palm", "thumb_tucked", "fist")) -> float:
        """Share of hands that show no sign but are taken for a part of the Signal for Help."""
        answers = self.probabilities.argmax(axis=1)
        none = self.target == self.labels.index(NONE)
        wrong = np.isin(answers[none], [i for i, label in enumerate(self.labels) if label in parts])
        return float(wrong.mean()) if none.any() else 0.0


def hold_out_people(
    table: HandTable,
    labels: tuple[str, ...],
    plan: SignPlan,
    folds: int = 4,
    progress: Callable[[str], None] = lambda line: None,
) -> HeldOut:
    """Answers for every hand by a model that has seen no hand of that person."""
    table = table.select(np.isin(table.label, labels))
    fold = folds_by_person(table.person, folds, plan.seed)
    features = sign_features(square_rows(table))
    probabilities = np.zeros((len(table), len(labels)), np.float32)
    for number in range(folds):
        mine = fold == number
        if mine.any():
            fitted = fit_signs(table.select(~mine), labels, plan, told(progress, number, folds))
            probabilities[mine] = predict(fitted, features[mine])
    target = np.array([labels.index(label) for label in table.label], np.intp)
    return HeldOut(probabilities, target, labels)


def shorter(plan: SignPlan) -> SignPlan:
    """How it is trained to be measured on people left out."""
    return SignPlan(epochs=max(plan.epochs // 3, 1), samples=max(plan.samples // 2, 1), members=1, seed=plan.seed)


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

    What the card says of unseen people, and the temperature that calibrates the probabilities, come from shorter
    trainings that leave every person out once.

    Returns:
        The answers for people left out, calibrated.
    """
    plan = plan or SignPlan()
    short = shorter(plan)
    table = table.select(np.isin(table.label, labels))
    held_out = hold_out_people(table, labels, short, folds, progress)
    temperature = calibrate(held_out.probabilities, held_out.target)
    logits = np.log(np.maximum(held_out.probabilities, np.float32(1e-9))) / np.float32(temperature)
    held_out = HeldOut(softmax(logits), held_out.target, labels)
    for label, share in held_out.recall().items():
        progress(f"people left out: {label} {share:.3f}")
    networks = fit_signs(table, labels, plan, progress)
    target.mkdir(parents=True, exist_ok=True)
    export(networks, temperature, target / "model.tflite")
    write_card(
        target,
        task="signs",
        model_format="tflite",
        labels=labels,
        parameters={"temperature": round(temperature, 3), "seed": plan.seed, "passes": plan.epochs},
        prose=_sign_prose(table, held_out),
    )
    return held_out


def _share(recall: Mapping[str, float], label: str) -> str:
    return f"{recall[label]:.3f}" if label in recall else "-"


def _sign_prose(table: HandTable, held_out: HeldOut) -> str:
    recall = held_out.recall()
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
    made_up = ", ".join(label for label in held_out.labels if label not in recall) or "none"
    return f"""# Static signs of one hand

Landmarks of a hand in, the probability of each sign out; made by `python -m gesture.train signs` from `data/`.

Recall on people left out of the training (every person once), of hands that were tracked with their depth, and of hands
from tables without depth, which were given that of similar hands:

| sign | hands | recall | without depth | recall |
|---|---|---|---|---|
{rows}

Mean {macro:.3f} of the tracked hands. Of those that show no sign, {tracked.false_parts():.4f} are taken for a part of
the Signal for Help.

Made up in training: every hand turned, tilted and shaken at random, mirrored where its side was mistaken; poses between
two hands of one sign; poses on the way between two signs, taught as none of these; thumbs down from thumbs up turned
round. Signs without a recorded hand: {made_up}.

{sources}

`data/README.md` says where these hands come from, and which of them have a depth that was taken from similar hands.
"Person" is what the source tells apart, sometimes only a session of the same person.
"""


@dataclass(frozen=True, slots=True)
class MotionPlan:
    """How the movement model is trained.

    Attributes:
        epochs: passes; each draws `samples` paths anew.
        samples: paths of one pass.
        made_up: paths made up for each label and span.
        members: networks whose probabilities are averaged.
        seed: decides everything random.
    """

    epochs: int = 30
    samples: int = 16_000
    made_up: int = 1_000
    members: int = 2
    seed: int = 20


def fit_motions(
    table: PathTable, labels: tuple[str, ...], plan: MotionPlan, progress: Callable[[str], None] = lambda line: None
) -> list[Any]:
    """Networks that give the logits of `labels` from motion features; made-up paths are added to those of `table`."""
    rng = np.random.default_rng(plan.seed)
    known = np.isin(table.label, labels)
    paths = [table.paths[known]]
    target = [np.array([labels.index(label) for label in table.label[known]], np.intp)]
    for index, label in enumerate(labels):
        if label in MOTIONS:
            made = [draw_motion(label, span, rng) for span in SPANS_S for _ in range(plan.made_up)]
            paths.append(np.array(made, np.float32))
            target.append(np.full(len(made), index, np.intp))
    every, names = np.concatenate(paths), np.concatenate(target)
    counts = np.bincount(names, minlength=len(labels))
    weights = 1 / counts[names]
    weights /= weights.sum()
    eye = np.eye(len(labels), dtype=np.float32)

    def draw(rng: np.random.Generator) -> tuple[Points, Points]:
        chosen = rng.choice(len(every), plan.samples, p=weights)
        angle = rng.normal(0, np.deg2rad(5), plan.samples)
        turn = np.stack([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
        varied = np.einsum("nij,nkj->nki", turn, every[chosen]) * rng.uniform(0.9, 1.1, plan.samples)[:, None, None]
        varied += rng.normal(0, 0.01, varied.shape)
        return motion_features(varied.astype(np.float32)), eye[names[chosen]]

    return fit(draw, MOTION_FEATURES, len(labels), (96, 48), plan, progress)


def hold_out_paths(
    base: PathTable,
    mine: PathTable,
    labels: tuple[str, ...],
    plan: MotionPlan,
    folds: int = 2,
    progress: Callable[[str], None] = lambda line: None,
) -> HeldOut:
    """Answers for every path of `mine` by a model that has seen no path of that person, but all of `base`."""
    fold = folds_by_person(mine.person, folds, plan.seed)
    probabilities = np.zeros((len(mine), len(labels)), np.float32)
    for number in range(folds):
        left_out = fold == number
        if left_out.any():
            fitted = fit_motions(join([base, mine.select(~left_out)]), labels, plan, told(progress, number, folds))
            probabilities[left_out] = predict(fitted, motion_features(mine.paths[left_out]))
    return HeldOut(probabilities, np.array([labels.index(label) for label in mine.label], np.intp), labels)


def train_motions(
    table: PathTable,
    labels: tuple[str, ...],
    target: Path,
    plan: MotionPlan | None = None,
    progress: Callable[[str], None] = print,
) -> None:
    """Train the movement model and write it to the folder `target`, with its card."""
    plan = plan or MotionPlan()
    networks = fit_motions(table, labels, plan, progress)
    target.mkdir(parents=True, exist_ok=True)
    export(networks, 1.0, target / "model.tflite")
    write_card(
        target,
        task="motions",
        model_format="tflite",
        labels=labels,
        parameters={"points": POINTS, "spans_s": list(SPANS_S), "seed": plan.seed, "passes": plan.epochs},
        prose=_motion_prose(table, labels, plan),
    )


def _motion_prose(table: PathTable, labels: tuple[str, ...], plan: MotionPlan) -> str:
    rows = "\n".join(
        f"| {label} | {int((table.label == label).sum())} | {plan.made_up * len(SPANS_S) if label in MOTIONS else 0} |"
        for label in labels
    )
    return f"""# Movements of one hand

{POINTS} points of the index tip's or the wrist's path in, the probability of each movement out; made by
`python -m gesture.train motions`. Directions are those of the picture.

| movement | recorded paths | made-up paths |
|---|---|---|
{rows}

Most paths are made up (`gesture/trajectories.py`): strokes of least jerk, circles and waves with a wandering speed,
size and place, cameras of 9 to 31 frames a second, lost frames, jitter.
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
