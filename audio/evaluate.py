"""How good a detector is: `safety-monitor evaluate scream --data ../shared/data/audio`.

Whole recordings are played through the running detector itself. A clip counts as alarmed when its persisted scream
probability passes the operating point, as in the station.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.augment import mix
from audio.blocks import SAMPLE_RATE, Block
from audio.capture import open_sound
from audio.corpus import LABELS, SUFFIXES, Clip, CorpusError, read_corpus
from audio.detector import OPERATING_POINT, ScreamDetector, ScreamModel, SoundReading, judge_file, load_scream_model
from audio.recording import read_clip
from models.in_use import Comparison

Array = NDArray[np.float32]

RATES = (0.01, 0.001)
"""Shares of falsely alarmed clips at which recall is stated."""
SNRS_DB = (None, 20, 10, 5, 0)
"""Ratios of scream and background at which recall is stated; None: no background."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the probability at each ratio."""
LEAD_S = 2.0
"""Background before a scream, when the time to the decision is taken."""
LONG_S = 20.0
"""From this length on a recording counts as continuous sound."""
CONFIDENCE = 0.95
"""Of the bound on false alarms an hour."""
PORTIONS = 8
"""Into so many portions for each process the work is cut: progress shows, and no process waits long for the last."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many portions of it are, and of how many."""


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
        windows: probabilities of each window, float32 of shape (windows, `LABELS`).
    """

    clip: Clip
    probability: float
    label: str
    highest: float
    alarms: int
    seconds: float
    windows: Array


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything about a model on a corpus.

    Attributes:
        report: the metrics, JSON values.
        judged: what was said of each recording, in the order of the corpus.
    """

    report: dict[str, Any]
    judged: tuple[Judged, ...]


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


def alarms_in(readings: Iterable[SoundReading], rearm: float = OPERATING_POINT / 2) -> Iterator[float]:
    """When the persisted probability passes the operating point, each time after it fell below `rearm`."""
    armed = True
    for reading in readings:
        if armed and reading.scream >= OPERATING_POINT:
            armed = False
            yield reading.at_s
        armed = armed or reading.scream < rearm


def judge(model: ScreamModel, clip: Clip) -> Judged:
    """Play one recording to the detector.

    Raises:
        SoundError: it cannot be decoded.
    """
    samples = read_clip(clip.path)
    readings = listen(model, samples)
    probability, label = judge_file(readings, model)
    windows = [[reading.probabilities.get(label, 0.0) for label in LABELS] for reading in readings]
    return Judged(
        clip=clip,
        probability=probability,
        label=label,
        highest=max((reading.scream for reading in readings), default=0.0),
        alarms=sum(1 for _ in alarms_in(readings)),
        seconds=len(samples) / SAMPLE_RATE,
        windows=np.asarray(windows, np.float32).reshape(-1, len(LABELS)),
    )


