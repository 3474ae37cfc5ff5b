from pathlib import Path

import numpy as np
import pytest

from audio.candidate import comparable, digests_in, digests_of, note_beside, note_learned
from audio.corpus import LABELS, Clip, read_corpus
from audio.evaluate import note_retrained
from models.card import ModelError, read_card, write_card
from models.in_use import compare
from models.registry import SHIPPED
from tests.made_up_corpus import write_corpus

IN_USE = SHIPPED / "scream"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clip, ...]:
    return read_corpus(write_corpus(tmp_path_factory.mktemp("sounds"), sources=2, each=3, seconds=1.0))


def candidate(folder: Path) -> Path:
    folder.mkdir()
    parameters = {"held_back": {"auc": 1.0}, **comparable(None)}
    write_card(folder, task="scream", model_format="tflite", labels=LABELS, parameters=parameters, prose="")
    return folder


def test_both_are_judged_by_the_same_recordings_and_the_card_tells_it(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    folder = candidate(tmp_path / "new")
    screams = np.asarray([clip.label == "scream" for clip in clips], np.float32)
    found = note_beside(folder, clips, 1 - screams, IN_USE)
    assert found is not None
    assert found.candidate == {"auc": 0.0}  # of so few others, no recall is stated
    assert found.in_use["auc"] > 0.9
    # What its own card says of other recordings does not help it.
    assert "auc: 0.000" in compare(read_card(folder), read_card(IN_USE)).worse[0]


def test_what_the_model_in_use_has_learned_from_does_not_count(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    folder, present = candidate(tmp_path / "new"), candidate(tmp_path / "present")
    note_learned(present, digests_of([clip for clip in clips if clip.label == "scream"][:2]), {"auc": 1.0})
    assert "learned.csv" in read_card(present).files
    chances = np.zeros(len(clips), np.float32)
    assert note_beside(folder, clips, chances, present) is None
    assert "compared" not in read_card(folder).parameters
    with pytest.raises(ModelError, match="not judged by the same recordings"):
        compare(read_card(folder), read_card(present))
    # Trained on nearly the same, each by sources left out: the cards may be compared.
    note_learned(present, digests_of(clips[1:]), {"auc": 1.0})
    assert note_beside(folder, clips, chances, present) is None
    assert compare(read_card(folder), read_card(present)).worse == ()


def test_what_a_training_said_of_sources_left_out_goes_into_the_card(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    folder = candidate(tmp_path / "new")
    rows = [f"{clip.path.name},{0.7 if clip.label == 'scream' else 0.2},0.1,0.1\n" for clip in clips]
    (tmp_path / "scores.csv").write_text("path,scream,conversation,ambient\n" + "".join(rows), encoding="utf-8")
    for _ in range(2):  # trained anew into the same folder
        note_retrained(folder, clips[0].path.parent, None, tmp_path / "scores.csv", IN_USE)
    parameters = read_card(folder).parameters
    assert parameters["held_back"] == {"auc": 1.0}
    assert parameters["compared"]["with"] == read_card(IN_USE).fingerprint
    assert digests_in(folder) == digests_of(clips)
