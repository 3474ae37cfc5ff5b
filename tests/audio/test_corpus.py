import os
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
    for name in ("a/x.ogg", "b/y.ogg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    first, second = read_corpus(tmp_path)
    assert first == Clip(tmp_path / "a/x.ogg", "scream", "home", "home|1", 1.5, "CC0", "")
    assert second.source == tmp_path.name
    assert second.group != first.group
    assert read_corpus(tmp_path / "manifest.csv") == (first, second)


def test_copies_of_a_recording_are_never_learned_from_and_judged_at_the_same_time(tmp_path: Path) -> None:
    for name, content in (("a", "1"), ("a (1)", "1"), ("b", "2"), ("kitchen/c", "2"), ("kitchen/d", "3"), ("e", "4")):
        path = tmp_path / "ambient" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    group = {clip.path.stem: clip.group for clip in read_corpus(tmp_path)}
    assert group["a"] == group["a (1)"]
    assert group["b"] == group["c"]
    assert len(set(group.values())) == 4
    (tmp_path / "manifest.csv").write_text(
        "path,label,group\n"
        "ambient/kitchen/d.wav,ambient,anna\nambient/kitchen/c.wav,ambient,anna\n"
        "ambient/b.wav,ambient,ben\nambient/e.wav,ambient,ben\n"
    )
    assert len({clip.group for clip in read_corpus(tmp_path)}) == 1  # what belongs to a copy goes with it


@pytest.mark.parametrize(
    "text",
    [
        "path;label;source\r\na b/x.ogg;Scream; home\r\n",
        "\ufeffPath\tLabel\tSource\nä/x.ogg\tscream\thome\n".replace("ä", "a b"),
        '"path","label","source","more"\n"a b/x.ogg","scream","home"\n\n',
        "path,label,source\n{folder}/a b/x.ogg,scream,home,and,more\n",
    ],
)
def test_a_manifest_is_read_as_spreadsheets_write_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.csv").write_text(text.replace("{folder}", str(tmp_path)), encoding="utf-8", newline="")
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "x.ogg").touch()
    (found,) = read_corpus(tmp_path)
    assert (found.path, found.label, found.source) == (tmp_path / "a b/x.ogg", "scream", "home")


def test_numbers_of_a_manifest_may_have_a_decimal_comma(tmp_path: Path) -> None:
    (tmp_path / "x.ogg").touch()
    (tmp_path / "manifest.csv").write_text("path;label;seconds;weight\nx.ogg;scream;3,52;1,5\n", encoding="utf-8")
    (found,) = read_corpus(tmp_path)
    assert (found.seconds, found.weight) == (3.52, 1.5)


def test_reads_folders_of_labels(tmp_path: Path) -> None:
    for name in ("scream/a.wav", "scream/ü b/deep/b.MP3", "Ambient/c.flac", "Ambient/readme.txt", "other/d.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for hidden in ("scream/._a.wav", "scream/.Trash/e.wav"):
        (tmp_path / hidden).parent.mkdir(exist_ok=True)
        (tmp_path / hidden).touch()
    (tmp_path / "scream" / "folder.wav").mkdir()
    found = [(found.label, found.path.name, found.source) for found in read_corpus(tmp_path)]
    here = tmp_path.name
    assert found == [("scream", "a.wav", here), ("scream", "b.MP3", "ü b"), ("ambient", "c.flac", here)]


def test_names_that_are_no_text_are_refused_before_hours_of_training(tmp_path: Path) -> None:
    (tmp_path / "scream").mkdir()
    (tmp_path / "scream" / os.fsdecode(b"schreie m\xfcller.wav")).touch()
    with pytest.raises(CorpusError, match=r"rename what has a name that is no text in UTF-8: '.*m\\udcfcller'"):
        read_corpus(tmp_path)


def test_the_current_folder_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scream").mkdir()
    (tmp_path / "scream" / "a.wav").touch()
    monkeypatch.chdir(tmp_path)
    assert read_corpus(Path())[0].source == tmp_path.name
    Path("manifest.csv").write_text("path,label\nscream/a.wav,scream\n", encoding="utf-8")
    assert read_corpus(Path("manifest.csv"))[0].source == tmp_path.name


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (HEAD + "x.ogg,yell,s,g,1,,\n", "manifest.csv:2: needs a path and a label out of .*, not 'yell'"),
        ("file,label\nx.ogg,scream\n", "manifest.csv: its first line must name columns; path not there"),
        ("", "its first line must name columns; path and label not there"),
        (
            HEAD + "".join(f"{n}.ogg,scream,s,g,1,,\n" for n in range(5)),
            "5 of 5 recordings not found: .*0.ogg; .*; and 2 more",
        ),
        (HEAD + 400 * "9" + ".ogg,scream,s,g,1,,\n", "1 of 1 recordings not found: .*9.ogg"),
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


def test_a_manifest_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,label\nüber.wav,scream\n", encoding="cp1252")
    with pytest.raises(CorpusError, match="no text in UTF-8: save it as such"):
        read_corpus(tmp_path)


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


def test_sources_that_share_a_group_or_recordings_are_never_on_both_sides() -> None:
    sources = ("a", "b", "c", "d", "nevado", "ww13")
    clips = [clip(source, number, label) for source in sources for number, label in enumerate(LABELS * 5)]
    assert len({folds(clips, 6)[source] for source in "abcd"}) == 4
    shared = [Clip(Path(f"{source}.wav"), "ambient", source, "one room") for source in "ad"]
    for order in (1, -1):
        fold_of = folds([*clips, *shared][::order], 6)
        assert fold_of["a"] == fold_of["d"]
        assert fold_of["nevado"] == fold_of["ww13"]
        assert len({fold_of[source] for source in ("a", "b", "c", "nevado")}) == 4


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
