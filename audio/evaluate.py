"""How good a detector is: `python -m audio.evaluate scream --data ../shared/data/audio`.

Whole recordings are played through the running detector itself. A clip counts as alarmed when its persisted scream
probability passes the operating point, as in the station.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from audio.augment import mix
from audio.capture import SAMPLE_RATE, Block, SoundError, read_clip
from audio.corpus import LABELS, Clip, CorpusError, read_corpus
from audio.detector import OPERATING_POINT, ScreamDetector, ScreamModel, SoundReading, judge_file, load_scream_model
from models.card import ModelError

Array = NDArray[np.float32]

RATES = (0.01, 0.001)
"""Shares of falsely alarmed clips at which recall is stated."""
SNRS_DB = (20, 10, 5, 0)
"""Ratios of scream and background at which recall is stated."""
LEAD_S = 2.0
"""Background before a scream, when the time to the decision is taken."""
LONG_S = 20.0
"""From this length on a recording counts as continuous sound."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How well recordings are ranked.

    Attributes:
        screams: how many.
        others: how many.
        auc: area under the ROC curve.
        recall: share of falsely alarmed clips -> share of screams found.
    """

    screams: int
    others: int
    auc: float
    recall: dict[float, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the detector said of a recording.

    Attributes:
        clip: the recording.
        probability: scream probability of the whole.
        label: of the whole.
        highest: highest persisted scream probability.
        alarms: times that it rose past the operating point.
        seconds: length.
        windows: of its windows, how many were called each label.
    """

    clip: Clip
    probability: float
    label: str
    highest: float
    alarms: int
    seconds: float
    windows: dict[str, int]


def figures(scores: Array, screams: NDArray[np.bool_], rates: Sequence[float] = RATES) -> Figures:
    """AUC, and recall where at most a share of `rates` of the other recordings scores higher or the same.

    Args:
        scores: shape (n,), higher for screams.
        screams: shape (n,), which are; at least one of each kind.
    """
    found, other = scores[screams], np.sort(scores[~screams])
    below = np.searchsorted(other, found, "left") + np.searchsorted(other, found, "right")
    recall = {rate: float((found > other[len(other) - 1 - int(rate * len(other))]).mean()) for rate in rates}
    return Figures(len(found), len(other), float(below.mean() / 2 / len(other)), recall)


def listen(model: ScreamModel, samples: Array) -> list[SoundReading]:
    """All readings of a recording."""
    detector = ScreamDetector(model)
    return [*detector.feed(Block(samples, 0.0)), *detector.flush()]


def count_alarms(readings: Sequence[SoundReading], rearm: float = OPERATING_POINT / 2) -> int:
    """How often the persisted probability passes the operating point, each time after it fell below `rearm`."""
    alarms, armed = 0, True
    for reading in readings:
        if armed and reading.scream >= OPERATING_POINT:
            alarms, armed = alarms + 1, False
        armed = armed or reading.scream < rearm
    return alarms


def judge(model: ScreamModel, clip: Clip) -> Judged:
    """Play one recording to the detector.

    Raises:
        SoundError: it cannot be decoded.
    """
    samples = read_clip(clip.path)
    readings = listen(model, samples)
    probability, label = judge_file(readings, model)
    return Judged(
        clip=clip,
        probability=probability,
        label=label,
        highest=max((reading.scream for reading in readings), default=0.0),
        alarms=count_alarms(readings),
        seconds=len(samples) / SAMPLE_RATE,
        windows={label: sum(reading.label == label for reading in readings) for label in model.labels},
    )


def _judge_all(name: str, home: Path | None, clips: Sequence[Clip]) -> list[Judged]:
    model = load_scream_model(name, home)
    return [judge(model, clip) for clip in clips]


def judge_corpus(name: str, clips: Sequence[Clip], *, home: Path | None = None, jobs: int = 1) -> list[Judged]:
    """Play every recording to the detector, on several processes.

    Raises:
        ModelError: no such model.
        SoundError: a recording that cannot be decoded.
    """
    load_scream_model(name, home)
    shares = [list(clips[start::jobs]) for start in range(jobs)]
    parts = joblib.Parallel(n_jobs=jobs)(joblib.delayed(_judge_all)(name, home, share) for share in shares)
    return [judged for part in parts for judged in part]


