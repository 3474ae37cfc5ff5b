from dataclasses import replace
from pathlib import Path

import pytest

from audio import examples
from audio.corpus import CorpusError
from audio.detector import TRUNK_FILE, load_scream_model
from audio.evaluate import evaluate
from models.card import sha256
from models.registry import SHIPPED
from tests.made_up_corpus import write_corpus

pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install -e '.[train]'")

from audio.plan import DEFAULT
from audio.train import train_scream

PLAN = replace(DEFAULT, parts=1, further_parts=1, folds=2)


def stop(*_: object) -> None:
    """As Ctrl-C does."""
    raise KeyboardInterrupt


def test_a_model_of_the_users_own_takes_the_trunk_over_and_learns_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "PART", 160)  # of so few recordings more examples say nothing new
    data, further = (write_corpus(tmp_path / name, sources=3, each=4, seconds=2.1) for name in ("data", "further"))
    with monkeypatch.context() as interrupted:
        interrupted.setattr("audio.head.export_opinion", stop)
        with pytest.raises(KeyboardInterrupt):
            train_scream(data, tmp_path / "mine", cache=tmp_path / "cache", further=further, plan=PLAN, jobs=1)
    card = train_scream(data, tmp_path / "mine", cache=tmp_path / "cache", further=further, plan=PLAN, jobs=1)
    assert sha256(tmp_path / "mine" / TRUNK_FILE) == sha256(SHIPPED / "scream" / TRUNK_FILE)
    assert 0.9 < card.parameters["held_back"]["auc"] <= 1.0
    assert "place-0" in card.prose
    assert "learned besides from 12 screams and 24 other sounds\nof 3 further sources" in card.prose
    assert "| conversation | 0.01 | " in card.prose
    assert "| conversation, further recordings | 0.01 | " in card.prose
    model = load_scream_model("mine", tmp_path)
    assert model.labels == card.labels
    assert model.recent is not None
    assert model.persistence.share > 0
    files = evaluate(str(tmp_path / "mine"), data, noise=False).report["files"]
    assert files["auc"] > 0.95


@pytest.mark.parametrize("sources", [1, 2])
def test_without_screams_from_two_places_it_says_so(tmp_path: Path, sources: int) -> None:
    data = write_corpus(tmp_path / "data", sources=sources, each=2)
    manifest = data / "manifest.csv"
    rows = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(row for row in rows if not row.startswith("scream") or row.startswith("scream-0-0")))
    with pytest.raises(CorpusError, match="from two sources or groups at least"):
        train_scream(data, tmp_path / "mine", cache=tmp_path / "cache", plan=PLAN, jobs=1)
    assert not (tmp_path / "mine").exists()


def test_further_recordings_that_are_not_there_are_noticed_before_anything_is_trained(tmp_path: Path) -> None:
    data, nowhere = write_corpus(tmp_path / "data", sources=2, each=2), tmp_path / "nowhere"
    with pytest.raises(CorpusError, match="nowhere: no such folder or manifest"):
        train_scream(data, tmp_path / "mine", cache=tmp_path / "cache", further=nowhere, plan=PLAN)
    assert not (tmp_path / "cache").exists()


def test_no_model_is_written_among_other_files(tmp_path: Path) -> None:
    data = write_corpus(tmp_path / "data", sources=2, each=2)
    (tmp_path / "notes.txt").write_text("my own")
    with pytest.raises(CorpusError, match="is there already and no model"):
        train_scream(data, tmp_path, cache=tmp_path / "cache", plan=PLAN, jobs=1)
    assert not (tmp_path / "cache").exists()
