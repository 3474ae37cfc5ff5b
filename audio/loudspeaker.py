"""Whether what the station plays can be heard, as far as the sound server knows.

PulseAudio and PipeWire take all sound, also where the output is muted, and where no loudspeaker is left: then they play
to a dummy. Whoever plays is told of neither. Where there is no server (ALSA alone), nothing is known.
"""

import os
from typing import Any

NAME = "safety-monitor"
DUMMY = "auto_null"
"""What both servers call the output that they make up where there is none."""
WHERE = "in the sound settings of this machine"


def unheard(*, own: bool) -> str:
    """Why nobody hears what is played, one line; empty: nothing speaks against it.

    May take as long as the server does.

    Args:
        own: whether what this process plays now is meant, else what any process plays that names no output.
    """
    try:
        import pulsectl  # here, because without libpulse even the import fails
    except (ImportError, OSError):
        return ""
    try:
        with pulsectl.Pulse(NAME) as server:
            return _unheard(server, own)
    except (pulsectl.PulseError, pulsectl.PulseDisconnected):  # there is none, or it has gone
        return ""


def _unheard(server: Any, own: bool) -> str:
    pid = str(os.getpid())
    streams = [each for each in server.sink_input_list() if each.proplist.get("application.process.id") == pid]
    usual = server.server_info().default_sink_name
    for sink in server.sink_list():
        ours = [stream for stream in streams if stream.sink == sink.index]
        if not ours if own else sink.name != usual:
            continue
        if sink.name == DUMMY:
            return "no loudspeaker is there; connect one"
        if any(each.mute for each in (sink, *ours)):
            return f"{sink.description} is muted {WHERE}"
        if any(each.volume.value_flat == 0 for each in (sink, *ours)):
            return f"{sink.description} is turned down to nothing {WHERE}"
    return ""
