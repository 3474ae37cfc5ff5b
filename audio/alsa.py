"""Whether ALSA, Linux's sound system, knows any device: PortAudio ends the whole program where it does not."""

import ctypes


def has_devices() -> bool:
    """Whether ALSA's configuration can be read and names devices; True where there is no ALSA.

    An empty or missing configuration (`/usr/share/alsa` is not there, `ALSA_CONFIG_PATH` leads nowhere) makes an
    assertion of PortAudio fail, which nothing can catch.
    """
    try:
        alsa = ctypes.CDLL("libasound.so.2")
        if alsa.snd_config_update() < 0:
            return False
        top, found = ctypes.c_void_p.in_dll(alsa, "snd_config"), ctypes.c_void_p()
        return bool(alsa.snd_config_search(top, b"pcm", ctypes.byref(found)) == 0)
    except (OSError, AttributeError, ValueError):  # there is none, or not the one that is known here
        return True
