"""What decides about a training, and where its work is done."""

from dataclasses import dataclass, field
from pathlib import Path

from audio.parallel import Progress, silent
from audio.zoo.consensus import DEFAULT
from audio.zoo.segments import Cutting


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides about a training besides its recordings; the same plan and data give the same model.

    Attributes:
        folds: into how many the sources are dealt; 0: 70/15/15 by group.
        epochs: of a network, at most.
        patience: epochs without improvement before a network stops.
        listened: at most so many recordings without a scream are played to the detector to find the threshold.
        cutting: how recordings are cut and disturbed.
        members: of a consensus.
    """

    folds: int = 0
    epochs: int = 20
    patience: int = 4
    listened: int = 300
    cutting: Cutting = field(default_factory=Cutting)
    members: tuple[str, ...] = DEFAULT

    @property
    def seed(self) -> int:
        """Of every dice."""
        return self.cutting.seed


@dataclass(frozen=True, slots=True)
class Desk:
    """Where and how work is done.

    Attributes:
        cache: folder for everything in between.
        jobs: processes.
        dask: address of a Dask scheduler, instead of processes here.
        given: a TFLite file that somebody else trained (YAMNet's).
        home: a folder with further models.
        feedback: a folder of clips that people marked, see `audio.corpus.read_feedback`.
        tick: progress.
        in_use: folder of the model in use, which a new one is compared with.
    """

    cache: Path
    jobs: int = 1
    dask: str | None = None
    given: Path | None = None
    home: Path | None = None
    feedback: Path | None = None
    tick: Progress = silent
    in_use: Path | None = None
