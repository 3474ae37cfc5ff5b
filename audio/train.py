"""Trains the scream model that ships: `python -m audio.train --data ../shared/data/audio`.

Every step is kept in a cache folder, so that an interrupted run goes on where it stopped:

1. The corpus is decoded and dealt to folds by source.
2. Examples are composed, a part at a time, each of one fold only (`audio.examples`).
3. For each fold a network learns from the other folds' examples and judges the fold's recordings: sources it has never
   heard. All figures, the calibration and the threshold come from these.
4. The networks that ship learn from all examples; their mean is the model.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
from numpy.typing import NDArray

from audio.capture import SoundError, read_clip
from audio.corpus import LABELS, Clip, CorpusError, folds, read_corpus
from audio.detector import DECISION, OPERATING_POINT, VERDICT_WINDOWS, Persistence
from audio.evaluate import RATES, Figures, figures
from audio.examples import PART, Examples, Pool, Sound, Teacher, compose_part, fingerprint, load, save, windows
from audio.features import describe, picture
from models.card import Card, write_card
from models.runtime import TFLiteModel

if TYPE_CHECKING:
    from audio.network import Recipe

Array = NDArray[np.float32]

log = logging.getLogger(__name__)

FALSE_CLIPS = 0.01
"""The operating point: the threshold lets through so many of the other recordings, of sources never heard."""
RISE, FALL, LIMIT = 0.6, 0.25, 6.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides about a training besides the recordings.

    Attributes:
        parts: how many parts of `examples.PART` examples are composed.
        folds: into how many the sources are dealt.
        epochs: passes over the examples, for each of the networks that make up the model: every other one has
            separable convolutions beside its plain ones.
    """

    parts: int = 75
    folds: int = 3
    epochs: tuple[int, ...] = (3, 5)


