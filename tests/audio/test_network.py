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

from audio.head import learn_line, learn_machine
from audio.network import (
    Head,
    NetworkRecipe,
    TrunkRecipe,
    export_head,
    export_opinion,
    export_trunk,
    fit_line,
    fit_network,
    fit_trunk,
)


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


def _network(traits: NDArray[np.float32], examples: Examples, seed: int) -> Any:
    return fit_network(traits, examples.labels, examples.weights, NetworkRecipe(epochs=6, batch=32, seed=seed))


@dataclass(frozen=True, slots=True)
class Taught:
    """Examples, a trunk that learned from them, their traits by its exported file, and a network that learned these."""

    examples: Examples
    trunk: Any
    traits: NDArray[np.float32]
    network: Any

    @property
    def heard(self) -> NDArray[np.float32]:
        return self.traits[:, DESCRIPTION:]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    folder = tmp_path_factory.mktemp("trunk")
    examples = _examples(192, 8)
    trunk, recipe = _trunk(examples, folder / "epochs")
    export_trunk(trunk, recipe, fit_line(trunk, examples, 0), folder / "trunk.tflite")
    hearing = TFLiteModel(folder / "trunk.tflite")
    heard = np.concatenate([hearing(image[None].astype(np.float32))[0] for image in examples.images])
    traits = np.concatenate([examples.facts, heard], axis=1)
    return Taught(examples, trunk, traits, _network(traits, examples, 1))


def test_the_exported_trunk_hears_what_the_trained_one_hears(taught: Taught) -> None:
    expected = np.asarray(taught.trunk.predict_on_batch(taught.examples.images[:20].astype(np.float32)))
    assert taught.heard[:20, :-1] == pytest.approx(expected, abs=0.02 * float(expected.max()))


def test_the_exported_head_says_what_the_learned_one_says(taught: Taught, tmp_path: Path) -> None:
    examples, traits = taught.examples, taught.traits
    scream, conversation = (examples.labels == LABELS.index(label) for label in ("scream", "conversation"))
    machine = learn_machine(traits, scream, examples.weights, 2.0)
    voices = learn_line(traits[~scream], conversation[~scream], examples.weights[~scream])
    head = Head(machine, [taught.network, _network(traits, examples, 2)], voices)
    distances = head.distances(traits)
    assert ((distances > np.median(distances[~scream])) >= scream).all()
    export_head(head, 2.0, -0.5, tmp_path / "head.tflite")
    screams, voiced = 1 / (1 + np.exp(0.5 - 2.0 * distances)), 1 / (1 + np.exp(-voices(traits)))
    expected = {
        "scream": screams,
        "conversation": (1 - screams) * voiced,
        "ambient": (1 - screams) * (1 - voiced),
    }
    exported = TFLiteModel(tmp_path / "head.tflite")
    found = np.stack([exported(x[None, :DESCRIPTION], x[None, DESCRIPTION:])[0][0] for x in traits])
    assert found == pytest.approx(np.stack([expected[label] for label in LABELS], axis=1), abs=0.01)


def test_the_trunk_learns_from_the_teacher(taught: Taught) -> None:
    """Its last number is the teacher's, which follows the labels here; labels themselves play no part."""
    assert np.corrcoef(taught.heard[:, -1], taught.examples.teacher[:, 0].astype(np.float32))[0, 1] > 0.9


def test_the_exported_opinion_says_what_the_machine_says(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    overviews = rng.normal(3, 2, (120, 30)).astype(np.float32)
    machine = learn_machine(overviews, overviews[:, 0] + overviews[:, 1] > 6, np.ones(120, np.float32), 2.0)
    export_opinion(machine, tmp_path / "x.tflite")
    exported = TFLiteModel(tmp_path / "x.tflite")
    fresh = rng.normal(3, 4, (40, 30)).astype(np.float32)
    said = [float(exported(each[None])[0][0, 0]) for each in fresh]
    assert said == pytest.approx(machine(fresh).tolist(), abs=0.02)


def test_the_same_seed_gives_the_same_networks(taught: Taught, tmp_path: Path) -> None:
    examples, traits = taught.examples, taught.traits
    trunks = [each.predict_on_batch(examples.images[:8]) for each in (taught.trunk, _trunk(examples, tmp_path)[0])]
    assert trunks[1] == pytest.approx(trunks[0], abs=1e-3)
    networks = [each.predict_on_batch(traits) for each in (taught.network, _network(traits, examples, 1))]
    assert networks[1] == pytest.approx(networks[0], abs=1e-3)
