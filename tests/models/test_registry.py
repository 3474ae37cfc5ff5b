from pathlib import Path

import pytest

from models.card import ModelError, write_card
from models.registry import SHIPPED, find


def model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    write_card(folder, task="scream", model_format="tflite", labels=("scream",), parameters={}, prose="")
    return folder


def test_a_model_is_found_by_its_name_or_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    own, here = model(home / "svm"), model(tmp_path / "here")
    model(tmp_path / "scream")
    monkeypatch.chdir(tmp_path)
    assert find("svm", home) == own
    assert find(str(own)) == own
    for name in ("here", "./here", "here/"):
        assert find(name, home).absolute() == here
    assert find("scream", home) == SHIPPED / "scream"  # what lies about here takes nobody's name
    assert find("./scream", home).absolute() == tmp_path / "scream"
    with pytest.raises(ModelError, match=r"no model '\./svm'; known models: .*svm"):
        find("./svm", home)
