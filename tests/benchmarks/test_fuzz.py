"""Damaged inputs of every kind: read, or refused by the parser's own error; never anything else."""

import json
import random
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import TARGETS, Seeds, damaged, fuzz
from tests.system.command import safety_monitor

OURS = ("hands", "movements", "labels", "manifest", "settings", "card", "task")
"""Parsers written in Python; a fault of theirs is an exception, which needs no process of its own to be caught."""
DECODERS = ("wav", "mp3", "mp4", "tflite")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@cache
def seeds_of(name: str, folder: Path) -> Seeds:
    (folder / name).mkdir()
    return TARGETS[name].seeds(folder / name)


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_not_damaged_is_read(name: str, folder: Path) -> None:
    for file, content in seeds_of(name, folder).items():
        (folder / name / file).write_bytes(content)
        assert TARGETS[name].parse(folder / name / file), file


@pytest.mark.parametrize("name", OURS)
@settings(max_examples=80, deadline=None)
@given(number=st.integers(0, 10**9))
def test_our_own_parsers_take_or_refuse(name: str, number: int, folder: Path) -> None:
    chance = random.Random(number)
    file, content = chance.choice(sorted(seeds_of(name, folder).items()))
    (folder / name / file).write_bytes(damaged(content, chance))
    TARGETS[name].parse(folder / name / file)


@pytest.mark.parametrize("name", DECODERS)
def test_decoders_neither_crash_nor_hang_nor_grow(name: str) -> None:
    outcome = fuzz(name, 0, 60)
    assert outcome.faults == []
    assert (outcome.read > 0, outcome.refused > 0, outcome.read + outcome.refused) == (True, True, 60)


def test_analyze_says_something_of_every_damaged_recording(folder: Path, tmp_path: Path) -> None:
    files = []
    for number in range(12):
        chance = random.Random(number)
        name = ("wav", "mp3", "mp4")[number % 3]
        ((file, content),) = seeds_of(name, folder).items()
        path = tmp_path / f"{number}-{file}"
        path.write_bytes(damaged(content, chance))
        files.append(path)
    result = safety_monitor(tmp_path, "analyze", "--json", *files)
    assert result.status in (0, 1)
    assert "Traceback" not in result.stderr
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["file"] for each in told] == [str(path) for path in files]
    assert all("error" in each or "segments" in each for each in told)
