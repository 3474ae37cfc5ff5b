"""Small networks in Keras: trained on samples drawn anew for every pass, written as one TFLite file.

TensorFlow is imported inside the functions that need it: the station never pays for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gesture.plan import MotionPlan, SignPlan

Points = NDArray[np.float32]


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


def predict(networks: Sequence[Any], x: Points) -> Points:
    """Averaged probabilities of the networks, float32 of shape (n, labels)."""
    answers = [network(x, training=False) for network in networks]  # `predict` would compile each of them first
    return np.asarray(np.mean([softmax(np.asarray(answer)) for answer in answers], axis=0), np.float32)


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
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], tf.Module())
    path.write_bytes(converter.convert())


def _constants(network: Any) -> tuple[Points, Points, list[tuple[Points, Points]]]:
    """Input scale and offset, and kernel and bias of every dense layer, of a network of `build_network`."""
    scaling, *others = network.layers
    dense = [layer.get_weights() for layer in others if layer.get_weights()]
    scale, offset = np.asarray(scaling.scale, np.float32), np.asarray(scaling.offset, np.float32)
    return scale, offset, [(kernel, bias) for kernel, bias in dense]
