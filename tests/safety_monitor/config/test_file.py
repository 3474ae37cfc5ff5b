"""What is written a start accepts, comments and the file before stay, and nothing is lost when two write at once."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.card import change_card
from models.registry import SHIPPED
from safety_monitor.config import SettingsError
from safety_monitor.config.file import SettingsFile, replace_file
from safety_monitor.config.sources import load_settings
from safety_monitor.running import check_start

TEXT = """\
# ours
[fusion]
threshold = 0.8  # tried
[alarm]
enabled = false
[speech]
enabled = false
"""
NIGHT = {"begin": "22:00", "end": "06:00"}
SECRET = "mongodb://user:hush@host"


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    path = tmp_path / "station.toml"
    path.write_text(TEXT)
    path.chmod(0o640)
    environ = {"SAFETY_MONITOR_HOME": str(tmp_path), "SAFETY_MONITOR_MONGODB__URL": SECRET}
    return SettingsFile(path, check_start, environ)


def test_a_change_is_written_and_the_file_before_is_kept(file: SettingsFile) -> None:
    before = file.read()
    values = copy.deepcopy(before.values)
    values["fusion"]["threshold"] = 0.7
    values["policies"] = [{"name": "all", "steps": [{"actions": ["mongodb"]}]}]
    settings = file.write(before, values)
    assert settings == load_settings(file.path, file.environ)
    assert settings.fusion.threshold == 0.7
    text = file.path.read_text()
    assert "# ours\n" in text
    assert "threshold = 0.7  # tried" in text
    assert "hush" not in text
    assert file.path.with_name("station.toml.bak").read_text() == TEXT
    assert file.path.stat().st_mode & 0o777 == 0o640
    assert sorted(each.name for each in file.path.parent.glob("*station.toml*")) == ["station.toml", "station.toml.bak"]


def test_a_new_file_is_for_nobody_else_on_the_machine_it_holds_numbers_and_hashes(tmp_path: Path) -> None:
    path = tmp_path / "home" / "station.toml"
    replace_file(path, TEXT)
    assert path.stat().st_mode & 0o077 == path.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda v: v["fusion"].update(threshold=7), "fusion.threshold: must be at most 0.98"),
        (lambda v: v.update(schedule={"thresholds": [NIGHT | {"threshold": 0.99}]}), "must be at most 0.98"),
        (lambda v: v["fusion"].update(threshold=0.3), "fusion: needs 0 < weak"),
        (lambda v: v["fusion"].update(loudness=1), "unknown key 'fusion.loudness'"),
        (lambda v: v.update(acknowledge={"pin_hash": "x"}), "is a secret"),
        (lambda v: v.update(policies=[{"name": "x", "steps": [{"actions": ["fax"]}]}]), "fax"),
        (lambda v: v.update(emergency={"gestures": [{"sign": "wink"}]}), "unknown sign 'wink'"),
        (lambda v: v.update(seeing={"signs": "mine"}), "no model 'mine'"),
        (lambda v: v.update(contacts=[{"name": "no name"}]), "contacts, the first: name"),
    ],
)
def test_what_a_start_would_refuse_is_not_written(
    file: SettingsFile, change: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    before = file.read()
    values = copy.deepcopy(before.values)
    change(values)
    with pytest.raises(SettingsError) as caught:
        file.write(before, values)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
    assert file.path.read_text() == TEXT


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda v: v["fusion"].update(threshold=0.9), "{path}: fusion.threshold: must be less than 0.868, or a scream"),
        (
            lambda v: v.update(schedule={"thresholds": [NIGHT | {"threshold": 0.9}]}),
            "{path}: schedule.thresholds, the first: threshold: must be less than 0.868, or a scream alone is never",
        ),
    ],
)
def test_a_threshold_that_the_scream_model_in_use_cannot_reach_is_not_written(
    file: SettingsFile, change: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    mine = Path(shutil.copytree(SHIPPED / "scream", file.path.parent / "models" / "scream"))
    change_card(mine, parameters={"persistence": {"limit": 6.0, "threshold": 5.5}})
    before = file.read()
    values = copy.deepcopy(before.values)
    change(values)
    with pytest.raises(SettingsError) as caught:
        file.write(before, values)
    assert str(caught.value).startswith(complaint.format(path=file.path))
    values["microphone"] = {"source": "off"}
    file.write(before, values)


def test_a_file_that_changed_meanwhile_is_not_overwritten(file: SettingsFile) -> None:
    before = file.read()
    file.path.write_text(TEXT + "# and more\n")
    with pytest.raises(SettingsError, match="has been changed meanwhile"):
        file.write(before, {"fusion": {"threshold": 0.7}})
    assert file.path.read_text().endswith("# and more\n")


def test_where_there_was_no_file_one_is_made(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "home" / "station.toml", environ={})
    file.write(file.read(), {"station": {"name": "hall"}})
    assert load_settings(file.path, {}).station.name == "hall"


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "station.toml").mkdir()
    with pytest.raises(SettingsError, match="is a folder, not a settings file"):
        SettingsFile(tmp_path / "station.toml").read()
