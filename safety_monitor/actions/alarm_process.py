"""The process that makes the siren's sound with pygame's mixer; started by `safety_monitor.actions.alarm`."""

import os
import queue
import time
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from audio.loudspeaker import unheard
from safety_monitor.actions.worker import Request, WorkError, serve

RATE = 44_100
LOWEST_HZ, HIGHEST_HZ = 650.0, 1_450.0
SWEEPS = 3
"""Up and down sweeps in a second."""
FADE_MS = 40
LOOK_S = 0.25
"""How often it is looked whether the device is still there."""


def siren() -> NDArray[np.int16]:
    """One second of siren that can be looped without a click: int16, mono, `RATE` samples a second.

    A tone that sweeps between 650 and 1450 Hz three times a second, with harmonics where hearing is keenest.
    """
    place = np.arange(RATE) * (SWEEPS / RATE)
    height = 0.5 - 0.5 * np.cos(2 * np.pi * place)
    frequency = LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** height
    # A whole number of turns in the loop: its end meets its beginning.
    turns = np.cumsum(frequency) / RATE
    turns *= round(turns[-1]) / turns[-1]
    wave = np.tanh(2.2 * np.sin(2 * np.pi * turns) + 0.8 * np.sin(4 * np.pi * turns + 0.6))
    wave -= wave.mean()
    wave *= 0.95 / np.abs(wave).max()
    return np.round(wave * 32_767).astype(np.int16)


def main() -> None:
    """Serve the station."""
    loop = siren().tobytes()
    os.environ |= {"PYGAME_HIDE_SUPPORT_PROMPT": "1", "SDL_VIDEODRIVER": "dummy"}
    try:
        from pygame import AUDIODEVICEREMOVED, display, event, mixer
        from pygame import error as sound_error
    except ImportError as error:
        missing = str(error)

        def refuse(request: Request, told: "queue.Queue[Request]") -> None:
            raise WorkError(f"pygame cannot be used: {missing}")

        serve(refuse)

    def carry_out(request: Request, told: "queue.Queue[Request]") -> None:
        # The device is opened for each use: it may have been plugged in since, and others may need it meanwhile.
        open_device()
        try:
            if "sound_s" in request:
                play(request, told)
            if why := unheard(own=True):
                raise WorkError(why)
        finally:
            mixer.quit()

    def open_device() -> None:
        try:
            mixer.init(RATE, -16, 1, 1024, allowedchanges=0)
        except sound_error as error:
            raise WorkError(f"no sound device can be opened ({error})") from None
        event.clear()

    def begin(volume: float) -> mixer.Sound:
        sound = mixer.Sound(buffer=loop)
        sound.set_volume(volume)
        sound.play(loops=-1, fade_ms=FADE_MS)
        return sound

    def play(request: Request, told: "queue.Queue[Request]") -> None:
        end = time.monotonic() + float(request["sound_s"])
        volume = float(request["volume"])
        sound = begin(volume)
        gone: WorkError | None = None
        while (left := end - time.monotonic()) > 0:
            with suppress(queue.Empty):
                volume = float(told.get(timeout=min(left, LOOK_S))["volume"])
                if gone is None:
                    sound.set_volume(volume)
            # Of a device that has gone the mixer knows nothing. Sound servers are soon started anew.
            if gone is not None or any(removed.which for removed in event.get(AUDIODEVICEREMOVED)):
                mixer.quit()
                try:
                    open_device()
                    sound, gone = begin(volume), None
                except WorkError as error:
                    gone = error
        if gone is not None:
            raise gone
        mixer.fadeout(FADE_MS)
        time.sleep(3 * FADE_MS / 1000)

    display.init()  # without it nobody is told that a device has gone
    # ALSA's library complains on standard error of every device that is not there.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    serve(carry_out)


if __name__ == "__main__":
    main()
