from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audio.corpus import Clip
from audio.examples import Sound
from audio.zoo.yamnet import SCREAMING
from models.runtime import TFLiteModel

pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install -e '.[train]'")

import keras
from keras import ops

from audio.mixtures import ALONE, Bank, mix, pictures
from audio.teacher import EMBEDDING, SCORES, loud
from audio.trunk import HEARD, Learned, TrunkRecipe, build_trunk, export_trunk, fit_trunk, wanted

RECIPE = TrunkRecipe(stem=8, stages=((8, 1), (16, 0)), steps=40, warm_up=4, batch=8, rate=5e-3)


def hiss(samples: Any) -> Any:
    """A teacher that believes in a scream the more, the more often a sound crosses zero."""
    crossings = ops.mean(ops.cast(samples[:, 1:] * samples[:, :-1] < 0, "float32"), axis=1, keepdims=True)
    scores = np.eye(SCORES, dtype=np.float32)[SCREAMING] * 6.0
    return ops.concatenate([crossings * 2 * scores - 3.0, ops.tile(crossings, (1, EMBEDDING))], axis=1)


def _bank() -> Bank:
    rng = np.random.default_rng(0)
    sounds = []
    for number, label in enumerate(("scream", "conversation", "ambient", "ambient")):
        steps = rng.integers(-2000, 2000, 32_000)
        samples = np.convolve(steps, np.ones(2**number), "same").astype(np.int16)
        sounds.append(Sound(Clip(Path(f"{number}.wav"), label, f"place-{number}", f"{number}"), samples))
    return Bank(sounds, [], made_up=6, jobs=1)


@dataclass(frozen=True, slots=True)
class Taught:
    """What a trunk learned, some windows, and what teacher and exported trunk make of them."""

    learned: Learned
    images: NDArray[np.float32]
    taught: NDArray[np.float32]
    heard: NDArray[np.float32]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    file, bank = tmp_path_factory.mktemp("trunk") / "trunk.tflite", _bank()
    learned = fit_trunk(bank, hiss, RECIPE, fast=False)
    export_trunk(learned, RECIPE, file)
    drawn = bank.draw(64, np.random.default_rng(9)).arrays()
    sound, _ = mix(ops.convert_to_tensor(bank.samples), drawn, keras.random.SeedGenerator(9))
    images = np.asarray(ops.convert_to_numpy(pictures(sound)), np.float32)
    return Taught(learned, images, ops.convert_to_numpy(hiss(loud(sound))), TFLiteModel(file)(images)[0])


def test_the_exported_trunk_hears_what_the_trained_one_hears(taught: Taught) -> None:
    trunk, _ = build_trunk(RECIPE, 1)
    trunk.set_weights(taught.learned.weights)
    expected = np.asarray(trunk.predict_on_batch(taught.images))
    assert taught.heard.shape == (64, HEARD)
    assert taught.heard[:, :-1] == pytest.approx(expected, abs=0.02 * float(expected.max()))


def test_the_trunk_learns_from_the_teacher(taught: Taught) -> None:
    """Its last number is the teacher's logit of a scream; no label plays a part."""
    assert np.corrcoef(taught.heard[:, -1], taught.taught[:, SCREAMING])[0, 1] > 0.5


def test_of_a_covered_sound_more_is_wanted_than_the_teacher_hears() -> None:
    """The fainter the sound in front, the less; of one alone nothing but what is heard, and never less than that."""
    mixed = np.full((4, SCORES + EMBEDDING), -5.0, np.float32)
    front = mixed.copy()
    front[:, SCREAMING], front[:, 0] = 3.0, -9.0
    snr_db = np.asarray([20.0, 5.0, -3.0, 2 * ALONE], np.float32)
    truth = ops.convert_to_numpy(wanted(*(ops.convert_to_tensor(each) for each in (mixed, front, snr_db))))
    screams = truth[:, SCREAMING]
    assert screams[0] == pytest.approx(3.0, abs=0.05)
    assert screams[0] > screams[1] > screams[2] > screams[3] == -5.0
    assert (truth[:, 0] == -5.0).all()
