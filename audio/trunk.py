"""The network that hears what sounds are, and how it learns that from a teacher's scores.

Screams are few: what tells them (`audio.head`) learns from labels, but this does not. It learns from another network
what sounds are, of everything that can be composed (knowledge distillation, Hinton et al. 2015).

Imports Keras: for training only, the station runs the exported TFLite file.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from audio.examples import Examples
from audio.features import MEL_BANDS, WINDOW
from audio.tflite import falling_rate, write

Array = NDArray[np.float32]

log = logging.getLogger(__name__)

WIDTH = 512
"""Numbers that the trunk makes of a picture."""
HEARD = WIDTH + 1
"""Those and, last, the teacher's logit of a scream, as far as the trunk has learned it."""


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
        keras.optimizers.AdamW(falling_rate(recipe.rate, steps, recipe.epochs), weight_decay=1e-3),
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
    write(keras.Model(image, keras.ops.concatenate([heard, known], axis=1)), path)
