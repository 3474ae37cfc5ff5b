"""How the networks of the zoo learn and are exported. Imports Keras: for training only."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from audio.zoo.lesson import Epoch, Lesson

Array = NDArray[np.float32]

BATCH = 64


def fit(
    build: Callable[..., Any],
    lesson: Lesson,
    held: Lesson,
    *,
    epochs: int,
    patience: int,
    seed: int,
    state: Path,
    tick: Callable[[int, int, Epoch], None] = lambda done, total, epoch: None,
) -> tuple[Any, list[Epoch]]:
    """Train a network until what is held back is judged no better; the weights that judged it best are kept.

    Interrupted and called again with the same folder it goes on, and gives the network that it would have given.

    Args:
        build: (shape of the features) -> network.
        lesson: to learn from.
        held: to judge by.
        epochs: at most so many.
        patience: epochs without improvement before it ends.
        seed: of everything random.
        state: folder for what a run needs to go on.
        tick: is told after each epoch.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    state.mkdir(parents=True, exist_ok=True)
    history: list[Epoch] = []
    note = state / "history.json"
    if note.exists():
        history = [Epoch(**each) for each in json.loads(note.read_text(encoding="utf-8"))]
        network = keras.models.load_model(state / f"epoch-{len(history)}.keras")
    else:
        network = build(lesson.x.shape[1:])
        network.compile(keras.optimizers.AdamW(1e-3, weight_decay=1e-3), "sparse_categorical_crossentropy")
    while len(history) < epochs and len(history) - _best(history) < patience:
        dice = seed * 1000 + len(history)
        keras.utils.set_random_seed(dice)
        for number, layer in enumerate(network.layers):
            if hasattr(layer, "seed_generator"):  # where dropout stands is not in the file of a network
                layer.seed_generator.state.assign([dice, number])
        order = np.random.default_rng(dice).permutation(len(lesson.y))
        fitted = network.fit(
            lesson.x[order],
            lesson.y[order],
            sample_weight=lesson.weights[order],
            batch_size=BATCH,
            shuffle=False,
            verbose=0,
        )
        loss = network.evaluate(held.x, held.y, sample_weight=held.weights, batch_size=256, verbose=0)
        history.append(Epoch(float(fitted.history["loss"][0]), float(loss)))
        _keep(network, history, state)
        tick(len(history), epochs, history[-1])
    return keras.models.load_model(state / f"epoch-{_best(history)}.keras"), history


def _best(history: list[Epoch]) -> int:
    """The number, from 1 on, of the epoch that judged best; 0 before the first."""
    return int(np.argmin([epoch.held for epoch in history])) + 1 if history else 0


def _keep(network: Any, history: list[Epoch], state: Path) -> None:
    """The network first, then the note that names it: whatever interrupts this, the two fit together."""
    network.save(state / f"epoch-{len(history)}.keras")
    partial = state / "history.partial"
    partial.write_text(json.dumps([asdict(each) for each in history]), encoding="utf-8")
    partial.replace(state / "history.json")
    wanted = {f"epoch-{len(history)}.keras", f"epoch-{_best(history)}.keras"}
    for file in state.glob("epoch-*.keras"):
        if file.name not in wanted:
            file.unlink()


def probabilities(network: Any, x: NDArray[Any]) -> Array:
    """Of a trained network: float32 of shape (n, labels)."""
    parts = [np.asarray(network(x[start : start + 512], training=False)) for start in range(0, len(x), 512)]
    return np.concatenate(parts).astype(np.float32)


def export(network: Any, path: Path) -> None:
    """Write a network as a TFLite file."""
    with tempfile.TemporaryDirectory() as folder:
        network.export(folder, verbose=False)
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())