def summarize(judged: Sequence[Judged]) -> dict[str, Any]:
    """Metrics of all recordings as one object for JSON; weak and disputed labels are left out."""
    counted = [each for each in judged if not each.clip.weak and not each.clip.disputed]
    truth = np.asarray([each.clip.label == "scream" for each in counted])
    result: dict[str, Any] = {
        "recordings": len(counted),
        "hours": sum(each.seconds for each in counted) / 3600,
        "accuracy": float(np.mean([each.label == each.clip.label for each in counted])) if counted else None,
        "labels": {label: _by_label(counted, label) for label in LABELS},
        "windows": {
            label: {
                guess: sum(each.windows.get(guess, 0) for each in counted if each.clip.label == label)
                for guess in LABELS
            }
            for label in LABELS
        },
        "sources": _by_source(counted),
        "worst": [
            {"file": each.clip.path.name, "source": each.clip.source, "probability": round(each.probability, 4)}
            for each in sorted(
                (each for each in counted if each.clip.label != "scream"), key=lambda each: -each.probability
            )[:20]
        ],
    }
    if truth.any() and not truth.all():
        called = np.asarray([each.label == "scream" for each in counted])
        result["mcc"] = _matthews(truth, called)
        result["files"] = asdict(figures(np.asarray([each.probability for each in counted], np.float32), truth))
        result["live"] = asdict(figures(np.asarray([each.highest for each in counted], np.float32), truth))
        result["live"]["recall_at_threshold"] = float(
            np.mean([each.highest >= OPERATING_POINT for each in counted if each.clip.label == "scream"])
        )
    others = [each for each in counted if each.clip.label != "scream"]
    for key, kept in (("clips", others), ("long", [each for each in others if each.seconds >= LONG_S])):
        hours = sum(each.seconds for each in kept) / 3600
        alarms = sum(each.alarms for each in kept)
        result[f"false_alarms_{key}"] = {
            "hours": hours,
            "alarms": alarms,
            "per_hour": alarms / hours if hours else None,
        }
    return result


def _by_label(judged: Sequence[Judged], label: str) -> dict[str, float]:
    hits = sum(each.label == label == each.clip.label for each in judged)
    called = sum(each.label == label for each in judged)
    there = sum(each.clip.label == label for each in judged)
    precision, recall = hits / called if called else 0.0, hits / there if there else 0.0
    balance = 2 * precision * recall / (precision + recall) if hits else 0.0
    return {"recordings": there, "precision": precision, "recall": recall, "f1": balance}


def _by_source(judged: Sequence[Judged]) -> dict[str, dict[str, dict[str, float]]]:
    result: dict[str, dict[str, dict[str, float]]] = {}
    for each in judged:
        cell = result.setdefault(each.clip.source, {}).setdefault(each.clip.label, {"recordings": 0, "alarmed": 0})
        cell["recordings"] += 1
        cell["alarmed"] += each.highest >= OPERATING_POINT
    return result


def _matthews(truth: NDArray[np.bool_], called: NDArray[np.bool_]) -> float:
    """Matthews correlation coefficient, 0 where it is undefined."""
    if truth.all() or called.all() or not truth.any() or not called.any():
        return 0.0
    return float(np.corrcoef(truth, called)[0, 1])


def recall_in_noise(model: ScreamModel, clips: Sequence[Clip], *, seed: int = 0) -> dict[str, Any]:
    """Screams that set in after two seconds of other sound: the share that raises an alarm, and how soon.

    Args:
        model: what to judge.
        clips: screams and ambient recordings; weak screams are left out.
        seed: of which background goes behind which scream.

    Returns:
        by signal-to-noise ratio in dB: `recall`, `median_s` and `p95_s` from the scream's first loud moment to the
        alarm, of those that raise one. An alarm before that moment is no find.
    """
    rng = np.random.default_rng(seed)
    screams = [clip for clip in clips if clip.label == "scream" and not clip.weak]
    backgrounds = [clip for clip in clips if clip.label == "ambient" and clip.seconds >= LEAD_S]
    result: dict[str, Any] = {}
    if not screams or not backgrounds:
        return result
    pairs = [(read_clip(clip.path), read_clip(backgrounds[rng.integers(len(backgrounds))].path)) for clip in screams]
    for snr_db in SNRS_DB:
        waits = [_wait(model, front, back, float(snr_db)) for front, back in pairs]
        found = [wait for wait in waits if wait is not None]
        result[str(snr_db)] = {
            "screams": len(waits),
            "recall": len(found) / len(waits),
            "median_s": float(np.median(found)) if found else None,
            "p95_s": float(np.percentile(found, 95)) if found else None,
        }
    return result


