"""What the published approaches look at: MFCC, chroma, mel and STFT spectrograms, in numpy alone.

The definitions are those of librosa 0.11 with its defaults (2048 samples, hop 512, frames centred on zeros), at 16 kHz;
a test holds the two together. Training and the running station use these same functions, and neither needs librosa.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE
from audio.features import hann

Array = NDArray[np.float32]

FFT = 2048
HOP = 512
VERSION = 1
"""Of everything here: what was extracted by another version is extracted anew."""
RANGE_DB = 80.0
"""What lies further below the loudest point counts as silence."""
PICTURE_HOP = 320
"""Samples between the columns of a picture (20 ms)."""


def magnitudes(samples: Array, fft: int = FFT, hop: int = HOP) -> Array:
    """Short-time Fourier transform, absolute values.

    Args:
        samples: float32 of shape (n,), mono at 16 kHz.
        fft: samples of a frame.
        hop: samples between frames.

    Returns:
        float32 of shape (1 + n // hop, 1 + fft // 2).
    """
    cut = _cut(np.pad(samples, fft // 2), fft, hop)
    return np.abs(np.fft.rfft(cut * hann(fft))).astype(np.float32)


def _cut(samples: Array, length: int, hop: int) -> Array:
    return np.lib.stride_tricks.sliding_window_view(samples, length)[::hop]


def _slaney(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hertz on Slaney's mel scale: linear up to 1 kHz, logarithmic above (Auditory Toolbox, 1998)."""
    return np.where(hertz < 1000, hertz * 3 / 200, 15 + 27 * np.log(np.maximum(hertz, 1000) / 1000) / np.log(6.4))


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


@cache
def mel_matrix(bands: int, fft: int = FFT) -> Array:
    """Triangular filters of equal area from 0 Hz to 8 kHz: float32 of shape (1 + fft // 2, bands)."""
    edges = _hertz(np.linspace(0.0, float(_slaney(np.asarray(SAMPLE_RATE / 2))), bands + 2))
    bins = np.arange(fft // 2 + 1) * SAMPLE_RATE / fft
    low, mid, high = edges[:-2], edges[1:-1], edges[2:]
    filters = np.maximum(0, np.minimum((bins[:, None] - low) / (mid - low), (high - bins[:, None]) / (high - mid)))
    return np.asarray(filters * 2 / (high - low), np.float32)


@cache
def _cosines(bands: int, count: int) -> Array:
    """Orthonormal DCT-II: float32 of shape (bands, count)."""
    matrix = np.cos(np.pi * (np.arange(bands)[:, None] + 0.5) * np.arange(count) / bands) * np.sqrt(2 / bands)
    matrix[:, 0] /= np.sqrt(2)
    return np.asarray(matrix, np.float32)


@cache
def _chroma_matrix() -> Array:
    """From frequency bins to the twelve semitones, octaves around 880 Hz weighted most (Ellis 2007)."""
    hertz = np.arange(1, FFT) * SAMPLE_RATE / FFT
    semitones = 12 * np.log2(hertz / (440 / 16))
    semitones = np.concatenate([[semitones[0] - 18], semitones])
    widths = np.concatenate([np.maximum(np.diff(semitones), 1.0), [1.0]])
    away = np.remainder(semitones - np.arange(12)[:, None] + 6 + 120, 12) - 6
    weights = np.exp(-0.5 * (2 * away / widths) ** 2)
    weights /= np.sqrt(np.square(weights).sum(axis=0))
    weights *= np.exp(-0.5 * ((semitones / 12 - 5) / 2) ** 2)
    return np.asarray(np.roll(weights, -3, axis=0)[:, : FFT // 2 + 1].T, np.float32)


def decibels(power: Array) -> Array:
    """Power in dB, at most `RANGE_DB` below its loudest point."""
    level = 10 * np.log10(np.maximum(power, 1e-10))
    return np.asarray(np.maximum(level, level.max() - RANGE_DB), np.float32)


def cepstrum(spectrum: Array, count: int) -> Array:
    """MFCC of magnitudes: float32 of shape (frames, count)."""
    return decibels(np.square(spectrum) @ mel_matrix(128)) @ _cosines(128, count)


def chroma(spectrum: Array) -> Array:
    """Share of each semitone, the strongest 1; concert pitch is taken as it is: float32 of shape (frames, 12)."""
    tones = np.square(spectrum) @ _chroma_matrix()
    strongest = tones.max(axis=1, keepdims=True)
    return np.asarray(np.where(strongest > 1e-30, tones / np.maximum(strongest, 1e-30), tones), np.float32)


def loudness(samples: Array) -> Array:
    """RMS of each frame: float32 of shape (frames,)."""
    return np.asarray(np.sqrt(np.square(_cut(np.pad(samples, FFT // 2), FFT, HOP)).mean(axis=1)), np.float32)


def crossings(samples: Array) -> Array:
    """Share of samples of each frame at which the sign changes: float32 of shape (frames,)."""
    padded = np.pad(samples, FFT // 2, mode="edge")
    signs = np.signbit(np.where(np.abs(padded) <= 1e-10, 0, padded))
    changes = (signs[1:] != signs[:-1]).astype(np.float32)
    return np.asarray(_cut(changes, FFT - 1, HOP).sum(axis=1) / FFT, np.float32)


def centroid(spectrum: Array) -> Array:
    """Mean frequency of each frame in Hz: float32 of shape (frames,)."""
    total = spectrum.sum(axis=1)
    weighted = spectrum @ (np.arange(spectrum.shape[1]) * SAMPLE_RATE / FFT).astype(np.float32)
    return np.asarray(np.where(total > 0, weighted / np.maximum(total, 1e-30), 0), np.float32)


def rolloff(spectrum: Array) -> Array:
    """Frequency in Hz below which 85 % of the magnitudes lie: float32 of shape (frames,)."""
    summed = np.cumsum(spectrum, axis=1, dtype=np.float64)
    return np.asarray((summed >= 0.85 * summed[:, -1:]).argmax(axis=1) * SAMPLE_RATE / FFT, np.float32)


def statistics(samples: Array) -> Array:
    """Mean and deviation of 13 MFCC, RMS, zero crossings, centroid, roll-off: float32 of shape (34,)."""
    spectrum = magnitudes(samples)
    columns = np.column_stack(
        [cepstrum(spectrum, 13), loudness(samples), crossings(samples), centroid(spectrum), rolloff(spectrum)]
    )
    return np.concatenate([columns.mean(axis=0), columns.std(axis=0)]).astype(np.float32)


def tones_and_level(samples: Array) -> Array:
    """Means of 20 MFCC, 12 chroma, zero crossings and RMS: float32 of shape (34,)."""
    spectrum = magnitudes(samples)
    columns = [cepstrum(spectrum, 20), chroma(spectrum), crossings(samples), loudness(samples)]
    return np.asarray(np.column_stack(columns).mean(axis=0), np.float32)


def tones_and_bands(samples: Array) -> Array:
    """Means of 40 MFCC, 12 chroma and the power in 128 mel bands: float32 of shape (180,)."""
    spectrum = magnitudes(samples)
    columns = [cepstrum(spectrum, 40), chroma(spectrum), np.square(spectrum) @ mel_matrix(128)]
    return np.asarray(np.column_stack(columns).mean(axis=0), np.float32)


def _picture(power: Array, columns: int) -> NDArray[np.float16]:
    level = 10 * np.log10(np.maximum(power[:columns], 1e-10))
    top = max(float(level.max()), RANGE_DB - 100)
    return np.asarray(np.maximum((level - top) / (RANGE_DB / 2) + 1, -1), np.float16)


def whole(samples: Array, length: int) -> Array:
    """The newest `length` samples, silence before them where there are fewer."""
    return np.pad(samples[-length:], (max(0, length - len(samples)), 0))


def spectrogram(samples: Array, length: int) -> NDArray[np.float16]:
    """Picture of an STFT: float16 of shape (length // 320, 128), 1 at its loudest point, -1 at 80 dB below."""
    power = np.square(magnitudes(whole(samples, length), 512, PICTURE_HOP))[:, :256]
    return _picture(power.reshape(len(power), 128, 2).mean(axis=2), length // PICTURE_HOP)


def mel_spectrogram(samples: Array, length: int) -> NDArray[np.float16]:
    """Picture of 64 mel bands: float16 of shape (length // 320, 64), 1 at its loudest point, -1 at 80 dB below."""
    power = np.square(magnitudes(whole(samples, length), 1024, PICTURE_HOP)) @ mel_matrix(64, 1024)
    return _picture(power, length // PICTURE_HOP)
