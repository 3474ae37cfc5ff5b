"""The numpy features against librosa's, whose definitions they claim to be."""

import os

os.environ.setdefault("NUMBA_OPT", "0")  # librosa compiles itself on its first use: longer than its work here lasts

import librosa
import numpy as np
import pytest
from numpy.typing import NDArray

from audio.augment import synthetic_scream
from audio.blocks import SAMPLE_RATE
from audio.zoo import front_end
from audio.zoo.table import ZOO

Samples = NDArray[np.float32]


def sound(kind: str) -> Samples:
    rng = np.random.default_rng(7)
    if kind == "scream":
        scream = synthetic_scream(rng, 2.0)
        return np.asarray(scream / np.abs(scream).max() * 0.5, np.float32)
    if kind == "noise":
        return np.asarray(rng.standard_normal(30_001) * 0.1, np.float32)
    return np.asarray(
        np.sin(2 * np.pi * 440 * np.arange(20_000) / SAMPLE_RATE) * (np.arange(20_000) > 9000), np.float32
    )


@pytest.mark.parametrize("kind", ["scream", "noise", "a tone after silence"])
def test_features_are_those_of_librosa(kind: str) -> None:
    samples = sound(kind)
    spectrum = front_end.magnitudes(samples)
    magnitude = np.abs(librosa.stft(samples))
    power = magnitude**2
    of_librosa = {
        "stft": magnitude,
        "mel": librosa.feature.melspectrogram(S=power, sr=SAMPLE_RATE),
        "mfcc": librosa.feature.mfcc(y=samples, sr=SAMPLE_RATE, n_mfcc=20),
        "chroma": librosa.feature.chroma_stft(S=power, sr=SAMPLE_RATE, tuning=0.0),
        "rms": librosa.feature.rms(y=samples)[0],
        "zcr": librosa.feature.zero_crossing_rate(samples)[0],
        "centroid": librosa.feature.spectral_centroid(S=magnitude, sr=SAMPLE_RATE)[0],
        "rolloff": librosa.feature.spectral_rolloff(S=magnitude, sr=SAMPLE_RATE)[0],
    }
    ours = {
        "stft": spectrum,
        "mel": np.square(spectrum) @ front_end.mel_matrix(128),
        "mfcc": front_end.cepstrum(spectrum, 20),
        "chroma": front_end.chroma(spectrum),
        "rms": front_end.loudness(samples),
        "zcr": front_end.crossings(samples),
        "centroid": front_end.centroid(spectrum),
        "rolloff": front_end.rolloff(spectrum),
    }
    # Frames of nothing but rounding have no centroid to speak of.
    heard = np.asarray(of_librosa["rms"]) > 1e-6
    for name, expected in of_librosa.items():
        given = ours[name].T
        assert given.shape == expected.shape, name
        np.testing.assert_allclose(
            given[..., heard], expected[..., heard], rtol=1e-3, atol=1e-3 * np.abs(expected).max(), err_msg=name
        )


@pytest.mark.parametrize("name", ZOO)
def test_every_member_looks_at_any_sound_without_trouble(name: str) -> None:
    features = ZOO[name].features
    shapes = set()
    for samples in (np.zeros(1, np.float32), np.zeros(features.window, np.float32), sound("noise")[: features.window]):
        looked = features.extract(samples)
        assert np.isfinite(looked).all()
        shapes.add(looked.shape)
    assert len(shapes) == 1 or name == "consensus"


def test_pictures_do_not_depend_on_level() -> None:
    samples = sound("scream")
    for name in ("stft-cnn", "mel-cnn", "segment-cnn"):
        loud, faint = (ZOO[name].features.extract(samples * gain) for gain in (1.0, 0.05))
        assert np.abs(loud.astype(np.float32) - faint.astype(np.float32)).max() < 0.01, name
