"""Convolutional network of three classes on log-mel pictures of 3-second segments, which vote on a recording."""

from functools import partial

from audio.zoo.front_end import mel_spectrogram
from audio.zoo.member import Features, Kind, Member, seconds
from audio.zoo.stft_cnn import build

WINDOW = seconds(3)

MEMBER = Member(
    "segment-cnn",
    "CNN on log-mel of 3 s segments, votes",
    Kind.NETWORK,
    Features("mel-spectrogram-3s", WINDOW, partial(mel_spectrogram, length=WINDOW)),
    build,
    votes=True,
)
