from pathlib import Path

import pytest

from audio.corpus import LABELS, Clip, CorpusError, folds, read_corpus, read_feedback, split

HEAD = "path,label,source,group,seconds,licence,note\n"


def clip(source: str, number: int, label: str = "ambient") -> Clip:
    return Clip(Path(f"{source}{number}.wav"), label, source, f"{source}|{number // 3}")


def test_reads_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(
        HEAD + "a/x.ogg,scream,home,home|1,1.5,CC0,\nb/y.ogg,ambient,,,,,\n", encoding="utf-8-sig"
    )
    first, second = read_corpus(tmp_path)
    assert first == Clip(tmp_path / "a/x.ogg", "scream", "home", "home|1", 1.5, "CC0", "")
    assert second.source == tmp_path.name
    assert second.group != first.group
    assert read_corpus(tmp_path / "manifest.csv") == (first, second)


def test_reads_folders_of_labels(tmp_path: Path) -> None:
    for name in ("scream/a.wav", "scream/deep/b.MP3", "ambient/c.flac", "ambient/readme.txt", "other/d.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [(found.label, found.path.name) for found in read_corpus(tmp_path)]
    assert found == [("scream", "a.wav"), ("scream", "b.MP3"), ("ambient", "c.flac")]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (HEAD + "x.ogg,yell,s,g,1,,\n", "manifest.csv:2: needs a path and a label"),
        (HEAD + ",scream,s,g,1,,\n", "manifest.csv:2: needs a path and a label"),
        (HEAD + "x.ogg,scream,s,g,long,,\n", "manifest.csv:2: seconds"),
        (HEAD[:-1] + ",weight\nx.ogg,scream,s,g,1,,,heavy\n", "manifest.csv:2: seconds and weight must be numbers"),
        (HEAD[:-1] + ",weight\nx.ogg,scream,s,g,1,,,-1\n", "manifest.csv:2: a weight is between 0 and 100"),
        (HEAD[:-1] + ",weight\nx.ogg,scream,s,g,1,,,nan\n", "manifest.csv:2: a weight is between 0 and 100"),
        (HEAD, "no rows"),
    ],
)
def test_a_bad_manifest_is_refused_in_one_line(tmp_path: Path, rows: str, complaint: str) -> None:
    (tmp_path / "manifest.csv").write_text(rows, encoding="utf-8")
    with pytest.raises(CorpusError, match=complaint) as refused:
        read_corpus(tmp_path)
    assert "\n" not in str(refused.value)


def test_feedback_is_read_with_its_weight_and_without_what_was_deleted(tmp_path: Path) -> None:
    assert read_feedback(tmp_path / "missing") == ()
    rows = "a.flac,ambient,feedback,1,4,,,2.5\nb.flac,scream,feedback,2,2,,,2.5\n"
    (tmp_path / "manifest.csv").write_text(HEAD[:-1] + ",weight\n" + rows, encoding="utf-8")
    (tmp_path / "a.flac").touch()
    assert read_feedback(tmp_path) == (Clip(tmp_path / "a.flac", "ambient", "feedback", "1", 4.0, weight=2.5),)


def test_nothing_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such folder"):
        read_corpus(tmp_path / "missing")
    with pytest.raises(CorpusError, match="neither manifest"):
        read_corpus(tmp_path)


def test_folds_keep_a_source_together_and_share_out_the_screams() -> None:
    clips = [clip(source, number, "scream") for source in ("a", "b", "c") for number in range(10)]
    clips += [clip(source, number) for source in ("d", "e", "f") for number in range(50)]
    fold_of = folds(clips, 3)
    assert set(fold_of) == set("abcdef")
    assert {fold_of[source] for source in "abc"} == {0, 1, 2}
    assert {fold_of[source] for source in "def"} == {0, 1, 2}
    assert folds(list(reversed(clips)), 3) == fold_of


def test_a_split_never_parts_a_group() -> None:
    clips = [clip("a", number) for number in range(3000)]
    parts = split(clips)
    assert set(parts) == {each.group for each in clips}
    shares = [list(parts.values()).count(name) / len(parts) for name in ("train", "validation", "test")]
    assert shares == pytest.approx([0.70, 0.15, 0.15], abs=0.04)
    assert split(clips) == parts
    assert split(clips, seed=1) != parts


def test_of_few_groups_each_part_gets_one_of_each_label() -> None:
    few = [Clip(Path(f"{label}{number}"), label, "a", f"{label}{number}") for label in LABELS for number in range(3)]
    for seed in range(10):
        part_of = split(few, seed)
        for label in LABELS:
            assert {part_of[f"{label}{number}"] for number in range(3)} == {"train", "validation", "test"}
    two = split([each for each in few if each.path.name[-1] != "2"])
    assert sorted(two[f"scream{number}"] for number in range(2)) == ["train", "validation"]
