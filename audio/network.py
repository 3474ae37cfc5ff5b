"""The network that ships, how it learns to hear from a teacher's scores, and how everything learned is exported.

Two steps, because screams are few. The *trunk* learns from another network what sounds are, of everything that can be
composed, without a label (knowledge distillation, Hinton et al. 2015). The *head* learns from labels what a scream is,
from what the trunk makes of a sound and from numbers that describe a voice: small networks, which many composed
examples teach what is mixed, beside a machine, which the few real ones teach what is plain (`audio.head`).

Imports Keras: for training only, the station runs the exported TFLite files.
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from audio.corpus import LABELS
from audio.examples import Examples
from audio.features import DESCRIPTION, MEL_BANDS, WINDOW
from audio.head import CUT, Line, Machine, Scale, scale_of

Array = NDArray[np.float32]

log = logging.getLogger(__name__)

WIDTH = 512
"""Numbers that the trunk makes of a picture."""
HEARD = WIDTH + 1
"""Those and, last, the teacher's logit of a scream, as far as the trunk has learned it."""
TRAITS = DESCRIPTION + HEARD
"""Numbers that say what a window is like: its description, and what the trunk makes of it."""
NETWORKS_SHARE, KNOWN_SHARE = 0.32, 0.28
"""Weights of the networks' log-odds of a scream, and of the teacher's logit, beside a machine's distance."""


@dataclass(frozen=True, slots=True)
class TrunkRecipe:
    """What decides about a trunk besides its examples.

    Attributes:
        stem: channels of the first layer, which takes pieces of 70 ms and 7 mel bands, 40 ms and 4 bands apart.
        stages: channels and residual layers of each further stage; each but the first halves time and frequency.
        epochs: passes over the examples.
        batch: examples of a step.
        rate: highest learning rate; it falls along a cosine.
        scores: how many of the teacher's numbers are logits; the rest is what these are made of.
        seed: of everything random.
    """

    stem: int = 64
    stages: tuple[tuple[int, int], ...] = ((64, 1), (128, 1), (256, 1))
    epochs: int = 10
    batch: int = 128
    rate: float = 2e-3
    scores: int = 521
    seed: int = 1


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


def build_trunk(recipe: TrunkRecipe, teacher: int) -> tuple[keras.Model, keras.Model]:
    """Two networks of the same layers, pictures (n, 96, 64) in.

    The trunk gives `WIDTH` numbers; the pupil goes on to the `teacher` numbers that the teacher gives.
    """
    image = layers.Input((WINDOW, MEL_BANDS), name="image")
    x = layers.Reshape((WINDOW, MEL_BANDS, 1))(image)
    x = layers.ReLU()(_convolve(x, recipe.stem, 7, 4))
    for stage, (width, residuals) in enumerate(recipe.stages):
        if stage or width != recipe.stem:
            x = layers.ReLU()(_convolve(x, width, 3, 2 if stage else 1))
        for _ in range(residuals):
            x = layers.ReLU()(layers.Add()([x, _convolve(x, width, 3, 1)]))
    x = layers.AveragePooling2D((1, x.shape[2]))(x)
    x = layers.Reshape((x.shape[1], x.shape[3]))(x)
    x = layers.Concatenate()([layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)])
    heard = layers.Dense(WIDTH, activation="relu", name="heard")(layers.Dropout(0.1)(x))
    return keras.Model(image, heard), keras.Model(image, layers.Dense(teacher, dtype="float32", name="lesson")(heard))


def _convolve(x: Any, width: int, size: int, stride: int) -> Any:
    x = layers.Conv2D(width, size, strides=stride, padding="same", use_bias=False)(x)
    return layers.BatchNormalization()(x)


def _schedule(rate: float, steps: int, epochs: int) -> Any:
    return keras.optimizers.schedules.CosineDecay(
        rate / 10, steps * epochs, warmup_target=rate, warmup_steps=max(1, steps // 4)
    )


def fit_trunk(
    examples: Examples, recipe: TrunkRecipe, *, fast: bool = True, checkpoint: Path | None = None
) -> keras.Model:
    """Train a trunk to hear what the teacher hears; labels play no part.

    Args:
        examples: windows to learn from.
        recipe: see `TrunkRecipe`.
        fast: calculate in bfloat16.
        checkpoint: a folder in which every epoch is kept, so that an interrupted training goes on.
    """
    keras.utils.set_random_seed(recipe.seed)
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if fast else "float32")
    spread = np.maximum(examples.teacher[:20_000, recipe.scores :].astype(np.float32).std(axis=0), 0.05)
    trunk, pupil = build_trunk(recipe, examples.teacher.shape[1])
    steps = len(examples) // recipe.batch
    pupil.compile(
        keras.optimizers.AdamW(_schedule(recipe.rate, steps, recipe.epochs), weight_decay=1e-3),
        loss=_lesson_loss(recipe.scores),
    )
    callbacks = [] if checkpoint is None else [keras.callbacks.BackupAndRestore(checkpoint)]
    pupil.fit(
        _trunk_batches(examples, recipe, spread),
        steps_per_epoch=steps,
        epochs=recipe.epochs,
        verbose=0 if log.getEffectiveLevel() > logging.INFO else 2,
        callbacks=callbacks,
    )
    keras.mixed_precision.set_global_policy("float32")
    return trunk


