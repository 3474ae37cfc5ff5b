"""Settings are looked at and changed by programs as on the page."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from safety_monitor.config.page import template
from safety_monitor.config.web import Web, WebToken, WebUser
from safety_monitor.web.access import hash_password, new_token
from safety_monitor.web.site import Site
from tests.web_site import PIN, MakeSite, client_of

HASH = hash_password("correct horse")
TEXT = f"""\
[fusion]
threshold = 0.8  # tried on the 3rd of May

[camera]
source = "rtsp://anna:se/cret@10.0.0.7/stream?key=abcdef"

[place]
address = "behind the lift, is it? yes"

[[web.users]]
name = "anna"
role = "admin"
password_hash = "{HASH}"
"""


@pytest.fixture
def file(site: Site) -> Path:
    path = site.settings_file.path
    path.write_text(TEXT)
    assert isinstance(site.settings_file.environ, dict)
    site.settings_file.environ["SAFETY_MONITOR_MESSAGES__MAIL"] = "mailto://anna:hidden@example.org"
    return path


def test_settings_are_shown_without_what_is_secret(client: TestClient, file: Path) -> None:
    answer = client.get("/api/v1/settings")
    for secret in ("argon2", "se/cret", "abcdef", "hidden"):
        assert secret not in answer.text
    values = answer.json()["values"]
    assert values["fusion"]["threshold"] == 0.8
    assert values["camera"]["source"] == "rtsp://***@10.0.0.7/stream?***"
    assert values["place"]["address"] == "behind the lift, is it? yes"
    assert values["messages"] == {"mail": "***"}
    assert values["web"]["users"] == [{"name": "anna", "role": "admin", "password_hash": "***"}]
    assert (values["acknowledge"]["pin_hash"], values["mqtt"]) == (None, None)


def test_a_value_is_written_where_it_stands_and_followed(client: TestClient, site: Site, file: Path) -> None:
    put = client.put("/api/v1/settings/fusion.threshold", json={"value": 0.7})
    assert put.json() == {"key": "fusion.threshold", "value": 0.7, "restart_needed": False, "warnings": []}
    assert file.read_text() == TEXT.replace("0.8", "0.7")
    assert site.view.rules.threshold == 0.7
    assert client.put("/api/v1/settings/station.name", json={"value": "lobby"}).json()["restart_needed"]
    assert client.get("/api/v1/settings").json()["restart_needed"] == ["station"]
    assert client.put("/api/v1/settings/fusion.threshold", json={"value": None}).json()["value"] == 0.8
    assert "tried" not in file.read_text()


def test_whoever_saves_that_nobody_is_told_at_night_is_told_so(client: TestClient, site: Site, file: Path) -> None:
    assert isinstance(site.settings_file.environ, dict)
    site.settings_file.environ["SAFETY_MONITOR_MESSAGES__BEN"] = "mailto://ben:hidden@example.org"
    quiet = '[limits]\nquiet_from = "22:00"\nquiet_until = "07:00"\nquiet_channels = ["messages:mail"]\n'
    file.write_text(TEXT + quiet)
    for value, warnings in ((["messages"], 1), (["messages:ben"], 0)):
        put = client.put("/api/v1/settings/limits.quiet_channels", json={"value": value}).json()
        assert len(put["warnings"]) == warnings
        assert all(line.startswith("from 22:00 until 07:00 nobody elsewhere is told") for line in put["warnings"])


def test_nothing_is_saved_with_which_the_pages_could_not_be_served(client: TestClient, file: Path) -> None:
    file.write_text(before := f'[web]\ncertificate = "gone.pem"\nkey = "gone.key"\n{TEXT}')
    answer = client.put("/api/v1/settings/station.name", json={"value": "lobby"})
    assert (answer.status_code, "web.certificate: gone.pem: " in answer.text) == (422, True)
    assert file.read_text() == before


def test_where_nobody_signs_in_a_change_takes_the_pin(make_site: MakeSite) -> None:
    site = make_site(pin=True)
    client, path = client_of(site), site.settings_file.path
    for body, why in (({}, "this takes the PIN"), ({"pin": "0000"}, "the PIN is wrong")):
        answer = client.put("/api/v1/settings/alarm.enabled", json={"value": False, **body})
        assert (answer.status_code, answer.json()) == (403, {"detail": why})
        assert not path.exists()
    assert client.put("/api/v1/settings/alarm.enabled", json={"value": False, "pin": PIN}).status_code == 200
    assert "enabled = false" in path.read_text()


def test_in_the_file_that_the_program_prints_nothing_but_the_value_changes(client: TestClient, site: Site) -> None:
    text = template() + "\n"
    site.settings_file.path.write_text(text)
    assert client.put("/api/v1/settings/alarm.volume", json={"value": 0.25}).status_code == 200
    assert site.settings_file.path.read_text() == text.replace("# volume = 1.0", "volume = 0.25")


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("fusion.threshold", 80, 422),
        ("fusion.threshold", "high", 422),
        ("fusion.threshold", ["0.7"], 422),
        ("fusion.weak", 0.9, 422),  # above the threshold
        ("place.address", "a\0b", 422),
        ("camera.source", "rtsp://***@10.0.0.7/stream", 422),
        ("hearing.model", "nothing", 422),
        ("place.geocoder", "nothing", 422),
        ("log.file", "/proc/nowhere/station.log", 422),
        ("fusion", 1, 404),
        ("contacts", ["anna"], 404),
        ("acknowledge.pin_hash", "$argon2id$x", 404),
        ("web.users", [], 404),
        ("a..b", 1, 404),
        ("home", "elsewhere", 409),
    ],
)
def test_what_cannot_be_set_is_refused_and_nothing_written(
    client: TestClient, file: Path, key: str, value: Any, status: int
) -> None:
    answer = client.put(f"/api/v1/settings/{key}", json={"value": value})
    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)
    assert file.read_text() == TEXT


def test_a_file_that_cannot_be_read_is_told(client: TestClient, file: Path) -> None:
    file.write_text("[fusion\n")
    assert client.get("/api/v1/settings").status_code == 409
    assert client.put("/api/v1/settings/fusion.threshold", json={"value": 0.7}).status_code == 409
    assert file.read_text() == "[fusion\n"


def test_only_an_admin_sees_and_sets_them(make_site: MakeSite) -> None:
    token, token_hash = new_token()
    users = (WebUser(name="anna", role="admin", password_hash=HASH),)
    site = make_site(Web(tokens=(WebToken(name="t", role="operator", token_hash=token_hash),), users=users))
    client = client_of(site, Authorization=f"Bearer {token}")
    assert client.get("/api/v1/settings").status_code == 403
    assert client.put("/api/v1/settings/fusion.threshold", json={"value": 0.7}).status_code == 403
    assert not site.settings_file.path.exists()