def _wait(model: ScreamModel, scream: Array, background: Array, snr_db: float) -> float | None:
    lead = int(LEAD_S * SAMPLE_RATE)
    front = np.concatenate([np.zeros(lead, np.float32), scream])
    mixed = mix(front, np.resize(background, len(front)), snr_db)
    mixed = (mixed / (np.abs(mixed).max() + 1e-9) * 0.5).astype(np.float32)
    size = SAMPLE_RATE // 50
    pieces = np.square(scream[: len(scream) // size * size].reshape(-1, size)).mean(axis=1)
    onset = LEAD_S + float(np.argmax(pieces > pieces.max() / 100)) / 50 if len(pieces) else LEAD_S
    alarms = [reading.at_s for reading in listen(model, mixed) if reading.scream >= OPERATING_POINT]
    return alarms[0] - onset if alarms and alarms[0] >= onset else None


def table(report: Mapping[str, Any]) -> str:
    """The metrics for people."""
    lines = [f"{report['recordings']} recordings, {report['hours']:.2f} h"]
    for key, name in (("files", "whole files"), ("live", "running detector")):
        if key in report:
            recalls = ", ".join(f"{recall:.3f} at {rate:.1%}" for rate, recall in report[key]["recall"].items())
            lines.append(f"{name}: AUC {report[key]['auc']:.4f}, recall {recalls} false clips")
    if "live" in report:
        lines.append(f"recall at the shipped threshold: {report['live']['recall_at_threshold']:.3f}")
    if "mcc" in report:
        lines.append(f"accuracy {report['accuracy']:.3f}, Matthews correlation {report['mcc']:.3f}")
    for key, name in (("clips", "all other recordings"), ("long", f"those of {LONG_S:.0f} s and more")):
        false = report[f"false_alarms_{key}"]
        if false["hours"]:
            lines.append(
                f"false alarms, {name}: {false['alarms']} in {false['hours']:.2f} h, {false['per_hour']:.1f} an hour"
            )
    for label, cell in report["labels"].items():
        lines.append(
            f"  {label:<13} {cell['recordings']:5} recordings, precision {cell['precision']:.3f}, "
            f"recall {cell['recall']:.3f}, F1 {cell['f1']:.3f}"
        )
    for source, labels in sorted(report["sources"].items()):
        for label, cell in sorted(labels.items()):
            lines.append(f"  {source:<22} {label:<13} {cell['alarmed']:4} of {cell['recordings']:4} alarmed")
    for snr_db, cell in report.get("noise", {}).items():
        wait = f"alarm after {cell['median_s']:.2f} s (95 %: {cell['p95_s']:.2f} s)" if cell["recall"] else "no alarm"
        lines.append(f"  at {snr_db:>3} dB: recall {cell['recall']:.3f}, {wait}")
    return "\n".join(lines)


def evaluate(name: str, data: Path, *, home: Path | None = None, jobs: int = 1, noise: bool = True) -> dict[str, Any]:
    """Everything about a model on a corpus.

    Raises:
        CorpusError: data that cannot be used.
        ModelError: no such model.
        SoundError: a recording that cannot be decoded.
    """
    clips = read_corpus(data)
    report = {"model": name, "data": data.name, **summarize(judge_corpus(name, clips, home=home, jobs=jobs))}
    if noise:
        report["noise"] = recall_in_noise(load_scream_model(name, home), clips)
    return report


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", help="name of a scream model, or the path of its folder")
    parser.add_argument("--data", type=Path, required=True, help="manifest.csv, its folder, or folders of labels")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    given = parser.parse_args()
    try:
        report = evaluate(given.model, given.data, jobs=given.jobs)
    except (CorpusError, ModelError, SoundError) as error:
        parser.exit(2, f"{error}\n")
    print(json.dumps(report) if given.json else table(report))


if __name__ == "__main__":
    main()
