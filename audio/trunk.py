"""The network that hears what sounds are, and how it learns that from a teacher's scores.

Screams are few: what tells them (`audio.head`) learns from labels, but this does not. It learns from another network
what sounds are, of everything that can be mixed (knowledge distillation, Hinton et al. 2015).

Imports Keras: for training only, the station runs the exported TFLite file.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from audio.features import MEL_BANDS, WINDOW
from audio.mixtures import ALONE, Bank, mix, pictures
from audio.teacher import EMBEDDING, SCORES, loud
from audio.zoo.yamnet import SCREAMING

Array = NDArray[np.float32]

log = logging.getLogger(__name__)

WIDTH = 512
"""Numbers that the trunk makes of a picture."""
HEARD = WIDTH + 1
"""Those and, last, the teacher's logit of a scream, as far as the trunk has learned it."""
LOGITS = (-11.5, 11.5)
"""The teacher's scores as logits are cut at these."""
HALF_HEARD_DB = 2.0
"""Of a sound so far above what is behind, half of what the teacher misses in the mixture is wanted of the trunk."""


@dataclass(frozen=True, slots=True)
class TrunkRecipe:
    """What decides about a trunk besides its examples.

    Attributes:
        stem: channels of the first layer, which takes pieces of 70 ms and 7 mel bands, 40 ms and 4 bands apart.
        stages: channels and residual layers of each further stage; each but the first halves time and frequency.
        steps: how often it learns.
        warm_up: steps in which the learning rate rises.
        batch: windows of a step.
        rate: highest learning rate; it falls along a cosine.
        seed: of everything random.
    """

    stem: int = 64
    stages: tuple[tuple[int, int], ...] = ((64, 2), (128, 2), (256, 2))
    steps: int = 25_000
    warm_up: int = 200
    batch: int = 512
    rate: float = 2e-3
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


class _Lesson(keras.Model):  # type: ignore[misc]  # Keras has no types
    """From what was drawn to how far the pupil is from what is wanted of it: (n, 1)."""

    def __init__(self, bank: Bank, teacher: Callable[[Any], Any], pupil: keras.Model, recipe: TrunkRecipe) -> None:
        super().__init__(name="listening", dtype="float32")
        self.pupil, self.teacher = pupil, teacher
        self.seed = keras.random.SeedGenerator(recipe.seed)
        self.samples = keras.Variable(bank.samples, trainable=False, dtype="int16")
        drawn = bank.draw(recipe.batch, np.random.default_rng(recipe.seed)).arrays()
        embedding = self.teacher(loud(mix(self.samples, drawn, self.seed)[0]))[:, SCORES:]
        self.spread = np.maximum(ops.convert_to_numpy(embedding).std(axis=0), 0.05).astype(np.float32)

    def call(self, drawn: Mapping[str, Any]) -> Any:
        sound, front = mix(self.samples, drawn, self.seed)
        truth = wanted(self.teacher(loud(sound)), self.teacher(loud(front)), drawn["snr_db"])
        image = ops.stop_gradient(disturbed(pictures(sound), self.seed))
        return _distance(ops.stop_gradient(truth), self.pupil(image, training=True), self.spread)[:, None]


@dataclass(frozen=True, slots=True)
class Learned:
    """What a trunk has learned.

    Attributes:
        weights: of its layers, in Keras's order.
        slope: the line through its numbers that tells the teacher's logit of a scream, float32 of shape (`WIDTH`,).
            Heads learn from few screams of few sources, the teacher knows more: what it says is kept beside them.
        offset: of the line.
    """

    weights: Sequence[Array]
    slope: Array
    offset: float


