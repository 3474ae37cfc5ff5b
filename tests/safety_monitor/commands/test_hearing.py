import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audio.detector import load_scream_model
from audio.zoo.table import ZOO
from models.card import read_card
from safety_monitor.analysis import Analyst
from safety_monitor.cli import app
from safety_monitor.config.sources import load_settings
from tests.made_up_corpus import write_corpus


def test_a_model_is_trained_compared_and_heard_with_by_its_name(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_corpus(tmp_path / "sounds", sources=2, each=8, seconds=0.8)
    marked = home / "data" / "feedback"
    marked.mkdir(parents=True)
    shutil.copy(corpus / "ambient-0-0.wav", marked / "bang.wav")
    (marked / "manifest.csv").write_text("path,label,source,weight\nbang.wav,ambient,feedback,4\n", encoding="utf-8")
    run = CliRunner()
    options = ["--data", str(corpus), "--jobs", "1"]
    trained = run.invoke(app, ["train", "scream", "--model", "svm", *options])
    assert trained.exit_code == 0, trained.output
    assert "# SVM (RBF) on 34 features" in trained.output
    assert "| feedback | ambient | 1 |" in trained.output
    assert load_scream_model("svm.new", home / "models").labels[0] == "scream"
    monkeypatch.setenv("SAFETY_MONITOR_HEARING__MODEL", "svm.new")
    with Analyst(load_settings()) as station:
        assert station.analyze(corpus / "scream-0-0.wav")["segments"]
    monkeypatch.delenv("SAFETY_MONITOR_HEARING__MODEL")
    # What the model in use says of the recordings left out is perfect: another seed is no worse, or says in what.
    put = run.invoke(app, ["train", "scream", "--model", "svm", "--folds", "2", "--use", *options])
    if put.exit_code:
        assert "worse: auc" in put.output
        assert not (home / "models" / "scream").exists()
    else:
        assert "in use: " in put.output
        assert read_card(home / "models" / "scream").parameters["compared"]["in_use"]["auc"] <= 1
    compared = run.invoke(app, ["compare", "svm.new", *options, "--roc", "roc.png"])
    assert compared.exit_code == 0, compared.output
    assert "| svm.new | 1.0" in compared.output or "| svm.new | 0.9" in compared.output
    assert Path("roc.png").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "scream", "--data", "nowhere"], "nowhere: no such folder or manifest"),
        (["train", "scream", "--data", "nowhere", "--model", "oracle"], "no model 'oracle' can be trained"),
        (["train", "scream", "--data", "sounds", "--seed", "3"], "--seed says nothing to scream: leave it out"),
        (["train", "scream", "--data", "sounds", "--teacher", "yamnet.tflite"], "--teacher says nothing to scream"),
        (["train", "scream", "--data", "sounds", "--model", "svm", "--member", "svm"], "--member says nothing to svm"),
        (
            ["train", "scream", "--data", ".", "--model", "consensus", "--folds", "3"],
            "--folds says nothing to consensus",
        ),
        (["train", "scream", "--data", "sounds", "--model", "svm", "--force"], "--force goes with --use"),
        (["compare", "oracle", "--data", "."], "neither manifest.csv nor sounds"),
        (["compare", "--data", "sounds"], "name the models to compare"),
        (["compare", "oracle", "--data", "sounds"], "no model 'oracle'"),
        (["compare", "--data", "sounds", "--page", "models.md"], "give --folds"),
        (["compare", "--data", "sounds", "--folds", "2", "--scores", "mine"], "write NAME=FILE"),
        (["compare", "--data", "sounds", "--folds", "2", "--page", "there/models.md"], "there is no such folder"),
    ],
)
def test_wrong_input_gets_one_line(home: Path, tmp_path: Path, words: list[str], said: str) -> None:
    write_corpus(tmp_path / "sounds", sources=2, each=1, seconds=0.2)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output


def test_help_names_every_model_that_can_be_trained() -> None:
    shown = "".join(CliRunner().invoke(app, ["train", "scream", "--help"]).output.split())
    assert f"approach:{','.join(ZOO)}." in shown
