"""Recordings handed in over the REST API: what is judged, and what is refused before it costs anything."""

import asyncio
import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
from httpx import Response
from starlette.testclient import TestClient

from safety_monitor.config.web import Web
from safety_monitor.demo.scene import FPS, picture_at
from safety_monitor.web.analysis_process import WAITING
from safety_monitor.web.site import Site
from tests.web_site import MakeSite, client_of


@pytest.fixture(scope="module")
def picture() -> bytes:
    """The demo scene's hand, as a JPEG file."""
    return cv2.imencode(".jpg", picture_at(round(40.0 * FPS))[..., ::-1])[1].tobytes()


def test_a_picture_is_judged_and_its_name_only_shown(client: TestClient, picture: bytes, tmp_path: Path) -> None:
    answer = client.post("/api/v1/analyze", files={"file": ("../../hand.exe", picture, "text/html")})
    assert answer.status_code == 200, answer.text
    assert answer.json()["file"] == "hand.exe"
    assert answer.json()["signs"]
    assert not list(tmp_path.rglob("*hand*"))


def test_no_recording_is_refused(client: TestClient) -> None:
    for content in (b"", b"#EXTM3U\nfile:///etc/passwd\n", b"PK\x03\x04" + b"\0" * 100):
        assert client.post("/api/v1/analyze", files={"file": ("a.wav", content)}).status_code == 415


def test_a_damaged_recording_is_refused_without_a_path(client: TestClient) -> None:
    answer = client.post("/api/v1/analyze", files={"file": ("a.jpg", b"\xff\xd8\xff\xe0" + b"\0" * 1000)})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("a.jpg: ")


@pytest.mark.parametrize("form", [{}, {"data": {"file": "text"}}, {"files": {"other": ("a.wav", b"RIFF")}}])
def test_a_form_without_a_file_is_refused(client: TestClient, form: dict[str, dict[str, str]]) -> None:
    assert client.post("/api/v1/analyze", **form).status_code in (400, 422)


def test_a_claimed_size_is_refused_before_anything_is_read(make_site: MakeSite) -> None:
    client = client_of(make_site(Web(upload_mb=1)))
    assert client.post("/api/v1/analyze", headers={"Content-Length": str(2 << 30)}).status_code == 413


def test_an_endless_upload_is_ended_at_the_limit(make_site: MakeSite) -> None:
    client = client_of(make_site(Web(upload_mb=1)))
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        while sent < 8 << 20:
            sent += 1 << 16
            yield b"\0" * (1 << 16)

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert client.post("/api/v1/analyze", content=pieces(), headers=headers).status_code == 413


def test_a_recording_that_takes_too_long_is_given_up(make_site: MakeSite) -> None:
    client = client_of(make_site(Web(analysis_limit_s=0.05)))
    answer = client.post("/api/v1/analyze", files={"file": ("a.wav", silence_file())})
    assert answer.status_code == 422
    assert "longer than 0.05 s" in answer.json()["detail"]


def test_recordings_that_wait_for_their_turn_are_few_and_hold_up_nobody_else(site: Site) -> None:
    over = threading.Event()

    async def crowd() -> Response:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        waiting = [asyncio.create_task(site.analyses.in_turn(over.wait)) for _ in range(WAITING)]
        await asyncio.sleep(0)  # until all have begun to wait
        try:
            post = partial(client_of(site).post, "/api/v1/analyze", files={"file": ("a.wav", silence_file())})
            return await asyncio.to_thread(post)  # whoever acknowledges on a page needs such a thread, too
        finally:
            over.set()
            await asyncio.gather(*waiting)

    answer = asyncio.run(crowd())
    assert answer.status_code == 429
    assert "too many recordings are waiting" in answer.json()["detail"]


def silence_file() -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(16_000), 16_000, format="WAV")
    return buffer.getvalue()
