"""What judges a window by its traits, how it learns that from labels, and how it is exported.

Two kinds judge together. Small networks, which many composed examples teach what is mixed; beside them a machine
(`audio.machine`), which the few real screams teach what is plain.

Imports Keras: for training only, the station runs the exported TFLite files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from audio.corpus import LABELS
from audio.features import DESCRIPTION
from audio.machine import CUT, Line, Machine, Scale, scale_of
from audio.tflite import falling_rate, write
from audio.trunk import HEARD

Array = NDArray[np.float32]

TRAITS = DESCRIPTION + HEARD
"""Numbers that say what a window is like: its description, and what the trunk makes of it."""
NETWORKS_SHARE, KNOWN_SHARE = 0.32, 0.28
"""Weights of the networks' log-odds of a scream, and of the teacher's logit, beside a machine's distance."""


@dataclass(frozen=True, slots=True)
class NetworkRecipe:
    """What decides about a network of a head besides its examples.

    Attributes:
        width: of its hidden layer.
        epochs: passes over the examples.
        batch: examples of a step.
        rate: highest learning rate; it falls along a cosine.
        decay: weight decay.
        dropout: share of the inputs that are left out at random.
        hidden_dropout: the same of the hidden layer.
        seed: of everything random.
    """

    width: int = 256
    epochs: int = 14
    batch: int = 256
    rate: float = 1e-3
    decay: float = 5e-3
    dropout: float = 0.1
    hidden_dropout: float = 0.3
    seed: int = 1


def build_network(recipe: NetworkRecipe, scale: Scale) -> tuple[keras.Model, keras.Model]:
    """Class logits (n, labels) of the traits of windows (n, `TRAITS`).

    The mean of three opinions: of the description alone, of what the trunk heard alone, and of both. Unlike opinions
    err differently.

    Args:
        recipe: see `NetworkRecipe`.
        scale: of the traits.

    Returns:
        the network, and the same with each opinion by itself, which is what learns.
    """
    traits = layers.Input((TRAITS,), name="traits")
    scaled = _scaled(scale, traits)
    facts, heard = (layers.Dropout(recipe.dropout)(part) for part in (scaled[:, :DESCRIPTION], scaled[:, DESCRIPTION:]))
    opinions = [_opine(x, recipe) for x in (heard, facts, layers.Concatenate()([heard, facts]))]
    return keras.Model(traits, layers.Average()(opinions)), keras.Model(traits, opinions)


def _opine(x: Any, recipe: NetworkRecipe) -> Any:
    x = layers.Dropout(recipe.hidden_dropout)(layers.Dense(recipe.width, activation="relu")(x))
    return layers.Dense(len(LABELS))(x)


def fit_network(traits: Array, labels: NDArray[np.int8], weights: Array, recipe: NetworkRecipe) -> keras.Model:
    """Train a network of a head.

    Args:
        traits: of the examples, (n, `TRAITS`).
        labels: (n,), index into `LABELS`.
        weights: (n,), how much each counts.
        recipe: see `NetworkRecipe`.
    """
    keras.utils.set_random_seed(recipe.seed)
    network, pupil = build_network(recipe, scale_of(traits))
    steps = max(1, len(traits) // recipe.batch)
    entropy = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.02)
    pupil.compile(
        keras.optimizers.AdamW(falling_rate(recipe.rate, steps, recipe.epochs), weight_decay=recipe.decay),
        loss=[entropy] * len(pupil.outputs),
    )
    truth = np.eye(len(LABELS), dtype=np.float32)[labels]
    pupil.fit(
        traits,
        [truth] * len(pupil.outputs),
        sample_weight=[weights] * len(pupil.outputs),
        batch_size=recipe.batch,
        epochs=recipe.epochs,
        verbose=0,
    )
    return network


@dataclass(frozen=True, slots=True)
class Head:
    """What judges a window by its traits.

    Attributes:
        machine: tells screams from the rest. It learned from recordings as they are, and keeps what is plain.
        networks: give class logits; their mean counts. They learned from what was composed, and know what is mixed.
        voices: tells conversation from ambient sounds.
    """

    machine: Machine
    networks: Sequence[keras.Model]
    voices: Line

    def distances(self, traits: Array) -> Array:
        """How far on the side of a scream windows lie: float32 of shape (n,).

        The machine's distance, and shares of the networks' log-odds and of the teacher's logit as the trunk learned it.
        """
        logits = np.mean([each.predict(traits, batch_size=4096, verbose=0) for each in self.networks], axis=0)
        odds = np.asarray(_scream_odds(logits), np.float32)[:, 0]
        return np.asarray(self.machine(traits) + NETWORKS_SHARE * odds + KNOWN_SHARE * traits[:, -1], np.float32)


def _scream_odds(logits: Any) -> Any:
    """Log-odds of a scream against everything else, (n, 1), from class logits (n, labels)."""
    columns = {label: logits[:, place : place + 1] for place, label in enumerate(LABELS)}
    scream = columns.pop("scream")
    return scream - keras.ops.logsumexp(keras.ops.concatenate([*columns.values()], axis=1), axis=1, keepdims=True)


def export_head(head: Head, slope: float, offset: float, path: Path) -> None:
    """Write a head as a TFLite file: descriptions and what the trunk heard in, probabilities of the labels out.

    Args:
        head: see `Head`.
        slope: makes log-odds of its distances.
        offset: is added to these.
        path: where to.
    """
    facts = layers.Input((DESCRIPTION,), name="facts")
    heard = layers.Input((HEARD,), name="heard")
    traits = keras.ops.concatenate([facts, heard], axis=1)
    odds = _scream_odds(keras.ops.mean(keras.ops.stack([network(traits) for network in head.networks]), axis=0))
    distance = _machine(head.machine, traits) + NETWORKS_SHARE * odds + KNOWN_SHARE * heard[:, -1:]
    scream = keras.ops.sigmoid(slope * distance + offset)
    voice = keras.ops.sigmoid(_line(head.voices, traits))
    rest = 1.0 - scream
    by_label = {"scream": scream, "conversation": rest * voice, "ambient": rest * (1.0 - voice)}
    write(keras.Model([facts, heard], keras.ops.concatenate([by_label[label] for label in LABELS], axis=1)), path)


def export_opinion(machine: Machine, path: Path) -> None:
    """Write a machine over overviews of recordings as a TFLite file: overviews (n, k) in, distances (n, 1) out."""
    whole = layers.Input((len(machine.scale.mean),), name="overview")
    write(keras.Model(whole, _machine(machine, whole)), path)


def _scaled(scale: Scale, inputs: Any) -> Any:
    return keras.ops.clip((inputs - scale.mean) / scale.spread, -CUT, CUT)


def _machine(machine: Machine, inputs: Any) -> Any:
    x = _scaled(machine.scale, inputs)
    distance = (
        keras.ops.sum(x * x, axis=1, keepdims=True)
        - 2.0 * keras.ops.matmul(x, machine.vectors.T)
        + np.square(machine.vectors).sum(axis=1)[None]
    )
    return keras.ops.matmul(keras.ops.exp(-machine.gamma * distance), machine.strengths[:, None]) + machine.offset


def _line(line: Line, inputs: Any) -> Any:
    return keras.ops.matmul(_scaled(line.scale, inputs), line.slope[:, None]) + line.offset
