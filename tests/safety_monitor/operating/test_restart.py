"""What waits for a start is shown; a station starts again in its own process, but as a service leaves it to systemd."""

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from safety_monitor.operating.restart import Restart
from safety_monitor.supervision.supervisor import Supervisor

PROGRAM = """
import os
from safety_monitor.operating.restart import start_again
print("begins", flush=True)
if os.environ.setdefault("BEGUN", "") == "":
    os.environ["BEGUN"] = "once"
    start_again()
print("ends")
"""


@pytest.mark.parametrize(
    ("socket", "said"), [("", ["begins", "begins", "ends"]), ("/run/systemd/notify", ["begins", "ends"])]
)
def test_a_service_ends_for_systemd_to_start_it_again(socket: str, said: list[str]) -> None:
    environ = {**os.environ, "NOTIFY_SOCKET": socket}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.split() == said


def test_what_waits_for_a_start_stands_under_health() -> None:
    station: Any = SimpleNamespace(supervisor=Supervisor())
    restart = Restart(station)
    restart.want([])
    assert station.supervisor.troubles() == []
    for what in ("contacts", "limits"):
        restart.want([what])
    (trouble,) = station.supervisor.troubles()
    assert (trouble.about, trouble.note) == ("settings", True)
    assert "not in use before the station is started anew: contacts, limits" in trouble.text
