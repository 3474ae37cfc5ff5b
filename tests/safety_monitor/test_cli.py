"""Wrong input on the command line: one clear line, the right exit status, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.system.command import PROGRAM, safety_monitor


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--camera", "off", "--mic", "off"], "camera and microphone are both off"),
        (["run", "--mic", "missing.wav"], "missing.wav: no such file"),
        (["run", "--camera", "missing.mp4"], "missing.mp4"),
        (["run", "--mic", "demo", "--config", "missing.toml"], "missing.toml: there is no such settings file"),
        (["incidents", "show", "abc"], "no incident 'abc'"),
        (["incidents", "ack", "abc"], "no incident 'abc'"),
        (["incidents", "ack"], "no incident waits to be acknowledged"),
        (["password-hash"], "run it in a terminal"),
        (["analyze", "rtsp://me:secret@127.0.0.1/x"], "rtsp://127.0.0.1/x: is an address"),
        (["web-token", ""], "'' is not a name"),
        (["incidents", "--json", "show", "abc"], "--json must stand behind show"),
    ],
)
def test_wrong_input_is_one_line_and_exit_status_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = safety_monitor(tmp_path, *arguments)
    assert result.status == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_an_unknown_emergency_label_ends_the_run_before_it_seems_to_watch(tmp_path: Path) -> None:
    gestures = '[{"sign": "fits"}]'
    result = safety_monitor(
        tmp_path, "run", "--camera", "demo", "--mic", "off", SAFETY_MONITOR_EMERGENCY__GESTURES=gestures
    )
    assert result.status == 2
    assert "unknown sign 'fits'; known:" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unknown_model_ends_the_run_and_names_the_known_ones(tmp_path: Path) -> None:
    result = safety_monitor(tmp_path, "run", "--mic", "demo", SAFETY_MONITOR_HEARING__MODEL="screem")
    assert result.status == 2
    assert "no model 'screem'; known models:" in result.stderr


def test_an_empty_journal_lists_nothing_and_says_so(tmp_path: Path) -> None:
    result = safety_monitor(tmp_path, "incidents")
    assert (result.status, result.stdout) == (0, "")
    assert "no incidents" in result.stderr


@pytest.mark.parametrize("group", ["incidents", "outbox", "models"])
def test_a_group_alone_lists_with_the_options_of_its_list(group: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.touch()
    alone = safety_monitor(tmp_path, group, "--json", "--config", str(empty))
    assert (alone.status, alone.stdout) == (0, safety_monitor(tmp_path, group, "list", "--json").stdout)
    assert "--config" in safety_monitor(tmp_path, group, "--config", "missing.toml", "list").stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["init", "--yes", "--volume", "7"], "Invalid value for '--volume': must be less than or equal to 1; see"),
        (["incidents", "mark", "x", "maybe"], "'maybe' is not one of 'real', 'false', 'none'; see"),
        (["incidents", "list", "--limit", "9" * 23], "Invalid value for '--limit'"),
        (["outbox", "--limit", "9" * 23], "Invalid value for '--limit'"),
        (["runn"], "No such command 'runn'"),
        (["analyze"], "Missing argument 'files"),
    ],
)
def test_a_command_line_that_is_none_is_one_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    result = safety_monitor(tmp_path, *arguments)
    (line,) = result.stderr.splitlines()
    assert said in line
    assert line.endswith("--help")
    assert (result.status, result.stdout) == (2, "")


def test_a_full_disk_behind_the_output_is_one_line(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(PROGRAM), "settings"], stdout=full, stderr=PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "safety-monitor: No space left on device\n")


@pytest.mark.parametrize(
    ("closed", "said"), [(">&-", ("", "no incidents\n")), ("2>&-", ("", "")), ("<&- >&- 2>&-", ("", ""))]
)
def test_closed_output_is_not_written_to_and_ends_nothing(closed: str, said: tuple[str, str], tmp_path: Path) -> None:
    environ = {**os.environ, "SAFETY_MONITOR_HOME": str(tmp_path)}
    command = ["sh", "-c", f"exec {PROGRAM} incidents {closed}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environ, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, *said)
    assert safety_monitor(tmp_path, "incidents").status == 0


def test_what_a_terminal_cannot_show_ends_nothing(tmp_path: Path) -> None:
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    command = [os.fsencode(PROGRAM), b"analyze", b"L\xe4rm.wav", b"evening.wav"]  # the first of a disk from elsewhere
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=strict, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    first, second = done.stdout.splitlines()
    assert first.startswith("L\\udce4rm.wav: no such file")
    assert second.startswith("evening.wav: no such file")


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "safety_monitor", "--help"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0
    assert "analyze" in done.stdout


def test_the_command_line_waits_for_no_database_and_no_decoder() -> None:
    """What a command needs it imports itself: `--help` and every other command would pay for it."""
    heavy = "{'sqlalchemy', 'av', 'numpy', 'mediapipe', 'nicegui'}"
    code = f"import sys, safety_monitor.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
