"""What the microphone says: blocks of samples in, readings out."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audio.blocks import SAMPLE_RATE, Block
from audio.features import FRAME, HOP, WINDOW, Frames, describe, frames, picture, silence
from audio.zoo.clips import open_clip_model
from models.card import Card, ModelError
from models.registry import open_card
from models.runtime import TFLiteModel

Array = NDArray[np.float32]

DECISION = 16
"""Frames between decisions: one every 0.16 s."""
STEP = DECISION * HOP
"""Samples between decisions."""
OVERLAP = FRAME - HOP
"""Samples that the frames of one step share with those of the step before."""
QUIET_DB = -60.0
"""A window whose mel bands all stay below this holds nothing but the last bit of 16."""
VERDICT_WINDOWS = 6
"""A file is judged by so many of its windows, the strongest."""
OVERVIEW_WINDOWS = 10
"""For the second opinion on a recording so many of its windows count, those most like a scream to the trunk."""
RECENT_WINDOWS, RECENT_OVERVIEW = 12, 3
"""The running detector has a second opinion on so many windows, the newest: two seconds. So many of them count."""
TRUNK_FILE, HEAD_FILE, RECENT_FILE, VERDICT_FILE = "trunk.tflite", "head.tflite", "recent.tflite", "verdict.tflite"
"""What hears, what decides about a window, and what has a second opinion on the newest ones and on a recording."""
OPERATING_POINT = 0.80
"""`SoundReading.scream` at the threshold with which the detector ships."""


@dataclass(frozen=True, slots=True)
class SoundReading:
    """What hearing says of one window of sound.

    Attributes:
        start_s: source clock at the window's first sample.
        at_s: source clock at the window's end: the moment the reading speaks of.
        label: the likeliest class of the window.
        probabilities: calibrated, by label; they sum to 1.
        scream: persisted scream probability in 0..1, after smoothing over windows. This is what fusion judges, and
            0.80 is the operating point the detector ships with.
        level_dbfs: level of the newest hop, RMS in dB below full scale.
        gated: whether there was next to nothing to be heard, so that the model was not asked.
        traits: what a second opinion rests on, see `Stream.traits`.
    """

    start_s: float
    at_s: float
    label: str
    probabilities: Mapping[str, float]
    scream: float
    level_dbfs: float
    gated: bool = False
    traits: Array | None = field(default=None, compare=False, repr=False)


class Stream(Protocol):
    """What a classifier keeps of one source.

    Attributes:
        traits: of the newest window, float32 of shape (n,), the last of them the higher the more it is like a scream;
            None where the classifier has none.
    """

    traits: Array | None

    def take(self, step: Array) -> None:
        """Another step of sound, of which nothing is to be said; see `hear`."""

    def hear(self, step: Array) -> Array | None:
        """The classes of the newest window, after another step of sound.

        Args:
            step: `STEP` + `OVERLAP` samples, the first `OVERLAP` of them the last of the step before.

        Returns:
            calibrated probabilities, float32 of shape (labels,), sum 1; None where there is nothing to be heard.
        """


class Classifier(Protocol):
    """Whatever tells classes of sound apart: the one that ships, and the members of the zoo."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Its classes, "scream" and "ambient" among them."""

    @property
    def window(self) -> int:
        """Samples at `SAMPLE_RATE` that one decision looks at."""

    def predict_proba(self, clips: Sequence[Array]) -> Array:
        """Calibrated probabilities of whole recordings, float32 of shape (clips, labels), rows of sum 1.

        Args:
            clips: float32 samples, recordings of any length.
        """

    def listen(self) -> Stream:
        """A fresh ear for one source."""


@dataclass(frozen=True, slots=True)
class Persistence:
    """How evidence of single windows adds up: a leaky sum of log-odds, fast to rise and slow to fall.

    Attributes:
        rise: share of a stronger window that is taken over at once, 0..1.
        fall: the same of a weaker window; less than `rise`, so that a scream that flutters stays one.
        limit: log-odds of a single window are cut at plus and minus this.
        threshold: log-odds of the sum, with the second opinion, at the operating point.
        slope: how steeply `SoundReading.scream` passes the operating point.
        share: weight of the second opinion on the newest windows, see `with_opinion`.
    """

    rise: float = 0.5
    fall: float = 0.25
    limit: float = 6.0
    threshold: float = 0.0
    slope: float = 1.0
    share: float = 0.0

    @property
    def highest(self) -> float:
        """What `SoundReading.scream` stays below, however clearly somebody screams."""
        return self.probability(self.limit)

    def step(self, sum_so_far: float, scream: float) -> float:
        """The sum after one more window.

        Args:
            scream: the window's scream probability.
        """
        return self.add(sum_so_far, float(np.clip(log_odds(scream), -self.limit, self.limit)))

    def add(self, sum_so_far: float, odds: float) -> float:
        """The sum after one more window of these log-odds, which lie within the limit."""
        return sum_so_far + (self.rise if odds > sum_so_far else self.fall) * (odds - sum_so_far)

    def with_opinion(self, log_odds_sum: float, opinion: float) -> float:
        """The sum with the second opinion, in log-odds. It only speaks against a scream: one window is never enough."""
        return log_odds_sum + self.share * min(opinion, 0.0)

    def probability(self, log_odds_sum: float) -> float:
        """The sum, with the opinion, as a probability that is `OPERATING_POINT` exactly at the threshold."""
        return at_operating_point(self.slope * (log_odds_sum - self.threshold))


