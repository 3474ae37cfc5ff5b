"""What the scream detector looks at: a log-mel picture of about a second, and numbers that describe a voice.

Everything is made of frames, each from its own 512 samples, so a stream cut anywhere gives the frames of the whole
recording. Training and the running station use these same functions. All features are relative to the loudest part
of the window: the level of a recording does not matter.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE

FRAME = 512
"""Samples of a frame (32 ms)."""
HOP = 160
"""Samples between frames (10 ms)."""
WINDOW = 96
"""Frames of a window, about 0.98 s: what one decision looks at."""
MEL_BANDS = 64
RANGE_DB = 80.0
"""What lies further below the window's loudest point counts as silence."""
SILENCE_DB = -140.0
"""Mel level of a frame that is not there (before the start of a source)."""

FFT = 1024
"""Samples that the spectrum of a frame is taken over, zeros after the frame."""
TINY = 1e-16
"""Power that every frequency has at least."""
_PIECES = 5
_PIECE = 128
_ACTIVE_DB = 25.0
_CEPSTRA = 20
_ENVELOPE_RATE = SAMPLE_RATE * _PIECES / HOP
_ENVELOPE_BANDS = ((300, 1000), (1000, 2000), (2000, 4000), (4000, 7000))
_MODULATION_BANDS = ((2.0, 8.0), (8.0, 20.0), (20.0, 40.0), (40.0, 80.0), (80.0, 160.0))
_BANDS = ((100, 400), (400, 800), (800, 1600), (1600, 2800), (2800, 4000), (4000, 5500), (5500, 7800))
_LAGS = ((8, 18), (16, 40), (32, 160))

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frames:
    """Consecutive frames of one source, n of them, 10 ms apart.

    Attributes:
        mel: float32 of shape (n, 64), power in mel bands from 60 Hz to 7.8 kHz, dB.
        voice: float32 of shape (n, 20), pitch, salience and shape of the spectrum, see `VOICE`.
        envelope: float32 of shape (n, 5, 4), power in four bands, every 2 ms.
    """

    mel: Array
    voice: Array
    envelope: Array

    def __len__(self) -> int:
        return len(self.mel)

    def __getitem__(self, part: slice) -> "Frames":
        return Frames(self.mel[part], self.voice[part], self.envelope[part])

    def then(self, later: "Frames") -> "Frames":
        """These frames and those that follow them."""
        return Frames(
            np.concatenate([self.mel, later.mel]),
            np.concatenate([self.voice, later.voice]),
            np.concatenate([self.envelope, later.envelope]),
        )


VOICE = (
    "salience",
    "pitch",
    "salience_high",
    "salience_mid",
    "salience_low",
    "flatness_4k",
    "flatness",
    "centroid_4k",
    "spread_4k",
    "centroid",
    "tilt",
    "peakiness",
    "peak_pitch",
    *(f"band_{low}_{high}" for low, high in _BANDS),
)


def silence(count: int) -> Frames:
    """`count` frames of nothing, as before the start of a source."""
    return Frames(
        np.full((count, MEL_BANDS), SILENCE_DB, np.float32),
        np.zeros((count, len(VOICE)), np.float32),
        np.zeros((count, _PIECES, len(_ENVELOPE_BANDS)), np.float32),
    )


