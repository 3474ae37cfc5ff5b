"""The pages of the running station, in a real browser."""

import hashlib
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

from playwright.sync_api import expect

from tests.browser import browser
from tests.servers.certificate import make_certificate
from tests.servers.program import free_port
from tests.system.command import LIMIT_S, environment, running, safety_monitor

PATIENCE_MS = 60_000


def test_over_https_a_scream_shows_on_the_live_page_and_is_acknowledged_there(tmp_path: Path) -> None:
    home, port = tmp_path / "home", str(free_port())
    certificate, key = make_certificate(tmp_path)
    variables = {
        "SAFETY_MONITOR_WEB__PORT": port,
        "SAFETY_MONITOR_WEB__CERTIFICATE": str(certificate),
        "SAFETY_MONITOR_WEB__KEY": str(key),
    }
    with running(home, "--camera", "demo", "--mic", "demo", environ=environment(home), **variables) as station:
        station.wait_for(lambda station: any(" pages: https://" in line for line in station.log))
        trust = ssl.create_default_context(cafile=str(certificate))
        with urlopen(f"https://127.0.0.1:{port}/api/v1/incidents", context=trust) as answer:
            assert answer.headers["strict-transport-security"]
        with browser() as chromium:
            page = chromium.new_page(ignore_https_errors=True)
            page.set_default_timeout(PATIENCE_MS)
            page.goto(f"https://127.0.0.1:{port}")
            expect(page.get_by_text("nobody elsewhere is told of an emergency")).to_be_visible(timeout=PATIENCE_MS)
            expect(page.get_by_text("Emergency: Scream")).to_be_visible(timeout=PATIENCE_MS)
            page.get_by_role("button", name="Acknowledge").click()
            page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
            expect(page.get_by_text("Acknowledged: Scream")).to_be_visible(timeout=PATIENCE_MS)
        assert station.wait_for_state("acknowledged")["labels"] == ["scream"]
        assert health_check(environment(home) | variables) == (0, "")
        assert station.stop() in (0, 1)
    status, why = health_check(environment(home) | variables)
    assert status == 1
    assert why.startswith(f"port {port} of 127.0.0.1 does not answer: ")


def health_check(environ: Mapping[str, str]) -> tuple[int, str]:
    """What the health check of a container says: its status, and why."""
    command = (sys.executable, "-m", "safety_monitor.operating.health_check")
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    return done.returncode, done.stderr


def test_what_others_can_reach_needs_a_password(tmp_path: Path) -> None:
    result = safety_monitor(
        tmp_path,
        "run",
        "--camera",
        "demo",
        "--mic",
        "off",
        SAFETY_MONITOR_WEB__PORT="8080",
        SAFETY_MONITOR_WEB__HOST="192.0.2.7",
    )
    assert result.status == 2
    assert "safety-monitor password-hash" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    result = safety_monitor(tmp_path, "run", "--camera", "demo", SAFETY_MONITOR_WEB__CERTIFICATE="nothing.pem")
    assert result.status == 2
    assert "certificate and key belong together" in result.stderr


def test_hashes_are_made_by_commands(tmp_path: Path) -> None:
    made = safety_monitor(tmp_path, "web-token", "grafana", "--role", "viewer")
    table = tomllib.loads(made.stdout)["web"]["tokens"][0]
    token = made.stderr.rpartition(" ")[2].strip()
    assert table == {"name": "grafana", "role": "viewer", "token_hash": hashlib.sha256(token.encode()).hexdigest()}
    for command in (("web-token", "grafana"), ("password-hash",)):  # a role is refused before a password is asked for
        refused = safety_monitor(tmp_path, *command, "--role", "king")
        assert (refused.status, refused.stdout) == (2, "")
        assert "'king' is not one of" in refused.stderr