@dataclass(frozen=True, slots=True)
class Opinion:
    """A second opinion: what several windows together are like.

    Attributes:
        network: the overview of windows (1, n) in, log-odds (1, 1) out.
        most: windows of an overview.
    """

    network: TFLiteModel
    most: int

    def __call__(self, traits: Iterable[Array | None]) -> float:
        """Log-odds that there is a scream in windows of these traits; 0 where nothing is to be heard in any."""
        known = [each for each in traits if each is not None]
        return float(self.network(overview(np.stack(known), self.most)[None])[0][0, 0]) if known else 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the windows of a whole recording become one probability.

    The strongest second speaks: its windows' mean log-odds. A second opinion looks at all of the recording.

    Attributes:
        threshold: log-odds at the operating point.
        slope: how steeply the probability passes the operating point.
        share: weight of the second opinion.
        opinion: None: there is no second opinion.
    """

    threshold: float = 0.0
    slope: float = 1.0
    share: float = 0.0
    opinion: Opinion | None = None

    def probability(self, screams: Sequence[float], traits: Sequence[Array | None]) -> float:
        """Scream probability of a recording.

        Args:
            screams: the scream probability of each window, at least one.
            traits: of each window, see `Stream.traits`.
        """
        score = strongest_second(np.asarray([log_odds(each) for each in screams]))
        if self.opinion is not None:
            score += self.share * self.opinion(traits)
        return at_operating_point(self.slope * (score - self.threshold))


def strongest_second(odds: NDArray[np.floating[Any]]) -> float:
    """Mean of the `VERDICT_WINDOWS` strongest of a recording's windows, at least one."""
    return float(np.sort(odds)[::-1][:VERDICT_WINDOWS].mean())


def overview(traits: Array, most: int) -> Array:
    """The mean of the traits of those windows (k, n) that are most like a scream, so many of them: float32, (n,)."""
    chosen = np.argsort(-traits[:, -1], kind="stable")[:most]
    return np.asarray(traits[chosen].mean(axis=0), np.float32)


def at_operating_point(beyond: float) -> float:
    """The probability that is `OPERATING_POINT` at 0, and so many log-odds beyond it elsewhere."""
    return float(1 / (1 + np.exp(-beyond - log_odds(OPERATING_POINT))))


def log_odds(probability: float) -> float:
    """ln(p / (1 - p)), p kept a millionth away from 0 and 1."""
    safe = min(max(probability, 1e-6), 1 - 1e-6)
    return float(np.log(safe / (1 - safe)))


@dataclass(frozen=True, slots=True)
class FrameClassifier:
    """The classifier that ships: over the log-mel picture and the numbers that describe a voice.

    Attributes:
        labels: in the order of the head's outputs.
        trunk: pictures (1, 96, 64) in, what is heard in them (1, n) out.
        head: descriptions (1, DESCRIPTION) and what the trunk heard in, probabilities (1, labels) out.
        verdict: how the windows of a whole recording become one probability.
    """

    labels: tuple[str, ...]
    trunk: TFLiteModel
    head: TFLiteModel
    verdict: Verdict

    @property
    def window(self) -> int:
        """See `Classifier`."""
        return (WINDOW - 1) * HOP + FRAME

    def judge(self, window: Frames) -> tuple[Array, Array]:
        """Probabilities (labels,) of a window of `WINDOW` frames, and its traits: its description and what is heard."""
        facts, heard = describe(window), self.trunk(picture(window)[None])[0][0]
        return self.head(facts[None], heard[None])[0][0], np.concatenate([facts, heard])

    def predict_proba(self, clips: Sequence[Array]) -> Array:
        """See `Classifier`; the verdict says how likely a scream is, the windows how the rest is shared out."""
        return np.stack([self._judge(clip) for clip in clips])

    def _judge(self, clip: Array) -> Array:
        stream = self.listen()
        scream = self.labels.index("scream")
        nothing = np.asarray([label == "ambient" for label in self.labels], np.float32)
        chances, traits = [], []
        for step in steps(np.concatenate([clip, np.zeros(STEP + OVERLAP, np.float32)])):
            heard = stream.hear(step)
            chances.append(nothing if heard is None else heard)
            traits.append(stream.traits)
        rest = np.maximum(np.mean(chances, axis=0), 1e-6)
        rest[scream] = 0.0
        result = rest / rest.sum()
        probability = self.verdict.probability([float(each[scream]) for each in chances], traits)
        result *= 1 - probability
        result[scream] = probability
        return np.asarray(result, np.float32)

    def listen(self) -> "FrameStream":
        """See `Classifier`."""
        return FrameStream(self)


