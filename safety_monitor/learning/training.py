"""Trains gestures beside the running station: in a process of its own that detection does not notice.

TensorFlow never gets into the station's process, the training runs on one thread and stands back for everything else,
and a model is put in use only when somebody says so.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from gesture.collection import Collection
from gesture.plan import MotionPlan, SignPlan
from gesture.retrain import QUICK, Retrained, passes, retrain_motions, retrain_signs
from gesture.rows import MOTIONS, SIGNS, CollectionError
from gesture.tables import BASE_DATA, TableError
from models.card import Card, ModelError, read_card
from models.extras import installing
from models.in_use import compare, model_before, roll_back, use
from models.registry import find
from safety_monitor.config import Settings
from safety_monitor.emergency import gestures_lost, loses_an_emergency

PACKAGES = ("tensorflow", "keras", "matplotlib")
"""What a training needs and a station does not."""
NICE = 10
THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
) | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
CANDIDATE, FIGURES, CARD = ".new", "figures.json", "card.md"

Kind = Literal["signs", "motions"]
KINDS: tuple[Kind, Kind] = (SIGNS, MOTIONS)  # type: ignore[assignment]


class TrainingError(Exception):
    """Something that cannot be done; the text is one line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Run:
    """A training that is under way, or has ended.

    Attributes:
        kind: what is trained.
        share: how much of it is done, 0..1.
        text: what it does, for people; how it ended, if it did.
        going: whether it is under way.
        failed: whether it ended without a model.
    """

    kind: Kind
    share: float = 0.0
    text: str = ""
    going: bool = True
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that was trained here and can be put in use.

    Attributes:
        labels: what it knows.
        recall: of what was left out, by label; see `gesture.retrain.Retrained`.
        after: of all examples, by label.
        before: the same of the model that was in use then.
        confusion: how many of each label (row) were taken for each (column).
        in_use: whether it is the model that the next start loads.
        missing: labels that mean an emergency, and that it does not know.
        objections: why it should not take the place of the model in use, a line each; see `Trainings.use`.
    """

    labels: tuple[str, ...]
    recall: Mapping[str, float]
    after: Mapping[str, float]
    before: Mapping[str, float]
    confusion: tuple[tuple[int, ...], ...]
    in_use: bool
    missing: tuple[str, ...] = ()
    objections: tuple[str, ...] = ()


def missing_packages() -> tuple[str, ...]:
    """What has to be installed before anything can be trained; looks without importing."""
    return tuple(name for name in PACKAGES if find_spec(name) is None)


@dataclass(slots=True)
class Trainings:
    """Trains one model at a time; may be used from any thread.

    Attributes:
        settings: of the station.
        run: the newest training; None if there was none since the start.
    """

    settings: Settings
    run: Run | None = None
    _process: "subprocess.Popen[str] | None" = None
    _cancelled: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _changing: threading.Lock = field(default_factory=threading.Lock)
    """Held while another model is put in use."""

    @property
    def home(self) -> Path:
        """Folder of the models that were made here."""
        return self.settings.models_folder

    def start(self, kind: Kind) -> None:
        """Begin to train from the base data and what was collected.

        Raises:
            TrainingError: packages are missing, a training is under way, or the system gives no process for it.
        """
        if missing := missing_packages():
            raise TrainingError(f"training needs {', '.join(missing)}: {installing('train')}")
        with self._lock:
            if self.run is not None and self.run.going:
                raise TrainingError("a training is under way already")
            job = {"home": str(self.settings.home), "kind": kind, "passes": self.settings.training.passes}
            self._cancelled = False
            try:
                self._process = process = subprocess.Popen(
                    [sys.executable, "-m", "safety_monitor.learning.training"],
                    env={**os.environ, **THREADS},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            except OSError as error:  # as in an upgrade, or for want of memory
                raise TrainingError(f"no training can be begun: {error.strerror}") from None
            self.run = Run(kind, text="")
        threading.Thread(target=self._follow, args=(process, job), name="training", daemon=True).start()

    def cancel(self) -> None:
        """End the training that is under way; what was in use stays so."""
        with self._lock:
            self._cancelled = True
            if self._process is not None:
                self._process.kill()

    def _follow(self, process: "subprocess.Popen[str]", job: Mapping[str, Any]) -> None:
        run = Run(job["kind"])
        told: dict[str, Any] = {}
        with process, suppress(OSError, ValueError):
            if process.stdin is not None and process.stdout is not None:
                process.stdin.write(json.dumps(job))
                process.stdin.close()
                for line in process.stdout:
                    if line.startswith("{"):
                        told = json.loads(line)
                        self.run = run = replace(run, share=told.get("share", run.share), text=told.get("text", ""))
        with self._lock:
            self._process = None
            if self._cancelled:
                self.run = replace(run, text="cancelled", going=False, failed=True)
            elif told.get("done"):
                self.run = replace(run, share=1.0, text="", going=False)
            else:
                text = told.get("error") or "it ended in an unforeseen way; there may be too little memory"
                self.run = replace(run, text=text, going=False, failed=True)

    def candidate(self, kind: Kind) -> Candidate | None:
        """The model that was trained last, if there is one."""
        folder = self.home / f"{kind}{CANDIDATE}"
        try:
            card = read_card(folder)
            figures = json.loads((self.home / f"{kind}{CANDIDATE}.{FIGURES}").read_text())
            now = read_card(find(kind, self.home))
        except (ModelError, OSError, ValueError):
            return None
        if figures.get("files") != dict(card.files):  # somebody has trained by the command since
            return None
        in_use = dict(card.files) == dict(now.files)
        return Candidate(
            labels=card.labels,
            recall=figures["recall"],
            after=figures.get("after", {}),
            before=figures["in_use"],
            confusion=tuple(map(tuple, figures["confusion"])),
            in_use=in_use,
            missing=gestures_lost(self.settings.emergency.gestures, kind, card.labels),
            objections=() if in_use else self._objections(kind, card),
        )

    def has_own(self, kind: Kind) -> bool:
        """Whether a model that was made here is in use, so that one can go back."""
        return (self.home / kind / CARD).exists()

    def use(self, kind: Kind, *, force: bool = False) -> None:
        """Put the model that was trained last in use, from the next start on; the one before is kept.

        Args:
            kind: which model.
            force: although it is worse than the one in use, or nobody knows whether it is.

        Raises:
            TrainingError: there is none, it does not know an emergency gesture, the settings name another model, or it
                is worse than the one in use, as `safety-monitor models use` compares them, and that is not forced.
        """
        folder = self.home / f"{kind}{CANDIDATE}"
        try:
            card = read_card(folder)
            self._check(kind, card)
            if not force and (objections := self._objections(kind, card)):
                raise TrainingError(f"it was not put in use: {'; '.join(objections)}")
            with self._changing:
                if self.has_own(kind) and (self.home / kind / CARD).read_bytes() == (folder / CARD).read_bytes():
                    return  # it was asked for twice; what was in use before is still to be kept
                use(self.home, kind, folder)
        except (ModelError, OSError) as error:
            raise TrainingError(str(error)) from None

    def roll_back(self, kind: Kind) -> str:
        """Go back to the model before, from the next start on; says which that is.

        Raises:
            TrainingError: there is none, or it does not know an emergency gesture.
        """
        try:
            with self._changing:
                self._check(kind, read_card(model_before(self.home, kind)))
                return roll_back(self.home, kind)
        except (ModelError, OSError) as error:
            raise TrainingError(str(error)) from None

    def _check(self, kind: Kind, card: Card) -> None:
        named = self.settings.models_named[kind]
        if named != kind:
            raise TrainingError(f"the settings name another model: seeing.{kind} is {named}")
        if lost := gestures_lost(self.settings.emergency.gestures, kind, card.labels):
            raise TrainingError(loses_an_emergency(lost))

    def _objections(self, kind: Kind, card: Card) -> tuple[str, ...]:
        """In what a model is worse than the one in use, or why that cannot be said; a line each."""
        try:
            return compare(card, read_card(find(kind, self.home))).worse
        except ModelError as error:
            return (str(error),)


def train_candidate(
    settings: Settings,
    kind: str,
    collection: Collection,
    *,
    signs: SignPlan = QUICK,
    motions: MotionPlan | None = None,
    base: Path | None = None,
    in_use: str = "",
    progress: Callable[[str], None],
) -> Retrained:
    """Train beside what is in use; the candidate before stays until the new one is there.

    Args:
        settings: of the station.
        kind: "signs" or "motions".
        collection: what was collected.
        signs: how signs are trained.
        motions: how movements are trained; None: as those that ship.
        base: table of base data; None: the one that ships.
        in_use: name of the model in use; empty: `kind`.
        progress: told a line at a time.

    Raises:
        TrainingError: another training is under way.
        CollectionError: see `gesture.retrain`.
        TableError: see there.
    """
    home, base = settings.models_folder, base or BASE_DATA / f"{kind}.csv.gz"
    target, coming = home / f"{kind}{CANDIDATE}", home / f"{kind}.training"
    home.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(home / ".training.lock", timeout=0):
            shutil.rmtree(coming, ignore_errors=True)
            if kind == SIGNS:
                result = retrain_signs(
                    collection, coming, home, signs, base, progress, settings.feedback_folder, in_use or kind
                )
            else:
                result = retrain_motions(collection, coming, home, motions, base, progress, in_use or kind)
            shutil.rmtree(target, ignore_errors=True)
            coming.rename(target)
    except Timeout:
        raise TrainingError("another training is under way") from None
    return replace(result, folder=target)


def train(home: Path, kind: Kind, most_passes: int, tell: Callable[[float, str], None]) -> None:
    """Train beside what is in use, and leave the model and its figures as the candidate.

    Raises:
        TrainingError: it cannot be trained; the candidate before is kept.
    """
    places = Settings(home=home)
    signs, motions = replace(QUICK, epochs=most_passes), MotionPlan(epochs=most_passes)
    every, done = passes(signs if kind == SIGNS else motions), 0

    def progress(line: str) -> None:
        nonlocal done
        done += ", pass " in line
        tell(min(done / every, 0.99), line)

    collection = Collection(places.gestures_folder)
    try:
        result = train_candidate(places, kind, collection, signs=signs, motions=motions, progress=progress)
        write_figures(result)
    except (CollectionError, TableError, ModelError, OSError) as error:
        raise TrainingError(str(error)) from None
    except ModuleNotFoundError as error:
        raise TrainingError(f"training needs {error.name}: {installing('train')}") from None


def write_figures(result: Retrained) -> None:
    """Keep what a training has measured beside its model, and of which model that is."""
    folder = result.folder
    figures = asdict(result) | {"folder": folder.name, "files": dict(read_card(folder).files)}
    folder.with_name(f"{folder.name}.{FIGURES}").write_text(json.dumps(figures))


def main() -> None:
    """The process: a job on standard input, lines of JSON on standard output."""
    job = json.loads(sys.stdin.read())
    os.nice(NICE)
    with suppress(OSError):  # Linux only: if memory is short it is the first to go
        Path("/proc/self/oom_score_adj").write_text("1000")

    def tell(share: float, text: str) -> None:
        print(json.dumps({"share": share, "text": text}), flush=True)

    try:
        train(Path(job["home"]), job["kind"], job["passes"], tell)
    except TrainingError as error:
        print(json.dumps({"error": str(error)}), flush=True)
    else:
        print(json.dumps({"done": True, "share": 1.0}), flush=True)


if __name__ == "__main__":
    main()
