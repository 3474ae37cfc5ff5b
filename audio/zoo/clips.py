"""Members of the zoo that have been trained: judge whole recordings, or listen live through the detector."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.corpus import LABELS, SCREAM
from audio.features import FRAME, HOP
from audio.zoo.consensus import agree
from audio.zoo.member import Features, Kind, Member
from audio.zoo.table import ZOO
from audio.zoo.yamnet import with_file
from models.card import Card, ModelError, read_card, sha256
from models.estimator import load_estimator
from models.runtime import TFLiteModel

Array = NDArray[np.float32]
Score = Callable[[NDArray[Any]], Array]
"""Features of n windows in, probabilities (n, labels) out."""

MEMBERS = "members.csv"
"""In the folder of a consensus: name and SHA-256 of the card of each member, whose folder lies inside."""
_TINY = 1e-7
_LAST_BIT = 1 / 32768


@dataclass(frozen=True, slots=True)
class ClipModel:
    """A member of the zoo that has learned.

    Attributes:
        labels: in the order of its probabilities.
        features: what it looks at.
        score: what it makes of that.
        scale: of the log-probabilities, found on recordings it had not learned from.
        votes: see `Member.votes`.
    """

    labels: tuple[str, ...]
    features: Features
    score: Score
    scale: float = 1.0
    votes: bool = False

    @property
    def window(self) -> int:
        """Samples that one look takes in."""
        return self.features.window

    def judge(self, extracted: NDArray[Any]) -> Array:
        """Calibrated probabilities of windows, float32 of shape (n, labels), from their features."""
        return softmax(np.log(np.maximum(self.score(extracted), _TINY)) * self.scale)

    def predict_proba(self, clips: Sequence[Array]) -> Array:
        """Probabilities of recordings of any length, float32 of shape (clips, labels)."""
        results = []
        for clip in clips:
            looks = [self.features.extract(part) for part in windows(clip, self.window)]
            results.append(pool(self.judge(np.stack(looks)), votes=self.votes))
        return np.stack(results) if results else np.zeros((0, len(self.labels)), np.float32)

    def listen(self) -> "ClipStream":
        """A fresh ear for one source."""
        return ClipStream(self.window, lambda samples: self.judge(self.features.extract(samples)[None])[0])


@dataclass(frozen=True, slots=True)
class Consensus:
    """Several models that must agree.

    Attributes:
        members: the models.
    """

    members: tuple[ClipModel, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of its probabilities."""
        return LABELS

    @property
    def window(self) -> int:
        """Samples that one look takes in."""
        return max(member.window for member in self.members)

    def predict_proba(self, clips: Sequence[Array]) -> Array:
        """Probabilities of recordings of any length, float32 of shape (clips, labels)."""
        return agree([member.predict_proba(clips) for member in self.members])

    def listen(self) -> "ClipStream":
        """A fresh ear for one source."""

        def judge(samples: Array) -> Array:
            votes = [member.predict_proba([samples[-member.window :]]) for member in self.members]
            return np.asarray(agree(votes)[0])

        return ClipStream(self.window, judge)


class ClipStream:
    """Keeps the newest window of one source.

    Args:
        window: samples.
        judge: at most so many samples -> probabilities.
    """

    def __init__(self, window: int, judge: Callable[[Array], Array]) -> None:
        self._window = window
        self._judge = judge
        self._kept = np.zeros(0, np.float32)
        self.traits: Array | None = None

    def take(self, step: Array) -> None:
        """Another step of sound, of which nothing is to be said; see `hear`."""
        fresh = step[FRAME - HOP :] if len(self._kept) else step
        self._kept = np.concatenate([self._kept, fresh])[-self._window :]

    def hear(self, step: Array) -> Array | None:
        """The classes after another step of sound; None where there is nothing but the last bit of 16.

        Args:
            step: the newest samples, the first `FRAME - HOP` of them known from the step before.
        """
        self.take(step)
        return None if float(np.abs(self._kept).max()) <= _LAST_BIT else self._judge(self._kept)


def softmax(logs: NDArray[Any]) -> Array:
    """Probabilities in each row from their logarithms, or from margins: the softmax, float32 of shape (n, labels)."""
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float32)


