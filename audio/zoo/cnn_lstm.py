"""Convolutional network whose columns an LSTM reads in their order."""

from typing import Any

from audio.corpus import LABELS
from audio.zoo.mel_cnn import MEL
from audio.zoo.member import Kind, Member
from audio.zoo.stft_cnn import convolutions


def build(shape: tuple[int, ...]) -> Any:
    """The uncompiled network."""
    import keras
    from keras import layers

    network = keras.Sequential(convolutions(shape, (16, 32, 48)))
    steps, bands, width = network.output_shape[1:]
    for layer in (
        layers.Reshape((steps, bands * width)),
        layers.LSTM(48, unroll=True),  # unrolled, it needs no control flow in the exported file
        layers.Dropout(0.3),
        layers.Dense(len(LABELS), activation="softmax"),
    ):
        network.add(layer)
    return network


MEMBER = Member("cnn-lstm", "CNN-LSTM on mel spectrograms", Kind.NETWORK, MEL, build)
