from pathlib import Path

import pytest

from models.card import ModelError, read_card, sha256, write_card
from models.hand_landmarker import check
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


@pytest.mark.parametrize(
    ("file", "before", "after", "complaint"),
    [
        ("card.md", "task", f"deep = {'[' * 2000}{']' * 2000}\ntask", "malformed: .*recursion"),
        ("card.md", "[parameters]", "[[parameters]]", "malformed: 'parameters'"),
        ("labels.csv", "scream", "scream\x1b[2J", "a label holds what cannot be printed"),
    ],
    ids=["deep", "no table", "command"],
)
def test_a_model_of_somebody_who_means_harm_is_refused_in_one_line(
    tmp_path: Path, file: str, before: str, after: str, complaint: str
) -> None:
    folder = model(tmp_path / "odd")
    card, labels = folder / "card.md", folder / "labels.csv"
    named = sha256(labels)
    (folder / file).write_text((folder / file).read_text().replace(before, after, 1))
    card.write_text(card.read_text().replace(named, sha256(labels)))
    with pytest.raises(ModelError, match=complaint) as refused:
        read_card(folder)
    assert len(str(refused.value).splitlines()) == 1


def test_a_disk_that_cannot_read_a_model_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "svm").mkdir()
    (tmp_path / "svm" / "head.skops").touch()
    write_card(tmp_path / "svm", task="scream", model_format="skops", labels=("scream",), parameters={}, prose="")
    (tmp_path / "svm" / "head.skops").unlink()
    (tmp_path / "svm" / "head.skops").symlink_to("/proc/self/mem")  # each read of it is an error of input and output
    with pytest.raises(ModelError, match=r"head\.skops: cannot be read: Input/output error"):
        read_card(tmp_path / "svm")
    with pytest.raises(ModelError, match="cannot be looked into: File name too long"):
        find("x" * 300, tmp_path)
    with pytest.raises(ModelError, match=r"not a usable hand model file: .*File name too long"):
        check(tmp_path / ("x" * 300))
