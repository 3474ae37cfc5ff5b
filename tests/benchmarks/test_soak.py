"""The short form of `make soak`: each part does its least, and nothing gets lost or grows."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_hours_in_short() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", "--minutes", "0.01", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    parts = {part["name"]: part for part in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0, (parts, done.stderr[-2000:])
    assert list(parts) == ["scenes", "screams", "hands", "load"]
    assert all((part["false_alarms"], part["lost"], part["missed"]) == (0, 0, []) for part in parts.values()), parts
    assert parts["scenes"]["incidents"] >= 2
    assert parts["screams"]["incidents"] == parts["hands"]["incidents"] == 1
    assert parts["load"]["incidents"] >= 20
