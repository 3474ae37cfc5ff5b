"""What trunk and head have in common as networks: how the learning rate falls, and how they are written.

Imports Keras and TensorFlow: for training only.
"""

import tempfile
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf


def falling_rate(rate: float, steps: int, epochs: int) -> Any:
    """A learning rate that rises to `rate` within a quarter of a pass of so many steps, and falls along a cosine."""
    return keras.optimizers.schedules.CosineDecay(
        rate / 10, steps * epochs, warmup_target=rate, warmup_steps=max(1, steps // 4)
    )


def write(network: keras.Model, path: Path) -> None:
    """As TFLite: weights are kept as float16, calculations are float32."""
    with tempfile.TemporaryDirectory() as folder:
        network.export(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        path.write_bytes(converter.convert())
