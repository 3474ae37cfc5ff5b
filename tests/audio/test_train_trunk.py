import sys
from pathlib import Path

import numpy as np
import pytest

from audio.corpus import read_corpus
from audio.detector import TRUNK_FILE
from models.registry import SHIPPED
from models.runtime import TFLiteModel
from tests.made_up_corpus import write_corpus

pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install -e '.[train]'")

from audio import train_trunk
from audio.cache import keep
from audio.features import MEL_BANDS, WINDOW
from audio.trunk import HEARD, WIDTH, TrunkRecipe, build_trunk


def _command(monkeypatch: pytest.MonkeyPatch, folder: Path, data: Path, teacher: Path) -> None:
    options = {"--data": data, "--teacher": teacher, "--cache": folder / "cache", "--out": folder / "trunk.tflite"}
    monkeypatch.setattr(sys, "argv", ["train_trunk", *(str(word) for each in options.items() for word in each)])
    train_trunk.main()


def test_a_foreign_teacher_is_refused_before_anything_is_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_corpus(tmp_path / "data", sources=2, each=2)
    with pytest.raises(SystemExit) as ended:
        _command(monkeypatch, tmp_path, data, SHIPPED / "scream" / TRUNK_FILE)
    assert ended.value.code == 2
    assert "not YAMNet's TFLite file" in capsys.readouterr().err
    assert not (tmp_path / "trunk.tflite").exists()


def test_what_was_learned_before_is_written_without_learning_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, cache = write_corpus(tmp_path / "data", sources=2, each=2), tmp_path / "cache"
    cache.mkdir()
    trunk, _ = build_trunk(TrunkRecipe(), 1)
    weights = {f"{number:03}": values for number, values in enumerate(trunk.get_weights())}
    slope = np.zeros(WIDTH, np.float32)
    path = train_trunk.kept_in(cache, read_corpus(data), TrunkRecipe())
    keep(path, {**weights, "slope": slope, "offset": np.asarray(-7.5)})
    _command(monkeypatch, tmp_path, data, tmp_path / "nowhere.tflite")
    image = np.random.default_rng(0).uniform(-1, 1, (1, WINDOW, MEL_BANDS)).astype(np.float32)
    (heard,) = TFLiteModel(tmp_path / "trunk.tflite")(image)
    assert heard.shape == (1, HEARD)
    assert heard[0, -1] == pytest.approx(-7.5, abs=1e-3)
    expected = np.asarray(trunk.predict_on_batch(image))[0]
    assert heard[0, :-1] == pytest.approx(expected, abs=0.02 * float(expected.max()))
