"""Windows of sound mixed without end, on the device that learns from them.

`audio.examples` composes the like one by one, each described by numbers, for what learns from labels. A trunk learns
from a teacher what sounds are, and learns the better the more it hears: here a batch of new windows takes some ten
milliseconds on a GPU. What is mixed is chosen here by NumPy; the mixing is written in Keras's operations, for
TensorFlow, JAX and PyTorch alike.

Imports Keras: for training only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
from keras import ops, random
from numpy.typing import NDArray

from audio import augment
from audio.blocks import SAMPLE_RATE
from audio.corpus import LABELS, SCREAM
from audio.examples import (
    LOWEST,
    MIXED,
    MOVED,
    REACH,
    SAMPLES,
    SHARES,
    SYNTHETIC_AMBIENT,
    SYNTHETIC_SCREAMS,
    VOICE_BEHIND,
    Sound,
    active,
    sources_of,
)
from audio.features import FFT, FRAME, HOP, RANGE_DB, SILENCE_DB, TINY, hann, mel_matrix

Array = NDArray[np.float32]

LEAD = 2000
"""Samples of a mixture before its window: an echo has begun when the window does."""
LENGTH = SAMPLES + LEAD
FURTHER = 1 / 3
"""Share of the sounds that come from recordings by which nothing is judged."""
MADE_UP = 6000
"""Sounds made of nothing, of each kind."""
ALONE = 100.0
"""Signal-to-noise ratio, dB, of a sound with nothing behind it."""
BENT, BENT_REACH = 0.15, 0.6
"""Share of the recordings that are bent out of recognition: only the teacher knows what they are then."""

JUDGED, OTHER, OF_NOTHING = range(3)
"""Kinds of sounds: recordings by which models are judged, further ones, and those that are made up."""

_ECHO = SAMPLE_RATE // 2
_FFT = 1 << (LENGTH + _ECHO - 1).bit_length()
_PIECE = 800


@dataclass(frozen=True, slots=True)
class Draw:
    """Of which sounds a batch of n windows is mixed; each array has n rows.

    Attributes:
        front: int32 of shape (n, 3): place in the bank, length, and where in the sound the window starts.
        back: the same of the sound behind.
        ratio: how fast both are played, float32 of shape (n, 2).
        snr_db: how far the front is above the back, float32 of shape (n,), `ALONE` or more without one.
    """

    front: NDArray[np.int32]
    back: NDArray[np.int32]
    ratio: Array
    snr_db: Array

    def arrays(self) -> dict[str, NDArray[Any]]:
        """By name, as a network takes them in."""
        return {"front": self.front, "back": self.back, "ratio": self.ratio, "snr_db": self.snr_db}


class Bank:
    """Sounds to draw from, one after the other in one array; those made of nothing at its end.

    A source counts by the square root of its length, a group once.

    Args:
        sounds: what models are judged by.
        further: other recordings.
        made_up: how many sounds are made up of each kind.
        jobs: processes that make them up.
    """

    def __init__(
        self, sounds: Sequence[Sound], further: Sequence[Sound], made_up: int = MADE_UP, jobs: int = 2
    ) -> None:
        parts = [sound.samples for sound in (*sounds, *further)]
        self._chances: dict[tuple[int, str], tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
        for kind, some, first in ((JUDGED, sounds, 0), (OTHER, further, len(sounds))):
            for label in LABELS:
                places, chances = _chances(some, label)
                if len(places):
                    self._chances[kind, label] = places + first, np.cumsum(chances)
        seeds = range(0, 2 * made_up, 100)
        for made in joblib.Parallel(n_jobs=jobs)(
            joblib.delayed(_made_up)(seed, min(100, 2 * made_up - seed)) for seed in seeds
        ):
            parts += made
        count = (len(parts) - len(sounds) - len(further)) // 2
        for number, label in enumerate(("scream", "ambient")):
            places = np.arange(count) * 2 + number + len(sounds) + len(further)
            self._chances[OF_NOTHING, label] = places, np.linspace(1 / count, 1, count)
        self.samples = np.concatenate(parts)
        self._lengths = np.asarray([len(part) for part in parts], np.int32)
        self._starts = np.asarray(np.cumsum(self._lengths, dtype=np.int64) - self._lengths, np.int32)
        moments = [active(part) for part in parts]
        self._moments = np.concatenate(moments)
        self._first_moment = np.cumsum([0, *(len(each) for each in moments)])

    def draw(self, count: int, rng: np.random.Generator) -> Draw:
        """Choose what `count` windows are mixed of."""
        labels = rng.choice(len(LABELS), count, p=np.asarray([SHARES[label] for label in LABELS]))
        made_up = rng.random(count) < np.asarray([SYNTHETIC_SCREAMS, 0.0, SYNTHETIC_AMBIENT])[labels]
        bent = (rng.random(count) < BENT) & ~made_up
        front = self._pick(labels, np.where(made_up, OF_NOTHING, rng.random(count) < FURTHER), rng)
        voiced = (labels == SCREAM) & (rng.random(count) < VOICE_BEHIND)
        behind = np.where(voiced, LABELS.index("conversation"), LABELS.index("ambient"))
        back = self._pick(behind, rng.random(count) < FURTHER, rng)
        ratio = np.stack([_ratios(count, bent, rng), _ratios(count, np.zeros(count, np.bool_), rng)], axis=1)
        lowest = np.asarray([LOWEST[label] for label in LABELS])[labels]
        snr_db = np.where(rng.random(count) < MIXED, rng.uniform(lowest, 30), 2 * ALONE)
        return Draw(
            self._around(front, ratio[:, 0], rng),
            self._around(back, ratio[:, 1], rng),
            ratio.astype(np.float32),
            snr_db.astype(np.float32),
        )

    def _pick(self, labels: NDArray[Any], kinds: NDArray[Any], rng: np.random.Generator) -> NDArray[np.int64]:
        """A sound of each label and kind: `JUDGED`, `OTHER` or `OF_NOTHING`.

        Where there is none, another of that label is taken, and where there is none at all, any.
        """
        picked = np.zeros(len(labels), np.int64)
        for number, label in enumerate(LABELS):
            for kind in (JUDGED, OTHER, OF_NOTHING):
                mine = np.flatnonzero((labels == number) & (kinds == kind))
                if len(mine):
                    nearest = min(self._chances, key=lambda key: (key != (kind, label), key[1] != label))
                    places, upto = self._chances[nearest]
                    picked[mine] = places[np.searchsorted(upto, rng.random(len(mine)) * upto[-1])]
        return picked

    def _around(self, picked: NDArray[np.int64], ratio: NDArray[np.float64], rng: np.random.Generator) -> NDArray[Any]:
        """A stretch around one of its loud moments of each sound."""
        first, last = self._first_moment[picked], self._first_moment[picked + 1]
        moment = self._moments[first + (rng.random(len(picked)) * (last - first)).astype(np.int64)]
        start = moment - (rng.uniform(0.02, 0.75, len(picked)) * LENGTH * ratio).astype(np.int64)
        return np.stack([self._starts[picked], self._lengths[picked], start], axis=1).astype(np.int32)


def _chances(sounds: Sequence[Sound], label: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places of the sounds of a label, and how likely each is drawn."""
    place_of = {id(sound): place for place, sound in enumerate(sounds)}
    places: list[int] = []
    chances: list[float] = []
    for source in sources_of(sounds, label):
        for group in source.groups:
            places += [place_of[id(sound)] for sound in group]
            chances += [source.weight / len(source.groups) / len(group)] * len(group)
    return np.asarray(places, np.int64), np.asarray(chances)


