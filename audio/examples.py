"""Windows of sound composed of the corpus, of rooms and of synthetic sounds, kept in a cache for heads to learn from.

Examples come in parts of `PART` with a seed each, so that an interrupted run goes on where it stopped and the same
corpus gives the same examples. Every example names the sources it was made of, in front and behind, so that whoever
must not have heard a source can leave out all that holds a trace of it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio import augment
from audio.blocks import SAMPLE_RATE
from audio.cache import keep
from audio.corpus import LABELS, Clip
from audio.features import FRAME, HOP, WINDOW, Frames, describe, frames, picture, silence
from models.card import sha256

Array = NDArray[np.float32]

PART = 1000
VERSION = 5
"""Goes up when examples are composed differently: old parts in the cache are then left alone."""
SAMPLES = (WINDOW - 1) * HOP + FRAME
SHARES = {"scream": 0.32, "conversation": 0.28, "ambient": 0.40}
SYNTHETIC_SCREAMS = 0.3
"""Share of the screams."""
SYNTHETIC_AMBIENT = 0.2
"""Share of the ambient sounds: cries, tones and noise."""
MOVED, REACH = 0.6, 0.16
"""Share of the recordings that are played faster or slower, and the logarithm of how much so at most."""
MIXED, VOICE_BEHIND = 0.65, 0.35
"""Share of the windows with a sound behind, and of these, in front of which is a scream, with a voice there."""
LOWEST = {"scream": -3.0, "conversation": 0.0, "ambient": -5.0}
"""Lowest signal-to-noise ratio, dB, by the label of the sound in front."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A decoded clip: int16 of shape (n,), mono at 16 kHz."""

    clip: Clip
    samples: NDArray[np.int16]

    def part(self, start: int, length: int) -> Array:
        """So many samples from `start` on, zeros where there is no sound, full scale 1."""
        result = np.zeros(length, np.float32)
        first, last = max(start, 0), min(start + length, len(self.samples))
        if last > first:
            result[first - start : last - start] = self.samples[first:last] / np.float32(32768)
        return result


@dataclass(frozen=True, slots=True)
class Examples:
    """n windows.

    Attributes:
        images: float16 of shape (n, 96, 64), see `features.picture`.
        facts: float32 of shape (n, DESCRIPTION), see `features.describe`.
        labels: int8 of shape (n,), index into `LABELS`.
        weights: float32 of shape (n,), how much a label counts.
        sources: int16 of shape (n, 2), place in the list of sources of the sound in front and of the one behind; -1
            where there is none or a synthetic one.
    """

    images: NDArray[np.float16]
    facts: Array
    labels: NDArray[np.int8]
    weights: Array
    sources: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Source:
    """Sounds of one label from one source.

    Attributes:
        groups: sounds that belong together; each group counts once.
        weight: how often the source is drawn: by the square root of its length.
    """

    groups: Sequence[Sequence[Sound]]
    weight: float


def sources_of(sounds: Sequence[Sound], label: str) -> list[Source]:
    """The sources of sounds of a label; what is too short or holds nothing is left out."""
    tree: dict[str, dict[str, list[Sound]]] = {}
    for sound in sounds:
        if sound.clip.label == label and len(sound.samples) >= SAMPLE_RATE // 20 and sound.samples.any():
            tree.setdefault(sound.clip.source, {}).setdefault(sound.clip.group, []).append(sound)
    return [
        Source(
            list(groups.values()),
            float(np.sqrt(sum(len(sound.samples) for group in groups.values() for sound in group)))
            * _trust(label, source),
        )
        for source, groups in tree.items()
    ]


class Pool:
    """Sounds to draw from, by label, see `Source`.

    Args:
        sounds: all there are.
    """

    def __init__(self, sounds: Sequence[Sound]) -> None:
        self.sources = sorted({sound.clip.source for sound in sounds})
        self._sources = {label: found for label in LABELS if (found := sources_of(sounds, label))}
        weights = {label: np.asarray([source.weight for source in found]) for label, found in self._sources.items()}
        self._chances = {label: each / each.sum() for label, each in weights.items()}

    def __contains__(self, label: str) -> bool:
        return label in self._sources

    def draw(self, label: str, rng: np.random.Generator) -> Sound:
        """A sound of the label."""
        chances = self._chances[label]
        groups = self._sources[label][rng.choice(len(chances), p=chances)].groups
        group = groups[int(rng.integers(len(groups)))]
        return group[int(rng.integers(len(group)))]


def _trust(label: str, source: str) -> float:
    return 0.35 if (label, source) == ("scream", "emogator") else 1.0


def active(samples: NDArray[Any]) -> NDArray[np.int64]:
    """Starts of the 50 ms pieces within 15 dB of the loudest."""
    count = len(samples) // 800
    if count == 0:
        return np.zeros(1, np.int64)
    power = np.square(samples[: count * 800].reshape(count, 800).astype(np.float32)).mean(axis=1)
    return np.flatnonzero(power >= power.max() * 10**-1.5) * 800


