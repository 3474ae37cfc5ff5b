"""The commands around gestures, from outside."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gesture.collection import Collection
from gesture.rows import SIGNS, Origin, sign_row
from gesture.tables import read_hands
from models.card import change_card, read_card
from models.hand_landmarker import default_path, is_complete
from models.registry import SHIPPED
from safety_monitor.cli import app
from tests.recordings import plain, write_media

runner = CliRunner()


pytestmark = pytest.mark.usefixtures("home")


def fill(home: Path, label: str = "salute", count: int = 3) -> None:
    collection = Collection(home / "gestures")
    for seed in range(count):
        hand = np.random.default_rng(seed).uniform(0.2, 0.8, (21, 3)).astype(np.float32)
        collection.add(SIGNS, sign_row(label, Origin("camera 0", "anna", "monday"), "left", seed, 0.75, hand))


def said(*arguments: str, status: int = 0) -> str:
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == status, result.output
    return result.output


def test_labels(home: Path) -> None:
    fill(home)
    assert said("labels").strip() == "signs  0  salute  3 rows"
    said("labels", "add", "zigzag", "--kind", "motions")
    assert "motions  0  zigzag  0 rows" in said("labels", "list")
    assert "salute is help now: 3 rows" in said("labels", "rename", "salute", "help")
    assert "no label 'salute'" in said("labels", "rename", "salute", "other", status=2)
    assert "help and 3 rows are gone" in said("labels", "remove", "help")
    assert "signs" not in said("labels")


def test_data(home: Path, tmp_path: Path) -> None:
    fill(home)
    assert "signs  salute  anna  monday  3 rows" in said("data", "stats")
    assert "salute: 3 rows; 100 are a good start" in said("data", "check", status=1)
    assert "3 rows" in said("data", "export", str(tmp_path / "out"))
    labels = str(tmp_path / "out" / "keypoint_classifier_label.csv")
    assert "3 new rows" in said("data", "import", str(tmp_path / "out" / "keypoint.csv"), "--labels", labels)
    assert "0 new rows" in said("data", "import", str(tmp_path / "out" / "keypoint.csv"), "--labels", labels)
    assert len(read_hands(home / "gestures" / "hands.csv")) == 6
    (tmp_path / "theirs.csv").write_text("Open\n")
    rows = [line.split(",") for line in (tmp_path / "out" / "keypoint.csv").read_text().splitlines()]
    (tmp_path / "theirs-keypoint.csv").write_text("".join(f"{','.join([row[0], *row[:0:-1]])}\n" for row in rows))
    exported = str(tmp_path / "theirs-keypoint.csv")
    output = said("data", "import", exported, "--labels", str(tmp_path / "theirs.csv"))
    assert "labels rename 'Open' open_palm --kind signs" in output
    assert "open_palm now: 3 rows" in said("labels", "rename", "Open", "open_palm", "--kind", "signs")
    again = said("data", "import", exported, "--labels", str(tmp_path / "theirs.csv"))
    assert again == "0 new rows\n"
    said("labels", "add", "Open", "--kind", "signs")
    both = said("data", "import", exported, "--labels", str(tmp_path / "theirs.csv"))
    assert "labels remove 'Open' --kind signs, and import once more" in both
    said("labels", "remove", "Open", "--kind", "signs", "--yes")
    assert said("data", "import", exported, "--labels", str(tmp_path / "theirs.csv")) == "0 new rows\n"
    assert "cannot be read" in said("data", "import", str(tmp_path / "missing.csv"), status=2)


def test_where_there_is_nothing_one_line_says_so(home: Path, tmp_path: Path) -> None:
    for some in (("labels",), ("labels", "list"), ("data", "stats"), ("data", "check")):
        assert "nothing has been collected yet" in said(*some)
    (tmp_path / "file").touch()
    commands: list[tuple[str, ...]] = [("labels",), ("data", "stats"), ("data", "export", str(tmp_path / "out"))]
    for command in commands:
        output = said(*command, "--data", str(tmp_path / "file"), status=2)
        assert output.startswith("safety-monitor: ")
        assert len(output.strip().splitlines()) == 1
    assert "no such folder" in said("train", "signs", "--add", str(tmp_path / "none"), status=2)


def test_a_label_is_renamed_everywhere_or_nowhere(home: Path) -> None:
    fill(home)
    fill(home, "fist")
    mine = home / "models" / "signs"
    shutil.copytree(SHIPPED / "signs", mine)
    change_card(mine, labels=tuple("salute" if label == "ok" else label for label in read_card(mine).labels))
    (mine / "model.tflite").rename(mine / "elsewhere")
    assert "model.tflite is missing" in said("labels", "rename", "salute", "hello", status=2)
    assert Collection(home / "gestures").labels(SIGNS) == ["salute", "fist"]
    (mine / "elsewhere").rename(mine / "model.tflite")
    assert "salute is hello now: 3 rows, model signs" in said("labels", "rename", "salute", "hello")
    assert "hello" in read_card(mine).labels
    # The Signal for Help is made of signs that the program came with: models keep their names.
    assert said("labels", "rename", "fist", "punch").strip() == "fist is punch now: 3 rows"
    assert "fist" in read_card(mine).labels
    # Rows that were called otherwise by mistake: the model has learned the mistake, and is no hindrance.
    output = said("labels", "rename", "hello", "fist")
    assert "hello is fist now: 3 rows\nmodel signs tells hello and fist apart until it is trained anew" in output
    assert {"hello", "fist"} <= set(read_card(mine).labels)


def test_a_missing_file_to_measure_with_is_one_line(tmp_path: Path) -> None:
    for arguments in (["signs", "--two-model"], ["motions", "--two-model"], ["help-sign", "--tracked"]):
        output = said("evaluate", *arguments, str(tmp_path), status=1 if arguments[1] == "--tracked" else 2)
        assert output.startswith("safety-monitor: ")
        assert len(output.strip().splitlines()) == 1


def test_training_without_rows_is_one_line(home: Path) -> None:
    output = said("train", "signs", status=2)
    assert "no hands were collected yet" in output
    assert len(output.strip().splitlines()) == 1
    fill(home)
    assert "'salute' has 3 rows; at least 30 are needed" in said("train", "signs", status=2)
    assert "no 'signs' of your own is in use" in said("train", "signs", "--rollback", status=2)


@pytest.mark.skipif(not is_complete(default_path()), reason="the hand model file is not set up")
def test_collecting_from_a_recording_without_hands(home: Path, tmp_path: Path) -> None:
    video = tmp_path / "empty.mp4"
    write_media(video, images=[plain(90, 90, 90, 320, 240)] * 10)
    output = said("collect", "--camera", str(video), "--sign", "salute", "--no-window")
    assert "collected: nothing" in output
    assert "not both" in said("collect", "--sign", "a", "--motion", "b", status=2)
    assert "is no label" in said("collect", "--camera", str(video), "--sign", "a,b", "--no-window", status=2)
    said("collect", "--camera", str(tmp_path / "missing.mp4"), "--no-window", "--sign", "a", status=2)
    assert "give --sign or --motion" in said("collect", "--camera", str(video), "--no-window", status=2)
    assert "give a recording" in said("collect", "--camera", str(tmp_path), "--motion", "a", status=2)
    assert "line break" in said(
        "collect", "--camera", str(video), "--sign", "a", "--person", "x\ny", "--no-window", status=2
    )


def test_footage_that_is_not_there_is_no_camera() -> None:
    assert "0: no such file or folder" in said("evaluate", "help-sign", "--footage", "0", status=2)
