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
    assert "| hearing, real-time factor at 4 decisions/s |" in text
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
    latency = (
        "│ scream, synthesised    │ 40 │ 0 │ 0.31 s │ 0.44 s │ 0.3 s │ 6.5 ms │\n"
        "│ scream, recorded       │ 96 │ 4 │ 0.75 s │ 1.87 s │ 0.7 s │ 4.6 ms │\n"
        "│ Signal for Help, drawn │  4 │ 1 │ 0.28 s │ 0.30 s │ 0.2 s │ 24 ms │\n"
        "│ Signal for Help, recorded scenes │ 0 │ 6 │ - │ - │ - │ - │"
    )
    seeing = (
        "│ frames      │ bare frames/s │ whole frames/s │ whole / bare │ added ms, median │ 95 % │ targets │\n"
        "│ demo scene  │          64.8 │           62.7 │        0.967 │             0.10 │ 1.23 │     met │\n"
        "│ both-1      │          55.2 │           51.7 │        0.935 │             1.29 │ 1.76 │  MISSED │\n"
        "│ camera       │ frame times, median │ 95 % │ overtaken │ target │\n"
        "│ 15 frames/s  │                0.18 │ 0.33 │  0 of 200 │    met │\n"
        "│ 30 frames/s  │                1.60 │ 1.64 │  0 of 200 │ MISSED │\n"
        "idle scene: a hand noticed in 5 of 6 tries, at the latest after 0.09 s; the frame\n"
        "idle scene: a hand noticed in 6 of 6 tries, at the latest after 0.12 s; the frame"
    )
    hearing = (
        "scream: loads in 0.09 s, real-time factor 0.0415 at 6.2 decisions/s, 0.0310 at 4, a decision takes 6.1 ms "
        "(95 %: 8.3 ms), 9.9 MB"
    )
    web = "| pages | m | l | s | memory |\n| 0 | 1 ms | 2 ms | 0.2 | 416 MB |\n| 50 | 1 ms | 2 ms | 1 | 611 MB |"
    delivery = "│ incidents through the journal │ 60 /s │ 29 /s │ 0.48 │"
    assert cells(latency, "scream")[:4] == ["scream, synthesised", "40", "0", "0.31 s"]
    outputs = {"latency": latency, "hearing": hearing, "seeing": seeing, "web": web, "delivery": delivery}
    lines = page({name: Result(output, 1.0) for name, output in outputs.items()}, 500.0, None).splitlines()
    for line in (
        "| scream, synthesised: to alarm call, median | 0.31 s | ≤ 0.7 s | met |  |",
        "| scream, recorded: to alarm call, 95 % | 1.87 s | ≤ 1.0 s | **missed** |  |",
        "| scream, recorded: alarmed | 96% | ≥ 95 % | met | 4 of 100 missed |",
        "| Signal for Help, drawn: to alarm call, median | 0.28 s | ≤ 0.4 s | met |  |",
        "| Signal for Help, drawn: alarmed | 80% | ≥ 95 % | **missed** | 1 of 5 missed |",
        "| Signal for Help, recorded scenes: alarmed | 0% | ≥ 95 % | **missed** | 6 of 6 missed |",
        "| hearing, real-time factor at 4 decisions/s | 0.0310 | ≤ 0.03 | **missed** "
        "| at the 6.2/s of the station: 0.0415 |",
        "| the scream model is loaded in | 0.09 s | ≤ 1 s | met |  |",
        "| size of the scream model | 9.9 MB | ≤ 10 MB | met |  |",
        "| seeing, frames/s of a bare MediaPipe loop's, slowest scene | 0.935 | ≥ 0.95 | **missed** "
        "| both-1: 51.7 of 55.2 frames/s |",
        "| seeing, added to a frame, median, slowest scene | 1.29 ms | ≤ 1 ms | **missed** | both-1 |",
        "| from a frame to its readings, median | 1.60 frame times | ≤ 1.5 | **missed** | 30 frames/s |",
        "| a hand in an idle scene is noticed, at the latest | 0.12 s | ≤ 0.3 s | met | 11 of 12 tries |",
        "| resident memory with 50 live pages open | 611 MB |  |  | with 0: 416 MB |",
        "| incidents through the journal | 60 /s |  |  | bare SQLite insert: 500 /s |",
    ):
        assert line in lines
