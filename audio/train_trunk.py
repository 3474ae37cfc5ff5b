"""Trains the trunk of the scream model on a GPU: `python -m audio.train_trunk --data … --further … --teacher …`.

It learns from mixtures without end (`audio.mixtures`) what its teacher hears in them (`audio.teacher`), labels play no
part. Keras calculates with what `KERAS_BACKEND` names: "tensorflow" (`tensorflow[and-cuda]` on a machine with
a GPU), "jax" or "torch". What was learned is kept in the cache folder before it is written as a TFLite file, for which
TensorFlow is needed: with another backend the same command is run once again with TensorFlow, for that alone.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from audio.cache import keep
from audio.corpus import Clip, CorpusError, read_corpus
from audio.examples import fingerprint
from audio.mixtures import Bank
from audio.preparation import read_sounds
from audio.teacher import read_weights, teacher_of
from audio.trunk import Learned, TrunkRecipe, export_trunk, fit_trunk

log = logging.getLogger(__name__)


def kept_in(cache: Path, clips: Sequence[Clip], recipe: TrunkRecipe) -> Path:
    """Where in the cache stands what a trunk has learned of recordings; delete it to have it learn anew."""
    return cache / f"trunk-{fingerprint(clips, recipe)}.npz"


def learn(data: Path, further: Path | None, teacher: Path, cache: Path, recipe: TrunkRecipe, jobs: int) -> Path:
    """What a trunk learns of recordings, kept in the cache.

    Args:
        data: recordings that models are judged by, see `audio.corpus.read_corpus`.
        further: other recordings.
        teacher: YAMNet's TFLite file.
        cache: folder for everything in between.
        recipe: see `TrunkRecipe`.
        jobs: processes that read and make up sounds.

    Raises:
        CorpusError: recordings that cannot be used.
        ValueError: the teacher's file is not YAMNet's.
    """
    judged, others = (read_corpus(each) if each else () for each in (data, further))
    path = kept_in(cache, (*judged, *others), recipe)
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        weights = read_weights(teacher)
        sounds, besides = (read_sounds(clips, cache, jobs) if clips else [] for clips in (judged, others))
        bank = Bank(sounds, besides, jobs=jobs)
        log.info("the trunk learns from %d steps of %d windows", recipe.steps, recipe.batch)
        learned = fit_trunk(bank, teacher_of(weights), recipe)
        numbered = {f"{number:03}": values for number, values in enumerate(learned.weights)}
        keep(path, {**numbered, "slope": learned.slope, "offset": np.asarray(learned.offset)})
    return path


def export(learned: Path, recipe: TrunkRecipe, out: Path) -> None:
    """Write what a trunk has learned as a TFLite file."""
    kept = np.load(learned)
    weights = [kept[name] for name in sorted(kept.files) if name.isdigit()]
    export_trunk(Learned(weights, kept["slope"], float(kept["offset"])), recipe, out)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="manifest.csv, its folder, or folders of labels")
    parser.add_argument("--further", type=Path, help="more of the like")
    parser.add_argument("--teacher", type=Path, required=True, help="YAMNet's TFLite file")
    parser.add_argument("--cache", type=Path, default=Path(".cache/hearing"))
    parser.add_argument("--out", type=Path, default=Path(".cache/hearing/trunk.tflite"))
    parser.add_argument("--steps", type=int, default=TrunkRecipe().steps)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    recipe = TrunkRecipe(steps=given.steps)
    try:
        learned = learn(given.data, given.further, given.teacher, given.cache, recipe, given.jobs)
    except (CorpusError, ValueError, OSError) as error:
        parser.exit(2, f"{error}\n")
    if keras.backend.backend() != "tensorflow":
        parser.exit(0, f"{learned}: kept; run this again with KERAS_BACKEND=tensorflow to write {given.out}\n")
    export(learned, recipe, given.out)
    print(f"{given.out}: {given.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
