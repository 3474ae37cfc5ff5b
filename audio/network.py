"""The network that ships, and how it learns: classes from people's labels, hearing from a teacher's scores.

Imports Keras: for training only, the station runs the exported TFLite file.
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

Array = NDArray[np.float32]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides about a training besides its examples.

    Attributes:
        channels: of the five convolution stages; each halves time and frequency but the last.
        epochs: passes over the examples.
        batch: examples of a step.
        rate: highest learning rate; it falls along a cosine.
        teacher: weight of the teacher's scores against the labels.
        seed: of everything random.
        separable: a separable convolution beside each middle stage.
    """

    channels: tuple[int, ...] = (32, 64, 96, 160, 256)
    epochs: int = 8
    batch: int = 64
    rate: float = 2e-3
    teacher: float = 1.0
    seed: int = 1
    separable: bool = True


def build(recipe: Recipe, mean: Array, spread: Array, teacher: int) -> keras.Model:
    """A network with pictures and descriptions in; class scores of three heads and the teacher's scores out.

    Args:
        mean: of the descriptions, float32 of shape (DESCRIPTION,).
        spread: their standard deviation.
        teacher: how many scores the teacher gives.
    """
    image = layers.Input((WINDOW, MEL_BANDS), name="image")
    facts = layers.Input((DESCRIPTION,), name="facts")
    x = layers.Reshape((WINDOW, MEL_BANDS, 1))(image)
    for stage, width in enumerate(recipe.channels):
        last = stage == len(recipe.channels) - 1
        x = layers.Conv2D(width, 3, strides=1 if last else 2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        if recipe.separable and stage in (1, 2, 3):
            y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
            y = layers.BatchNormalization()(y)
            y = layers.Conv2D(width, 1, use_bias=False)(y)
            y = layers.BatchNormalization()(y)
            x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.AveragePooling2D((1, x.shape[2]))(x)
    x = layers.Reshape((x.shape[1], x.shape[3]))(x)
    x = layers.Concatenate()([layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)])
    x = layers.Dropout(0.2)(x)
    heard = layers.Dense(256, activation="relu")(x)
    lesson = layers.Dense(max(teacher, 1), dtype="float32", name="teacher")(heard)
    heard = layers.Dropout(0.3)(heard)

    f = layers.Normalization(mean=mean, variance=spread**2, dtype="float32")(facts)
    f = keras.ops.clip(f, -5.0, 5.0)
    f = layers.GaussianNoise(0.15)(f)
    f = layers.Dropout(0.1)(f)
    f = layers.Dense(192, activation="relu")(f)
    f = layers.Dropout(0.3)(f)
    f = layers.Dense(96, activation="relu")(f)
    described = layers.Dropout(0.3)(f)

    classes = len(LABELS)
    outputs = [
        layers.Dense(classes, dtype="float32", name="picture")(heard),
        layers.Dense(classes, dtype="float32", name="description")(described),
        layers.Dense(classes, dtype="float32", name="both")(layers.Concatenate()([heard, described])),
        lesson,
    ]
    return keras.Model([image, facts], outputs)


def _batches(examples: Examples, recipe: Recipe) -> Iterator[tuple[Any, ...]]:
    rng = np.random.default_rng(recipe.seed)
    while True:
        order = rng.permutation(len(examples))
        for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
            part = np.sort(order[start : start + recipe.batch])
            images = examples.images[part].astype(np.float32)
            _disturb(images, rng)
            labels = np.eye(len(LABELS), dtype=np.float32)[examples.labels[part]]
            labels = labels * 0.97 + 0.01
            weights = examples.weights[part]
            lesson = examples.teacher[part].astype(np.float32)
            if lesson.shape[1] == 0:
                lesson = np.zeros((len(part), 1), np.float32)
            yield (
                (images, examples.facts[part]),
                (labels, labels, labels, lesson),
                (weights, weights, weights, np.ones_like(weights)),
            )


