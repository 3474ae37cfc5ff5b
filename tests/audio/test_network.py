from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audio.corpus import LABELS
from audio.examples import Examples
from audio.features import DESCRIPTION, MEL_BANDS, WINDOW
from models.runtime import TFLiteModel

pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install -e '.[train]'")

from audio.network import (
    HeadRecipe,
    TrunkRecipe,
    export_head,
    export_opinion,
    export_trunk,
    fit_head,
    fit_line,
    fit_trunk,
    judge,
)
from audio.train import learn_opinion


def _examples(count: int, teacher: int) -> Examples:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(LABELS), count).astype(np.int8)
    images = rng.uniform(-1, 0, (count, WINDOW, MEL_BANDS))
    images[np.arange(count), :, labels * 20] = 1.0
    facts = rng.normal(0, 1, (count, DESCRIPTION)) + labels[:, None]
    return Examples(
        images.astype(np.float16),
        facts.astype(np.float32),
        labels,
        (labels[:, None] * 2 + rng.normal(0, 0.1, (count, teacher)) - 3).astype(np.float16),
        np.ones(count, np.float32),
        np.zeros((count, 2), np.int16),
    )


def _trunk(examples: Examples, folder: Path) -> tuple[Any, TrunkRecipe]:
    recipe = TrunkRecipe(stem=8, stages=((8, 1), (16, 0)), epochs=3, batch=32, scores=5)
    return fit_trunk(examples, recipe, fast=False, checkpoint=folder), recipe


def _head(heard: NDArray[np.float32], examples: Examples, seed: int) -> Any:
    return fit_head(heard, examples.facts, examples.labels, examples.weights, HeadRecipe(epochs=6, batch=32, seed=seed))


@dataclass(frozen=True, slots=True)
class Taught:
    """Examples, networks that learned from them, and what the trunk's exported file hears in them."""

    examples: Examples
    trunk: Any
    heard: NDArray[np.float32]
    head: Any


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    folder = tmp_path_factory.mktemp("trunk")
    examples = _examples(192, 8)
    trunk, recipe = _trunk(examples, folder / "epochs")
    export_trunk(trunk, recipe, fit_line(trunk, examples, 0), folder / "trunk.tflite")
    hearing = TFLiteModel(folder / "trunk.tflite")
    heard = np.concatenate([hearing(image[None].astype(np.float32))[0] for image in examples.images])
    return Taught(examples, trunk, heard, _head(heard, examples, 1))


def test_the_exported_files_say_what_the_trained_networks_say(taught: Taught, tmp_path: Path) -> None:
    examples, heard = taught.examples, taught.heard
    expected = np.asarray(taught.trunk.predict_on_batch(examples.images[:20].astype(np.float32)))
    assert heard[:20, :-1] == pytest.approx(expected, abs=0.02 * float(expected.max()))

    heads = [taught.head, _head(heard, examples, 2)]
    export_head(heads, 0.3, 0.5, tmp_path / "head.tflite")
    logits = np.mean([judge(head, heard, examples.facts) for head in heads], axis=0)
    logits[:, LABELS.index("scream")] += 0.3 * heard[:, -1]
    chances = np.exp(logits * 0.5) / np.exp(logits * 0.5).sum(axis=1, keepdims=True)
    exported = TFLiteModel(tmp_path / "head.tflite")
    for index in range(20):
        found = exported(examples.facts[index][None], heard[index][None])[0][0]
        assert found == pytest.approx(chances[index], abs=0.01)
    assert (chances.argmax(axis=1) == examples.labels).mean() > 0.8


def test_the_trunk_learns_from_the_teacher(taught: Taught) -> None:
    """Its last number is the teacher's, which follows the labels here; labels themselves play no part."""
    assert np.corrcoef(taught.heard[:, -1], taught.examples.teacher[:, 0].astype(np.float32))[0, 1] > 0.9


def test_the_exported_opinion_says_what_the_machine_says(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    overviews = rng.normal(3, 2, (120, 30)).astype(np.float32)
    screams = overviews[:, 0] + overviews[:, 1] > 6
    opinion = learn_opinion(overviews, screams, np.ones(120, np.float32))
    export_opinion(opinion.machine, opinion.mean, opinion.spread, tmp_path / "x.tflite")
    exported = TFLiteModel(tmp_path / "x.tflite")
    fresh = rng.normal(3, 4, (40, 30)).astype(np.float32)
    said = [float(exported(each[None])[0][0, 0]) for each in fresh]
    assert said == pytest.approx(opinion(fresh).tolist(), abs=0.02)


def test_the_same_seed_gives_the_same_network(taught: Taught, tmp_path: Path) -> None:
    examples, heard = taught.examples, taught.heard
    trunks = [each.predict_on_batch(examples.images[:8]) for each in (taught.trunk, _trunk(examples, tmp_path)[0])]
    assert trunks[1] == pytest.approx(trunks[0], abs=1e-3)
    heads = [judge(each, heard, examples.facts) for each in (taught.head, _head(heard, examples, 1))]
    assert heads[1] == pytest.approx(heads[0], abs=1e-3)
