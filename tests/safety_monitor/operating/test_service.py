"""The service: what systemd itself says of the unit, and that putting it in place loses nothing."""

import grp
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from models.hand_landmarker import check
from safety_monitor.config.secret_file import for_service
from safety_monitor.config.sources import load_settings
from safety_monitor.journal.incidents import Journal
from safety_monitor.operating.service import (
    GROUPS,
    HOME,
    LOG_GROUP,
    SECRETS,
    SETTINGS,
    Place,
    ServiceError,
    closed_folder,
    groups_for,
    install,
    program,
    run_as_service,
    settings_changed_at,
    uninstall,
    unit,
)
from tests.alarms import SCREAM
from tests.system.command import PROGRAM, safety_monitor

MOST_EXPOSED = 2.0
"""Of systemd's own scale, 0 (nothing to attack) to 10."""


def analyze(unit_file: Path, *command: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    return subprocess.run(
        ["systemd-analyze", *command, str(unit_file)], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def unit_file(tmp_path: Path) -> Path:
    path = tmp_path / "safety-monitor.service"
    result = safety_monitor(tmp_path, "install-service", "--print")
    assert (result.status, result.stderr) == (0, "")
    path.write_text(result.stdout)
    return path


def test_systemd_understands_every_line(unit_file: Path) -> None:
    done = analyze(unit_file, "verify", "--man=no")
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_understands_the_unit_that_the_guide_gives_a_desktop(tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "operating.md"
    (text,) = re.findall(r"^```ini\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    path = tmp_path / "safety-monitor.service"
    path.write_text(text.replace("/opt/safety-monitor/.venv/bin/safety-monitor", str(PROGRAM)))
    done = analyze(path, "verify", "--man=no")
    assert (done.returncode, done.stderr) == (0, "")
    ours, told = unit(PROGRAM).splitlines(), path.read_text().splitlines()
    assert {"Type=notify", "Restart=always", "WatchdogSec=60", "TimeoutStopSec=60"} <= {*ours} & {*told}


def test_the_service_can_do_little_else_than_its_work(unit_file: Path) -> None:
    done = analyze(unit_file, "security", "--offline=true", "--no-pager")
    exposure = re.search(r"exposure level for safety-monitor.service: ([\d.]+)", done.stdout)
    assert exposure is not None, done.stdout + done.stderr
    assert float(exposure[1]) <= MOST_EXPOSED


def test_installed_twice_it_keeps_settings_and_secrets_and_leaves_with_its_unit_alone(tmp_path: Path) -> None:
    root, mine = tmp_path / "root", tmp_path / "mine.toml"
    mine.write_text('[station]\nname = "hall"\n')
    (tmp_path / ".env").write_text("SAFETY_MONITOR_MESSAGES__ANNA='json://example.org/?a=b#c'\n")
    arguments = ["install-service", "--root", str(root), "--config", str(mine)]
    put = safety_monitor(tmp_path, *arguments)
    assert put.status == 0
    assert "nothing was started; `systemctl enable --now safety-monitor`" in put.stdout  # a mere start is not for good
    settings, secrets = root / "etc/safety-monitor/station.toml", root / "etc/safety-monitor/secrets.env"
    unit_there = root / "etc/systemd/system/safety-monitor.service"
    assert settings.read_text() == mine.read_text()
    assert unit_there.read_text() == unit(PROGRAM)
    assert secrets.stat().st_mode & 0o077 == 0
    assert 'SAFETY_MONITOR_MESSAGES__ANNA="json://example.org/?a=b#c"' in secrets.read_text()
    check(root / "var/lib/safety-monitor/cache/hand_landmarker.task")
    assert (root / "var/lib/safety-monitor").stat().st_mode & 0o077 == 0

    settings.write_text('[station]\nname = "changed"\n')
    secrets.write_text("SAFETY_MONITOR_MQTT__PASSWORD=x\n")
    (root / "var/lib/safety-monitor/journal.sqlite").write_text("what happened")
    again = safety_monitor(tmp_path, *arguments).stdout
    for path in (settings, secrets):
        assert f"{path}: kept as it is; --replace takes over yours" in again
    replaced = safety_monitor(tmp_path, *arguments, "--replace").stdout
    for path, mark in ((settings, "hall"), (secrets, "MESSAGES__ANNA")):
        before = path.with_name(path.name + ".bak")
        assert f"{path}: written; the one before is {before}" in replaced
        assert mark in path.read_text()
        assert path.stat().st_mode & 0o077 == before.stat().st_mode & 0o077 == 0
    settings.write_text('[station]\nname = "changed"\n')
    assert safety_monitor(tmp_path, "uninstall-service", "--root", str(root)).status == 0
    assert not unit_there.exists()
    assert "changed" in settings.read_text()
    assert (root / "var/lib/safety-monitor/journal.sqlite").exists()
    gone = safety_monitor(tmp_path, "uninstall-service", "--root", str(root))
    assert gone.status == 2
    assert "there is no such service" in gone.stderr


def test_who_installs_it_from_another_folder_is_told_that_it_begins_with_nothing_set(tmp_path: Path) -> None:
    put = safety_monitor(tmp_path / "elsewhere", "install-service", "--root", str(tmp_path / "root"))
    assert put.status == 0
    for name in ("station.toml", "secrets.env"):
        assert f"{name}: written, with nothing set" in put.stdout


@pytest.mark.skipif(not any(each.gr_name == LOG_GROUP for each in grp.getgrall()), reason="no group systemd-journal")
def test_only_the_bundle_may_read_the_log_besides() -> None:
    assert groups_for(["support-bundle", "--output", "/tmp/station.zip"]) == (*GROUPS, LOG_GROUP)  # noqa: S108
    assert groups_for(["doctor"]) == GROUPS


PASSWORD = 'a"b$c`d\\'
"""Of what `.env`, a shell and systemd make something of their own."""


def test_a_command_goes_by_what_the_service_goes_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    place, mine = Place(tmp_path / "root"), tmp_path / "mine.toml"
    with pytest.raises(ServiceError, match="there is no such service"):
        run_as_service(["incidents"], place)
    mine.write_text('[station]\nname = "hall"\n[alarm]\nenabled = false\n[speech]\nenabled = false\n')
    (tmp_path / ".env").write_text("SAFETY_MONITOR_MESSAGES__ANNA='json://example.org'\n")
    assert safety_monitor(tmp_path, "install-service", "--root", str(place.root), "--config", str(mine)).status == 0
    with place(SECRETS).open("a") as file:
        file.write(for_service({"SAFETY_MONITOR_WEBHOOK__SECRET": PASSWORD, "SAFETY_MONITOR_WEBHOOK__URL": "http://x"}))
    journal = Journal(place(HOME))
    journal.record(SCREAM)
    journal.close()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)  # whose settings and variables are none of its
    (elsewhere / "station.toml").write_text("[alarm]\nloudness = 1\n")
    (elsewhere / ".env").write_text("SAFETY_MONITOR_MESSAGES__BEN='json://example.org'\n")
    monkeypatch.setenv("SAFETY_MONITOR_MESSAGES__CARL", "json://example.org")

    assert run_as_service(["incidents", "--json"], place) == 0
    assert json.loads(capfd.readouterr().out)["incident"] == SCREAM.id
    assert run_as_service(["test-alert", "--channel", "none"], place) == 2
    assert capfd.readouterr().err.endswith("on are: webhook, messages:anna\n")
    before = settings_changed_at(place)
    assert run_as_service(["init", "--yes", "--name", "back shop"], place) == 0
    assert "station.name: hall -> back shop" in capfd.readouterr().out
    assert settings_changed_at(place) != before
    assert 'name = "back shop"' in place(SETTINGS).read_text()
    with monkeypatch.context() as patch:
        patch.setenv("SAFETY_MONITOR_SECRETS", str(place(SECRETS)))
        patch.delenv("SAFETY_MONITOR_MESSAGES__CARL")
        webhook = load_settings(place(SETTINGS)).webhook
    assert webhook is not None
    assert webhook.secret.get_secret_value() == PASSWORD


def test_nothing_is_written_through_a_link_that_a_service_taken_over_may_have_left(tmp_path: Path) -> None:
    place, victim = Place(tmp_path / "root"), tmp_path / "victim"
    victim.write_text("")
    place(SECRETS).parent.mkdir(parents=True)
    place(SECRETS).symlink_to(victim)
    with pytest.raises(ServiceError, match="is a link"):
        list(install(PROGRAM, None, place, secrets="SAFETY_MONITOR_A=1\n", replace=True))
    assert victim.read_text() == ""


def test_without_a_service_there_is_none_to_go_by(tmp_path: Path) -> None:
    result = safety_monitor(tmp_path, "--service", "incidents")
    assert (result.status, result.stdout) == (2, "")
    assert "there is no such service; install-service puts one in place" in result.stderr


def test_settings_that_are_wrong_are_not_installed(tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text("[alarm]\nvolum = 1\n")
    result = safety_monitor(tmp_path, "install-service", "--root", str(tmp_path / "root"))
    assert result.status == 2
    assert "unknown key 'alarm.volum'" in result.stderr
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("closed", ["program", "python"])
def test_a_program_that_the_services_user_could_not_run_is_noticed(closed: str) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("program", "python"):
            (folder / part).mkdir(0o755)
        (folder / "program" / "safety-monitor").touch()
        (folder / "python" / "python3").touch()
        (folder / "program" / "python").symlink_to(folder / "python" / "python3")
        assert closed_folder(folder / "program" / "safety-monitor") is None
        (folder / closed).chmod(0o700)
        assert closed_folder(folder / "program" / "safety-monitor") == folder / closed


def test_on_this_machine_it_takes_root_and_systemd() -> None:
    reason = "rights of root" if os.geteuid() else "does not run systemd|closed to the service's user"
    if not os.geteuid() and Path("/run/systemd/system").is_dir():
        pytest.skip("this machine runs systemd: it would be installed")
    with pytest.raises(ServiceError, match=reason):
        list(install(program(), None, Place()))
    with pytest.raises(ServiceError, match="there is no such service"):
        list(uninstall(Place()))
