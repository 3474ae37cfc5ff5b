"""How trunk and head are written. Imports Keras and TensorFlow: for training only."""

import tempfile
from pathlib import Path

import keras
import tensorflow as tf


def write(network: keras.Model, path: Path) -> None:
    """As TFLite: weights are kept as float16, calculations are float32."""
    with tempfile.TemporaryDirectory() as folder:
        network.export(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        path.write_bytes(converter.convert())
