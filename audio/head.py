"""What judges a window by its traits, and how it is exported.

Imports Keras: for training only, the station runs the exported TFLite files.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from audio.corpus import LABELS
from audio.features import DESCRIPTION
from audio.machine import CUT, Border, Line, Machine, Scale
from audio.tflite import write
from audio.trunk import HEARD

Array = NDArray[np.float32]

TRAITS = DESCRIPTION + HEARD
"""Numbers that say what a window is like: its description, and what the trunk makes of it."""


@dataclass(frozen=True, slots=True)
class Head:
    """What judges a window by its traits.

    Attributes:
        border: tells screams from the rest.
        voices: tells conversation from ambient sounds.
    """

    border: Border
    voices: Line


def export_head(head: Head, slope: float, offset: float, path: Path) -> None:
    """Write a head as a TFLite file: descriptions and what the trunk heard in, probabilities of the labels out.

    Args:
        head: see `Head`.
        slope: makes log-odds of the distances from its border.
        offset: is added to these.
        path: where to.
    """
    facts = layers.Input((DESCRIPTION,), name="facts")
    heard = layers.Input((HEARD,), name="heard")
    traits = ops.concatenate([facts, heard], axis=1)
    scream = ops.sigmoid(slope * _border(head.border, traits) + offset)
    voice = ops.sigmoid(_line(head.voices, traits))
    rest = 1.0 - scream
    by_label = {"scream": scream, "conversation": rest * voice, "ambient": rest * (1.0 - voice)}
    write(keras.Model([facts, heard], ops.concatenate([by_label[label] for label in LABELS], axis=1)), path)


def export_opinion(border: Border, path: Path) -> None:
    """Write a border between overviews of recordings as a TFLite file: overviews (n, k) in, distances (n, 1) out."""
    whole = layers.Input((len(border.machine.scale.mean),), name="overview")
    write(keras.Model(whole, _border(border, whole)), path)


def _border(border: Border, inputs: Any) -> Any:
    return _machine(border.machine, inputs) + border.known_share * inputs[:, -1:]


def _scaled(scale: Scale, inputs: Any) -> Any:
    return ops.clip((inputs - scale.mean) / scale.spread, -CUT, CUT)


def _machine(machine: Machine, inputs: Any) -> Any:
    """Its distance, (n, 1).

    The file keeps numbers as float16: the vectors are rounded before their length is taken, that goes into the
    strengths, and of these what the rounding leaves over is kept beside them. Else distances would be off by tenths.
    """
    x = _scaled(machine.scale, inputs)
    vectors = machine.vectors.astype(np.float16).astype(np.float64)
    strengths = machine.strengths * np.exp(-machine.gamma * np.square(vectors).sum(axis=1))
    rounded = strengths.astype(np.float16).astype(np.float64)
    both = np.stack([rounded, strengths - rounded], axis=1).astype(np.float32)
    nearness = 2.0 * ops.matmul(x, vectors.T.astype(np.float32)) - ops.sum(x * x, axis=1, keepdims=True)
    return ops.sum(ops.matmul(ops.exp(machine.gamma * nearness), both), axis=1, keepdims=True) + machine.offset


def _line(line: Line, inputs: Any) -> Any:
    return ops.matmul(_scaled(line.scale, inputs), line.slope[:, None]) + line.offset
