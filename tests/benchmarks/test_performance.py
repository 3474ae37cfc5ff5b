"""The page of figures: written from what the benchmarks print, and honest about one that failed."""

from pathlib import Path

import pytest

from benchmarks import performance
from benchmarks.performance import PARTS, Part, Result, cells, main, page


def test_a_run_writes_the_page(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    assert main(["--only", "hearing", "--output", str(path)]) == 0
    text = path.read_text()
    assert "## Hearing" in text
    assert "real-time factor" in text
    assert "cores, Linux" in text


def test_a_benchmark_that_fails_stands_there_as_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARTS, "hearing", Part("Hearing", "hearing", ("--no-such-option",)))
    path = tmp_path / "performance.md"
    assert main(["--only", "hearing", "--output", str(path)]) == 1
    assert "**Failed**: ended with status 2" in path.read_text()


def test_one_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performance, "LIMIT_S", 0.01)
    assert "took longer" in performance.run(PARTS["hearing"], None).trouble


def test_what_was_found_stands_beside_aim_and_reference() -> None:
    table = (
        "│ scream, synthesised    │     40 │      0 │ 0.31 s │ 0.4 s │\n"
        "│ Signal for Help, drawn │      5 │      0 │ 0.28 s │ 0.3 s │"
    )
    delivery = "│ incidents through the journal │ 60 /s │ 29 /s │ 0.48 │"
    assert cells(table, "scream") == ["scream, synthesised", "40", "0", "0.31 s", "0.4 s"]
    text = page({"latency": Result(table, 1.0), "delivery": Result(delivery, 1.0)}, 500.0, None)
    assert "median | 0.31 s | ≤ 0.7 s |" in text
    assert "median | 0.28 s | ≤ 0.4 s |" in text
    assert "| incidents through the journal | 60 /s | | bare SQLite insert: 500 /s |" in text
