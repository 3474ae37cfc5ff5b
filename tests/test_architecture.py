"""The direction of the arrows: who may import whom, and who alone touches the world."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "safety_monitor": {"safety_monitor", "audio", "gesture", "media", "models"},
    "audio": {"audio", "media", "models"},
    "gesture": {"gesture", "media", "models"},
    "media": {"media"},
    "models": {"models"},
}
"""Each package -> our packages that it may import."""

WITHIN: dict[str, set[str]] = {
    "config": set(),
    "demo": set(),
    "journal": set(),
    "actions": {"journal"},
    "people": {"config", "journal"},
    "dispatch": {"actions", "config", "journal"},
    "supervision": {"actions", "dispatch", "journal"},
    "learning": {"actions", "config", "journal"},
    "operating": {"actions", "config", "demo", "dispatch", "journal", "supervision"},
    "web": {"actions", "config", "dispatch", "journal", "learning", "operating", "people", "supervision"},
    "commands": {
        "actions",
        "config",
        "dispatch",
        "journal",
        "learning",
        "operating",
        "people",
        "supervision",
        "web",
    },
}
"""Each package of safety_monitor -> the others that it may import, from the lowest up."""

ALONE = {
    "sounddevice": "audio/microphone.py",
    "pulsectl": "audio/",
    "ai_edge_litert": "models/runtime.py",
    "pygame": "safety_monitor/actions/",
    "pyttsx3": "safety_monitor/actions/",
    "twilio": "safety_monitor/actions/",
    "apprise": "safety_monitor/actions/",
    "paho": "safety_monitor/actions/",
    "pymongo": "safety_monitor/actions/",
    "firebase_admin": "safety_monitor/actions/",
}
"""Third-party package -> the only place that may import it."""

TRAINING_ONLY = {
    "tensorflow",
    "keras",
    "librosa",
    "sklearn",
    "imblearn",
    "scipy",
    "numba",
    "matplotlib",
    "skops",
    "joblib",
    "dask",
    "distributed",
}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    tree = parsed(path)
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_downwards_only(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        for name in imports(path)
        if name.split(".")[0] in PACKAGES and name.split(".")[0] not in PACKAGES[package]
    ]
    assert wrong == []


def uppermost_imports() -> dict[str, set[str]]:
    """Each package and module that lies uppermost in safety_monitor -> those others that it imports."""
    found: dict[str, set[str]] = {}
    for path in sources("safety_monitor"):
        own = path.relative_to(ROOT / "safety_monitor").with_suffix("").parts[0]
        names = {name.split(".")[1] for name in imports(path) if name.startswith("safety_monitor.")}
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom) and node.module == "safety_monitor":
                names |= {alias.name for alias in node.names}
        found.setdefault(own, set()).update(names - {own})
    return found


def test_within_safety_monitor_packages_import_only_those_below() -> None:
    found = {name: its & set(WITHIN) for name, its in uppermost_imports().items()}
    packages = {path.parent.name for path in (ROOT / "safety_monitor").glob("*/__init__.py")}
    assert packages == set(WITHIN)
    assert {name: found[name] - WITHIN[name] for name in WITHIN if found[name] - WITHIN[name]} == {}


def test_no_two_parts_of_safety_monitor_import_each_other_not_even_by_way_of_others() -> None:
    parts = uppermost_imports()
    assert len(parts) > 30
    assert set(TopologicalSorter(parts).static_order()) >= set(parts)  # else it raises, and names the circle


@pytest.mark.parametrize(("library", "place"), ALONE.items())
def test_only_one_place_touches_each_part_of_the_world(library: str, place: str) -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in sources(package)
        if library in {name.split(".")[0] for name in imports(path)}
        and not str(path.relative_to(ROOT)).startswith(place)
    ]
    assert wrong == []


def test_cameras_are_opened_in_one_place() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in sources(package)
        if "VideoCapture(" in path.read_text(encoding="utf-8") and path != ROOT / "gesture" / "capture.py"
    ]
    assert wrong == []


def test_what_the_station_imports_never_leads_to_the_training_libraries() -> None:
    """Follows the imports that run when the station's own modules are imported."""
    seen: set[Path] = set()
    waiting = [path for path in sources("safety_monitor") if path.name != "cli.py"]
    found = []
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in imports(path, top_level_only=True):
            if name.split(".")[0] in TRAINING_ONLY:
                found.append(f"{path.relative_to(ROOT)} imports {name}")
            if name.split(".")[0] in PACKAGES:
                module = ROOT / Path(*name.split("."))
                waiting += [file for file in (module.with_suffix(".py"), module / "__init__.py") if file.is_file()]
    assert found == []
    assert ROOT / "audio" / "detector.py" in seen


def test_the_text_points_to_modules_that_are_there_and_leaves_none_of_the_uppermost_out() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("## Where to look")[2].partition("\n## ")[0]
    named = {name.rstrip("/") for name in re.findall(r"`([a-z_]+[a-z]/?)`", table)}
    there = [path.relative_to(ROOT / "safety_monitor").with_suffix("").parts for path in sources("safety_monitor")]
    assert {uppermost for uppermost, *_ in there if not uppermost.startswith("__")} - named == set()
    assert named - {part for parts in there for part in parts} == set()
