"""The pages of the running station, in a real browser."""

import socket
from pathlib import Path

from playwright.sync_api import expect

from tests.browser import browser
from tests.system.command import environment, running, safety_monitor

PATIENCE_MS = 60_000


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])


def test_a_scream_shows_on_the_live_page_and_is_acknowledged_there(tmp_path: Path) -> None:
    home, port = tmp_path / "home", free_port()
    with running(
        home, "--camera", "demo", "--mic", "demo", environ=environment(home), SAFETY_MONITOR_WEB__PORT=port
    ) as station:
        station.wait_for(lambda station: any(" pages: " in line for line in station.log))
        with browser() as chromium:
            page = chromium.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.goto(f"http://127.0.0.1:{port}")
            expect(page.get_by_text("Emergency: Scream")).to_be_visible(timeout=PATIENCE_MS)
            page.get_by_role("button", name="Acknowledge").click()
            page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
            expect(page.get_by_text("Acknowledged: Scream")).to_be_visible(timeout=PATIENCE_MS)
        assert station.wait_for_state("acknowledged")["labels"] == ["scream"]
        assert station.stop() in (0, 1)


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


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = safety_monitor(tmp_path, "run", "--camera", "demo", "--mic", "off", SAFETY_MONITOR_WEB__PORT=port)
    assert result.status == 2
    assert f"port {port}" in result.stderr
    assert "Traceback" not in result.stderr
