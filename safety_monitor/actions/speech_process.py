"""The process that speaks with pyttsx3; started by `safety_monitor.actions.speech`.

On Linux pyttsx3 lets espeak-ng make the sound and aplay play it, and does not look at what becomes of that: what aplay
complains of on standard error is read here instead. Its loop may also return before anything was said, so the end of
the utterance is waited for; who waits too long is ended from outside.
"""

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from audio.loudspeaker import unheard
from safety_monitor.actions.worker import Request, WorkError, serve


def main() -> None:
    """Serve the station; the first argument is a folder of this process's own for what pyttsx3 plays."""
    folder = Path(sys.argv[1])
    folder.mkdir(mode=0o700, exist_ok=True)
    tempfile.tempdir = str(folder)
    clear(folder)  # an earlier process may have been ended in the middle of a word
    complaints = tempfile.TemporaryFile("w+b")  # noqa: SIM115  # it lives as long as the process
    finished = threading.Event()
    engine: Any = None

    def start() -> None:
        nonlocal engine
        if engine is not None:
            return
        try:
            import pyttsx3

            engine = pyttsx3.init()
        except (ImportError, OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise WorkError(f"espeak-ng cannot be used, install the package espeak-ng ({reason})") from None
        engine.connect("finished-utterance", lambda name, completed: finished.set())

    def carry_out(request: Request, told: "queue.Queue[Request]") -> None:
        start()
        if sys.platform == "linux" and shutil.which("aplay") is None:
            raise WorkError("aplay is missing, install the package alsa-utils")
        if "say" in request:
            say(request)
        else:
            probe()
        if why := unheard(own=False):
            raise WorkError(why)

    def say(request: Request) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)  # systems clear away what lies unused in /tmp for days
        complaints.seek(0)
        complaints.truncate()
        finished.clear()
        engine.setProperty("rate", int(request["rate"]))
        engine.say(str(request["say"]))
        engine.runAndWait()
        finished.wait()
        sys.stdout.flush()
        complaints.seek(0)
        for line in complaints.read().decode("utf-8", "replace").splitlines():
            if (reason := complaint(line)) is not None:
                raise WorkError(reason)

    with suppress(WorkError):  # it is tried again, and told of, when it is needed
        start()
    os.dup2(complaints.fileno(), 2)
    serve(carry_out, clear_up=lambda: clear(folder, folder_too=True))


def clear(folder: Path, *, folder_too: bool = False) -> None:
    """Remove the sounds in a folder, and perhaps the folder."""
    for sound in folder.glob("*.wav"):
        sound.unlink(missing_ok=True)
    if folder_too:
        with suppress(OSError):
            folder.rmdir()


def probe() -> None:
    """Play a moment of silence as pyttsx3 would play its words."""
    if sys.platform != "linux":
        return
    silence = bytes(2 * 2205)
    played = subprocess.run(
        ["aplay", "-q", "-t", "raw", "-f", "S16_LE", "-r", "22050"], input=silence, capture_output=True, check=False
    )
    if played.returncode:
        reasons = [
            reason for line in played.stderr.decode("utf-8", "replace").splitlines() if (reason := complaint(line))
        ]
        raise WorkError(reasons[0] if reasons else "no sound device can be opened (aplay failed)")


def complaint(line: str) -> str | None:
    """What went wrong by a line of aplay or pyttsx3; None for the noise that ALSA's library makes before it."""
    if line.startswith("aplay: "):  # aplay: main:831: audio open error: No such file or directory
        return f"no sound device can be opened ({line.split(': ', 2)[-1].strip()})"
    if line.startswith("Playback error: "):  # Playback error: [Errno 28] No space left on device
        return f"what is to be said cannot be played ({line.removeprefix('Playback error: ').strip()})"
    return None


if __name__ == "__main__":
    main()
