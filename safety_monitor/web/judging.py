"""Recordings that are handed in: taken out of their request, judged, and refused in words where that cannot be."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import HTTPException, Request
from starlette.datastructures import UploadFile

from safety_monitor.web.analysis_process import AnalysisError, BusyError
from safety_monitor.web.site import Site
from safety_monitor.web.upload import HEAD, KINDS, shown_name, suffix_of

UPLOAD_S = 600.0
"""Longest time for an upload to arrive."""


async def judge_upload(site: Site, request: Request) -> dict[str, Any]:
    """Take the recording out of a request, and judge it.

    Raises:
        HTTPException: it is none, or it cannot be judged.
    """
    try:
        async with asyncio.timeout(UPLOAD_S):
            form = await request.form(max_files=1, max_fields=0)
    except TimeoutError:
        raise HTTPException(408, f"it took longer than {UPLOAD_S:g} s to arrive", {"Connection": "close"}) from None
    try:
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            raise HTTPException(422, "needs a form field 'file' with a recording")
        file, name = upload.file, upload.filename
        return (await site.analyses.in_turn(lambda: judge_recording(site, file, name)))[0]
    except BusyError as error:
        raise busy(str(error)) from None
    finally:
        await form.close()


def busy(text: str) -> HTTPException:
    """The answer where too many are on their way."""
    return HTTPException(429, text, {"Retry-After": "10"})


def judge_recording(site: Site, file: BinaryIO, filename: str | None) -> tuple[dict[str, Any], bytes]:
    """Judge an upload that has arrived, see `judge_stored`."""
    with tempfile.TemporaryDirectory(prefix="safety-monitor-") as folder:
        stored = Path(folder, "upload")
        with stored.open("wb") as copy:
            shutil.copyfileobj(file, copy)
        return judge_stored(site, stored, filename)


def judge_stored(
    site: Site, stored: Path, filename: str | None, progress: Callable[[float], None] = lambda share: None
) -> tuple[dict[str, Any], bytes]:
    """Judge an upload that lies in a folder of its own; blocks. The result, and its spectrogram: see `Analyses.judge`.

    Raises:
        HTTPException: it is no recording, or it cannot be judged.
    """
    with stored.open("rb") as file:
        suffix = suffix_of(file.read(HEAD))
    if suffix is None:
        raise HTTPException(415, f"not a recording or picture that can be judged; it takes {KINDS}")
    copy, name = stored.rename(stored.with_suffix(suffix)), shown_name(filename)
    try:
        result, drawing = site.analyses.judge(copy, progress)
    except AnalysisError as error:
        raise HTTPException(422, f"{name}: {error}") from None
    if "error" in result:
        result["error"] = str(result["error"]).replace(str(copy), name)
    if "label" not in result:
        raise HTTPException(422, result["error"])
    return result | {"file": name}, drawing
