"""Serves pages and API from the station's own process, in a thread of its own."""

import logging
import socket
import threading
from pathlib import Path
from typing import Protocol

from media.lasting import ended
from safety_monitor.config import FILE_NAME, Settings, SettingsError
from safety_monitor.config.sources import find_file
from safety_monitor.learning.training import Trainings
from safety_monitor.operating.serving import WebError, bound, check_certificate, check_exposure
from safety_monitor.station import Station
from safety_monitor.web.access import Access
from safety_monitor.web.analysis_process import Analyses
from safety_monitor.web.door import AT_ONCE, Door

log = logging.getLogger(__name__)

READY_S = 10.0
"""The pages are not loaded before all senses run, so that nothing delays those; but after so long in any case."""
CLOSE_S = 5.0


class _Server(Protocol):
    should_exit: bool

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until `should_exit`."""


class WebServer:
    """A bound socket at first; pages behind it as soon as the station's senses run.

    Args:
        settings: of the station.
        settings_file: where they stand; None: see `safety_monitor.config.sources.find_file`.

    Raises:
        WebError: the address cannot be served on, or not in safety.
    """

    def __init__(self, settings: Settings, settings_file: Path | None = None) -> None:
        check_exposure(settings.web)
        self._settings = settings
        self._settings_file = settings_file or find_file() or settings.home / FILE_NAME
        check_certificate(settings.web)
        self._socket = Door(bound(settings.web))
        self._analyses = Analyses(settings, settings.web.analysis_limit_s)
        self._trainings = Trainings(settings)
        self._closing = threading.Event()
        self._server: _Server | None = None
        self._station: Station | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """Where to point a browser."""
        host, port = self._socket.getsockname()[:2]
        scheme = "https" if self._settings.web.certificate else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def start(self, station: Station) -> None:
        """Begin to serve a station, in the background."""
        self._station = station
        self._thread = threading.Thread(target=self._serve, args=(station,), name="web", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it; waits a few seconds at most."""
        self._closing.set()
        self._analyses.close()
        self._trainings.cancel()
        if self._server is not None:
            self._server.should_exit = True
        if self._station is not None and self._thread is not None:
            self._station.view.ready.set()
            self._thread.join(CLOSE_S)
        self._socket.close()

    def _serve(self, station: Station) -> None:
        station.view.ready.wait(READY_S)
        if self._closing.is_set() or station.ending:
            return
        try:
            self._server = self._make_server(station)
            log.info("pages: %s", self.address)
            if not self._closing.is_set():
                self._server.run(sockets=[self._socket])
            if not self._closing.is_set():
                raise RuntimeError("the server has ended")
        except (Exception, SystemExit):
            ended("pages", "the station goes on without them")

    def _make_server(self, station: Station) -> _Server:
        import uvicorn

        from safety_monitor.config.file import SettingsFile
        from safety_monitor.evidence import evidence_store
        from safety_monitor.listeners import Listeners, ears_of
        from safety_monitor.operating.restart import Restart
        from safety_monitor.web.app import make_app
        from safety_monitor.web.picture import Pictures
        from safety_monitor.web.site import Site

        web = self._settings.web
        listeners = Listeners(station, ears_of(self._settings, station.journal))
        station.at_end.append(listeners.close)
        site = Site(
            self._settings,
            station,
            station.view,
            station.journal,
            station.decisions,
            Access(web),
            self._analyses,
            Pictures(station.view),
            listeners,
            evidence_store(self._settings),
            SettingsFile(self._settings_file, would_start),
            Restart(station),
            self._trainings,
        )
        return uvicorn.Server(
            uvicorn.Config(
                make_app(site, let_in=self._socket.let_in),
                loop="asyncio",
                http="h11",  # the other one takes a head that never ends
                backlog=AT_ONCE,
                lifespan="on",
                log_config=None,
                log_level=logging.ERROR,  # whoever sends what is not HTTP must not fill the log
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=15,
                timeout_graceful_shutdown=1,
                ws_max_size=1 << 20,
                ssl_certfile=str(web.certificate) if web.certificate else None,
                ssl_keyfile=str(web.key) if web.key else None,
            )
        )


def would_start(settings: Settings) -> None:
    """See whether a station with pages could start with these settings.

    Raises:
        SettingsError: it could not.
    """
    from safety_monitor.running import check_start

    try:
        check_exposure(settings.web)
    except WebError as error:
        raise SettingsError(str(error)) from None
    check_start(settings)
