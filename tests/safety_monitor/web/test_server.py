"""Pages that cannot be served keep no station from watching, and a certificate that is renewed is used."""

import socket
import ssl
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from safety_monitor.config import Settings
from safety_monitor.config.web import Web
from safety_monitor.operating.serving import WebError, check_certificate
from safety_monitor.supervision.supervisor import Rules, Supervisor
from safety_monitor.trouble import Phase
from safety_monitor.web import server
from safety_monitor.web.server import WebServer
from tests.servers.certificate import make_certificate
from tests.waiting import LIMIT_S, until


def test_a_service_whose_pages_cannot_be_served_watches_without_and_serves_them_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "AGAIN_S", 0.01)
    other = socket.create_server(("127.0.0.1", 0))
    settings = Settings(home=tmp_path, web=Web(port=other.getsockname()[1]))
    with pytest.raises(WebError, match="another program is there"):
        WebServer(settings)
    told: list[str] = []
    serving = threading.Event()
    supervisor = Supervisor(tell=lambda about, text: told.append(text), rules=Rules(failed_after_s=0.05, steady_s=0.0))

    class Uvicorn:
        should_exit = False

        def run(self, sockets: list[socket.socket] | None = None) -> None:
            serving.set()
            until(lambda: self.should_exit)

    web = WebServer(settings, patient=True)
    monkeypatch.setattr(web, "_make_server", lambda station: Uvicorn())
    station: Any = SimpleNamespace(view=SimpleNamespace(ready=threading.Event()), ending=False, supervisor=supervisor)
    station.view.ready.set()
    web.start(station)
    until(lambda: bool(told))
    assert "another program is there" in told[0]
    assert not serving.is_set()
    other.close()
    assert serving.wait(LIMIT_S)
    assert supervisor.phase("pages") is Phase.HEALTHY
    assert web.address.endswith(str(settings.web.port))
    web.close()


def test_a_certificate_that_is_renewed_is_taken_into_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "RENEWED_S", 0.01)
    (tmp_path / "next").mkdir()
    here, key = make_certificate(tmp_path)
    renewed, its_key = make_certificate(tmp_path / "next")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    loaded = server._changed_at(here, key)
    context.load_cert_chain(here, key)
    web = WebServer(Settings(home=tmp_path, web=Web(port=0, certificate=here, key=key)))
    context.sni_callback = web._certified
    thread = threading.Thread(target=web._keep_certificate, args=(loaded,), daemon=True)
    thread.start()
    assert is_trusted(context, here)
    here.write_bytes(renewed.read_bytes())  # for a moment it does not fit the key
    key.write_bytes(its_key.read_bytes())
    until(lambda: is_trusted(context, renewed))
    assert is_trusted(context, renewed, name="127.0.0.1")  # of an address a browser sends no name
    web.close()
    thread.join(LIMIT_S)


def test_a_certificate_that_was_looked_at_half_written_is_taken_into_use_though_it_changes_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "RENEWED_S", 0.01)
    here, key = make_certificate(tmp_path)
    looks = iter(range(3))

    def half_written(web: Web) -> ssl.SSLContext | None:
        if next(looks, None) is not None:
            raise WebError("web: certificate and key do not belong together")
        return check_certificate(web)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    web = WebServer(Settings(home=tmp_path, web=Web(port=0, certificate=here, key=key)))
    context.sni_callback = web._certified
    monkeypatch.setattr(server, "check_certificate", half_written)
    thread = threading.Thread(target=web._keep_certificate, args=([0, 0],), daemon=True)
    thread.start()
    until(lambda: is_trusted(context, here))
    web.close()
    thread.join(LIMIT_S)
    assert caplog.text.count("is not in use") == 1


def is_trusted(context: ssl.SSLContext, certificate: Path, *, name: str = "localhost") -> bool:
    """Whether a browser that trusts a certificate alone trusts who serves with this context."""
    browser = ssl.create_default_context(cafile=certificate)
    ends = [(ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in range(2)]
    client = browser.wrap_bio(*ends[0], server_hostname=name)
    host = context.wrap_bio(*ends[1], server_side=True)
    done = False
    while not done:
        done = True
        for end, mine, yours in ((client, ends[0], ends[1]), (host, ends[1], ends[0])):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                done = False
            except ssl.SSLError:
                return False
            yours[0].write(mine[1].read())
    return True
