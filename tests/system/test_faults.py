"""A station whose camera shows one picture and whose microphone is unplugged says so, and hears again once it is back.

The short form of `python -m benchmarks.faults`.
"""

import re
import threading
from itertools import repeat
from pathlib import Path

import numpy as np

from safety_monitor.demo.scene import picture_at, sound
from tests.sound_server import RATE, ROOM, SoundServer
from tests.stream_server import pictures, stream_server
from tests.system.command import Running, running

SCREAM = slice(int(4.0 * RATE), int(8.0 * RATE))


def said(pattern: str, station: Running) -> bool:
    return any(re.search(pattern, line) for line in station.log)


def test_what_is_blind_and_deaf_is_found_and_an_emergency_is_not_lost(
    sound_system: SoundServer, tmp_path: Path
) -> None:
    stop = threading.Event()
    with (
        stream_server(pictures(repeat(picture_at(0)), 5, stop)) as address,
        running(
            tmp_path / "home",
            "--camera",
            address,
            environ=sound_system.environment,
            SAFETY_MONITOR_ALARM__ENABLED="false",
            SAFETY_MONITOR_SPEECH__ENABLED="false",
            SAFETY_MONITOR_FUSION__COOL_DOWN_S="5",
        ) as station,
    ):
        station.wait_until_armed()
        station.wait_for(lambda station: said(f"{ROOM}.monitor is what this machine plays", station))
        sound_system.remove_room()
        station.wait_for(lambda station: said("trouble: audio: .*lost its microphone", station))
        station.wait_for(lambda station: said("audio: opening .* anew", station))
        station.wait_for(lambda station: said("trouble: gesture: .*the same picture", station))
        sound_system.add_room()
        with sound_system.playing(np.random.default_rng(0).normal(0, 0.002, 60 * RATE).astype(np.float32)):
            station.wait_for(lambda station: said("works again: audio", station))
        sound_system.play(sound()[SCREAM])
        assert station.wait_for_state("confirmed")["labels"] == ["scream"]
        assert station.stop() == 0
        stop.set()