DEFAULT = Plan()


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of whole recordings as the running detector makes them.

    Attributes:
        images: float16 of shape (n, 96, 64).
        facts: float32 of shape (n, DESCRIPTION).
        clips: int32 of shape (n,), in rising order: the recording a window is of.
    """

    images: NDArray[np.float16]
    facts: Array
    clips: NDArray[np.int32]


def teacher_of(path: Path) -> Teacher:
    """The scores of another network as logits: YAMNet takes 15,600 samples and gives 521 probabilities."""
    model = TFLiteModel(path)

    def score(samples: Array) -> Array:
        probabilities = np.clip(model(samples[None])[0][0], 1e-5, 1 - 1e-5)
        return np.asarray(np.log(probabilities / (1 - probabilities)), np.float32)

    return score


def read_sounds(clips: Sequence[Clip], cache: Path, jobs: int) -> list[Sound]:
    """Every clip decoded; kept in the cache as one file.

    Raises:
        CorpusError: a recording that cannot be decoded.
    """
    path = cache / f"sounds-{fingerprint(clips)}.npz"
    if not path.exists():
        try:
            decoded = joblib.Parallel(n_jobs=jobs)(joblib.delayed(_decode)(clip.path) for clip in clips)
        except SoundError as error:
            raise CorpusError(str(error)) from None
        lengths = np.asarray([len(each) for each in decoded])
        _save(path, {"samples": np.concatenate(decoded), "lengths": lengths})
    kept = np.load(path)
    ends = np.cumsum(kept["lengths"])
    return [Sound(clip, part) for clip, part in zip(clips, np.split(kept["samples"], ends[:-1]), strict=True)]


def _decode(path: Path) -> NDArray[np.int16]:
    return np.round(np.clip(read_clip(path), -1, 1) * 32767).astype(np.int16)


def _save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, allow_pickle=False, **arrays)
    partial.rename(path)


def compose_parts(
    sounds: Sequence[Sound], fold_of: dict[str, int], plan: Plan, teacher: Path | None, cache: Path, jobs: int
) -> list[Path]:
    """All parts of examples, part i of fold i modulo folds, composed where they are not in the cache yet."""
    clips = [sound.clip for sound in sounds]
    folder = cache / f"parts-{fingerprint(clips, plan.folds, teacher is not None, PART)}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04}.npz" for number in range(plan.parts)]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    for fold in range(plan.folds):
        own = [sound for sound in sounds if fold_of[sound.clip.source] == fold]
        numbers = [number for number in missing if number % plan.folds == fold]
        log.info("fold %d: composing %d parts of %d examples", fold, len(numbers), PART)
        joblib.Parallel(n_jobs=jobs)(
            joblib.delayed(_compose)(own, fold, number, teacher, paths[number]) for number in numbers
        )
    return paths


def _compose(sounds: list[Sound], fold: int, seed: int, teacher: Path | None, path: Path) -> None:
    save(compose_part(Pool(sounds), fold, seed, None if teacher is None else teacher_of(teacher)), path)


def cut_windows(sounds: Sequence[Sound], cache: Path, jobs: int) -> Windows:
    """Every window of every recording, `DECISION` frames apart; kept in the cache."""
    path = cache / f"windows-{fingerprint([sound.clip for sound in sounds], DECISION)}.npz"
    if not path.exists():
        cut = joblib.Parallel(n_jobs=jobs)(joblib.delayed(_cut)(sound.samples) for sound in sounds)
        _save(
            path,
            {
                "images": np.concatenate([images for images, _ in cut]),
                "facts": np.concatenate([facts for _, facts in cut]),
                "clips": np.repeat(np.arange(len(cut), dtype=np.int32), [len(images) for images, _ in cut]),
            },
        )
    kept = np.load(path)
    return Windows(kept["images"], kept["facts"], kept["clips"])


def _cut(samples: NDArray[np.int16]) -> tuple[NDArray[np.float16], Array]:
    cut = windows((samples / 32768).astype(np.float32), DECISION)
    return np.stack([picture(each) for each in cut]).astype(np.float16), np.stack([describe(each) for each in cut])


def judge_unheard(
    parts: Sequence[Path], judged: Windows, fold_of_clip: NDArray[np.int64], plan: Plan, cache: Path
) -> Array:
    """Logits of every window, by a network that has heard nothing of its source: float32 of shape (n, labels)."""
    from audio.network import fit, scores

    logits = np.zeros((len(judged.clips), len(LABELS)), np.float32)
    for fold in range(plan.folds):
        mine = fold_of_clip[judged.clips] == fold
        others = [part for number, part in enumerate(parts) if number % plan.folds != fold]
        for recipe in _recipes(plan):
            name = f"scores-{parts[0].parent.name}-{plan.parts}-{recipe.seed}-{recipe.epochs}-{fold}.npy"
            if not (cache / name).exists():
                log.info("fold %d: network %d learns from the other folds", fold, recipe.seed)
                network = fit(load(others), recipe, quiet=False)
                np.save(cache / name, scores(network, judged.images[mine], judged.facts[mine]).mean(axis=0))
            logits[mine] += np.load(cache / name) / len(plan.epochs)
    return logits


def _recipes(plan: Plan) -> "list[Recipe]":
    from audio.network import Recipe

    return [
        Recipe(epochs=epochs, seed=number + 1, separable=number % 2 == 0) for number, epochs in enumerate(plan.epochs)
    ]


def scream_odds(logits: Array) -> Array:
    """Log-odds of a scream against everything else, from class logits of shape (n, labels)."""
    rest = np.delete(logits, LABELS.index("scream"), axis=1)
    return np.asarray(logits[:, LABELS.index("scream")] - np.logaddexp.reduce(rest, axis=1), np.float32)


def strongest(odds: Array, clips: NDArray[np.int32], count: int) -> Array:
    """Mean log-odds of the `VERDICT_WINDOWS` strongest windows of each of `count` recordings."""
    starts = np.searchsorted(clips, np.arange(count + 1))
    return np.asarray(
        [np.sort(odds[a:b])[::-1][:VERDICT_WINDOWS].mean() for a, b in pairwise(starts)],
        np.float32,
    )


def persisted(odds: Array, clips: NDArray[np.int32], count: int, persistence: Persistence) -> Array:
    """Highest persisted log-odds of each recording, as the running detector adds windows up."""
    highest = np.full(count, -persistence.limit, np.float32)
    total, current = -persistence.limit, -1
    for value, clip in zip(np.clip(odds, -persistence.limit, persistence.limit), clips, strict=True):
        if clip != current:
            total, current = -persistence.limit, clip
        total += (persistence.rise if value > total else persistence.fall) * (value - total)
        highest[clip] = max(highest[clip], total)
    return highest


def threshold_at(scores: Array, rate: float) -> float:
    """The threshold that lets through at most `rate` of these scores."""
    ordered = np.sort(scores)[::-1]
    allowed = int(rate * len(ordered))
    return float((ordered[max(allowed - 1, 0)] + ordered[allowed]) / 2) if allowed else float(ordered[0])


def temperature(odds: Array, truth: NDArray[np.bool_]) -> float:
    """The scale of log-odds at which their likelihood is greatest (temperature scaling, Guo et al. 2017).

    Both classes count alike: how often people scream in a room is not what the corpus tells.
    """
    weights = np.where(truth, 0.5 / truth.sum(), 0.5 / (~truth).sum())
    scales = np.geomspace(0.1, 3.0, 60)
    losses = [float((weights * np.logaddexp(0, np.where(truth, -odds, odds) * scale)).sum()) for scale in scales]
    return float(scales[int(np.argmin(losses))])


def train_scream(
    data: Path, out: Path, *, teacher: Path | None, cache: Path, plan: Plan = DEFAULT, jobs: int = 2
) -> Card:
    """Train, measure on sources left out, and write the model folder.

    Args:
        data: see `audio.corpus.read_corpus`.
        out: the model folder; its name becomes the model's.
        teacher: YAMNet's TFLite file; None: learn from labels alone.
        cache: folder for everything in between; some 3 GB.
        plan: how much of everything.
        jobs: processes that compose examples.

    Raises:
        CorpusError: data that cannot be used.
    """
    clips = read_corpus(data)
    fold_of = folds(clips, plan.folds)
    cache.mkdir(parents=True, exist_ok=True)
    sounds = read_sounds(clips, cache, jobs)
    parts = compose_parts(sounds, fold_of, plan, teacher, cache, jobs)
    judged = cut_windows(sounds, cache, jobs)
    fold_of_clip = np.asarray([fold_of[clip.source] for clip in clips])
    logits = judge_unheard(parts, judged, fold_of_clip, plan, cache)

    screams = np.asarray([clip.label == "scream" for clip in clips])
    sure = np.asarray([not clip.weak and not clip.disputed for clip in clips])
    odds = scream_odds(logits)
    scale = temperature(strongest(odds, judged.clips, len(clips))[sure], screams[sure])
    by_clip = strongest(odds * scale, judged.clips, len(clips))
    verdict = {"threshold": threshold_at(by_clip[sure & ~screams], FALSE_CLIPS), "slope": 1.0}
    raw = Persistence(rise=RISE, fall=FALL, limit=LIMIT)
    summed = persisted(odds * scale, judged.clips, len(clips), raw)
    persistence = Persistence(RISE, FALL, LIMIT, threshold_at(summed[sure & ~screams], FALSE_CLIPS), 1.0)

    network = _ship(parts, plan, scale, out)
    parameters = {
        "persistence": asdict(persistence),
        "verdict": verdict,
        "scale": scale,
        "plan": asdict(plan),
        "teacher": teacher.name if teacher else "",
    }
    prose = _prose(clips, fold_of, by_clip, summed, persistence, verdict["threshold"], sure, screams, plan, network)
    return write_card(out, task="scream", model_format="tflite", labels=LABELS, parameters=parameters, prose=prose)


def _ship(parts: Sequence[Path], plan: Plan, scale: float, out: Path) -> int:
    """Train on everything and export; gives the file's size in bytes."""
    from audio.network import export, fit

    examples: Examples = load(parts)
    networks = []
    for recipe in _recipes(plan):
        log.info("network %d learns from all %d examples", recipe.seed, len(examples))
        networks.append((fit(examples, recipe, quiet=False), recipe))
    out.mkdir(parents=True, exist_ok=True)
    export(networks, scale, out / "scream.tflite")
    return (out / "scream.tflite").stat().st_size