def fit_trunk(bank: Bank, teacher: Callable[[Any], Any], recipe: TrunkRecipe, *, fast: bool = True) -> Learned:
    """Train a trunk to hear what the teacher hears; labels play no part.

    Args:
        bank: sounds that windows are mixed of.
        teacher: see `audio.teacher.teacher_of`.
        recipe: see `TrunkRecipe`.
        fast: calculate in bfloat16.
    """
    keras.utils.set_random_seed(recipe.seed)
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if fast else "float32")
    trunk, pupil = build_trunk(recipe, SCORES + EMBEDDING)
    keras.mixed_precision.set_global_policy("float32")
    lesson = _Lesson(bank, teacher, pupil, recipe)
    optimizer = keras.optimizers.AdamW(recipe.rate, weight_decay=1e-3)
    lesson.compile(optimizer, loss=lambda _, distance: ops.mean(distance))
    rng = np.random.default_rng(recipe.seed + 1)
    nothing = np.zeros((recipe.batch, 1), np.float32)
    start, recent = time.monotonic(), 0.0
    with ThreadPoolExecutor(1) as ahead:
        drawn = ahead.submit(bank.draw, recipe.batch, rng)
        for step in range(recipe.steps):
            risen, fallen = min(1.0, step / recipe.warm_up), (1 + math.cos(math.pi * step / recipe.steps)) / 2
            optimizer.learning_rate = recipe.rate * risen * fallen
            batch = drawn.result().arrays()
            drawn = ahead.submit(bank.draw, recipe.batch, rng)
            recent += (float(lesson.train_on_batch(batch, nothing)) - recent) / min(step + 1, 200)
            if (step + 1) % 500 == 0:
                log.info("step %d, %.0f s: distance %.4f", step + 1, time.monotonic() - start, recent)
    slope, offset = pupil.get_layer("lesson").get_weights()
    weights = [np.asarray(values, np.float32) for values in trunk.get_weights()]
    return Learned(weights, slope[:, SCREAMING].astype(np.float32), float(offset[SCREAMING]))


def wanted(mixed: Any, front: Any, snr_db: Any) -> Any:
    """What a pupil is to hear in a mixture: what the teacher hears, and what it would hear in the front alone.

    The teacher misses much of what other sound covers. The fainter the front, the less of it is wanted.

    Args:
        mixed: what the teacher makes of the mixture, (n, `SCORES` + `EMBEDDING`).
        front: and of the sound in front alone.
        snr_db: how far the front is above what is behind, (n,).
    """
    mixed, front = (
        ops.concatenate([ops.clip(each[:, :SCORES], *LOGITS), each[:, SCORES:]], axis=1) for each in (mixed, front)
    )
    covered = ops.cast(snr_db < ALONE, "float32")[:, None]
    heard = ops.sigmoid((snr_db[:, None] - HALF_HEARD_DB) / 3.0) * covered
    more = heard * ops.relu(front[:, :SCORES] - mixed[:, :SCORES])
    moved = 0.7 * heard * (front[:, SCORES:] - mixed[:, SCORES:])
    return mixed + ops.concatenate([more, moved], axis=1)


def _distance(truth: Any, guess: Any, spread: Array) -> Any:
    """Squared error, (n,); logits in which the teacher believes count more, and none counts below -9."""
    logits = ops.maximum(truth[:, :SCORES], -9.0)
    weight = ops.sigmoid(logits + 4.0) * 4.0 + 0.1
    first = ops.mean(weight * ops.square(logits - guess[:, :SCORES]), axis=-1) * 0.25
    return first + ops.mean(ops.square(truth[:, SCORES:] / spread - guess[:, SCORES:]), axis=-1)


def disturbed(images: Any, seed: Any) -> Any:
    """Holes in time and frequency, small shifts: what the same sound may look like elsewhere."""
    count = ops.shape(images)[0]
    for size, hole, axes in ((MEL_BANDS, 8, (1, 1, MEL_BANDS)), (WINDOW, 10, (1, WINDOW, 1))):
        place = np.arange(size, dtype=np.float32).reshape(axes)
        first = keras.random.uniform((count, 1, 1), 0.0, size - hole, seed=seed)
        last = first + keras.random.uniform((count, 1, 1), 2.0, hole, seed=seed)
        some = keras.random.uniform((count, 1, 1), seed=seed) < 0.5
        images = ops.where(ops.logical_and(some, ops.logical_and(place >= first, place < last)), -1.0, images)
    return images + keras.random.uniform((count, 1, 1), -0.05, 0.05, seed=seed)


def export_trunk(learned: Learned, recipe: TrunkRecipe, path: Path) -> None:
    """Write a trunk as a TFLite file: pictures (n, 96, 64) in, `HEARD` numbers out."""
    from audio.tflite import write

    trunk, _ = build_trunk(recipe, 1)
    trunk.set_weights(learned.weights)
    image = layers.Input((WINDOW, MEL_BANDS), name="image")
    heard = trunk(image)
    known = ops.matmul(heard, learned.slope[:, None]) + learned.offset
    write(keras.Model(image, ops.concatenate([heard, known], axis=1)), path)
