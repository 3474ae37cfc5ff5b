"""The teacher of the trunk, YAMNet (Gemmeke et al. 2017), written in Keras's operations, so that it hears on a GPU.

Its TFLite file gives the weights. Spectrum and mel bands are calculated as published and not, as there, with 8 bits.

Imports Keras: for training only.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE
from audio.features import hann
from audio.zoo.yamnet import WINDOW
from models.runtime import constants

Array = NDArray[np.float32]

SCORES, EMBEDDING = 521, 1024
"""Numbers that it gives: logits of its classes, and what these are made of."""

_FRAME, _HOP, _FFT, _BANDS = 400, 160, 512, 64
_LOW_HZ, _HIGH_HZ = 125.0, 7500.0
_HALVING = (3, 5, 7, 13)
"""Layers that halve time and frequency, besides the first."""
_LAYERS = range(2, 15)


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the network, in Keras's order.

    Attributes:
        first: kernel and bias of the first convolution.
        layers: of each further layer: depthwise kernel (3, 3, n) and bias, pointwise matrix (n, m) and bias.
        last: matrix and bias of the classes.
    """

    first: tuple[Array, Array]
    layers: Sequence[tuple[Array, Array, Array, Array]]
    last: tuple[Array, Array]


def read_weights(path: Path) -> Weights:
    """The weights of a TFLite file of YAMNet.

    Raises:
        ValueError: it is not YAMNet's.
    """
    found: dict[str, Array] = {}
    for tensor, values in constants(path).items():
        match = re.match(r"yamnet_frames/(layer\d+/(?:conv|depthwise_conv|pointwise_conv)|dense)/", tensor)
        if match and values.ndim:
            found.setdefault(f"{match[1]} {'bias' if values.ndim == 1 else 'kernel'}", values)
    try:
        return Weights(
            (found["layer1/conv kernel"].transpose(1, 2, 3, 0), found["layer1/conv bias"]),
            [
                (
                    found[f"layer{layer}/depthwise_conv kernel"][0],
                    found[f"layer{layer}/depthwise_conv bias"],
                    found[f"layer{layer}/pointwise_conv kernel"][:, 0, 0].T,
                    found[f"layer{layer}/pointwise_conv bias"],
                )
                for layer in _LAYERS
            ],
            (found["dense kernel"].T, found["dense bias"]),
        )
    except KeyError as lacking:
        raise ValueError(f"{path}: lacks {lacking.args[0]}: not YAMNet's TFLite file") from None


def teacher_of(weights: Weights) -> Callable[[Any], Any]:
    """What it makes of sound: (n, `WINDOW`) samples at 16 kHz to (n, `SCORES` + `EMBEDDING`) numbers."""
    return lambda samples: judged(weights, bands(samples))


def bands(samples: Any) -> Any:
    """What the network looks at: (n, `WINDOW`) samples to the logarithm of (n, 96, 64) mel bands."""
    real, imaginary = ops.rfft(ops.extract_sequences(samples, _FRAME, _HOP) * hann(_FRAME), fft_length=_FFT)
    return ops.log(ops.matmul(ops.sqrt(ops.square(real) + ops.square(imaginary)), _mel_matrix()) + 0.001)


def judged(weights: Weights, seen: Any) -> Any:
    """What the network makes of (n, 96, 64) bands: (n, `SCORES` + `EMBEDDING`) numbers."""
    x = ops.relu(ops.conv(seen[..., None], weights.first[0], strides=2, padding="same") + weights.first[1])
    for layer, (deep, deep_bias, point, point_bias) in zip(_LAYERS, weights.layers, strict=True):
        x = ops.relu(_deep(x, deep, 2 if layer in _HALVING else 1) + deep_bias)
        x = ops.relu(ops.matmul(x, point) + point_bias)
    embedding = ops.mean(x, axis=(1, 2))
    return ops.concatenate([ops.matmul(embedding, weights.last[0]) + weights.last[1], embedding], axis=1)


def _deep(x: Any, kernel: Array, stride: int) -> Any:
    """A depthwise convolution as a sum of shifted products, of which compilers make one pass; sizes are even."""
    before = 2 - stride
    height, width = x.shape[1], x.shape[2]
    padded = ops.pad(x, ((0, 0), (before, 1), (before, 1), (0, 0)))
    parts = (
        padded[:, row : row + height : stride, column : column + width : stride] * kernel[row, column]
        for row in range(3)
        for column in range(3)
    )
    return sum(parts)


def loud(samples: Any) -> Any:
    """The last `WINDOW` samples of each row, their peak at -3 dBFS: as the teacher hears them."""
    last = samples[:, -WINDOW:]
    return last * (0.7 / (ops.max(ops.abs(last), axis=1, keepdims=True) + 1e-9))


def _mel_matrix() -> Array:
    """(257, 64) triangles, equally spaced on the mel scale as YAMNet's training had it."""
    low, high = (1127.0 * np.log(1 + hertz / 700) for hertz in (_LOW_HZ, _HIGH_HZ))
    edges = np.linspace(low, high, _BANDS + 2)
    bins = 1127.0 * np.log(1 + np.arange(_FFT // 2 + 1) * SAMPLE_RATE / _FFT / 700)[:, None]
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    matrix = np.maximum(0, np.minimum(rising, falling))
    matrix[0] = 0
    return np.asarray(matrix, np.float32)