def frame_count(samples: int) -> int:
    """Whole frames in so many samples."""
    return max(0, (samples - FRAME) // HOP + 1)


@cache
def mel_matrix() -> Array:
    """(513, 64) triangular filters, equally spaced on the HTK mel scale."""
    edges = 700 * (10 ** (np.linspace(_mel(60.0), _mel(7800.0), MEL_BANDS + 2) / 2595) - 1)
    bins = np.arange(FFT // 2 + 1) * SAMPLE_RATE / FFT
    low, mid, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins[:, None] - low) / (mid - low)
    falling = (high - bins[:, None]) / (high - mid)
    return np.asarray(np.maximum(0, np.minimum(rising, falling)), np.float32)


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


@cache
def hann(length: int) -> Array:
    """A periodic Hann window of so many samples."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length), np.float32)


@cache
def _cosines() -> Array:
    """(64, 20) matrix of the cepstrum (DCT-II without its constant)."""
    band = np.arange(MEL_BANDS) + 0.5
    matrix = np.cos(np.pi * band[:, None] * np.arange(1, _CEPSTRA + 1) / MEL_BANDS) * np.sqrt(2 / MEL_BANDS)
    return np.asarray(matrix, np.float32)


@cache
def _band_matrix(bands: tuple[tuple[int, int], ...], fft: int) -> Array:
    bins = np.arange(fft // 2 + 1) * SAMPLE_RATE / fft
    columns = [((bins >= low) & (bins < high)).astype(np.float32) for low, high in bands]
    return np.stack(columns, axis=1)


def frames(samples: Array) -> Frames:
    """All whole frames of consecutive samples.

    Args:
        samples: float32 of shape (n,), mono at 16 kHz.
    """
    count = frame_count(len(samples))
    if count == 0:
        return silence(0)
    cut = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    power = np.abs(np.fft.rfft(cut * hann(FRAME), FFT)).astype(np.float32) ** 2 + TINY
    mel = 10 * np.log10(power @ mel_matrix() + 1e-14)
    pieces = np.lib.stride_tricks.sliding_window_view(samples, _PIECE)[:: HOP // _PIECES][: count * _PIECES]
    fine = np.abs(np.fft.rfft(pieces * hann(_PIECE))).astype(np.float32) ** 2
    envelope = (fine @ _band_matrix(_ENVELOPE_BANDS, _PIECE)).reshape(count, _PIECES, len(_ENVELOPE_BANDS))
    return Frames(mel.astype(np.float32), _voice(power, mel), envelope)


def _voice(power: Array, mel: Array) -> Array:
    amplitude = np.sqrt(power)
    lags = np.fft.irfft(amplitude, FFT)[:, : _LAGS[-1][1] + 1].astype(np.float32)
    lags /= lags[:, :1]
    ranges = [lags[:, low : high + 1].max(axis=1) for low, high in _LAGS]
    # The first peak that is nearly as high as the highest is the period: later ones are its multiples.
    inner = lags[:, 7:-1]
    peaks = (inner >= lags[:, 6:-2]) & (inner >= lags[:, 8:])
    salience = np.where(peaks, inner, -1.0).max(axis=1)
    period = 7 + np.argmax(peaks & (inner >= 0.85 * salience[:, None]), axis=1)
    pitch = np.where(salience > 0, np.log2(SAMPLE_RATE / period / 100.0), 0.0)

    bins = np.arange(power.shape[1]) * SAMPLE_RATE / FFT
    floor = power.max(axis=1, keepdims=True) * 1e-7
    narrow, wide = slice(6, 256), slice(6, 500)
    logs = np.log(np.maximum(power, floor))
    columns = [salience, pitch, *ranges]
    for part in (narrow, wide):
        columns.append(logs[:, part].mean(axis=1) - np.log(np.maximum(power[:, part], floor).mean(axis=1)))
    weight = amplitude[:, narrow] / amplitude[:, narrow].sum(axis=1, keepdims=True)
    kilohertz = bins / 1000
    centre = weight @ kilohertz[narrow]
    columns += [centre, np.sqrt(np.maximum(weight @ kilohertz[narrow] ** 2 - centre**2, 0))]
    weight = amplitude[:, wide] / amplitude[:, wide].sum(axis=1, keepdims=True)
    columns.append(weight @ kilohertz[wide])
    slope = np.linspace(-1, 1, 48)
    columns.append(mel[:, 4:52] @ slope / 48 / 10)
    strongest = power[:, narrow].argmax(axis=1)
    top = power[np.arange(len(power)), strongest + narrow.start]
    columns.append(np.log10(top / power[:, narrow].mean(axis=1)))
    columns.append(np.log2(bins[strongest + narrow.start] / 100))
    bands = power @ _band_matrix(_BANDS, FFT)
    columns += list(np.log10(np.maximum(bands / bands.sum(axis=1, keepdims=True), 1e-6)).T)
    return np.stack(columns, axis=1).astype(np.float32)


def picture(window: Frames) -> Array:
    """The log-mel picture of a window: float32 of shape (frames, 64), 1 at its loudest point, -1 at 80 dB below."""
    top = max(float(window.mel.max()), SILENCE_DB + RANGE_DB)
    return np.asarray(np.maximum((window.mel - top) / (RANGE_DB / 2) + 1, -1), np.float32)


def describe(window: Frames) -> Array:
    """Numbers that tell a scream from other sounds: float32 of shape (`DESCRIPTION`,).

    Over the frames within 25 dB of the loudest: mean, spread and percentiles of the columns in `VOICE`, cepstrum and
    its movement, how the pitch glides, how long the sound lasts; over the whole window: how strongly four bands are
    modulated at syllable rate and at the 30 to 150 Hz that make a scream rough (Arnal et al. 2015).
    """
    image = picture(window)
    energy = np.log10(np.power(10, window.mel / 10).sum(axis=1) + 1e-13) * 10
    active = energy > energy.max() - _ACTIVE_DB
    # A pitch needs neighbours: too few frames would make statistics of nothing.
    voice = window.voice[active]
    parts = [voice.mean(axis=0), voice.std(axis=0), *np.percentile(voice, (10, 50, 90), axis=0)]
    cepstrum = image @ _cosines()
    parts += [cepstrum[active].mean(axis=0), cepstrum[active].std(axis=0)]
    steps = np.diff(cepstrum, axis=0)
    both = active[1:] & active[:-1]
    moving = steps[both] if both.any() else np.zeros((1, _CEPSTRA), np.float32)
    parts.append(np.abs(moving).mean(axis=0))
    salient = active & (window.voice[:, 0] > 0.45)
    pitch = window.voice[:, 1]
    glide = np.abs(np.diff(pitch))[salient[1:] & salient[:-1]]
    high = salient & (pitch > 2.5)
    parts.append(
        np.asarray(
            [
                active.mean(),
                salient.mean(),
                _longest(salient) / len(salient),
                high.mean(),
                _longest(high) / len(high),
                pitch[salient].std() if salient.any() else 0.0,
                np.minimum(glide, 0.5).mean() if len(glide) else 0.0,
                (glide > 0.5).mean() if len(glide) else 0.0,
                np.abs(np.diff(energy))[both].mean() / 10 if both.any() else 0.0,
                (energy[active].max() - np.median(energy[active])) / 10,
            ]
        )
    )
    parts.append(_modulation(window.envelope.reshape(-1, len(_ENVELOPE_BANDS))))
    return np.concatenate(parts).astype(np.float32)


def _longest(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0


def _modulation(envelope: Array) -> Array:
    amplitude = np.sqrt(envelope)
    mean = amplitude.mean(axis=0)
    spectrum = np.abs(np.fft.rfft((amplitude - mean) * hann(len(amplitude))[:, None], axis=0)) ** 2
    bands = _modulation_matrix(len(amplitude)).T @ spectrum
    return np.asarray(np.log10(bands / (mean * len(amplitude) / 2 + 1e-9) ** 2 + 1e-4).reshape(-1) + 4, np.float32)


@cache
def _modulation_matrix(length: int) -> Array:
    rates = np.arange(length // 2 + 1) * _ENVELOPE_RATE / length
    return np.stack([((rates >= a) & (rates < b)).astype(np.float32) for a, b in _MODULATION_BANDS], axis=1)


DESCRIPTION = len(VOICE) * 5 + _CEPSTRA * 3 + 10 + len(_ENVELOPE_BANDS) * len(_MODULATION_BANDS)
"""How many numbers `describe` gives."""
