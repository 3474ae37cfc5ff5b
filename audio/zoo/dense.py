"""Dense network with dropout on means of MFCC, chroma and mel bands."""

from typing import Any

from audio.corpus import LABELS
from audio.zoo.front_end import tones_and_bands
from audio.zoo.member import Features, Kind, Member, seconds


def build(shape: tuple[int, ...]) -> Any:
    """The uncompiled network."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            layers.Input(shape),
            layers.BatchNormalization(),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(len(LABELS), activation="softmax"),
        ]
    )


MEMBER = Member(
    "dense",
    "Dense network on MFCC, chroma, mel",
    Kind.NETWORK,
    Features("tones-and-bands", seconds(2), tones_and_bands),
    build,
)