class FrameStream:
    """The newest window of one source, in frames."""

    def __init__(self, classifier: FrameClassifier) -> None:
        self._classifier = classifier
        self._window = silence(WINDOW)
        self.traits: Array | None = None

    def take(self, step: Array) -> None:
        """See `Stream`."""
        self._window = self._window[DECISION:].then(frames(step))

    def hear(self, step: Array) -> Array | None:
        """See `Stream`."""
        self.take(step)
        if float(self._window.mel.max()) < QUIET_DB:
            self.traits = None
            return None
        chances, self.traits = self._classifier.judge(self._window)
        return chances


@dataclass(frozen=True, slots=True)
class ScreamModel:
    """A classifier, and how its evidence adds up.

    Attributes:
        classifier: tells classes of sound apart.
        persistence: how its windows add up.
        verdict: how the windows of a whole recording become one probability.
        recent: a second opinion on the newest windows; None: there is none.
    """

    classifier: Classifier
    persistence: Persistence
    verdict: Verdict = Verdict()
    recent: Opinion | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The classifier's classes."""
        return self.classifier.labels


def load_scream_model(name: str = "scream", home: Path | None = None) -> ScreamModel:
    """A scream model by name.

    Args:
        name: a model's name, or a path to its folder.
        home: a folder with further models, looked at before the shipped ones.

    Raises:
        ModelError: no such model, a damaged one, or one that does not fit this program.
    """
    folder, card = open_card(name, task="scream", home=home)
    persistence, verdict = persistence_of(folder, card), _verdict(folder, card)
    if "member" in card.parameters:
        return ScreamModel(open_clip_model(folder, card), persistence, verdict)
    recent = _opinion(folder, card, RECENT_FILE, RECENT_OVERVIEW)
    return ScreamModel(_open_frame_classifier(folder, card, verdict, recent), persistence, verdict, recent)


def _open_frame_classifier(folder: Path, card: Card, verdict: Verdict, recent: Opinion | None) -> FrameClassifier:
    if card.format != "tflite":
        raise ModelError(f"{folder}: a {card.format} model is one of the zoo, and its card must name the member")
    if not {TRUNK_FILE, HEAD_FILE} <= set(card.files) or not {"scream", "ambient"} <= set(card.labels):
        needed = f"{TRUNK_FILE}, {HEAD_FILE} and the labels scream and ambient"
        raise ModelError(f"{folder}: does not fit this version, which needs {needed}: train the model anew")
    trunk, head = TFLiteModel(folder / TRUNK_FILE), TFLiteModel(folder / HEAD_FILE)
    classifier = FrameClassifier(card.labels, trunk, head, verdict)
    try:
        chances, traits = classifier.judge(silence(WINDOW))
    except (ValueError, RuntimeError, IndexError):
        raise ModelError(f"{folder}: the networks do not fit this version: train the model anew") from None
    if chances.shape != (len(card.labels),):
        raise ModelError(f"{folder}: the head has {chances.shape[-1]} outputs for {len(card.labels)} labels")
    for opinion, file in ((verdict.opinion, VERDICT_FILE), (recent, RECENT_FILE)):
        if opinion is not None:
            try:
                opinion.network.try_out([(1, len(traits))], 1)
            except ModelError:
                raise ModelError(f"{folder / file}: does not fit this version: train the model anew") from None
    return classifier


def persistence_of(folder: Path, card: Card) -> Persistence:
    """How the evidence of a scream model adds up.

    Raises:
        ModelError: its card does not say.
    """
    try:
        return Persistence(**{key: float(value) for key, value in card.parameters["persistence"].items()})
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ModelError(f"{folder}: the card's parameters.persistence is missing or malformed") from None


def _verdict(folder: Path, card: Card) -> Verdict:
    try:
        numbers = {key: float(value) for key, value in card.parameters["verdict"].items()}
        return Verdict(**numbers, opinion=_opinion(folder, card, VERDICT_FILE, OVERVIEW_WINDOWS))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ModelError(f"{folder}: the card's parameters.verdict is missing or malformed") from None


def _opinion(folder: Path, card: Card, file: str, most: int) -> Opinion | None:
    return Opinion(TFLiteModel(folder / file), most) if file in card.files else None


