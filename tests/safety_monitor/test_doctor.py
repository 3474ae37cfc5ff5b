"""The doctor names every part, says what is missing, and never prints a secret."""

from pathlib import Path

from tests.system.command import safety_monitor

SECRET = "mysql+mysqlconnector://station:pl4nted@127.0.0.1:9/safety"  # planted, and of nobody


def test_without_devices_it_says_so_and_fails(tmp_path: Path) -> None:
    result = safety_monitor(tmp_path, "doctor", "--json", PULSE_SERVER="unix:/nonexistent")
    findings = {finding["part"]: finding for finding in result.objects}
    assert {"camera", "microphone", "model scream", "model signs", "model motions", "model hands"} <= findings.keys()
    assert {"alarm", "speech", "credentials", "disk", "journal", "opencv"} <= findings.keys()
    missing = {part for part, finding in findings.items() if finding["needed"] and not finding["ok"]}
    assert missing == {"camera", "microphone"}
    assert result.status == 1


def test_with_recordings_as_sources_nothing_needed_is_missing(tmp_path: Path) -> None:
    sources = {"SAFETY_MONITOR_CAMERA__SOURCE": "demo", "SAFETY_MONITOR_MICROPHONE__SOURCE": "demo"}
    assert safety_monitor(tmp_path, "doctor", **sources).status == 0


def test_a_damaged_model_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "scream"
    folder.mkdir(parents=True)
    (folder / "card.md").write_text("+++\ntask = 1\n")
    result = safety_monitor(tmp_path, "doctor")
    (line,) = [line for line in result.stdout.splitlines() if "model scream" in line]
    assert line.startswith("NOT OK")
    assert result.status == 1


def test_what_no_run_would_begin_with_is_missing(tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text('[[policies]]\nname = "quiet"\nsteps = [{ actions = ["pager"] }]\n')
    sources = {"SAFETY_MONITOR_CAMERA__SOURCE": "demo", "SAFETY_MONITOR_MICROPHONE__SOURCE": "demo"}
    result = safety_monitor(tmp_path, "doctor", **sources)
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("NOT OK")]
    assert "policies.0.steps.0.actions: no channel 'pager' is turned on" in line
    assert result.status == 1


def test_whoever_cannot_be_told_is_named(tmp_path: Path) -> None:
    sources = {"SAFETY_MONITOR_CAMERA__SOURCE": "demo", "SAFETY_MONITOR_MICROPHONE__SOURCE": "demo"}
    assert "not ok   people" in safety_monitor(tmp_path, "doctor", **sources).stdout
    hook = {"SAFETY_MONITOR_WEBHOOK__URL": "http://127.0.0.1:9/", "SAFETY_MONITOR_WEBHOOK__SECRET": "planted-secret"}
    result = safety_monitor(tmp_path, "doctor", **sources, **hook)
    assert "ok       people       webhook" in result.stdout
    assert "NOT OK   webhook" in result.stdout
    assert result.status == 1


def test_a_secret_is_named_and_never_printed(tmp_path: Path) -> None:
    result = safety_monitor(tmp_path, "doctor", SAFETY_MONITOR_MYSQL__URL=SECRET)
    assert "mysql.url" in result.stdout
    assert "pl4nted" not in result.stdout + result.stderr
    assert "Traceback" not in result.stderr
