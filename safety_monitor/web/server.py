"""Serves pages and API from the station's own process, in a thread of its own."""

import logging
import socket
import ssl
import threading
from pathlib import Path
from typing import Protocol

from media.lasting import ended, lasting
from safety_monitor.config import FILE_NAME, Settings, SettingsError
from safety_monitor.config.sources import find_file
from safety_monitor.learning.training import Trainings
from safety_monitor.operating.logs import check_log
from safety_monitor.operating.serving import WebError, bound, check_certificate, check_exposure
from safety_monitor.station import Station
from safety_monitor.supervision.supervisor import Ill
from safety_monitor.supervision.systemd import is_service
from safety_monitor.trouble import Phase
from safety_monitor.web.analysis_process import Analyses
from safety_monitor.web.door import AT_ONCE, Door

log = logging.getLogger(__name__)

READY_S = 10.0
"""The pages are not loaded before all senses run, so that nothing delays those; but after so long in any case."""
CLOSE_S = 5.0
AGAIN_S = 5.0
"""How often it is tried again whether pages can be served."""
RENEWED_S = 60.0
"""How often it is looked whether the certificate was renewed."""
REFUSED = "ASGI callable returned without completing handshake."
"""What Uvicorn logs, as an error, of every web socket that was refused: strangers must not fill the log."""


class _Server(Protocol):
    should_exit: bool

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until `should_exit`."""


class WebServer:
    """A bound socket at first; pages behind it as soon as the station's senses run.

    Args:
        settings: of the station.
        settings_file: where they stand; None: see `safety_monitor.config.sources.find_file`.
        patient: whether the station goes on where no pages can be served, until they can: after a power cut its address
            may come later than the station.

    Raises:
        WebError: the address cannot be served on, or not in safety, and nobody is patient.
    """

    def __init__(self, settings: Settings, settings_file: Path | None = None, *, patient: bool = False) -> None:
        self._settings = settings
        self._settings_file = settings_file or find_file() or settings.home / FILE_NAME
        self._socket: Door | None = None
        self._why_not = ""
        try:
            self._socket = self._opened()
        except WebError as error:
            if not patient:
                raise
            self._why_not = str(error).removeprefix("web: ")
        self._analyses = Analyses(settings, settings.web.analysis_limit_s)
        self._trainings = Trainings(settings)
        self._closing = threading.Event()
        self._renewed: ssl.SSLContext | None = None
        """Holds the certificate in use where it is another than at the start."""
        self._server: _Server | None = None
        self._station: Station | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """Where to point a browser."""
        if self._socket is None:
            return ""
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
        if self._socket is not None:
            self._socket.close()

    def _opened(self) -> Door:
        check_exposure(self._settings.web)
        check_certificate(self._settings.web)
        return Door(bound(self._settings.web))

    def _wait_for_socket(self, station: Station) -> None:
        """Try again until pages can be served; that they cannot is a trouble."""
        if self._socket is not None:
            return
        while self._socket is None and not self._closing.is_set():
            station.supervisor.check("pages", Ill(self._why_not))
            self._closing.wait(AGAIN_S)
            try:
                self._socket = self._opened()
            except WebError as error:
                self._why_not = str(error).removeprefix("web: ")
        while station.supervisor.phase("pages") is not Phase.HEALTHY and not self._closing.is_set():
            station.supervisor.check("pages", None)
            self._closing.wait(1.0)

    def _certified(self, connection: ssl.SSLObject, _name: str, _context: ssl.SSLContext) -> None:
        """Have a connection that begins served by the newest certificate; whoever is connected notices nothing.

        The context that serves is not changed: OpenSSL may end the process where another thread greets somebody by it.
        """
        if self._renewed is not None:
            connection.context = self._renewed

    def _keep_certificate(self, before: list[int]) -> None:
        """Take a certificate that was renewed into use.

        Args:
            before: when certificate and key had changed as they were loaded.
        """
        web = self._settings.web
        assert web.certificate is not None  # noqa: S101  # else nobody calls this
        assert web.key is not None  # noqa: S101
        refused: list[int] = []
        while not self._closing.wait(RENEWED_S):
            now = _changed_at(web.certificate, web.key)
            if now == before:
                continue
            try:
                renewed = check_certificate(web)
            except WebError as error:
                # It may be half written: the old one stays, and it is tried again. What is written within the same few
                # milliseconds bears the same time.
                if now != refused:
                    log.warning("the certificate of the pages was changed, and is not in use: %s", error)
                refused = now
            else:
                before, self._renewed = now, renewed
                log.info("the certificate of the pages was renewed")

    def _serve(self, station: Station) -> None:
        station.view.ready.wait(READY_S)
        try:
            self._wait_for_socket(station)
            if self._socket is None or self._closing.is_set() or station.ending:
                return
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
        from safety_monitor.web.app import make_app
        from safety_monitor.web.site import make_site

        assert self._socket is not None  # noqa: S101  # else nobody calls this
        web = self._settings.web
        site = make_site(
            self._settings,
            station,
            settings_file=SettingsFile(self._settings_file, would_start),
            analyses=self._analyses,
            trainings=self._trainings,
        )
        station.at_end.append(site.listeners.close)
        config = uvicorn.Config(
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
        logging.getLogger("uvicorn.error").addFilter(_is_news)
        loaded = _changed_at(*(path for path in (web.certificate, web.key) if path))
        config.load()
        if config.ssl is not None:
            config.ssl.sni_callback = self._certified
            lasting("web-certificate", lambda: self._keep_certificate(loaded), self._closing)
        return uvicorn.Server(config)


def _is_news(record: logging.LogRecord) -> bool:
    return record.msg != REFUSED


def _changed_at(*files: Path) -> list[int]:
    """When files, or who may read them, were changed; 0 for one that is not there."""
    found = []
    for file in files:
        try:
            found.append(file.stat().st_ctime_ns)
        except OSError:
            found.append(0)
    return found


def would_start(settings: Settings) -> None:
    """See whether a station with pages could start with these settings.

    Raises:
        SettingsError: it could not.
    """
    from safety_monitor.running import check_start

    try:
        check_exposure(settings.web)
        check_certificate(settings.web)
    except WebError as error:
        raise SettingsError(str(error)) from None
    if not is_service():  # a service starts all the same, and on a disk that has failed other settings can be changed
        check_log(settings.log)
    check_start(settings)
