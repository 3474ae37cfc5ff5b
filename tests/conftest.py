"""What tests of several packages need, and how several workers share the tests."""

import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from media import lasting
from tests.sound_server import SoundServer, missing_programs, sound_server

# The same examples in every run, and none has to be quick: a test fails neither by chance nor because the machine is
# busy. `--hypothesis-profile default` looks for others.
settings.load_profile("ci")

REAL_TIME = {
    "tests/audio/test_live.py",
    "tests/audio/test_microphone.py",
    "tests/audio/test_route.py",
    "tests/gesture/test_capture.py",
    "tests/safety_monitor/actions/test_alarm.py",
    "tests/safety_monitor/actions/test_speech.py",
    "tests/safety_monitor/operating/test_first_run.py",
    "tests/system/test_faults.py",
    "tests/system/test_live.py",
}
"""Files whose tests play, hear or see as time passes: never do two of them at once."""
LONG = {"tests/safety_monitor/web/test_pages.py"}
"""Files besides those of whole stations that take minutes, most of it waiting."""


def pytest_configure() -> None:
    """A file that has another name by now would be dealt like any other."""
    if gone := [file for file in REAL_TIME | LONG if not (Path(__file__).parents[1] / file).exists()]:
        raise pytest.UsageError(f"tests/conftest.py: no such file: {', '.join(gone)}")


@pytest.fixture(autouse=True)
def _nothing_has_failed() -> None:
    """What failed on purpose in one test is no trouble of the stations in the next."""
    lasting._failed.clear()


@pytest.fixture
def sound_system() -> Iterator[SoundServer]:
    """A private sound server for this test; give its `environment` to what shall use it."""
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: pulseaudio pulseaudio-utils)")
    with tempfile.TemporaryDirectory(prefix="sound-") as folder, sound_server(Path(folder)) as server:
        yield server


@pytest.fixture
def room(sound_system: SoundServer, monkeypatch: pytest.MonkeyPatch) -> SoundServer:
    """The same, used by the test's own process."""
    for name, value in sound_system.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SDL_AUDIODRIVER", "pulseaudio")
    return sound_system


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Several workers get whole files, whose tests share what they prepare, and one gets all that are `REAL_TIME`."""
    from xdist.scheduler import LoadFileScheduling

    class Dealing(LoadFileScheduling):  # type: ignore[misc]  # it has no types
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "real time" if file in REAL_TIME else file

    return Dealing(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest is dealt first: at the end no worker has long to wait for another."""

    def turn(item: pytest.Item) -> int:
        file = item.nodeid.partition("::")[0]
        return 0 if file in REAL_TIME else 1 if "system" in item.path.parts or file in LONG else 2

    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=turn)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where the whole suite must run, a program that is not installed is a failure, not a reason to skip."""
    report = yield
    if report.skipped and "CI" in os.environ and "not installed" in str(report.longrepr):
        report.outcome = "failed"
    return report
