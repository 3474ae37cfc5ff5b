from collections.abc import Set
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from audio.candidate import check_place, comparable, digests_in, digests_of, note_beside, whole, write_learned
from audio.corpus import LABELS, Clip, CorpusError, read_corpus
from audio.evaluate import note_retrained
from models.card import ModelError, read_card, write_card
from models.in_use import compare
from models.registry import SHIPPED
from tests.made_up_corpus import write_corpus

IN_USE = SHIPPED / "scream"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clip, ...]:
    return read_corpus(write_corpus(tmp_path_factory.mktemp("sounds"), sources=2, each=3, seconds=1.0))


def candidate(folder: Path, learned: Set[str] = frozenset()) -> Path:
    folder.mkdir()
    write_learned(folder, learned)
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
    folder = candidate(tmp_path / "new")
    some = digests_of([clip for clip in clips if clip.label == "scream"][:2])
    present = candidate(tmp_path / "present", some)
    assert digests_in(present) == some
    chances = np.zeros(len(clips), np.float32)
    assert note_beside(folder, clips, chances, present) is None
    assert "compared" not in read_card(folder).parameters
    with pytest.raises(ModelError, match="not judged by the same recordings"):
        compare(read_card(folder), read_card(present))
    # Trained on nearly the same, each by sources left out: the cards may be compared.
    knows_most = candidate(tmp_path / "knows most", digests_of(clips[1:]))
    assert note_beside(folder, clips, chances, knows_most) is None
    assert compare(read_card(folder), read_card(knows_most)).worse == ()


def test_figures_of_a_few_recordings_put_no_model_in_use(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    few = [clip for number, clip in enumerate(clips) if clip.label != "scream" or number % 2]
    assert sum(clip.label == "scream" for clip in few) < 5
    folder, present = candidate(tmp_path / "new"), candidate(tmp_path / "present", digests_of(clips))
    assert note_beside(folder, few, np.zeros(len(few), np.float32), present) is None
    with pytest.raises(ModelError, match="not judged by the same recordings"):
        compare(read_card(folder), read_card(present))


def test_what_a_training_said_of_sources_left_out_goes_into_the_card(clips: tuple[Clip, ...], tmp_path: Path) -> None:
    folder = candidate(tmp_path / "new")
    rows = [f"{clip.path.name},{0.7 if clip.label == 'scream' else 0.2},0.1,0.1\n" for clip in clips]
    (tmp_path / "scores.csv").write_text("path,scream,conversation,ambient\n" + "".join(rows), encoding="utf-8")
    for _ in range(2):  # trained anew into the same folder
        note_retrained(folder, clips[0].path.parent, tmp_path / "scores.csv", IN_USE)
    compared = read_card(folder).parameters["compared"]
    assert compared["candidate"] == {"auc": 1.0}
    assert compared["with"] == read_card(IN_USE).fingerprint


def test_the_model_that_ships_says_what_it_has_learned_from() -> None:
    assert len(digests_in(IN_USE)) > 2000


def test_a_model_whose_writing_is_interrupted_is_as_it_was_before(tmp_path: Path) -> None:
    folder = candidate(tmp_path / "mine")
    before = read_card(folder)
    for place in (folder, tmp_path / "new"):
        with suppress(KeyboardInterrupt), whole(place) as fresh:
            (fresh / "head.tflite").write_bytes(b"half of it")
            raise KeyboardInterrupt
        check_place(place)  # the same command goes on
    assert read_card(folder) == before
    with whole(tmp_path / "new") as fresh:
        write_learned(fresh, frozenset())
    assert digests_in(tmp_path / "new") == set()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["mine", "mine.partial", "new"]


def test_a_model_is_written_where_a_link_leads(tmp_path: Path) -> None:
    elsewhere = candidate(tmp_path / "elsewhere")
    link = tmp_path / "mine"
    link.symlink_to(elsewhere)
    with whole(link) as fresh:
        write_learned(fresh, {"1"})
    assert link.is_symlink()
    assert digests_in(elsewhere) == {"1"}


@pytest.mark.parametrize("place", [".", "..", "/"])
def test_a_model_needs_a_folder_with_a_name(place: str) -> None:
    with pytest.raises(CorpusError, match="no name that a model could have"):
        check_place(Path(place))