def _disturb(images: Array, rng: np.random.Generator) -> None:
    """Holes in time and frequency, small shifts: what the same sound may look like elsewhere."""
    for image in images:
        shift = int(rng.integers(-2, 3))
        if shift:
            image[:] = np.roll(image, shift, axis=1)
            image[:, :shift] = -1 if shift > 0 else image[:, :shift]
            if shift < 0:
                image[:, shift:] = -1
        if rng.random() < 0.5:
            low = int(rng.integers(0, MEL_BANDS - 8))
            image[:, low : low + int(rng.integers(2, 9))] = -1
        if rng.random() < 0.5:
            first = int(rng.integers(0, WINDOW - 12))
            image[first : first + int(rng.integers(2, 13))] = -1
        image += rng.uniform(-0.05, 0.05)


def fit(examples: Examples, recipe: Recipe, *, fast: bool = True, quiet: bool = True) -> keras.Model:
    """Train a network.

    Args:
        examples: windows to learn from.
        recipe: see `Recipe`.
        fast: calculate in bfloat16.
        quiet: no progress bar.
    """
    keras.utils.set_random_seed(recipe.seed)
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if fast else "float32")
    mean, spread = examples.facts.mean(axis=0), examples.facts.std(axis=0) + 1e-3
    network = build(recipe, mean, spread, examples.teacher.shape[1])
    steps = len(examples) // recipe.batch
    schedule = keras.optimizers.schedules.CosineDecay(
        recipe.rate / 10, steps * recipe.epochs, warmup_target=recipe.rate, warmup_steps=steps // 4
    )
    entropy = keras.losses.CategoricalCrossentropy(from_logits=True)
    network.compile(
        keras.optimizers.AdamW(schedule, weight_decay=1e-3),
        loss=[entropy, entropy, entropy, _lesson_loss],
        loss_weights=[1.0, 1.0, 1.0, recipe.teacher if examples.teacher.shape[1] else 0.0],
    )
    network.fit(_batches(examples, recipe), steps_per_epoch=steps, epochs=recipe.epochs, verbose=0 if quiet else 2)
    keras.mixed_precision.set_global_policy("float32")
    return network


def _lesson_loss(truth: Any, guess: Any) -> Any:
    """Squared error of logits, those the teacher believes in count more."""
    truth = keras.ops.maximum(truth, -9.0)
    weight = keras.ops.sigmoid(truth + 4.0) * 4.0 + 0.1
    return keras.ops.mean(weight * keras.ops.square(truth - guess), axis=-1) * 0.25


def scores(network: keras.Model, images: NDArray[Any], facts: Array) -> Array:
    """Class logits of the three heads: float32 of shape (3, n, labels)."""
    parts = []
    for start in range(0, len(images), 2048):
        out = network.predict_on_batch([images[start : start + 2048].astype(np.float32), facts[start : start + 2048]])
        parts.append(np.stack([np.asarray(head) for head in out[:3]]))
    return np.concatenate(parts, axis=1)


def _exact(network: keras.Model, recipe: Recipe) -> keras.Model:
    """The same network, calculating in float32."""
    keras.mixed_precision.set_global_policy("float32")
    unit = np.ones(DESCRIPTION, np.float32)
    copy = build(recipe, unit, unit, int(network.outputs[3].shape[-1]))
    for mine, theirs in zip(copy.layers, network.layers, strict=True):
        if isinstance(mine, layers.Normalization):
            mine.mean, mine.variance = theirs.mean, theirs.variance
    copy.set_weights(network.get_weights())
    return copy


def export(networks: Sequence[tuple[keras.Model, Recipe]], scale: float, path: Path) -> None:
    """Write networks as one TFLite file: the mean of all heads' logits, times `scale`, as probabilities.

    Weights are kept as float16, calculations are float32. The file's inputs come in the order of their names: facts,
    image.
    """
    image = layers.Input((WINDOW, MEL_BANDS), name="image")
    facts = layers.Input((DESCRIPTION,), name="facts")
    heads = [head for network, recipe in networks for head in _exact(network, recipe)([image, facts])[:3]]
    mixed = heads[0]
    for head in heads[1:]:
        mixed = mixed + head
    whole = keras.Model([image, facts], keras.ops.softmax(mixed * (scale / len(heads))))
    with tempfile.TemporaryDirectory() as folder:
        whole.export(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        path.write_bytes(converter.convert())
