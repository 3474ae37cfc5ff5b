"""Convolutional network on mel spectrograms."""

from functools import partial

from audio.zoo.front_end import mel_spectrogram
from audio.zoo.member import Features, Kind, Member, seconds
from audio.zoo.stft_cnn import build

WINDOW = seconds(2)
MEL = Features("mel-spectrogram", WINDOW, partial(mel_spectrogram, length=WINDOW))

MEMBER = Member("mel-cnn", "CNN on mel spectrograms", Kind.NETWORK, MEL, build)
