"""A station that starts again does so in its own process, but as a service leaves it to systemd."""

import os
import subprocess
import sys

import pytest

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
