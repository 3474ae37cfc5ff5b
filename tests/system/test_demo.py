"""The built-in scene, through the whole station: what a newcomer sees after `make run` on a bare machine."""

from pathlib import Path

from safety_monitor.demo import EXPECTED
from tests.system.command import safety_monitor

QUICK = {"SAFETY_MONITOR_ALARM__DURATION_S": "1"}


def test_the_demo_scene_gives_its_incidents_and_leaves_their_rows(tmp_path: Path) -> None:
    result = safety_monitor(tmp_path, "run", "--camera", "demo", "--mic", "demo", "--fast", "--json", **QUICK)
    assert result.status == 0, result.stderr
    confirmed = [line for line in result.objects if line["state"] == "confirmed"]
    assert len(confirmed) == len(EXPECTED)
    for line, expected in zip(confirmed, EXPECTED, strict=True):
        assert line["senses"] == [expected.sense]
        assert line["labels"] == [expected.label]
        assert expected.at_s[0] <= line["at_s"] <= expected.at_s[1]
        assert line["confidence"] >= 0.8
    rows = safety_monitor(tmp_path, "incidents", "list", "--json").objects
    closed = {row["incident"]: row for row in rows if row["state"] == "closed"}
    assert closed.keys() == {line["incident"] for line in confirmed}
    for row in closed.values():
        channels = {delivery["channel"]: delivery["state"] for delivery in row["deliveries"]}
        assert channels.keys() == {"alarm", "speech"}
        assert set(channels.values()) <= {"sent", "failed"}


def test_without_devices_a_run_refuses_and_says_what_to_do(tmp_path: Path) -> None:
    result = safety_monitor(tmp_path, "run", PULSE_SERVER="unix:/nonexistent")
    assert result.status == 2
    (line,) = result.stderr.splitlines()
    assert "no camera and no microphone" in line
    assert "make run" in line
    assert "--camera demo --mic demo" in line
