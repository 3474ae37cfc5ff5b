"""Everything that training looks at, kept in a cache folder, so that an interrupted run goes on where it stopped."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from audio.blocks import SoundError
from audio.cache import keep
from audio.corpus import Clip
from audio.detector import DECISION, QUIET_DB
from audio.examples import PART, VERSION, Pool, Sound, compose_part, fingerprint, save, windows
from audio.features import describe, picture
from audio.recording import read_clip
from audio.unusable import unusable
from models.card import sha256
from models.runtime import TFLiteModel

Array = NDArray[np.float32]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of whole recordings as the running detector makes them.

    Attributes:
        name: that of nothing else in the cache.
        images: float16 of shape (n, 96, 64).
        facts: float32 of shape (n, DESCRIPTION).
        clips: int32 of shape (n,), in rising order: the recording a window is of.
        quiet: bool of shape (n,): holds nothing, the running detector does not judge it.
    """

    name: str
    images: NDArray[np.float16]
    facts: Array
    clips: NDArray[np.int32]
    quiet: NDArray[np.bool_]


def read_sounds(clips: Sequence[Clip], cache: Path, jobs: int) -> list[Sound]:
    """Every clip decoded; kept in the cache as one file.

    Raises:
        CorpusError: a recording that cannot be decoded.
    """
    path = cache / f"sounds-{fingerprint(clips)}.npz"
    if not path.exists():
        log.info("reading %d recordings", len(clips))
        try:
            decoded = joblib.Parallel(n_jobs=jobs)(joblib.delayed(_decode)(clip.path) for clip in clips)
        except SoundError as error:
            raise unusable(clips, error) from None
        lengths = np.asarray([len(each) for each in decoded])
        keep(path, {"samples": np.concatenate(decoded), "lengths": lengths})
    kept = np.load(path)
    ends = np.cumsum(kept["lengths"])
    return [Sound(clip, part) for clip, part in zip(clips, np.split(kept["samples"], ends[:-1]), strict=True)]


def _decode(path: Path) -> NDArray[np.int16]:
    return np.round(np.clip(read_clip(path), -1, 1) * 32767).astype(np.int16)


def compose_parts(sounds: Sequence[Sound], parts: int, cache: Path, jobs: int) -> list[Path]:
    """So many parts of examples, composed where they are not in the cache yet."""
    clips = [sound.clip for sound in sounds]
    folder = cache / f"parts-{fingerprint(clips, VERSION)}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04}.npz" for number in range(parts)]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    log.info("composing %d parts of %d examples", len(missing), PART)
    work = (joblib.delayed(_compose)(sounds, number, paths[number]) for number in missing)
    for done, _ in enumerate(joblib.Parallel(n_jobs=jobs, return_as="generator")(work), start=1):
        log.info("composed %d of %d parts", done, len(missing))
    return paths


def _compose(sounds: Sequence[Sound], seed: int, path: Path) -> None:
    save(compose_part(Pool(sounds), seed), path)


def cut_windows(sounds: Sequence[Sound], cache: Path, jobs: int, *heard_as: object) -> Windows:
    """Every window of every recording, `DECISION` frames apart; kept in the cache.

    Args:
        sounds: the recordings.
        cache: folder for it.
        jobs: processes.
        heard_as: what besides the files decides about how they sound.
    """
    path = cache / f"windows-{fingerprint([sound.clip for sound in sounds], DECISION, VERSION, *heard_as)}.npz"
    if not path.exists():
        log.info("describing every window of %d recordings", len(sounds))
        cut = joblib.Parallel(n_jobs=jobs)(joblib.delayed(_cut)(sound.samples) for sound in sounds)
        images, facts, quiet = (np.concatenate(each) for each in zip(*cut, strict=True))
        clips = np.repeat(np.arange(len(cut), dtype=np.int32), [len(each[0]) for each in cut])
        keep(path, {"images": images, "facts": facts, "clips": clips, "quiet": quiet})
    kept = np.load(path)
    return Windows(path.stem, kept["images"], kept["facts"], kept["clips"], kept["quiet"])


def _cut(samples: NDArray[np.int16]) -> tuple[NDArray[np.float16], Array, NDArray[np.bool_]]:
    cut = windows((samples / 32768).astype(np.float32), DECISION)
    return (
        np.stack([picture(each) for each in cut]).astype(np.float16),
        np.stack([describe(each) for each in cut]),
        np.asarray([float(each.mel.max()) < QUIET_DB for each in cut]),
    )


def listen(trunk: Path, images: Iterable[NDArray[Any]], cache: Path, name: str) -> Array:
    """What a trunk makes of pictures, kept in the cache under this name: float32 of shape (n, HEARD)."""
    path = cache / f"{name}-{sha256(trunk)[:12]}.npz"
    if not path.exists():
        log.info("the trunk listens to all of it")
        network = TFLiteModel(trunk, threads=2)
        batches = (each[start : start + 64] for each in images for start in range(0, len(each), 64))
        heard = [network(batch.astype(np.float32))[0].astype(np.float16) for batch in batches]
        keep(path, {"heard": np.concatenate(heard)})
    return np.asarray(np.load(path)["heard"], np.float32)
