"""Chromium without a window, as Debian has it; nothing is downloaded."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright


@contextmanager
def browser(*arguments: str) -> Iterator[Browser]:
    """A browser of its own."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("not installed: chromium (Debian: chromium)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=Path(program), args=["--no-sandbox", "--disable-background-networking", *arguments]
        )
        yield opened
        opened.close()
