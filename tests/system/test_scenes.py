"""The whole station on recorded scenes: the incidents that each scene names, at their time, and no others."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
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


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Result]]]:
    """What comes of every scene, played fast; two at a time, for a station alone keeps one core busy."""
    homes = tmp_path_factory.mktemp("homes")
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(play, homes / name, name, "--fast") for name in NAMES}
        pool.shutdown(cancel_futures=True)


def incidents(result: Result) -> list[list[dict[str, Any]]]:
    """The transitions of each confirmed incident, ids left out."""
    by_id: dict[str, list[dict[str, Any]]] = {}
    for line in result.objects:
        by_id.setdefault(line.pop("incident"), []).append(line)
    return [lines for lines in by_id.values() if any(line["state"] == "confirmed" for line in lines)]


@needs_scenes
@pytest.mark.parametrize("name", NAMES or ["none"])
def test_a_scene_gives_the_incidents_it_names_and_no_others(name: str, played: dict[str, Future[Result]]) -> None:
    expected = json.loads((SCENES / f"{name}.json").read_text())["expect"]
    result = played[name].result()
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
def test_a_scene_gives_the_same_in_real_time_as_fast(played: dict[str, Future[Result]], tmp_path: Path) -> None:
    fast = incidents(played["help-sign-1"].result())
    assert incidents(play(tmp_path, "help-sign-1")) == fast
    assert len(fast) == 1
