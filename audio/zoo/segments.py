"""From labelled recordings to windows that a member of the zoo learns from: trimmed, disturbed, cached, in parallel."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from audio.augment import colour, mix, record
from audio.blocks import SAMPLE_RATE, SoundError
from audio.cache import keep
from audio.corpus import Clip, CorpusError
from audio.recording import read_clip
from audio.unusable import unusable
from audio.zoo.clips import windows
from audio.zoo.front_end import VERSION
from audio.zoo.member import Features
from models.extras import installing

Array = NDArray[np.float32]

BATCH = 40
"""Recordings that one piece of work takes; what is done is kept by the batch."""
TRIM_DB = 40.0
CLUSTER_S = 10.0
"""So long the scheduler of a cluster may take to answer."""


@dataclass(frozen=True, slots=True)
class Cutting:
    """What becomes of a recording.

    Attributes:
        windows: at most so many windows of a recording are judged, evenly spread.
        loudest: so many of them, the loudest, are learned from.
        screams: disturbed copies of a scream.
        others: disturbed copies of anything else.
        seed: of every dice.
    """

    windows: int = 12
    loudest: int = 3
    screams: int = 4
    others: int = 1
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Heard:
    """Windows of many recordings.

    Attributes:
        x: features, n of them.
        clips: int32 of shape (n,), in rising order: which recording.
        judged: bool of shape (n,): of the recording as it is.
        learned: bool of shape (n,): to be learned from.
    """

    x: NDArray[Any]
    clips: NDArray[np.int32]
    judged: NDArray[np.bool_]
    learned: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Task:
    path: Path
    background: Path | None
    copies: int
    seed: int


@contextmanager
def workers(jobs: int, dask: str | None = None) -> Iterator[None]:
    """Where joblib works: processes here, or an existing Dask cluster.

    Args:
        jobs: processes.
        dask: address of the cluster's scheduler; its workers must see the same files.

    Raises:
        CorpusError: no cluster at that address, or Dask is not installed.
    """
    if dask is None:
        with joblib.parallel_config("loky", n_jobs=jobs):
            yield
        return
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise CorpusError(f"--dask: {error.name} is missing; {installing('dask')}") from None
    connect: Any = distributed.Client
    try:
        client = connect(dask, timeout=CLUSTER_S)
    except (OSError, ValueError):
        raise CorpusError(f"--dask {dask}: no Dask scheduler answers there") from None
    with client, joblib.parallel_config("dask"):
        yield


def trim(samples: Array) -> Array:
    """Without the silence, 40 dB below the loudest 20 ms, at both ends."""
    size = SAMPLE_RATE // 50
    count = len(samples) // size
    if count == 0:
        return samples
    power = np.square(samples[: count * size].reshape(count, size)).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-TRIM_DB / 10))
    return samples[loud[0] * size : (loud[-1] + 1) * size] if len(loud) else samples


def disturb(samples: Array, background: Array | None, length: int, rng: np.random.Generator) -> Array:
    """A window of a recording as it might sound elsewhere: in a room, before other sound, by another microphone.

    Args:
        samples: what is to be recognised.
        background: what may sound behind it.
        length: samples of the window.
        rng: dice.
    """
    start = int(rng.integers(0, max(1, len(samples) - length + 1)))
    part = samples[start : start + length]
    if background is None or rng.random() < 0.3:
        return record(colour(part, rng), rng)
    front = np.zeros(length, np.float32)
    place = int(rng.integers(0, length - len(part) + 1))
    front[place : place + len(part)] = part
    behind = np.resize(np.roll(background, -int(rng.integers(len(background)))), length)
    return record(mix(colour(front, rng), behind, float(rng.uniform(0, 30))), rng)


def hear(
    clips: Sequence[Clip],
    parts: Sequence[object],
    features: Sequence[Features],
    cutting: Cutting,
    cache: Path,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Heard]:
    """Features of all windows of all recordings, as `workers` says, from the cache where they are there.

    Args:
        clips: the recordings.
        parts: of each, which part of the data it is of: what sounds behind it is of the same part.
        features: what is looked at.
        cutting: see there.
        cache: folder for the results.
        tick: is told how many batches are done, and of how many.

    Returns:
        by name of the features.

    Raises:
        CorpusError: a recording that cannot be decoded.
    """
    tasks = _tasks(clips, parts, cutting)
    batches = [tasks[start : start + BATCH] for start in range(0, len(tasks), BATCH)]
    cache.mkdir(parents=True, exist_ok=True)
    places = [
        {each.name: cache / f"{each.name}-{_key(batch, each, cutting)}.npz" for each in features} for batch in batches
    ]
    missing = [number for number, files in enumerate(places) if not all(file.exists() for file in files.values())]
    work = (
        joblib.delayed(_extract)(batches[n], [each for each in features if not places[n][each.name].exists()], cutting)
        for n in missing
    )
    tick(len(batches) - len(missing), len(batches))
    try:
        finished = zip(missing, joblib.Parallel(return_as="generator")(work), strict=True)
        for done, (number, found) in enumerate(finished, start=1):
            for name, arrays in found.items():
                keep(places[number][name], arrays)
            tick(len(batches) - len(missing) + done, len(batches))
    except SoundError as error:
        raise unusable(clips, error) from None
    return {each.name: _join([files[each.name] for files in places]) for each in features}


def _tasks(clips: Sequence[Clip], parts: Sequence[object], cutting: Cutting) -> list[_Task]:
    behind: dict[object, list[Path]] = {}
    for clip, part in zip(clips, parts, strict=True):
        if clip.label == "ambient":
            behind.setdefault(part, []).append(clip.path)
    tasks = []
    for clip, part in zip(clips, parts, strict=True):
        seed = int.from_bytes(
            hashlib.sha256(f"{cutting.seed}|{clip.group}|{clip.path.name}".encode()).digest()[:4], "big"
        )
        choice = behind.get(part)
        copies = cutting.screams if clip.label == "scream" else cutting.others
        tasks.append(_Task(clip.path, choice[seed % len(choice)] if choice else None, copies, seed))
    return tasks


def _key(batch: Sequence[_Task], features: Features, cutting: Cutting) -> str:
    digest = hashlib.sha256(f"{VERSION}|{features.name}|{features.window}|{cutting}".encode())
    for task in batch:
        try:
            state = task.path.stat()
        except OSError:
            raise CorpusError(f"{task.path}: no such file") from None
        digest.update(f"{task}|{state.st_size}|{state.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _extract(
    batch: Sequence[_Task], features: Sequence[Features], cutting: Cutting
) -> dict[str, dict[str, NDArray[Any]]]:
    rows: dict[str, list[NDArray[Any]]] = {each.name: [] for each in features}
    kinds: dict[str, list[tuple[int, bool, bool]]] = {each.name: [] for each in features}
    for number, task in enumerate(batch):
        samples = read_clip(task.path)
        short = trim(samples)
        background = None if task.background is None else read_clip(task.background)
        for each in features:
            for part, learned in _plain(samples, each.window, cutting):
                rows[each.name].append(each.extract(part))
                kinds[each.name].append((number, True, learned))
            rng = np.random.default_rng(task.seed)
            for _ in range(task.copies):
                usable = background if background is not None and len(background) else None
                rows[each.name].append(each.extract(disturb(short, usable, each.window, rng)))
                kinds[each.name].append((number, False, True))
    return {name: _arrays(rows[name], kinds[name], len(batch)) for name in rows}


def _arrays(rows: list[NDArray[Any]], kinds: list[tuple[int, bool, bool]], size: int) -> dict[str, NDArray[Any]]:
    clips, judged, learned = zip(*kinds, strict=True)
    return {
        "x": np.stack(rows),
        "clips": np.asarray(clips, np.int32),
        "judged": np.asarray(judged),
        "learned": np.asarray(learned),
        "size": np.asarray(size),
    }


def _plain(samples: Array, length: int, cutting: Cutting) -> list[tuple[Array, bool]]:
    cut = windows(samples, length)
    if len(cut) > cutting.windows:
        cut = [cut[round(place)] for place in np.linspace(0, len(cut) - 1, cutting.windows)]
    order = np.argsort([-float(np.square(part).sum()) for part in cut], kind="stable")
    loudest = {int(place) for place in order[: cutting.loudest]}
    return [(part, place in loudest) for place, part in enumerate(cut)]


def _join(files: Sequence[Path]) -> Heard:
    parts = []
    first = 0
    for file in files:
        with np.load(file) as kept:
            parts.append({**kept, "clips": kept["clips"] + first})
            first += int(kept["size"])
    x, clips, judged, learned = (
        np.concatenate([part[key] for part in parts]) for key in ("x", "clips", "judged", "learned")
    )
    return Heard(x, clips.astype(np.int32), judged, learned)
