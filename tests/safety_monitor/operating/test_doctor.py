"""The doctor names every part, says what is missing, and never prints a secret."""

import shutil
import socket
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.card import change_card
from models.registry import SHIPPED
from safety_monitor.journal.incidents import Journal
from tests.alarms import SCREAM
from tests.earlier_model import made_earlier
from tests.sound_server import SoundServer
from tests.system.command import safety_monitor

SOURCES = {"SAFETY_MONITOR_CAMERA__SOURCE": "demo", "SAFETY_MONITOR_MICROPHONE__SOURCE": "demo"}

SECRET = "mysql+mysqlconnector://station:pl4nted@127.0.0.1:9/safety"  # planted, and of nobody


def test_without_devices_it_says_so_and_fails(tmp_path: Path) -> None:
    result = safety_monitor(tmp_path, "doctor", "--json", PULSE_SERVER="unix:/nonexistent")
    findings = {finding["part"]: finding for finding in result.objects}
    assert {"camera", "microphone", "model scream", "model signs", "model motions", "model hands"} <= findings.keys()
    assert {"alarm", "speech", "credentials", "disk", "journal", "opencv"} <= findings.keys()
    missing = {part for part, finding in findings.items() if finding["needed"] and not finding["ok"]}
    assert missing == {"camera", "microphone", "help"}
    assert result.status == 1


def test_with_recordings_as_sources_and_a_loudspeaker_nothing_needed_is_missing(
    tmp_path: Path, sound_system: SoundServer
) -> None:
    result = safety_monitor(tmp_path, "doctor", **SOURCES, **sound_system.environment)
    assert "ok       help         an emergency is told by: alarm, speech" in result.stdout
    assert "not ok   people" in result.stdout
    assert result.stdout.endswith("\nNothing is missing that a run needs.\n")
    assert result.status == 0


def test_a_siren_that_is_turned_down_to_nothing_is_no_help(tmp_path: Path, sound_system: SoundServer) -> None:
    mute = {"SAFETY_MONITOR_ALARM__VOLUME": "0", "SAFETY_MONITOR_SPEECH__ENABLED": "false"}
    result = safety_monitor(tmp_path, "doctor", **SOURCES, **mute, **sound_system.environment)
    assert "not ok   alarm        alarm.volume is 0: nobody hears it" in result.stdout
    assert "NOT OK   help         nobody would learn of an emergency" in result.stdout
    assert result.status == 1


