"""A small corpus of made-up sounds in folders and sources, so that training can be tried without recordings."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from audio.augment import synthetic_cry, synthetic_scream, synthetic_tone
from audio.blocks import SAMPLE_RATE
from audio.corpus import LABELS

Samples = NDArray[np.float32]
Maker = Callable[[np.random.Generator, float], Samples]


def talk(rng: np.random.Generator, seconds: float) -> Samples:
    """A voice an octave and more below a baby's."""
    low = synthetic_cry(rng, seconds / 3)
    return np.interp(np.linspace(0, len(low) - 1, int(seconds * SAMPLE_RATE)), np.arange(len(low)), low).astype(
        np.float32
    )


def hum(rng: np.random.Generator, seconds: float) -> Samples:
    """Noise or a machine."""
    if rng.random() < 0.3:
        return synthetic_tone(rng, seconds)
    noise = rng.standard_normal(int(seconds * SAMPLE_RATE))
    return np.asarray(np.convolve(noise, np.ones(int(rng.integers(1, 20))), "same"), np.float32)


MAKERS: dict[str, Maker] = {"scream": synthetic_scream, "conversation": talk, "ambient": hum}


def write_corpus(folder: Path, *, sources: int = 3, each: int = 4, seconds: float = 1.2) -> Path:
    """Write WAV files and their manifest; `each` recordings of each label from each source. Gives the folder."""
    rows = []
    for source in range(sources):
        for label in LABELS:
            for number in range(each):
                rng = np.random.default_rng([source, LABELS.index(label), number])
                sound = MAKERS[label](rng, seconds)
                name = f"{label}-{source}-{number}.wav"
                folder.mkdir(parents=True, exist_ok=True)
                soundfile.write(folder / name, sound / np.abs(sound).max() * 0.5, SAMPLE_RATE)
                rows.append([name, label, f"place-{source}", f"{source}|{label}|{number}", seconds, "made up", ""])
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "source", "group", "seconds", "licence", "note"])
        writer.writerows(rows)
    return folder