def _in_portions(
    what: str, work: Callable[[list[Any]], list[Any]], items: Sequence[Any], jobs: int, progress: Progress
) -> list[Any]:
    """What `work` makes of the items, in their order; it gets a portion at a time, in one of several processes."""
    import joblib

    count = max(min(jobs * PORTIONS, len(items)), 1)
    portions = [list(items[start::count]) for start in range(count)]
    done: list[list[Any]] = []
    for portion in joblib.Parallel(n_jobs=jobs, return_as="generator")(joblib.delayed(work)(each) for each in portions):
        done.append(portion)
        progress(what, len(done), count)
    return [done[place % count][place // count] for place in range(len(items))]


def silent(what: str, done: int, of: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class _Judge:
    name: str
    home: Path | None

    def __call__(self, clips: list[Clip]) -> list[Judged]:
        model = load_scream_model(self.name, self.home)
        return [judge(model, clip) for clip in clips]


def judge_corpus(
    name: str, clips: Sequence[Clip], *, home: Path | None = None, jobs: int = 1, progress: Progress = silent
) -> list[Judged]:
    """Play every recording to the detector, on several processes; the result is in the order of the clips.

    Raises:
        ModelError: no such model.
        SoundError: a recording that cannot be decoded.
    """
    load_scream_model(name, home)
    return _in_portions(f"{name}: recordings", _Judge(name, home), clips, jobs, progress)


def summarize(judged: Sequence[Judged]) -> dict[str, Any]:
    """Metrics of all recordings as one object for JSON; weak and disputed labels are left out."""
    counted = counted_of(judged)
    files, windows = _of_files(counted), _of_windows(counted)
    result: dict[str, Any] = {
        "recordings": len(counted),
        "hours": sum(each.seconds for each in counted) / 3600,
        "files": classification(*files),
        "segments": classification(*windows),
        "sources": _by_source(counted),
        "worst": _extremes([each for each in counted if each.clip.label != "scream"], most=True),
        "missed": _extremes([each for each in counted if each.clip.label == "scream"], most=False),
    }
    truth = np.asarray([each.clip.label == "scream" for each in counted])
    if truth.any() and not truth.all():
        result["files"] |= asdict(figures(np.asarray([each.probability for each in counted], np.float32), truth))
        highest = np.asarray([each.highest for each in counted], np.float32)
        result["live"] = asdict(figures(highest, truth))
        result["live"]["recall_at_threshold"] = float((highest[truth] >= OPERATING_POINT).mean())
        result["live"]["false_at_threshold"] = float((highest[~truth] >= OPERATING_POINT).mean())
    others = [each for each in counted if each.clip.label != "scream"]
    for key, kept in (("clips", others), ("long", [each for each in others if each.seconds >= LONG_S])):
        alarms, hours = sum(each.alarms for each in kept), sum(each.seconds for each in kept) / 3600
        result[f"false_alarms_{key}"] = rate(alarms, hours)
    return result


def counted_of(judged: Sequence[Judged]) -> list[Judged]:
    """Those whose label was given by a person and is beyond dispute."""
    return [each for each in judged if each.clip.sure]


def _of_files(judged: Sequence[Judged]) -> tuple[list[str], list[str], Array]:
    """Label, guess and probabilities of whole recordings; of the labels besides scream, the mean of the windows."""
    chances = np.asarray([each.windows.mean(axis=0) for each in judged], np.float32).reshape(-1, len(LABELS))
    chances[:, LABELS.index("scream")] = [each.probability for each in judged]
    return [each.clip.label for each in judged], [each.label for each in judged], chances


def _of_windows(judged: Sequence[Judged]) -> tuple[list[str], list[str], Array]:
    """The same of windows, which bear the label of their recording: the pauses in a scream count as missed."""
    chances = np.concatenate([np.zeros((0, len(LABELS)), np.float32), *(each.windows for each in judged)])
    truth = [each.clip.label for each in judged for _ in each.windows]
    return truth, [LABELS[place] for place in chances.argmax(axis=1)], chances


def classification(truth: Sequence[str], guesses: Sequence[str], chances: Array) -> dict[str, Any]:
    """How labels were told apart, as JSON values; None where a figure has no meaning for want of examples.

    Args:
        truth: the labels.
        guesses: what they were taken for.
        chances: probabilities, float32 of shape (n, `LABELS`).
    """
    from sklearn.metrics import confusion_matrix, matthews_corrcoef, precision_recall_fscore_support, roc_auc_score

    if not truth:
        return {"count": 0}
    there, called = np.asarray(truth), np.asarray(guesses)
    scores = precision_recall_fscore_support(there, called, labels=LABELS, zero_division=0)
    labels = {}
    for place, label in enumerate(LABELS):
        mine = there == label
        both = mine.any() and not mine.all()
        labels[label] = {
            "count": int(scores[3][place]),
            "precision": float(scores[0][place]),
            "recall": float(scores[1][place]),
            "f1": float(scores[2][place]),
            "mcc": float(matthews_corrcoef(mine, called == label)) if both else None,
            "auc": float(roc_auc_score(mine, chances[:, place])) if both else None,
        }
    return {
        "count": len(truth),
        "accuracy": float((there == called).mean()),
        "mcc": float(matthews_corrcoef(there, called)) if len(set(truth)) > 1 else None,
        "labels": labels,
        "confusion": confusion_matrix(there, called, labels=LABELS).tolist(),
    }


def _extremes(judged: Sequence[Judged], *, most: bool) -> list[dict[str, Any]]:
    """The twenty that look most, or least, like screams."""
    ordered = sorted(judged, key=lambda each: each.probability, reverse=most)[:20]
    return [
        {"file": each.clip.path.name, "source": each.clip.source, "probability": round(each.probability, 4)}
        for each in ordered
    ]


def _by_source(judged: Sequence[Judged]) -> dict[str, dict[str, dict[str, float]]]:
    result: dict[str, dict[str, dict[str, float]]] = {}
    for each in judged:
        cell = result.setdefault(each.clip.source, {}).setdefault(
            each.clip.label, {"recordings": 0, "right": 0, "alarmed": 0}
        )
        cell["recordings"] += 1
        cell["right"] += each.label == each.clip.label
        cell["alarmed"] += each.highest >= OPERATING_POINT
    return result


def rate(alarms: int, hours: float) -> dict[str, Any]:
    """Alarms an hour, and the most that it may be: the exact upper bound of a Poisson rate (Garwood 1936)."""
    from scipy.stats import chi2

    return {
        "hours": hours,
        "alarms": alarms,
        "per_hour": alarms / hours if hours else None,
        "at_most_per_hour": float(chi2.ppf(CONFIDENCE, 2 * alarms + 2)) / 2 / hours if hours else None,
    }


@dataclass(frozen=True, slots=True)
class _Watch:
    name: str
    home: Path | None

    def __call__(self, paths: list[Path]) -> list[dict[str, Any]]:
        model = load_scream_model(self.name, self.home)
        return [self._watch(model, path) for path in paths]

    @staticmethod
    def _watch(model: ScreamModel, path: Path) -> dict[str, Any]:
        detector, heard = ScreamDetector(model), 0

        def readings() -> Iterator[SoundReading]:
            nonlocal heard
            source = open_sound(str(path), fast=True)
            try:
                for block in source:
                    heard += len(block.samples)
                    yield from detector.feed(block)
                yield from detector.flush()
            finally:
                source.close()

        alarms = [round(at_s, 2) for at_s in alarms_in(readings())]
        return {"file": str(path), "hours": heard / SAMPLE_RATE / 3600, "alarms_at_s": alarms}


def watch_hours(
    name: str, files: Sequence[Path], *, home: Path | None = None, jobs: int = 1, progress: Progress = silent
) -> dict[str, Any]:
    """Long recordings in which nobody screams: every alarm is a false one.

    Args:
        name: of the model.
        files: recordings, played as a stream, however long; a folder stands for all recordings in it.
        home: a folder with further models.
        jobs: processes.
        progress: told how far it is.

    Raises:
        CorpusError: a folder without recordings.
        ModelError: no such model.
        SoundError: a recording that cannot be decoded.
    """
    load_scream_model(name, home)
    recordings = _watch_all(files)
    found = _in_portions(f"{name}: long recordings", _Watch(name, home), recordings, jobs, progress)
    total = rate(sum(len(each["alarms_at_s"]) for each in found), sum(each["hours"] for each in found))
    return {**total, "confidence": CONFIDENCE, "files": found}


def _watch_all(files: Sequence[Path]) -> list[Path]:
    recordings: list[Path] = []
    for file in (file.absolute() for file in files):
        inside = (
            sorted(path for path in file.rglob("*") if path.suffix.lower() in SUFFIXES) if file.is_dir() else [file]
        )
        if not inside:
            raise CorpusError(f"{file}: no recordings in this folder")
        recordings += inside
    return recordings


@dataclass(frozen=True, slots=True)
class _SetIn:
    """A scream sets in after other sound, at each ratio: when it is noticed, and how sure the detector becomes."""

    name: str
    home: Path | None

    def __call__(self, pairs: list[tuple[Path, Path]]) -> list[list[tuple[float | None, float]]]:
        model = load_scream_model(self.name, self.home)
        return [
            [_wait(model, scream, background, snr_db) for snr_db in SNRS_DB]
            for scream, background in ((read_clip(front), read_clip(back)) for front, back in pairs)
        ]


def recall_in_noise(
    name: str,
    clips: Sequence[Clip],
    *,
    home: Path | None = None,
    jobs: int = 1,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Screams that set in after two seconds of other sound: the share that raises an alarm, and how soon.

    Args:
        name: of the model.
        clips: screams and ambient recordings; weak screams are left out.
        home: a folder with further models.
        jobs: processes.
        seed: of which background goes behind which scream.
        progress: told how far it is.

    Returns:
        by signal-to-noise ratio in dB ("clean" without background): `recall`, `median_s` and `p95_s` from the scream's
        first loud moment to the alarm, of those that raise one, and five quantiles of the highest persisted
        `probability`. An alarm before that moment is no find. Empty without screams or backgrounds.

    Raises:
        ModelError: no such model.
        SoundError: a recording that cannot be decoded.
    """
    rng = np.random.default_rng(seed)
    screams = [clip for clip in clips if clip.label == "scream" and not clip.weak]
    backgrounds = [clip for clip in clips if clip.label == "ambient" and not 0 < clip.seconds < LEAD_S]
    if not screams or not backgrounds:
        return {}
    pairs = [(clip.path, backgrounds[rng.integers(len(backgrounds))].path) for clip in screams]
    found = _in_portions(f"{name}: screams in noise", _SetIn(name, home), pairs, jobs, progress)
    result: dict[str, Any] = {}
    for place, snr_db in enumerate(SNRS_DB):
        waits = [each[place][0] for each in found if each[place][0] is not None]
        result["clean" if snr_db is None else str(snr_db)] = {
            "screams": len(found),
            "recall": len(waits) / len(found),
            "median_s": float(np.median(waits)) if waits else None,
            "p95_s": float(np.percentile(waits, 95)) if waits else None,
            "probability": np.quantile([each[place][1] for each in found], QUANTILES).round(4).tolist(),
        }
    return result


def _wait(model: ScreamModel, scream: Array, background: Array, snr_db: float | None) -> tuple[float | None, float]:
    """Seconds from the scream to the alarm, None without one, and the highest persisted probability after it set in."""
    lead = int(LEAD_S * SAMPLE_RATE)
    front = np.concatenate([np.zeros(lead, np.float32), scream])
    mixed = front if snr_db is None else mix(front, np.resize(background, len(front)), snr_db)
    mixed = (mixed / (np.abs(mixed).max() + 1e-9) * 0.5).astype(np.float32)
    size = SAMPLE_RATE // 50
    pieces = np.square(scream[: len(scream) // size * size].reshape(-1, size)).mean(axis=1)
    onset = LEAD_S + float(np.argmax(pieces > pieces.max() / 100)) / 50 if len(pieces) else LEAD_S
    readings = listen(model, mixed)
    first = next((reading.at_s for reading in readings if reading.scream >= OPERATING_POINT), None)
    highest = max((reading.scream for reading in readings if reading.at_s >= onset), default=0.0)
    return (None if first is None or first < onset else first - onset), highest


def held_back_figures(judged: Sequence[Judged]) -> dict[str, float]:
    """What says in a card, or between two models, how good one is: shares of which more is better.

    Raises:
        CorpusError: there are no screams among the recordings, or nothing else.
    """
    counted = counted_of(judged)
    truth = np.asarray([each.clip.label == "scream" for each in counted], np.bool_)
    if truth.all() or not truth.any():
        raise CorpusError("screams and other recordings are needed to tell how good a model is")
    highest = np.asarray([each.highest for each in counted], np.float32)
    found = figures(np.asarray([each.probability for each in counted], np.float32), truth)
    return {
        "auc": found.auc,
        "recall_at_1_percent": found.recall[0.01],
        "recall_at_threshold": float((highest[truth] >= OPERATING_POINT).mean()),
        "quiet_at_threshold": float((highest[~truth] < OPERATING_POINT).mean()),
    }


def compare_on(data: Path, candidate: Path, in_use: Path, *, jobs: int = 1) -> Comparison:
    """Two models on the same recordings, which neither should have been trained on.

    Args:
        data: see `audio.corpus.read_corpus`.
        candidate: folder of one.
        in_use: folder of the other.
        jobs: processes.

    Raises:
        CorpusError: data that cannot be used.
        ModelError: a model that cannot be used.
        SoundError: a recording that cannot be decoded.
    """
    clips = read_corpus(data.absolute())
    first, second = (
        held_back_figures(judge_corpus(str(folder.absolute()), clips, jobs=jobs)) for folder in (candidate, in_use)
    )
    return Comparison(first, second)


def table(report: Mapping[str, Any]) -> str:
    """The metrics for people."""
    lines = []
    if "files" in report:
        lines += [f"{report['recordings']} recordings, {report['hours']:.2f} h", *_ranking(report), *_labels(report)]
        for key, name in (("clips", "all other recordings"), ("long", f"those of {LONG_S:.0f} s and more")):
            lines += _false_alarms(report[f"false_alarms_{key}"], name)
    if "continuous" in report:
        lines += _false_alarms(report["continuous"], "long recordings")
        for each in report["continuous"]["files"]:
            if each["alarms_at_s"]:
                at = ", ".join(f"{at_s:.1f} s" for at_s in each["alarms_at_s"])
                lines.append(f"  {each['file']}: at {at}")
    for snr_db, cell in report.get("noise", {}).items():
        wait = f"alarm after {cell['median_s']:.2f} s (95 %: {cell['p95_s']:.2f} s)" if cell["recall"] else "no alarm"
        name = "clean" if snr_db == "clean" else f"at {snr_db:>2} dB"
        lines.append(f"  {name:<9} recall {cell['recall']:.3f}, {wait}")
    for source, labels in sorted(report.get("sources", {}).items()):
        for label, cell in sorted(labels.items()):
            lines.append(
                f"  {source:<22} {label:<13} {cell['recordings']:5} recordings, {cell['right']:5} recognised, "
                f"{cell['alarmed']:5} alarmed"
            )
    return "\n".join(lines)


def _ranking(report: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, name in (("files", "whole files"), ("live", "running detector")):
        if "recall" in report.get(key, {}):
            recalls = ", ".join(f"{recall:.3f} at {rate:.1%}" for rate, recall in report[key]["recall"].items())
            lines.append(f"{name}: AUC {report[key]['auc']:.4f}, recall {recalls} false clips")
    if "live" in report:
        live = report["live"]
        lines.append(
            f"at the shipped threshold: recall {live['recall_at_threshold']:.3f}, "
            f"false clips {live['false_at_threshold']:.2%}"
        )
    return lines


def _labels(report: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, name in (("files", "whole files"), ("segments", "windows")):
        found = report[key]
        if not found["count"]:
            continue
        mcc = "-" if found["mcc"] is None else f"{found['mcc']:.3f}"
        lines.append(f"{name}: accuracy {found['accuracy']:.3f}, Matthews correlation {mcc}")
        for label, cell in found["labels"].items():
            auc = "-" if cell["auc"] is None else f"{cell['auc']:.4f}"
            lines.append(
                f"  {label:<13} {cell['count']:6}  precision {cell['precision']:.3f}  recall {cell['recall']:.3f}  "
                f"F1 {cell['f1']:.3f}  AUC {auc}"
            )
    return lines


def _false_alarms(found: Mapping[str, Any], name: str) -> list[str]:
    if not found["hours"]:
        return []
    return [
        f"false alarms, {name}: {found['alarms']} in {found['hours']:.2f} h, {found['per_hour']:.2f} an hour "
        f"({CONFIDENCE:.0%} sure: at most {found['at_most_per_hour']:.2f})"
    ]


def evaluate(
    name: str,
    data: Path | None,
    *,
    hours: Sequence[Path] = (),
    home: Path | None = None,
    jobs: int = 1,
    noise: bool = True,
    progress: Progress = silent,
) -> Evaluation:
    """Everything about a model on a corpus and on long recordings.

    Args:
        name: of the model.
        data: see `audio.corpus.read_corpus`; None: only long recordings.
        hours: see `watch_hours`.
        home: a folder with further models.
        jobs: processes.
        noise: whether screams are also mixed with backgrounds.
        progress: told how far each step is.

    Raises:
        CorpusError: data that cannot be used.
        ModelError: no such model.
        SoundError: a recording that cannot be decoded.
    """
    report: dict[str, Any] = {"model": name}
    judged: list[Judged] = []
    clips = read_corpus(data.absolute()) if data else ()
    if data:
        judged = judge_corpus(name, clips, home=home, jobs=jobs, progress=progress)
        report |= {"data": data.name, **summarize(judged)}
    if hours:
        report["continuous"] = watch_hours(name, hours, home=home, jobs=jobs, progress=progress)
    if data and noise:
        report["noise"] = recall_in_noise(name, clips, home=home, jobs=jobs, progress=progress)
    return Evaluation(report, tuple(judged))
