"""What hearing costs and how good it is: `python -m benchmarks.hearing --data ../shared/data/audio`.

Prints load time, real-time factor on one core and size of the model, then AUC and recall at fixed false-clip rates on
any manifest; beside it YAMNet's "Screaming" where its file is given (`--yamnet`). A model's figures on the recordings
that it was trained on flatter it: its card has those on sources left out.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE, Block
from audio.corpus import Clip, read_corpus
from audio.detector import DECISION, ScreamDetector, load_scream_model
from audio.examples import TEACHER_SAMPLES, loud
from audio.features import HOP
from audio.judging import judge_corpus
from audio.metrics import RATES, Figures, figures
from audio.recording import read_clip
from benchmarks.machine import described
from models.registry import find
from models.runtime import TFLiteModel

Array = NDArray[np.float32]

SCREAMING = 11
"""YAMNet's class."""


def cost(name: str, seconds: float = 60.0) -> dict[str, float]:
    """Load time, real-time factor and size of a model; sound arrives in blocks of 50 ms."""
    start = time.perf_counter()
    model = load_scream_model(name)
    loaded = time.perf_counter() - start
    samples = (np.random.default_rng(0).standard_normal(int(seconds * SAMPLE_RATE)) * 0.1).astype(np.float32)
    detector = ScreamDetector(model)
    start = time.process_time()
    for place in range(0, len(samples), 800):
        detector.feed(Block(samples[place : place + 800], place / SAMPLE_RATE))
    spent = time.process_time() - start
    size = sum(file.stat().st_size for file in find(name).glob("*.tflite"))
    return {"load_s": loaded, "real_time_factor": spent / seconds, "megabytes": size / 1e6}


def yamnet_scores(file: Path, clips: list[Clip]) -> Array:
    """Highest "Screaming" score of each recording, half a window apart."""
    network = TFLiteModel(file)
    result = []
    for clip in clips:
        samples = loud(read_clip(clip.path))
        padded = np.pad(samples, (0, max(0, TEACHER_SAMPLES - len(samples))))
        starts = range(0, len(padded) - TEACHER_SAMPLES + 1, TEACHER_SAMPLES // 2)
        result.append(max(float(network(padded[s : s + TEACHER_SAMPLES][None])[0][0, SCREAMING]) for s in starts))
    return np.asarray(result, np.float32)


def row(name: str, found: Figures) -> str:
    """One line of the table."""
    return f"{name:<24} {found.auc:.4f}   " + "   ".join(f"{found.recall[rate]:.3f}" for rate in RATES)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", default=["scream"])
    parser.add_argument("--data", type=Path, help="manifest.csv, its folder, or folders of labels")
    parser.add_argument("--yamnet", type=Path, help="YAMNet's TFLite file")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    print(described())
    for name in given.models:
        found = cost(name)
        print(
            f"{name}: loads in {found['load_s']:.2f} s, real-time factor {found['real_time_factor']:.4f} "
            f"at {SAMPLE_RATE / HOP / DECISION:.1f} decisions/s, {found['megabytes']:.1f} MB"
        )
    if given.data is None:
        return
    clips = [clip for clip in read_corpus(given.data) if clip.sure]
    screams = np.asarray([clip.label == "scream" for clip in clips])
    print(f"\n{screams.sum()} screams, {(~screams).sum()} others of {given.data}")
    print(f"{'':<24} AUC      " + "   ".join(f"{rate:.1%}" for rate in RATES))
    for name in given.models:
        judged = {each.clip.path: each for each in judge_corpus(name, clips, jobs=given.jobs)}
        files = np.asarray([judged[clip.path].probability for clip in clips], np.float32)
        live = np.asarray([judged[clip.path].highest for clip in clips], np.float32)
        print(row(f"{name}, whole files", figures(files, screams)))
        print(row(f"{name}, live", figures(live, screams)))
    if given.yamnet is not None:
        print(row("YAMNet, Screaming", figures(yamnet_scores(given.yamnet, clips), screams)))


if __name__ == "__main__":
    main()
