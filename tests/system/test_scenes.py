"""The whole station on recorded scenes: the incidents that each scene names, at their time, and no others."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.system.command import Result, safety_monitor

SCENES = Path(__file__).resolve().parents[3] / "shared" / "data" / "scenes"
NAMES = sorted(path.stem for path in SCENES.glob("*.mp4"))
SENSES = {"scream": {"audio"}, "gesture": {"gesture"}, "both": {"audio", "gesture"}}
LATE_S = 1.0
"""How long after the end of the event an incident may still be confirmed."""

needs_scenes = pytest.mark.skipif(not NAMES, reason=f"needs the recorded scenes in {SCENES}")


def play(home: Path, name: str, *more: str) -> Result:
    scene = SCENES / f"{name}.mp4"
    return safety_monitor(home, "run", "--camera", scene, "--mic", scene, "--json", *more)


@cache
def played_fast(name: str) -> Result:
    with TemporaryDirectory() as home:
        return play(Path(home), name, "--fast")


def incidents(result: Result) -> list[list[dict[str, Any]]]:
    """The transitions of each confirmed incident, ids left out."""
    by_id: dict[str, list[dict[str, Any]]] = {}
    for line in result.objects:
        by_id.setdefault(line.pop("incident"), []).append(line)
    return [lines for lines in by_id.values() if any(line["state"] == "confirmed" for line in lines)]


@needs_scenes
@pytest.mark.parametrize("name", NAMES or ["none"])
def test_a_scene_gives_the_incidents_it_names_and_no_others(name: str) -> None:
    expected = json.loads((SCENES / f"{name}.json").read_text())["expect"]
    result = played_fast(name)
    assert result.status == 0, result.stderr
    found = incidents(result)
    assert len(found) == len(expected), result.stdout
    for lines, event in zip(found, expected, strict=True):
        confirmed = next(line for line in lines if line["state"] == "confirmed")
        begin, end = event["at_s"]
        assert begin <= confirmed["at_s"] <= end + LATE_S
        assert {sense for line in lines for sense in line["senses"]} == SENSES[event["kind"]]
        assert lines[-1]["state"] == "closed"


@needs_scenes
def test_a_scene_gives_the_same_in_real_time_as_fast(tmp_path: Path) -> None:
    fast = incidents(played_fast("help-sign-1"))
    assert incidents(play(tmp_path, "help-sign-1")) == fast
    assert len(fast) == 1
