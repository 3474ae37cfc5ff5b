"""What the running detector says of recordings that are played to it, as in the station.

A clip counts as alarmed when its persisted scream probability passes the operating point.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE, Block
from audio.corpus import LABELS, Clip
from audio.detector import OPERATING_POINT, ScreamDetector, ScreamModel, SoundReading, judge_file, load_scream_model
from audio.parallel import Progress, in_portions, silent
from audio.recording import read_clip

Array = NDArray[np.float32]


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


def listen(model: ScreamModel, samples: Array) -> list[SoundReading]:
    """All readings of a recording."""
    detector = ScreamDetector(model)
    return [*detector.feed(Block(samples, 0.0)), *detector.flush()]


def alarms_in(moments: Iterable[tuple[float, float]]) -> Iterator[float]:
    """When the persisted probability passes the operating point, each time after it fell below half of that.

    Args:
        moments: times, and the probability at each (`SoundReading.at_s` and `scream`).
    """
    armed = True
    for at_s, scream in moments:
        if armed and scream >= OPERATING_POINT:
            armed = False
            yield at_s
        armed = armed or scream < OPERATING_POINT / 2


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
        alarms=sum(1 for _ in alarms_in((reading.at_s, reading.scream) for reading in readings)),
        seconds=len(samples) / SAMPLE_RATE,
        windows=np.asarray(windows, np.float32).reshape(-1, len(LABELS)),
    )


def _judge_each(name: str, home: Path | None, clips: list[Clip]) -> list[Judged]:
    model = load_scream_model(name, home)
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
    return in_portions(f"{name}: recordings", partial(_judge_each, name, home), clips, jobs, progress)