class ScreamDetector:
    """Listens to one source; belongs to the thread that feeds it.

    However the sound is cut into blocks, the readings are the same. Before the first sample there is silence, so that
    the first reading comes after 0.18 s already.

    Args:
        model: what tells screams from other sounds.

    Attributes:
        every: of so many windows one is judged, on a machine that is too slow for more; the others count as the last
            one did, so that evidence adds up as fast as ever.
    """

    def __init__(self, model: ScreamModel) -> None:
        self._model = model
        self.every = 1
        self._restart(0.0)

    def _restart(self, at_s: float) -> None:
        self._begin_s = at_s
        self._samples = 0
        self._judged = 0
        self._rest = np.zeros(0, np.float32)
        self._stream = self._model.classifier.listen()
        self._sum = -self._model.persistence.limit
        self._last = 0.0
        self._recent: deque[Array | None] = deque(maxlen=RECENT_WINDOWS)

    def feed(self, block: Block) -> list[SoundReading]:
        """Take a block; the readings that became possible with it, oldest first.

        A block that does not follow the last one (by more than a second, or back in time) starts afresh.
        """
        expected = self._begin_s + self._samples / SAMPLE_RATE
        if self._samples == 0 or abs(block.at_s - expected) > WINDOW * HOP / SAMPLE_RATE:
            self._restart(block.at_s)
        return self._take(np.asarray(block.samples, np.float32), len(block.samples))

    def flush(self) -> list[SoundReading]:
        """End of the source: the readings of what has not been judged yet; the detector then starts afresh.

        A source of at least one sample gives at least one reading.
        """
        if self._samples == 0:
            return []
        left = self._samples - self._judged * STEP
        missing = STEP + OVERLAP - left
        readings = self._take(np.zeros(missing, np.float32), 0) if left > 0 and missing > 0 else []
        self._restart(0.0)
        return readings

    def _take(self, samples: Array, real: int) -> list[SoundReading]:
        self._samples += real
        self._rest = np.concatenate([self._rest, samples])
        ready = steps(self._rest)
        self._rest = self._rest[len(ready) * STEP :]
        return [reading for step in ready if (reading := self._judge(step)) is not None]

    def _judge(self, step: Array) -> SoundReading | None:
        self._judged += 1
        if self._judged % self.every:
            self._stream.take(step)
            self._recent.append(None)
            self._sum = self._model.persistence.step(self._sum, self._last)
            return None
        labels = self._model.labels
        chances = self._stream.hear(step)
        gated = chances is None
        if chances is None:
            chances = np.asarray([label == "ambient" for label in labels], np.float32)
        by_label = {label: float(chance) for label, chance in zip(labels, chances, strict=True)}
        self._last = by_label["scream"]
        self._sum = self._model.persistence.step(self._sum, self._last)
        self._recent.append(self._stream.traits)
        told = self._sum
        if self._model.recent is not None:
            told = self._model.persistence.with_opinion(told, self._model.recent(self._recent))
        end = min(self._judged * STEP + OVERLAP, self._samples)
        start = max(0, self._judged * STEP + OVERLAP - self._model.classifier.window)
        return SoundReading(
            start_s=self._begin_s + min(start, end) / SAMPLE_RATE,
            at_s=self._begin_s + end / SAMPLE_RATE,
            label=max(by_label, key=lambda label: by_label[label]),
            probabilities=by_label,
            scream=self._model.persistence.probability(told),
            level_dbfs=10 * float(np.log10(np.square(step[:STEP]).mean() + 1e-12)),
            gated=gated,
            traits=self._stream.traits,
        )


def steps(samples: Array) -> list[Array]:
    """All whole steps of consecutive samples, `STEP` apart, `STEP` + `OVERLAP` long."""
    count = max(0, (len(samples) - OVERLAP) // STEP)
    return [samples[number * STEP : (number + 1) * STEP + OVERLAP] for number in range(count)]


def judge_file(readings: Sequence[SoundReading], model: ScreamModel) -> tuple[float, str]:
    """Scream probability and label of a whole recording.

    Args:
        readings: all of the recording, as `ScreamDetector` gives them.
        model: the one that gave them.

    Returns:
        the probability, at least `OPERATING_POINT` past the model's threshold for files, and the label: "scream" from
        that point on, else the likelier of the others. A recording without readings is ambient.
    """
    if not readings:
        return 0.0, "ambient"
    screams = [reading.probabilities["scream"] for reading in readings]
    probability = model.verdict.probability(screams, [reading.traits for reading in readings])
    if probability >= OPERATING_POINT:
        return probability, "scream"
    others = [label for label in model.labels if label != "scream"]
    return probability, max(others, key=lambda label: sum(reading.probabilities[label] for reading in readings))
