"""What every request passes: host, origin, session, size, headers."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message

from safety_monitor.config.web import Web, WebToken, WebUser
from safety_monitor.web.access import TRIES, Access, hash_password, new_token
from safety_monitor.web.app import make_app
from safety_monitor.web.guard import COOKIE, Guard
from tests.web_site import MakeSite, client_of

TOKEN, TOKEN_HASH = new_token()
WEB = Web(
    users=(WebUser(name="anna", role="viewer", password_hash=hash_password("correct horse")),),
    tokens=(WebToken(name="reader", role="viewer", token_hash=TOKEN_HASH),),
)


@pytest.mark.parametrize("host", ["evil.example", "192.0.2.1:8080", "localhost.evil.example", ""])
def test_a_station_without_users_answers_only_to_its_own_names(client: TestClient, host: str) -> None:
    assert client.get("/api/v1/health", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded"])
def test_a_station_without_users_answers_nobody_elsewhere_whom_a_proxy_brings(client: TestClient, header: str) -> None:
    answer = client.post("/api/v1/disarm", headers={"Host": "127.0.0.1:8080", header: "203.0.113.9"})
    assert answer.status_code == 421
    assert client.get("/api/v1/health").json()["armed"] is True


def test_a_proxy_may_bring_whoever_signs_in(make_site: MakeSite) -> None:
    client = client_of(make_site(WEB), Authorization=f"Bearer {TOKEN}", Host="127.0.0.1:8080")
    assert client.get("/api/v1/incidents", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 200


@pytest.mark.parametrize(("peer", "status"), [("127.0.0.1", 401), ("198.51.100.7", 429)], ids=["proxy", "stranger"])
def test_wrong_passwords_of_one_whom_a_proxy_brings_keep_out_nobody_else(
    make_site: MakeSite, peer: str, status: int
) -> None:
    client = TestClient(make_app(make_site(WEB), pages=False), base_url="http://localhost", client=(peer, 50_000))

    def tried(number: int, forwarded: str) -> int:
        form = {"name": f"name {number}", "password": "wrong"}
        answer = client.post("/login", data=form, headers={"X-Forwarded-For": forwarded})
        return int(answer.status_code)

    # What stands before the last comma anybody may have written.
    assert [tried(each, f"192.0.2.{each}, 203.0.113.9") for each in range(TRIES + 1)] == [401] * TRIES + [429]
    assert tried(TRIES + 1, "203.0.113.10") == status


@pytest.mark.parametrize(
    ("base", "peer", "proto", "secure"),
    [
        ("http://localhost", "127.0.0.1", "https", True),
        ("http://localhost", "127.0.0.1", "http", False),
        ("http://localhost", "198.51.100.7", "https", False),
        ("https://localhost", "198.51.100.7", "http", True),
    ],
    ids=["proxy", "open proxy", "stranger", "station"],
)
def test_the_cookie_of_whoever_came_over_https_never_goes_without(
    make_site: MakeSite, base: str, peer: str, proto: str, secure: bool
) -> None:
    client = TestClient(make_app(make_site(WEB), pages=False), base_url=base, client=(peer, 50_000))
    form = {"name": "anna", "password": "correct horse"}
    answer = client.post("/login", data=form, headers={"X-Forwarded-Proto": proto}, follow_redirects=False)
    assert answer.status_code == 303
    assert ("; Secure" in answer.headers["set-cookie"]) is secure


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:80", "127.0.0.2"])
def test_its_own_names_are_those_of_this_machine(client: TestClient, host: str) -> None:
    assert client.get("/api/v1/health", headers={"Host": host}).status_code == 503


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_can_change_nothing(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/api/v1/disarm", headers=headers).status_code == 403
    assert client.get("/api/v1/health").json()["armed"] is True


@pytest.mark.parametrize(("mode", "status"), [("no-cors", 403), ("cors", 403), ("navigate", 200)])
def test_another_site_can_lead_here_and_ask_for_nothing_else(client: TestClient, mode: str, status: int) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode}
    assert client.get("/api/v1/models", headers=headers).status_code == status


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}])
def test_its_own_pages_and_programs_can(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/api/v1/disarm", headers=headers).json() == {"armed": False}


def test_with_users_nothing_is_seen_without_signing_in(make_site: MakeSite) -> None:
    client = client_of(make_site(WEB))
    for path in ("/api/v1/health", "/api/v1/incidents", "/api/v1/metrics", "/api/v1/openapi.json", "/nothing"):
        assert client.get(path).status_code == 401
    here = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    page = client.get("/incidents", headers=here, follow_redirects=False)
    assert (page.status_code, page.headers["location"]) == (303, "/login?then=/incidents")


@pytest.mark.parametrize("tells", [{"Sec-Fetch-Site": "cross-site"}, {}], ids=["https", "http"])
def test_whoever_follows_a_link_without_the_cookie_goes_on_from_a_page_of_the_station_which_brings_it(
    make_site: MakeSite, tells: dict[str, str]
) -> None:
    page = client_of(make_site(WEB)).get("/incidents/1", headers={"Accept": "text/html"} | tells)
    assert (page.status_code, "0; url=/login?then=/incidents/1" in page.text) == (200, True)


def test_a_token_lets_a_program_in_and_its_role_holds(make_site: MakeSite) -> None:
    client = client_of(make_site(WEB), Authorization=f"Bearer {TOKEN}")
    assert client.get("/api/v1/incidents").status_code == 200
    assert client.post("/api/v1/disarm").status_code == 403


@pytest.mark.parametrize(
    "authorization",
    ["Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN_HASH}", "Bearer"],
    ids=["wrong", "basic", "hash", "nothing"],
)
def test_anything_else_lets_nobody_in(make_site: MakeSite, authorization: str) -> None:
    client = client_of(make_site(WEB), Authorization=authorization)
    assert client.get("/api/v1/incidents").status_code == 401


def test_a_damaged_cookie_lets_nobody_in(make_site: MakeSite) -> None:
    client = client_of(make_site(WEB), Cookie=f'{COOKIE}="; x=\x7f')
    assert client.get("/api/v1/incidents").status_code == 401


@pytest.mark.parametrize("other", ['{"a": "b c"}', "Jörg", "two words", ""])
def test_cookies_of_others_on_the_same_machine_keep_nobody_out(make_site: MakeSite, other: str) -> None:
    client = client_of(make_site(WEB))
    cookies = f"other={other}; {COOKIE}={TOKEN}; third={other}"
    assert client.get("/api/v1/incidents", headers={"Cookie": cookies.encode()}).status_code == 200


def test_every_answer_has_the_headers_that_protect(client: TestClient) -> None:
    for answer in (client.get("/api/v1/health"), client.get("/nothing"), client.get("/", headers={"Host": "evil"})):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("tiles", "sources"),
    [
        ("", "img-src 'self' data: blob:"),
        ("https://{s}.tiles.example/{z}/{x}/{y}.png", "img-src 'self' data: blob: https://*.tiles.example"),
    ],
)
def test_a_browser_gets_nothing_from_elsewhere_but_a_map_that_is_set(
    make_site: MakeSite, tiles: str, sources: str
) -> None:
    site = make_site(Web(map_tiles=tiles) if tiles else Web())
    policy = client_of(site).get("/api/v1/health").headers["content-security-policy"]
    assert sources in [each.strip() for each in policy.split(";")]
    assert "http" not in policy.replace("https://*.tiles.example", "")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_an_upload_of_whoever_is_not_signed_in_is_not_called_too_large(
    make_site: MakeSite, headers: dict[str, str]
) -> None:
    answer = client_of(make_site(WEB), **headers).post("/api/v1/analyze", content=b"x" * 100_000)
    assert (answer.status_code, answer.headers["connection"]) == (401, "close")
    assert client_of(make_site(WEB)).post("/login", content=b"x" * 100_000).status_code == 413


def test_a_request_that_is_no_upload_is_small(client: TestClient) -> None:
    answer = client.post("/api/v1/arm", content=b"x" * 2_000_000)
    assert answer.status_code == 413


def ask(app: ASGIApp, path: str, *, leaves: bool) -> None:
    """A request to a guarded application, by somebody who leaves before there is an answer, or stays."""
    guard = Guard(app, Access(Web()), upload=0, shared={}, https=False)
    headers = [(b"host", b"localhost"), (b"accept-encoding", b"gzip")]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}
    coming: list[Message] = [{"type": "http.request"}]

    async def receive() -> Message:
        if not coming and not leaves:
            await asyncio.Event().wait()
        return coming.pop() if coming else {"type": "http.disconnect"}

    async def send(message: Message) -> None: ...

    asyncio.run(guard(scope, receive, send))


def test_who_leaves_while_a_page_loads_is_no_failure_to_be_logged(tmp_path: Path) -> None:
    async def passed(request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)

    (tmp_path / "page.js").write_text("// " + "x" * 5000)
    ways = [Middleware(BaseHTTPMiddleware, dispatch=passed), Middleware(GZipMiddleware)]  # as NiceGUI has them
    files = Starlette(routes=[Mount("/", StaticFiles(directory=tmp_path))], middleware=ways)
    for leaves in (True, False):
        ask(files, "/page.js", leaves=leaves)


def test_a_failure_of_ours_is_raised_whoever_leaves() -> None:
    async def failing(scope: object, receive: object, send: object) -> None:
        raise RuntimeError("of ours")

    for leaves in (True, False):
        with pytest.raises(RuntimeError, match="of ours"):
            ask(failing, "/", leaves=leaves)
