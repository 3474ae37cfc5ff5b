from pathlib import Path

import numpy as np
import pytest

from audio.corpus import LABELS
from audio.examples import Examples
from audio.features import DESCRIPTION, MEL_BANDS, WINDOW
from models.runtime import TFLiteModel

pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install 'safety-monitor[train]'")


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
        rng.normal(0, 1, (count, teacher)).astype(np.float16),
        np.ones(count, np.float32),
        np.zeros(count, np.int8),
    )


def test_the_exported_file_says_what_the_trained_networks_say(tmp_path: Path) -> None:
    from audio.network import Recipe, export, fit, scores

    examples = _examples(192, 7)
    recipes = [
        Recipe(channels=(8, 8, 8, 8, 8), epochs=6, batch=32, seed=1),
        Recipe(channels=(8, 8, 8, 8, 8), epochs=6, batch=32, seed=2, separable=False),
    ]
    networks = [(fit(examples, recipe, fast=False), recipe) for recipe in recipes]
    export(networks, 0.5, tmp_path / "x.tflite")
    logits = np.mean([scores(network, examples.images, examples.facts) for network, _ in networks], axis=(0, 1)) * 0.5
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    exported = TFLiteModel(tmp_path / "x.tflite")
    for index in range(20):
        found = exported(examples.facts[index][None], examples.images[index][None].astype(np.float32))[0][0]
        assert found == pytest.approx(expected[index], abs=0.02)
    assert (expected.argmax(axis=1) == examples.labels).mean() > 0.8


def test_the_same_seed_gives_the_same_network() -> None:
    from audio.network import Recipe, fit, scores

    examples = _examples(96, 0)
    recipe = Recipe(channels=(8, 8, 8, 8, 8), epochs=1, batch=32)
    first, second = (scores(fit(examples, recipe, fast=False), examples.images, examples.facts) for _ in range(2))
    assert second == pytest.approx(first, abs=1e-4)