def _prose(
    clips: Sequence[Clip],
    fold_of: dict[str, int],
    by_clip: Array,
    summed: Array,
    persistence: Persistence,
    verdict: float,
    sure: NDArray[np.bool_],
    screams: NDArray[np.bool_],
    plan: Plan,
    size: int,
) -> str:
    whole = figures(by_clip[sure], screams[sure])
    lines = [
        "# Scream model",
        "",
        f"The mean of {len(plan.epochs)} networks. Each is a convolutional one over a log-mel picture of a second,",
        "joined by a smaller one over numbers that describe a voice (pitch, salience, roughness, spectral shape).",
        "Three classes: scream, conversation, ambient.",
        f"The file has {size / 1e6:.1f} MB.",
        "",
        "## How good it is",
        "",
        f"Judged by leaving sources out ({plan.folds} folds by source: what judges a recording has heard nothing of",
        "its source). Recordings with weak or disputed labels are not counted. What ships learned from",
        "all of them: the same networks, trained on more.",
        "",
        "| | screams | others | AUC | " + " | ".join(f"recall at {rate:.1%} false clips" for rate in RATES) + " |",
        "|---|---|---|---|" + "---|" * len(RATES),
        _row("all sources", whole),
    ]
    sources = np.asarray([clip.source for clip in clips])
    for fold in range(plan.folds):
        mine = sure & np.isin(sources, [source for source, number in fold_of.items() if number == fold])
        if (mine & screams).any() and (mine & ~screams).any():
            lines.append(_row(f"fold {fold + 1}", figures(by_clip[mine], screams[mine])))
    found = float((summed[sure & screams] > persistence.threshold).mean())
    lines += [
        "",
        f"The threshold is set so that {FALSE_CLIPS:.0%} of the other recordings pass it. There the running detector,",
        f"which adds windows up, finds {found:.0%} of the screams, and the verdict on whole files",
        f"{float((by_clip[sure & screams] > verdict).mean()):.0%}. Both are scaled to {OPERATING_POINT:.2f} there.",
        "",
        "Recordings of each source that pass it:",
        "",
        "| source | label | recordings | pass | licence |",
        "|---|---|---|---|---|",
    ]
    labels = np.asarray([clip.label for clip in clips])
    for label in LABELS:
        for source in sorted(set(sources[labels == label])):
            mine = (sources == source) & (labels == label)
            licences = sorted({clip.licence for clip, here in zip(clips, mine, strict=True) if here})
            passed = int((summed[mine] > persistence.threshold).sum())
            lines.append(f"| {source} | {label} | {int(mine.sum())} | {passed} | {', '.join(licences)[:80]} |")
    lines += [
        "",
        "## What it learned from",
        "",
        f"{plan.parts * PART:,} windows composed of the recordings above, mixed with each other at -5 to 30 dB,",
        "through made-up rooms, microphones, band limits and codecs, at peaks from -50 to 0 dBFS; three in ten of the",
        "screams, and some baby cries and tones, are synthesised. A second target was the scores of YAMNet",
        "(Apache-2.0), which is not part of it.",
        "",
        "## Limits",
        "",
        "Few real screams were to be had. Acted and recorded screams are not those of an emergency. Short hoarse death",
        "cries of games and screams with much echo are missed most; baby cries and shrieks of joy come closest to",
        "false alarms. `make models` trains it anew.",
    ]
    return "\n".join(lines)


def _row(name: str, found: Figures) -> str:
    recalls = " | ".join(f"{recall:.2f}" for recall in found.recall.values())
    return f"| {name} | {found.screams} | {found.others} | {found.auc:.4f} | {recalls} |"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="manifest.csv, its folder, or folders of labels")
    parser.add_argument("--teacher", type=Path, help="YAMNet's TFLite file, to learn from its scores as well")
    parser.add_argument("--out", type=Path, default=Path("models/scream"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/hearing"))
    parser.add_argument("--parts", type=int, default=DEFAULT.parts)
    parser.add_argument("--epochs", type=int, nargs="+", default=DEFAULT.epochs, help="one number for each network")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    plan = Plan(parts=given.parts, epochs=tuple(given.epochs))
    try:
        card = train_scream(given.data, given.out, teacher=given.teacher, cache=given.cache, plan=plan, jobs=given.jobs)
    except CorpusError as error:
        parser.exit(2, f"{error}\n")
    print(card.prose)


if __name__ == "__main__":
    main()
