from pathlib import Path

import numpy as np
import pytest

from audio.augment import synthetic_scream, synthetic_tone
from audio.detector import TRUNK_FILE
from models.registry import SHIPPED
from models.runtime import TFLiteModel

pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install -e '.[train]'")

from keras import ops

from audio.teacher import EMBEDDING, SCORES, judged, loud, read_weights, teacher_of

YAMNET = Path(__file__).parents[3] / "shared" / "data" / "reference" / "yamnet" / "yamnet.tflite"


@pytest.mark.skipif(not YAMNET.is_file(), reason="YAMNet is not here (../shared/data/reference/yamnet)")
def test_the_teacher_hears_what_its_file_hears() -> None:
    """But for what the file loses by calculating spectra with 8 bits."""
    rng = np.random.default_rng(0)
    sounds = [make(rng, 1.2)[:16_000] for make in (synthetic_scream, synthetic_tone) for _ in range(8)]
    samples = np.stack([np.pad(each, (0, 16_000 - len(each))) for each in sounds]).astype(np.float32)
    sound = loud(ops.convert_to_tensor(samples))
    file, weights = TFLiteModel(YAMNET), read_weights(YAMNET)
    chances, seen = (
        np.concatenate(each) for each in zip(*(file(row[None])[:2] for row in np.asarray(sound)), strict=True)
    )
    same = ops.convert_to_numpy(judged(weights, seen.reshape(-1, 96, 64)))
    assert same.shape == (16, SCORES + EMBEDDING)
    assert 1 / (1 + np.exp(-same[:, :SCORES])) == pytest.approx(chances, abs=0.05)
    made = ops.convert_to_numpy(teacher_of(weights)(sound))[:, :SCORES]
    assert np.corrcoef(1 / (1 + np.exp(-made.ravel())), chances.ravel())[0, 1] > 0.9


def test_another_file_is_no_teacher() -> None:
    with pytest.raises(ValueError, match=r"lacks layer1/conv kernel: not YAMNet's TFLite file"):
        read_weights(SHIPPED / "scream" / TRUNK_FILE)
