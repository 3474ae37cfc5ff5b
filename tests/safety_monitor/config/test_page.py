"""The page of settings says what the settings are."""

import tomllib
from pathlib import Path

import pytest

from safety_monitor.config.page import template
from safety_monitor.config.sources import load_settings

DOCS = Path(__file__).resolve().parents[3] / "docs" / "settings.md"


def test_the_template_is_a_settings_file_that_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "station.toml"
    path.write_text(template())
    assert load_settings(path, environ={}).model_dump() == load_settings(environ={}).model_dump()


def test_a_line_without_its_comment_sign_sets_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(template().replace("# volume = 1.0", "volume = 0.25"))
    assert load_settings(path, environ={}).alarm.volume == 0.25


def test_every_default_shown_is_valid_toml() -> None:
    shown = [line.removeprefix("# ") for line in template().splitlines() if line.startswith("# ") and " = " in line]
    assert len(shown) > 20
    for line in shown:
        tomllib.loads(line)


def test_the_page_in_the_docs_is_the_template() -> None:
    _, block = DOCS.read_text(encoding="utf-8").split("```toml\n")
    assert block.rstrip().removesuffix("```").rstrip() == template().rstrip(), "run: make docs"
