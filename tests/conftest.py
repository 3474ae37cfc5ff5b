"""What tests of several packages need: a sound system of their own."""

import tempfile
from collections.abc import Iterator
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
