"""What hangs at the end is ended, and said where."""

import subprocess
import sys

HANGS = """
import threading
from safety_monitor.commands.conventions import end_within

def driver_that_hangs():
    threading.Event().wait()

threading.Thread(target=driver_that_hangs).start()
end_within(0.1)
"""


def test_whatever_hangs_at_the_end_is_ended_and_named() -> None:
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "in driver_that_hangs" in done.stderr
