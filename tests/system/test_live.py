"""The running station on live sound and pictures: a real sound system, and a network camera on loopback."""

import threading
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from safety_monitor.demo.scene import FPS, picture_at, sound
from tests.sound_server import RATE, ROOM, SPEAKER, SoundServer
from tests.stream_server import pictures, stream_server
from tests.system.command import environment, running, safety_monitor

SCREAM = slice(int(4.0 * RATE), int(8.0 * RATE))
"""Where the demo scene screams, with a second of quiet on both sides."""
HELP = (38.5, 45.0)
"""Seconds of the demo scene between which the hand makes the Signal for Help."""
SIREN_HZ = (600.0, 1_500.0)
QUICK = {"SAFETY_MONITOR_ALARM__DURATION_S": "3", "SAFETY_MONITOR_FUSION__COOL_DOWN_S": "5"}


def share_of_siren(samples: NDArray[np.float32]) -> float:
    """Share of the energy that lies where the siren sweeps."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    frequency = np.fft.rfftfreq(len(samples), 1 / RATE)
    return float(power[(frequency > SIREN_HZ[0]) & (frequency < SIREN_HZ[1])].sum() / max(power.sum(), 1e-9))


def heard_siren(samples: NDArray[np.float32]) -> bool:
    second = samples[-RATE:]
    return len(second) == RATE and float(np.abs(second).max()) > 0.05 and share_of_siren(second) > 0.5


def test_a_scream_in_the_room_sounds_siren_and_voice_which_are_not_taken_for_more_screams(
    sound_system: SoundServer, tmp_path: Path
) -> None:
    """The speaker is heard in the room, so that the station hears itself."""
    home = tmp_path / "home"
    sound_system.control(
        "load-module", "module-loopback", f"source={SPEAKER}.monitor", f"sink={ROOM}", "latency_msec=20"
    )
    with (
        sound_system.recorder() as speaker,
        running(home, "--camera", "off", environ=sound_system.environment, **QUICK) as station,
    ):
        station.wait_until_armed()
        sound_system.play(sound()[SCREAM])
        confirmed = station.wait_for_state("confirmed")
        assert confirmed["senses"] == ["audio"]
        assert confirmed["labels"] == ["scream"]
        speaker.wait_for(heard_siren)
        station.wait_for_state("closed")
        assert len(station.confirmed) == 1
        assert station.stop() == 0
    (row,) = safety_monitor(home, "incidents", "list", "--json").objects
    deliveries = {delivery["channel"]: delivery for delivery in row["deliveries"]}
    assert {name: delivery["state"] for name, delivery in deliveries.items()} == {"alarm": "sent", "speech": "sent"}
    assert "scream" in deliveries["speech"]["detail"].lower()


def test_the_signal_for_help_in_front_of_a_network_camera_is_an_incident(tmp_path: Path) -> None:
    first, last = (int(at_s * FPS) for at_s in HELP)
    stop = threading.Event()
    scene = (picture_at(first + number % (last - first)) for number in count())
    with (
        stream_server(pictures(scene, FPS, stop)) as address,
        running(tmp_path, "--camera", address, "--mic", "off", environ=environment(tmp_path), **QUICK) as station,
    ):
        confirmed = station.wait_for_state("confirmed")
        assert confirmed["senses"] == ["gesture"]
        assert confirmed["labels"] == ["signal_for_help"]
        assert station.stop() == 0
        stop.set()
    (row,) = safety_monitor(tmp_path, "incidents", "list", "--json").objects
    assert row["state"] == "closed"
