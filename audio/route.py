"""Which source the sound server gives: where a microphone is unplugged, PulseAudio and PipeWire put in its place what
the machine itself plays, and tell nobody. The recording goes on, and is silence.

The server is asked beside the recording, through libpulse: where that is not there, or has no recording of ours (ALSA
without a server), nothing is known, and the recording itself has to show what is wrong with it.
"""

import logging
import os
import threading
import time
from dataclasses import dataclass
from typing import Any

from audio.liveness import SoundFault
from media.lasting import lasting

LOOK_S = 2.0
"""How often the server is asked; about 4 ms of work."""
STALE_S = 10.0
"""What a server said that has not answered since is not known any more."""
NAME = "safety-monitor"
ACCESS_DENIED = 1
"""libpulse's number of a refusal (`PA_ERR_ACCESS`)."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """What the server records from.

    Attributes:
        name: as the server calls it.
        output: whether it is no microphone but what an output of the machine plays.
        muted: whether it, or our recording of it, is switched off in the sound settings.
    """

    name: str
    output: bool = False
    muted: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """Where our sound comes from.

    Attributes:
        usual: what it came from as long as all was well.
        fault: what is wrong.
    """

    usual: Source | None = None
    fault: SoundFault | None = None


def follow(route: Route, source: Source | None) -> Route:
    """How it is now. Pure.

    Another microphone takes the place of the usual one; an output of the machine does not, unless it was an output
    from the beginning, as somebody may want.

    Args:
        route: how it was.
        source: what is recorded from; None: not known.
    """
    if source is None:
        return Route(route.usual)
    if source.output and route.usual is not None and source.name != route.usual.name:
        return Route(route.usual, SoundFault.UNPLUGGED)
    return Route(source, SoundFault.MUTED if source.muted else None)


class Watch:
    """Follows where the sound of this process comes from, in a thread of its own."""

    def __init__(self) -> None:
        self._route = Route()
        self._looked_at = float("-inf")
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    @property
    def fault(self) -> SoundFault | None:
        """What is wrong, as far as the server says."""
        return self._route.fault if time.monotonic() - self._looked_at < STALE_S else None

    def begin(self) -> None:
        """Ask the server from now on; may be called again."""
        if self._thread is None:
            self._thread = lasting("sound-route", self._run, self._closed)

    def close(self) -> None:
        """Cease to; does not wait, as a server may hang."""
        self._closed.set()

    def _run(self) -> None:
        try:
            import pulsectl  # here, because without libpulse even the import fails
        except (ImportError, OSError) as error:
            log.info("no sound server is asked what it records from: %s", error)
            return
        while not self._closed.is_set():
            try:
                with pulsectl.Pulse(NAME) as server:
                    while not self._closed.wait(LOOK_S):
                        self._look(_source(server))
            except (pulsectl.PulseError, pulsectl.PulseDisconnected):  # there is none, or it has gone
                self._closed.wait(LOOK_S)

    def _look(self, source: Source | None) -> None:
        before, self._route = self._route.usual, follow(self._route, source)
        self._looked_at = time.monotonic()
        usual = self._route.usual
        if usual is None or (before is not None and usual.name == before.name):
            return
        if before is not None:
            log.warning("%s takes the place of %s", usual.name, before.name)
        elif usual.output:
            log.warning("%s is what this machine plays, no microphone", usual.name)


def _source(server: Any) -> Source | None:
    """What this process records from; None if it does not, or the source has just gone."""
    pid = str(os.getpid())
    ours = [each for each in server.source_output_list() if each.proplist.get("application.process.id") == pid]
    for source in server.source_list() if ours else ():
        if source.index == ours[-1].source:
            return Source(source.name, bool(source.monitor_of_sink_name), bool(source.mute or ours[-1].mute))
    return None


def refuses() -> bool:
    """Whether there is a sound server, and it does not let this process in; may take as long as the server does."""
    try:
        import pulsectl
        from pulsectl.pulsectl import c as libpulse
    except (ImportError, OSError):
        return False
    server = pulsectl.Pulse(NAME, connect=False)
    try:
        server.connect()
    except pulsectl.PulseError:
        return bool(libpulse.pa.context_errno(server._ctx) == ACCESS_DENIED)  # its own error does not say why
    finally:
        server.close()
    return False
