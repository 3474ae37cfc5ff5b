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

from audio.trunk import TrunkRecipe, export_trunk, fit_line, fit_trunk


def _examples(count: int, teacher: int) -> Examples:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(LABELS), count).astype(np.int8)
    images = rng.uniform(-1, 0, (count, WINDOW, MEL_BANDS))
    images[np.arange(count), :, labels * 20] = 1.0
    return Examples(
        images.astype(np.float16),
        np.zeros((count, DESCRIPTION), np.float32),
        labels,
        (labels[:, None] * 2 + rng.normal(0, 0.1, (count, teacher)) - 3).astype(np.float16),
        np.ones(count, np.float32),
        np.zeros((count, 2), np.int16),
    )


def _trunk(examples: Examples, folder: Path) -> tuple[Any, TrunkRecipe]:
    recipe = TrunkRecipe(stem=8, stages=((8, 1), (16, 0)), epochs=3, batch=32, scores=5)
    return fit_trunk(examples, recipe, fast=False, checkpoint=folder), recipe


@dataclass(frozen=True, slots=True)
class Taught:
    """Examples, a trunk that learned from them, and what its exported file hears in them."""

    examples: Examples
    trunk: Any
    heard: NDArray[np.float32]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    folder = tmp_path_factory.mktemp("trunk")
    examples = _examples(192, 8)
    trunk, recipe = _trunk(examples, folder / "epochs")
    export_trunk(trunk, recipe, fit_line(trunk, examples, 0), folder / "trunk.tflite")
    hearing = TFLiteModel(folder / "trunk.tflite")
    return Taught(examples, trunk, np.concatenate([hearing(x[None].astype(np.float32))[0] for x in examples.images]))


def test_the_exported_trunk_hears_what_the_trained_one_hears(taught: Taught) -> None:
    expected = np.asarray(taught.trunk.predict_on_batch(taught.examples.images[:20].astype(np.float32)))
    assert taught.heard[:20, :-1] == pytest.approx(expected, abs=0.02 * float(expected.max()))


def test_the_trunk_learns_from_the_teacher(taught: Taught) -> None:
    """Its last number is the teacher's, which follows the labels here; labels themselves play no part."""
    assert np.corrcoef(taught.heard[:, -1], taught.examples.teacher[:, 0].astype(np.float32))[0, 1] > 0.9


def test_the_same_seed_gives_the_same_trunk(taught: Taught, tmp_path: Path) -> None:
    images = taught.examples.images[:8]
    again, _ = _trunk(taught.examples, tmp_path)
    assert again.predict_on_batch(images) == pytest.approx(taught.trunk.predict_on_batch(images), abs=1e-3)