def _made_up(seed: int, count: int) -> list[NDArray[np.int16]]:
    """So many sounds made of nothing: a scream, something ambient, and so on."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        if number % 2:
            sound = augment.synthetic_ambient(rng, 2.0)
        else:
            sound = augment.synthetic_scream(rng, float(rng.uniform(0.3, 1.3)))
        made.append(np.round(sound / (np.abs(sound).max() + 1e-9) * 20_000).astype(np.int16))
    return made


def _ratios(count: int, bent: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    moved = bent | (rng.random(count) < MOVED)
    return np.where(moved, np.exp(rng.uniform(-1, 1, count) * np.where(bent, BENT_REACH, REACH)), 1.0)


def mix(samples: Any, drawn: Mapping[str, Any], seed: Any) -> tuple[Any, Any]:
    """Mix what was drawn: float32 of shape (n, `SAMPLES`), as recorded, and the same of the front alone, unspoilt.

    Both are in the same made-up room, before the same microphone.

    Args:
        samples: of the bank, int16 of shape (all,).
        drawn: see `Draw.arrays`.
        seed: a `keras.random.SeedGenerator`.
    """
    front = _fetch(samples, drawn["front"], drawn["ratio"][:, 0])
    back = _fetch(samples, drawn["back"], drawn["ratio"][:, 1])
    share = _loudness(front) / (_loudness(back) + 1e-9) * 10.0 ** (-drawn["snr_db"] / 20.0)
    real, imaginary = _room(ops.shape(front)[0], seed)
    front, back = (_filtered(each, real, imaginary) for each in (front, back * share[:, None]))
    both = front + back
    some = front.shape[0] // 4  # those through a codec: a fixed share, all windows of a batch being alike
    both = ops.concatenate([_with_holes(both[:some], seed), both[some:]], axis=0) if some else both
    return _recorded(both[:, LEAD:], seed), front[:, LEAD:]


def pictures(samples: Any) -> Any:
    """What `audio.features.picture` makes of each window: (n, `SAMPLES`) to (n, 96, 64)."""
    real, imaginary = ops.rfft(ops.extract_sequences(samples, FRAME, HOP) * hann(FRAME), fft_length=FFT)
    power = ops.square(real) + ops.square(imaginary) + TINY
    mel = 10.0 / np.log(10.0) * ops.log(ops.matmul(power, mel_matrix()) + 1e-14)
    top = ops.maximum(ops.max(mel, axis=(1, 2), keepdims=True), SILENCE_DB + RANGE_DB)
    return ops.maximum((mel - top) / (RANGE_DB / 2) + 1.0, -1.0)


def _uniform(shape: tuple[int, ...], low: float, high: float, seed: Any) -> Any:
    return random.uniform(shape, low, high, dtype="float32", seed=seed)


def _often(count: int, chance: float, seed: Any) -> Any:
    """1 where something happens, 0 elsewhere: shape (count, 1)."""
    return ops.cast(_uniform((count, 1), 0.0, 1.0, seed) < chance, "float32")


def _fetch(samples: Any, where: Any, ratio: Any) -> Any:
    """Stretches of `LENGTH` samples, played faster or slower; zeros where the sound is over."""
    reach = np.arange(LENGTH, dtype=np.float32) * ratio[:, None]
    whole = ops.floor(reach)
    part = reach - whole
    place = where[:, 2:] + ops.cast(whole, "int32")

    def at(place: Any) -> Any:
        inside = ops.logical_and(place >= 0, place < where[:, 1:2])
        found = ops.take(samples, where[:, :1] + ops.clip(place, 0, where[:, 1:2] - 1), axis=0)
        return ops.where(inside, ops.cast(found, "float32") / 32768.0, 0.0)

    return at(place) * (1.0 - part) + at(place + 1) * part


def _loudness(sound: Any) -> Any:
    """RMS of the loudest 50 ms: shape (n,)."""
    count = LENGTH // _PIECE
    pieces = ops.reshape(sound[:, : count * _PIECE], (-1, count, _PIECE))
    return ops.sqrt(ops.max(ops.mean(ops.square(pieces), axis=2), axis=1)) + 1e-9


def _room(count: int, seed: Any) -> tuple[Any, Any]:
    """Rooms and microphones, see `augment.colour`, as spectra: real and imaginary parts of shape (count, bins)."""
    time = np.arange(_ECHO, dtype=np.float32)
    decay = 10.0 ** _uniform((count, 1), -1.0, 0.08, seed)
    tail = random.normal((count, _ECHO), seed=seed) * ops.exp(-6.9 / decay * time / SAMPLE_RATE)
    tail = tail * ops.cast(time < ops.minimum(decay, 0.5) * SAMPLE_RATE, "float32")
    tail = tail / (ops.sqrt(ops.sum(ops.square(tail), axis=1, keepdims=True)) + 1e-9)
    late = ops.cast(time >= _uniform((count, 1), 0.0, 0.02, seed) * SAMPLE_RATE, "float32") * (time > 0)
    tail = tail * late * 10.0 ** (-_uniform((count, 1), -6.0, 12.0, seed) / 20.0) * _often(count, 0.4, seed)
    direct = np.zeros(_ECHO, np.float32)
    direct[0] = 1.0
    real, imaginary = ops.rfft(direct + tail, fft_length=_FFT)

    hertz = np.arange(_FFT // 2 + 1, dtype=np.float32) * SAMPLE_RATE / _FFT
    knots = np.log(np.geomspace(80, 8000, 6))
    hats = np.stack([np.interp(np.log(hertz + 1), knots, row) for row in np.eye(6)]).astype(np.float32)
    gain = ops.matmul(random.normal((count, 6), seed=seed) * 3.0, hats) * _often(count, 0.6, seed)
    tops = np.asarray([3400, 4000, 4000, 5500, 6500, 7200], np.float32)
    top = ops.take(tops, random.randint((count, 1), 0, len(tops), seed=seed))
    depth = ops.take(np.asarray([30, 60, 80], np.float32), random.randint((count, 1), 0, 3, seed=seed))
    gain = gain - ops.clip((hertz - top * 0.95) / (top * 0.05), 0.0, 1.0) * depth * _often(count, 0.35, seed)
    low = _uniform((count, 1), 80.0, 400.0, seed)
    gain = gain - ops.clip((low - hertz) / 60.0, 0.0, 1.0) * 25.0 * _often(count, 0.3, seed)
    scale = 10.0 ** (gain / 20.0)
    return real * scale, imaginary * scale


def _filtered(sound: Any, real: Any, imaginary: Any) -> Any:
    a, b = ops.rfft(sound, fft_length=_FFT)
    return ops.irfft((a * real - b * imaginary, a * imaginary + b * real), fft_length=_FFT)[:, :LENGTH]


def _with_holes(sound: Any, seed: Any) -> Any:
    """What a low-rate codec leaves, see `augment.compress`."""
    count, size = sound.shape[0], 512
    window = np.sin(np.pi * (np.arange(size, dtype=np.float32) + 0.5) / size)
    half = size // 2
    pieces = -(-(LENGTH + half) // half) + 1
    padded = ops.pad(sound, ((0, 0), (half, (pieces + 1) * half - half - LENGTH)))
    real, imaginary = ops.rfft(ops.extract_sequences(padded, size, half) * window, fft_length=size)
    power = ops.sqrt(ops.square(real) + ops.square(imaginary) + 1e-20)
    near = power
    for shift in (-8, -4, -2, -1, 1, 2, 4, 8):
        near = ops.maximum(near, ops.roll(power, shift, axis=2))
    masked = power < near * 10.0 ** (-_uniform((count, 1, 1), 12.0, 30.0, seed) / 20.0)
    faint = power < ops.max(power, axis=2, keepdims=True) * 10.0 ** (-_uniform((count, 1, 1), 35.0, 60.0, seed) / 20.0)
    kept = ops.cast(ops.logical_not(ops.logical_or(masked, faint)), "float32")
    cut = ops.irfft((real * kept, imaginary * kept), fft_length=size) * window
    first, second = (ops.reshape(part, (count, -1)) for part in (cut[:, 1:, :half], cut[:, :-1, half:]))
    return (first + second)[:, :LENGTH]


def _recorded(sound: Any, seed: Any) -> Any:
    """As a microphone and a 16-bit file give it, see `augment.record`."""
    count = sound.shape[0]
    sound = sound / (ops.max(ops.abs(sound), axis=1, keepdims=True) + 1e-9)
    clipped = 10.0 ** (_uniform((count, 1), 3.0, 15.0, seed) / 20.0 * _often(count, 0.1, seed))
    sound = ops.clip(sound * clipped, -1.0, 1.0)
    deepest = 20.0 + 30.0 * _often(count, 0.3, seed)
    peak = 10.0 ** (-_uniform((count, 1), 0.0, 1.0, seed) * deepest / 20.0)
    noise = random.normal(sound.shape, seed=seed) * 10.0 ** (_uniform((count, 1), -95.0, -60.0, seed) / 20.0)
    return ops.round((sound + noise) * peak * 32767.0) / 32768.0
