"""What tests of several packages need: a sound system of their own."""

import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.sound_server import SoundServer, missing_programs, sound_server


@pytest.fixture
def sound_system() -> Iterator[SoundServer]:
    """A private sound server for this test; give its `environment` to what shall use it."""
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: pulseaudio pulseaudio-utils)")
    with tempfile.TemporaryDirectory(prefix="sound-") as folder, sound_server(Path(folder)) as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where the whole suite must run, a program that is not installed is a failure, not a reason to skip."""
    report = yield
    if report.skipped and "CI" in os.environ and "not installed" in str(report.longrepr):
        report.outcome = "failed"
    return report