def windows(samples: Array, length: int) -> list[Array]:
    """A recording as windows, each half a window after the one before; the last ends with it."""
    if len(samples) <= length:
        return [samples if len(samples) else np.zeros(1, np.float32)]
    starts = [*range(0, len(samples) - length, length // 2), len(samples) - length]
    return [samples[start : start + length] for start in starts]


def pool(chances: Array, *, votes: bool) -> Array:
    """One judgement of a recording from those of its windows: their mean, or the one most like a scream."""
    if votes:
        return np.asarray(chances.mean(axis=0), np.float32)
    return np.asarray(chances[chances[:, SCREAM].argmax()], np.float32)


def estimator_score(estimator: Any) -> Score:
    """Probabilities of a scikit-learn estimator; a machine without any has its margins compared."""

    def score(extracted: NDArray[Any]) -> Array:
        if hasattr(estimator, "predict_proba"):
            return np.asarray(estimator.predict_proba(extracted), np.float32)
        return softmax(np.asarray(estimator.decision_function(extracted), np.float32))

    return score


def network_score(network: TFLiteModel) -> Score:
    """Probabilities of an exported network."""
    return lambda extracted: np.asarray(network(np.asarray(extracted, np.float32))[0], np.float32)


def as_it_is(extracted: NDArray[Any]) -> Array:
    """The probabilities of a member that looks through a network already."""
    return np.asarray(extracted, np.float32)


def clip_model(member: Member, score: Score, scale: float = 1.0) -> ClipModel:
    """A model of a member of the zoo."""
    return ClipModel(LABELS, member.features, score, scale, member.votes)


def open_clip_model(folder: Path, card: Card) -> ClipModel | Consensus:
    """The model of a checked card that a member of the zoo was saved with.

    Args:
        folder: where its files are.
        card: names the member under `parameters.member`.

    Raises:
        ModelError: it does not fit this program, or is damaged.
    """
    member = ZOO.get(str(card.parameters.get("member")))
    if member is None:
        raise ModelError(f"{folder}: '{card.parameters.get('member')}' is no member of the zoo: {', '.join(ZOO)}")
    if card.labels != LABELS:
        raise ModelError(f"{folder}: its labels must be {', '.join(LABELS)}")
    if member.kind is Kind.CONSENSUS:
        return Consensus(tuple(_parts(folder)))
    suffix = ".skops" if member.kind is Kind.ESTIMATOR else ".tflite"
    files = [folder / file for file in card.files if file.endswith(suffix)]
    if len(files) != 1:
        raise ModelError(f"{folder}: needs one {suffix} file")
    try:
        if member.kind is Kind.GIVEN:
            member = with_file(files[0])
        model = clip_model(member, _score(member.kind, files[0]), float(card.parameters["scale"]))
        shape = model.predict_proba([np.zeros(member.features.window, np.float32)]).shape
    except (KeyError, TypeError, ValueError, RuntimeError, IndexError, AttributeError):
        raise ModelError(f"{folder}: does not take what {member.name} looks at, or its card lacks the scale") from None
    if shape != (1, len(LABELS)):
        raise ModelError(f"{folder}: gives {shape[-1]} probabilities for {len(LABELS)} labels")
    return model


def _score(kind: Kind, file: Path) -> Score:
    if kind is Kind.GIVEN:
        return as_it_is
    return estimator_score(load_estimator(file)) if kind is Kind.ESTIMATOR else network_score(TFLiteModel(file))


def _parts(folder: Path) -> list[ClipModel]:
    """The members of a consensus, each in a folder of its own inside; `MEMBERS` vouches for their cards."""
    try:
        with (folder / MEMBERS).open(encoding="utf-8", newline="") as file:
            digests = {row["name"]: row["sha256"] for row in csv.DictReader(file)}
        places = {name: folder / Path(name).name for name in digests}
    except (OSError, UnicodeDecodeError, KeyError, TypeError):
        raise ModelError(f"{folder}: its {MEMBERS} is missing or malformed") from None
    models = []
    for name, place in places.items():
        card = read_card(place)
        if sha256(place / "card.md") != digests[name]:
            raise ModelError(f"{place}: is not the member that the consensus was made of")
        model = open_clip_model(place, card)
        if isinstance(model, Consensus):
            raise ModelError(f"{place}: is a consensus itself")
        models.append(model)
    if not models:
        raise ModelError(f"{folder}: its {MEMBERS} names no model")
    return models