def _lesson_loss(scores: int) -> Any:
    """Squared error; logits in which the teacher believes count more, and none counts below -9."""

    def loss(truth: Any, guess: Any) -> Any:
        logits = keras.ops.maximum(truth[:, :scores], -9.0)
        weight = keras.ops.sigmoid(logits + 4.0) * 4.0 + 0.1
        first = keras.ops.mean(weight * keras.ops.square(logits - guess[:, :scores]), axis=-1) * 0.25
        return first + keras.ops.mean(keras.ops.square(truth[:, scores:] - guess[:, scores:]), axis=-1)

    return loss


def _trunk_batches(examples: Examples, recipe: TrunkRecipe, spread: Array) -> Iterator[tuple[Any, Any]]:
    rng = np.random.default_rng(recipe.seed)
    while True:
        order = rng.permutation(len(examples))
        for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
            part = np.sort(order[start : start + recipe.batch])
            images = examples.images[part].astype(np.float32)
            disturb(images, rng)
            lesson = examples.teacher[part].astype(np.float32)
            lesson[:, recipe.scores :] /= spread
            yield images, lesson


def disturb(images: Array, rng: np.random.Generator) -> None:
    """Holes in time and frequency, small shifts: what the same sound may look like elsewhere."""
    for image in images:
        if rng.random() < 0.5:
            low = int(rng.integers(0, MEL_BANDS - 8))
            image[:, low : low + int(rng.integers(2, 8))] = -1
        if rng.random() < 0.5:
            first = int(rng.integers(0, WINDOW - 12))
            image[first : first + int(rng.integers(2, 10))] = -1
        image += rng.uniform(-0.05, 0.05)


def fit_line(trunk: keras.Model, examples: Examples, scream: int) -> tuple[Array, float]:
    """The line through the trunk's numbers that tells the teacher's logit of a scream best: slope and offset.

    Heads learn from few screams of few sources, the teacher knows more: what it says of a scream is kept beside them.
    By least squares with a ridge.

    Args:
        trunk: see `build_trunk`.
        examples: those it learned from.
        scream: which of the teacher's numbers it is.
    """
    heard = np.concatenate(
        [_predict(trunk, examples.images[start : start + 2048]) for start in range(0, len(examples), 2048)]
    )
    truth = examples.teacher[:, scream].astype(np.float32)
    mean, middle = heard.mean(axis=0), float(truth.mean())
    centred = heard - mean
    ridge = np.eye(WIDTH, dtype=np.float32) * 1e-3 * len(heard) * float(centred.var())
    slope = np.linalg.solve(centred.T @ centred + ridge, centred.T @ (truth - middle)).astype(np.float32)
    return slope, middle - float(mean @ slope)


def _predict(trunk: keras.Model, images: NDArray[Any]) -> Array:
    return np.asarray(trunk.predict_on_batch(images.astype(np.float32)), np.float32)


def export_trunk(trunk: keras.Model, recipe: TrunkRecipe, line: tuple[Array, float], path: Path) -> None:
    """Write a trunk as a TFLite file: pictures (n, 96, 64) in, `HEARD` numbers out."""
    keras.mixed_precision.set_global_policy("float32")
    exact, _ = build_trunk(recipe, 1)
    exact.set_weights(trunk.get_weights())
    image = layers.Input((WINDOW, MEL_BANDS), name="image")
    heard = exact(image)
    known = keras.ops.matmul(heard, line[0][:, None]) + line[1]
    _write(keras.Model(image, keras.ops.concatenate([heard, known], axis=1)), path)


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
        keras.optimizers.AdamW(_schedule(recipe.rate, steps, recipe.epochs), weight_decay=recipe.decay),
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
    _write(keras.Model([facts, heard], keras.ops.concatenate([by_label[label] for label in LABELS], axis=1)), path)


def export_opinion(machine: Machine, path: Path) -> None:
    """Write a machine over overviews of recordings as a TFLite file: overviews (n, k) in, distances (n, 1) out."""
    whole = layers.Input((len(machine.scale.mean),), name="overview")
    _write(keras.Model(whole, _machine(machine, whole)), path)


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


def _write(network: keras.Model, path: Path) -> None:
    """As TFLite: weights are kept as float16, calculations are float32."""
    with tempfile.TemporaryDirectory() as folder:
        network.export(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        path.write_bytes(converter.convert())