def _front(sound: Sound, rng: np.random.Generator, length: int) -> Array:
    """A stretch of the sound around one of its loud moments; all of it where it is shorter."""
    whole = sound.part(0, len(sound.samples))
    ratio = float(np.exp(rng.uniform(-REACH, REACH))) if rng.random() < MOVED else 1.0
    start_of = active(whole)
    anchor = int(start_of[rng.integers(len(start_of))])
    needed = int(length * ratio) + 4
    start = anchor - int(rng.uniform(0.02, 0.75) * needed)
    return _fit(augment.resample(sound.part(start, needed), ratio), length)


def _fit(samples: Array, length: int) -> Array:
    return samples[:length] if len(samples) >= length else np.pad(samples, (0, length - len(samples)))


@dataclass(frozen=True, slots=True)
class Composed:
    """One window of sound and what it was made of.

    Attributes:
        samples: float32 of shape (`SAMPLES`,).
        weight: see `Examples.weights`.
        front: source of the sound in front, "" if synthetic.
        back: source of the sound behind, "" if none.
    """

    samples: Array
    weight: float
    front: str
    back: str


def compose(pool: Pool, label: str, rng: np.random.Generator) -> Composed:
    """One window of sound with this label."""
    length = SAMPLES + int(rng.integers(0, 4000))
    chance = rng.random()
    weight, source, behind = 1.0, "", ""
    if label == "scream" and (chance < SYNTHETIC_SCREAMS or label not in pool):
        front = _placed(augment.synthetic_scream(rng, float(rng.uniform(0.3, 1.3))), rng, length)
        weight = 0.7
    elif label == "ambient" and chance < SYNTHETIC_AMBIENT:
        front = augment.synthetic_ambient(rng, length / SAMPLE_RATE + 0.01)[:length]
    else:
        sound = pool.draw(label, rng)
        source = sound.clip.source
        front = _front(sound, rng, length)
        weight = (1.0 if sound.clip.sure else 0.6) * sound.clip.weight
    if rng.random() < MIXED:
        voiced = label == "scream" and rng.random() < VOICE_BEHIND and "conversation" in pool
        other = "ambient" if "ambient" in pool and not voiced else "conversation"
        sound = pool.draw(other, rng)
        behind = sound.clip.source
        front = augment.mix(front, _front(sound, rng, length), float(rng.uniform(LOWEST[label], 30)))
    front = augment.colour(front, rng)
    if rng.random() < 0.25:
        front = augment.compress(front, rng)
    return Composed(augment.record(front[len(front) - SAMPLES :], rng), weight, source, behind)


def _placed(samples: Array, rng: np.random.Generator, length: int) -> Array:
    result = np.zeros(length, np.float32)
    start = int(rng.uniform(-0.3 * len(samples), length - 0.3 * SAMPLE_RATE))
    first, last = max(start, 0), min(start + len(samples), length)
    result[first:last] = samples[first - start : last - start]
    return result


def compose_part(pool: Pool, seed: int) -> Examples:
    """`PART` examples."""
    rng = np.random.default_rng(seed)
    kinds = [label for label in LABELS if label in pool or label == "scream"]
    chances = np.asarray([SHARES[label] for label in kinds])
    places = {"": -1} | {source: place for place, source in enumerate(pool.sources)}
    images, facts, labels, weights, sources = [], [], [], [], []
    for _ in range(PART):
        label = kinds[rng.choice(len(kinds), p=chances / chances.sum())]
        composed = compose(pool, label, rng)
        window = frames(composed.samples)
        images.append(picture(window).astype(np.float16))
        facts.append(describe(window))
        labels.append(LABELS.index(label))
        weights.append(composed.weight)
        sources.append((places[composed.front], places[composed.back]))
    return Examples(
        np.stack(images),
        np.stack(facts),
        np.asarray(labels, np.int8),
        np.asarray(weights, np.float32),
        np.asarray(sources, np.int16),
    )


def fingerprint(clips: Sequence[Clip], *facts: object) -> str:
    """Short hash of a corpus and of whatever else decides about the examples made of it.

    Neither names nor sizes tell recordings apart: one that was made anew may be as long as the one before.
    """
    described = (
        f"{sha256(clip.path)} {clip.label} {clip.source} {clip.group} {clip.weight} {clip.sure}" for clip in clips
    )
    text = "\n".join([*described, *map(str, facts)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def save(examples: Examples, path: Path) -> None:
    """Write to a .npz."""
    keep(path, {field.name: getattr(examples, field.name) for field in dataclass_fields(examples)})


def windows(samples: Array, hop: int) -> list[Frames]:
    """The windows of a whole recording as the running detector makes them: silence before, one every `hop` frames."""
    missing = max(0, FRAME - len(samples)) + (-max(0, len(samples) - FRAME)) % HOP
    whole = frames(np.pad(samples, (0, missing)))
    padded = silence(WINDOW - min(hop, len(whole))).then(whole)
    starts = list(range(0, len(padded) - WINDOW + 1, hop))
    if starts[-1] != len(padded) - WINDOW:
        starts.append(len(padded) - WINDOW)
    return [padded[start : start + WINDOW] for start in starts]
