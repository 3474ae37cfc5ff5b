"""Convolutional network on STFT spectrograms."""

from functools import partial
from typing import Any

from audio.corpus import LABELS
from audio.zoo.front_end import spectrogram
from audio.zoo.member import Features, Kind, Member, seconds

WINDOW = seconds(2)


def convolutions(shape: tuple[int, ...], widths: tuple[int, ...]) -> list[Any]:
    """Layers from a picture to maps, each half as large as the one before."""
    from keras import layers

    stack: list[Any] = [layers.Input(shape), layers.Reshape((*shape, 1))]
    for width in widths:
        stack += [layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False), layers.BatchNormalization()]
        stack.append(layers.ReLU())
    return stack


def build(shape: tuple[int, ...]) -> Any:
    """The uncompiled network."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            *convolutions(shape, (16, 32, 48, 64)),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.3),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(len(LABELS), activation="softmax"),
        ]
    )


MEMBER = Member(
    "stft-cnn",
    "CNN on STFT spectrograms",
    Kind.NETWORK,
    Features("spectrogram", WINDOW, partial(spectrogram, length=WINDOW)),
    build,
)
