from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from audio.corpus import LABELS
from audio.features import DESCRIPTION
from models.runtime import TFLiteModel

pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install -e '.[train]'")

from audio.head import TRAITS, Head, export_head, export_opinion
from audio.machine import Border, learn_line, learn_machine

COUNT = 240


@pytest.fixture(scope="module")
def labels() -> NDArray[np.int8]:
    return np.random.default_rng(0).integers(0, len(LABELS), COUNT).astype(np.int8)


@pytest.fixture(scope="module")
def traits(labels: NDArray[np.int8]) -> NDArray[np.float32]:
    """Numbers of which a few tell the label."""
    rng = np.random.default_rng(1)
    made_up = rng.normal(0, 1, (COUNT, TRAITS))
    made_up[:, 3:9] += labels[:, None] * 2
    made_up[:, -1] = rng.normal(-6, 1, COUNT) + 4 * (labels == LABELS.index("scream"))
    return made_up.astype(np.float32)


@pytest.fixture(scope="module")
def head(traits: NDArray[np.float32], labels: NDArray[np.int8]) -> Head:
    counted = np.ones(COUNT, np.float32)
    scream, conversation = (labels == LABELS.index(label) for label in ("scream", "conversation"))
    voices = learn_line(traits[~scream], conversation[~scream], counted[~scream])
    return Head(Border(learn_machine(traits, scream, counted, 2.0), 0.15), voices)


def test_the_exported_head_says_what_the_learned_one_says(
    head: Head, traits: NDArray[np.float32], labels: NDArray[np.int8], tmp_path: Path
) -> None:
    export_head(head, 2.0, 0.5, tmp_path / "head.tflite")
    exported = TFLiteModel(tmp_path / "head.tflite")
    found = np.stack([exported(x[None, :DESCRIPTION], x[None, DESCRIPTION:])[0][0] for x in traits])
    screams = 1 / (1 + np.exp(-2.0 * head.border(traits) - 0.5))
    voiced = 1 / (1 + np.exp(-head.voices(traits)))
    expected = {"scream": screams, "conversation": (1 - screams) * voiced, "ambient": (1 - screams) * (1 - voiced)}
    assert found == pytest.approx(np.stack([expected[label] for label in LABELS], axis=1), abs=0.01)
    assert found.sum(axis=1) == pytest.approx(np.ones(COUNT), abs=1e-3)
    assert (found.argmax(axis=1) == labels).mean() > 0.9


def test_the_exported_opinion_says_what_the_learned_one_says(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    overviews = rng.normal(3, 2, (120, 30)).astype(np.float32)
    machine = learn_machine(overviews, overviews[:, 0] + overviews[:, 1] > 6, np.ones(120, np.float32), 2.0)
    border = Border(machine, 0.3)
    export_opinion(border, tmp_path / "x.tflite")
    exported = TFLiteModel(tmp_path / "x.tflite")
    fresh = rng.normal(3, 4, (40, 30)).astype(np.float32)
    said = [float(exported(each[None])[0][0, 0]) for each in fresh]
    assert said == pytest.approx(border(fresh).tolist(), abs=0.02)


def test_a_machine_of_many_vectors_loses_nothing_in_the_file(tmp_path: Path) -> None:
    """Its numbers are kept as float16; the lengths of vectors of hundreds of numbers do not fit into those."""
    rng = np.random.default_rng(0)
    overviews = rng.normal(0, 1, (1200, TRAITS)).astype(np.float32)
    machine = learn_machine(overviews, rng.random(1200) < 0.5, np.ones(1200, np.float32), 50.0)
    export_opinion(Border(machine, 0.0), tmp_path / "x.tflite")
    exported = TFLiteModel(tmp_path / "x.tflite")
    said = [float(exported(each[None])[0][0, 0]) for each in overviews[:60]]
    assert said == pytest.approx(machine(overviews[:60]).tolist(), abs=0.01)