def test_what_a_run_would_refuse_is_missing(tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text(
        '[camera]\nsource = "gone.mp4"\n[microphone]\nsource = "wobble"\n[web]\nhost = "0.0.0.0"\n'
        '[[emergency.gestures]]\nsign = "wink"\n[place]\ngeocoder = "wobble"\n'
    )
    journal = Journal(tmp_path, clock=lambda: time.time() + 2 * 86_400)
    journal.record(SCREAM)
    journal.close()
    modest = Path(shutil.copytree(SHIPPED / "scream", tmp_path / "modest"))
    change_card(modest, parameters={"persistence": {"limit": 6.0, "threshold": 7.0}})
    result = safety_monitor(tmp_path, "doctor", "--json", SAFETY_MONITOR_HEARING__MODEL=str(modest))
    missing = {each["part"]: each["detail"] for each in result.objects if each["needed"] and not each["ok"]}
    assert "fusion.threshold: must be less than 0.595" in missing["screams"]
    assert missing["camera"].startswith("gone.mp4: no such file")
    assert missing["microphone"].startswith("wobble: no such file")
    assert "needs a password" in missing["pages"]
    assert "set the clock" in missing["clock"]
    assert "place.geocoder: " in missing["place"]  # unknown, or geopy is not installed
    assert "unknown sign 'wink'" in missing["gestures"]
    assert result.status == 1


def test_pages_that_cannot_be_served_are_missing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        web = {"SAFETY_MONITOR_WEB__PORT": str(taken.getsockname()[1])}
        result = safety_monitor(tmp_path, "doctor", "--json", **SOURCES, **web)
    (missing,) = (each["detail"] for each in result.objects if each["part"] == "pages")
    assert "another program is there" in missing
    assert result.status == 1


def test_what_camera_and_microphone_give_is_looked_at(tmp_path: Path, sound_system: SoundServer) -> None:
    picture = tmp_path / "room.png"
    cv2.imwrite(str(picture), np.zeros((48, 64, 3), np.uint8))
    camera = {"SAFETY_MONITOR_CAMERA__SOURCE": str(picture)}
    result = safety_monitor(tmp_path, "doctor", **camera, **sound_system.environment)
    assert "ok       camera       room.png, 64 × 48\n" in result.stdout
    assert "not ok   microphone   default: digital silence just now: is it muted?\n" in result.stdout
    assert result.status == 0


def test_a_damaged_model_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "scream"
    folder.mkdir(parents=True)
    (folder / "card.md").write_text("+++\ntask = 1\n")
    result = safety_monitor(tmp_path, "doctor")
    assert any(line.startswith("NOT OK   model scream") for line in result.stdout.splitlines())
    assert "\nTo be mended first: " in result.stdout
    assert result.status == 1


def test_a_model_of_an_earlier_version_that_no_run_would_begin_with_is_missing(tmp_path: Path) -> None:
    folder = shutil.copytree(SHIPPED / "scream", tmp_path / "models" / "scream")
    made_earlier(folder)
    result = safety_monitor(tmp_path, "doctor")
    missing = f"NOT OK   model scream {folder / 'recent.tflite'}: does not fit this version: train the model anew\n"
    assert missing in result.stdout
    assert result.status == 1


def test_a_model_of_a_time_when_it_was_one_file_is_to_be_trained_anew(tmp_path: Path) -> None:
    folder = shutil.copytree(SHIPPED / "scream", tmp_path / "models" / "scream")
    card = folder / "card.md"
    lines = card.read_text(encoding="utf-8").splitlines(keepends=True)
    card.write_text("".join(line for line in lines if not line.startswith('"trunk.tflite"')), encoding="utf-8")
    said = safety_monitor(tmp_path, "doctor").stdout
    refused = next(line for line in said.splitlines() if line.startswith("NOT OK   model scream"))
    assert refused.startswith(f"NOT OK   model scream {folder}: does not fit this version, ")
    assert refused.endswith(": train the model anew")


def test_what_no_run_would_begin_with_is_missing(tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text('[[policies]]\nname = "quiet"\nsteps = [{ actions = ["pager"] }]\n')
    result = safety_monitor(tmp_path, "doctor", **SOURCES)
    line = next(line for line in result.stdout.splitlines() if line.startswith("NOT OK"))
    assert "policies, the first: steps, the first: actions: no channel 'pager' is turned on" in line
    assert result.status == 1


@pytest.mark.parametrize(
    ("settings", "line", "status"),
    [
        ({"SAFETY_MONITOR_ALARM__ENABLED": "false"}, "NOT OK   help         nobody would learn of an emergency", 1),
        (
            {
                "SAFETY_MONITOR_ALARM__ENABLED": "false",
                "SAFETY_MONITOR_SPEECH__ENABLED": "false",
                "SAFETY_MONITOR_MYSQL__URL": SECRET,
            },
            "not ok   help         an emergency is only written down: mysql",
            0,
        ),
    ],
)
def test_a_station_that_nobody_would_hear_of_fails_unless_it_shall_only_write_down(
    tmp_path: Path, settings: dict[str, str], line: str, status: int
) -> None:
    result = safety_monitor(tmp_path, "doctor", **SOURCES, **settings, PULSE_SERVER="unix:/nonexistent")
    assert line in result.stdout
    assert "not ok   people" in result.stdout
    assert result.status == status


def test_whoever_cannot_be_told_is_named(tmp_path: Path) -> None:
    hook = {"SAFETY_MONITOR_WEBHOOK__URL": "http://127.0.0.1:9/", "SAFETY_MONITOR_WEBHOOK__SECRET": "planted-secret"}
    result = safety_monitor(tmp_path, "doctor", **SOURCES, **hook)
    assert "ok       people       webhook" in result.stdout
    assert "NOT OK   webhook" in result.stdout
    assert result.status == 1


def test_a_secret_is_named_and_never_printed(tmp_path: Path) -> None:
    result = safety_monitor(tmp_path, "doctor", SAFETY_MONITOR_MYSQL__URL=SECRET)
    assert "mysql.url" in result.stdout
    assert "pl4nted" not in result.stdout + result.stderr
    assert "Traceback" not in result.stderr
