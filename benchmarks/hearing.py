"""What hearing costs and how good it is: `python -m benchmarks.hearing --data ../shared/data/audio`.

Prints load time, real-time factor on one core, latency and size of each model; then, on any manifest or folders of
labels, how soon screams raise an alarm, and a table of AUC and of recall at fixed false-clip rates. Beside ours stand
published approaches, as far as they were trained (`safety-monitor train scream --model svm --data … --out FOLDER/svm`,
then `--baselines FOLDER`), and YAMNet's "Screaming" where its file is given (`--yamnet`). A model's figures on the
recordings that it was trained on flatter it: cards have those on recordings left out.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE, Block, SoundError
from audio.corpus import SCREAM, Clip, CorpusError, are_screams, read_corpus
from audio.detector import DECISION, ScreamDetector, load_scream_model
from audio.features import HOP
from audio.judging import judge_corpus
from audio.metrics import RATES, UNSTATED, Figures, figures, shown
from audio.noise import recall_in_noise
from audio.recording import read_clip
from audio.zoo.comparison import compare_trained
from audio.zoo.plan import Desk
from audio.zoo.yamnet import SCREAMING, WINDOW
from benchmarks.machine import described
from models.card import ModelError
from models.registry import find, installed
from models.runtime import TFLiteModel

Array = NDArray[np.float32]

DECISIONS_A_SECOND = SAMPLE_RATE / HOP / DECISION
AIMED_DECISIONS = 4
"""Decisions a second that the aim of what hearing may cost is stated for."""


def cost(name: str, seconds: float = 60.0) -> dict[str, float]:
    """Load time, real-time factor, CPU time of a decision and size of a model; sound arrives in blocks of 50 ms.

    `at_aimed` is the real-time factor without what decisions beyond `AIMED_DECISIONS` a second take.
    """
    start = time.perf_counter()
    model = load_scream_model(name)
    loaded = time.perf_counter() - start
    samples = (np.random.default_rng(0).standard_normal(int(seconds * SAMPLE_RATE)) * 0.1).astype(np.float32)
    detector = ScreamDetector(model)
    start, waits = time.process_time(), []
    for place in range(0, len(samples), 800):
        begin = time.process_time()
        decided = detector.feed(Block(samples[place : place + 800], place / SAMPLE_RATE))
        waits += [time.process_time() - begin] if decided else []
    spent = time.process_time() - start
    size = sum(file.stat().st_size for file in find(name).glob("*.tflite"))
    ms = {f"{name}_ms": float(np.percentile(waits, share)) * 1000 for name, share in (("median", 50), ("p95", 95))}
    beyond = sum(waits) * (1 - AIMED_DECISIONS / DECISIONS_A_SECOND)
    factors = {"real_time_factor": spent / seconds, "at_aimed": (spent - beyond) / seconds}
    return {"load_s": loaded, **factors, "megabytes": size / 1e6, **ms}


def decision_line(name: str, milliseconds: float, megabytes: float) -> str:
    """What decisions of a baseline cost at the rate of ours."""
    factor = milliseconds / 1000 * DECISIONS_A_SECOND
    return f"{name}: real-time factor {factor:.4f}, a decision takes {milliseconds:.1f} ms, {megabytes:.1f} MB"


def yamnet_line(file: Path, rounds: int = 50) -> str:
    """What YAMNet costs."""
    network, times = TFLiteModel(file), []
    sound = (np.random.default_rng(0).standard_normal((1, WINDOW)) * 0.1).astype(np.float32)
    for _ in range(rounds):
        begin = time.process_time()
        network(sound)
        times.append(time.process_time() - begin)
    return decision_line("YAMNet", float(np.median(times)) * 1000, file.stat().st_size / 1e6)


def delay_line(name: str, clips: list[Clip], jobs: int) -> str:
    """How soon, and how often, screams that set in after silence raise an alarm."""
    found = recall_in_noise(name, clips, jobs=jobs, snrs_db=(None,), progress=told).get("clean")
    if not found:
        return f"{name}: no screams, or no ambient recordings, to time alarms with"
    if found["median_s"] is None:
        return f"{name}: none of {found['screams']} screams after silence alarms"
    return (
        f"{name}: {found['recall']:.1%} of {found['screams']} screams after silence alarm, after "
        f"{found['median_s']:.2f} s (95 %: {found['p95_s']:.2f} s)"
    )


def yamnet_scores(file: Path, clips: list[Clip]) -> Array:
    """Highest "Screaming" score of each recording, its peak at -3 dBFS, half a window apart."""
    network = TFLiteModel(file)
    result = []
    for clip in clips:
        samples = read_clip(clip.path)
        samples *= 0.7 / (np.abs(samples).max() + 1e-9)
        padded = np.pad(samples, (0, max(0, WINDOW - len(samples))))
        starts = range(0, len(padded) - WINDOW + 1, WINDOW // 2)
        result.append(max(float(network(padded[s : s + WINDOW][None])[0][0, SCREAMING]) for s in starts))
    return np.asarray(result, np.float32)


def row(name: str, found: Figures) -> str:
    """One line of the table."""
    return f"{name:<28}{found.auc:>8.4f}" + "".join(f"{shown(found.stated(rate), 3):>24}" for rate in RATES)


def baselines(folder: Path) -> list[Path]:
    """Models of the zoo that were trained into a folder."""
    found = [model for model in installed(folder) if not model.shipped]
    return [model.folder for model in found if model.card is not None and "member" in model.card.parameters]


def told(what: str, done: int, of: int) -> None:
    """Where somebody watches, how far it is."""
    if sys.stderr.isatty():
        print(f"\r{what} {done}/{of}   ", end="\n" if done == of else "", file=sys.stderr, flush=True)


def main() -> int:
    """Print the tables; gives the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", default=["scream"])
    parser.add_argument("--data", type=Path, help="manifest.csv, its folder, or folders of labels")
    parser.add_argument("--yamnet", type=Path, help="YAMNet's TFLite file")
    parser.add_argument("--baselines", type=Path, help="folder with trained members of the zoo")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    try:
        measure(given.models, given.data, given.baselines, given.yamnet, given.jobs)
    except (CorpusError, ModelError, SoundError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def measure(models: list[str], data: Path | None, others: Path | None, yamnet: Path | None, jobs: int) -> None:
    """Print what models cost and, with data, how good they are.

    Raises:
        CorpusError: data that cannot be used.
        ModelError: no such model, or a damaged one.
        SoundError: a recording that cannot be decoded.
    """
    if others is not None and not baselines(others):
        raise ModelError(f"{others}: no trained members of the zoo there")
    print(described())
    for name in models:
        found = cost(name)
        print(
            f"{name}: loads in {found['load_s']:.2f} s, real-time factor {found['real_time_factor']:.4f} "
            f"at {DECISIONS_A_SECOND:.1f} decisions/s, {found['at_aimed']:.4f} at {AIMED_DECISIONS}, "
            f"a decision takes {found['median_ms']:.1f} ms (95 %: {found['p95_ms']:.1f} ms), "
            f"{found['megabytes']:.1f} MB"
        )
    if yamnet is not None:
        print(yamnet_line(yamnet))
    if data is None:
        return
    clips = [clip for clip in read_corpus(data) if clip.sure]
    screams = are_screams(clips)
    if screams.all() or not screams.any():
        raise CorpusError(f"{data}: recordings of screams and of other sounds are needed")
    rows = []
    for name in models:
        judged = {each.clip.path: each for each in judge_corpus(name, clips, jobs=jobs, progress=told)}
        files = np.asarray([judged[clip.path].probability for clip in clips], np.float32)
        live = np.asarray([judged[clip.path].highest for clip in clips], np.float32)
        print(delay_line(name, clips, jobs))
        rows += [row(f"{name}, whole files", figures(files, screams)), row(f"{name}, live", figures(live, screams))]
    names = [str(folder.absolute()) for folder in baselines(others)] if others else []
    for each in compare_trained(names, clips, None, Desk(Path(), tick=told)):
        print(decision_line(Path(each.name).name, each.milliseconds or 0, each.megabytes or 0))
        if each.chances is not None:
            rows.append(row(Path(each.name).name, figures(each.chances[:, SCREAM], screams)))
    if yamnet is not None:
        rows.append(row("YAMNet, Screaming", figures(yamnet_scores(yamnet, clips), screams)))
    print(f"\n{screams.sum()} screams, {(~screams).sum()} others of {data}")
    print(f"{'':<28}{'AUC':>8}" + "".join(f"{f'recall at {rate:.1%} false':>24}" for rate in RATES))
    print("\n".join(rows))
    if any("–" in each for each in rows):
        print(UNSTATED)


if __name__ == "__main__":
    sys.exit(main())
