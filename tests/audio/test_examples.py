"""Examples are composed of whatever there is."""

from pathlib import Path

import numpy as np
import pytest

from audio import examples
from audio.corpus import LABELS, Clip
from audio.examples import Pool, Sound, compose_part


@pytest.mark.parametrize("missing", LABELS)
def test_a_corpus_may_lack_a_label(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "PART", 40)
    rng = np.random.default_rng(0)
    sounds = [
        Sound(Clip(Path(f"{label}.wav"), label, "place", label), rng.integers(-9000, 9000, 32000).astype(np.int16))
        for label in LABELS
        if label != missing
    ]
    composed = compose_part(Pool(sounds), seed=0)
    assert np.isfinite(composed.facts).all()
    assert (LABELS.index(missing) in composed.labels) == (missing == "scream")  # screams can be made up
