"""A thread that fails in an unforeseen way is named, and goes on."""

import threading
import time
from collections.abc import Callable

import pytest

from media import lasting

WAIT_S = 60.0


def ends(name: str) -> None:
    def work() -> None:
        raise RuntimeError("a mistake of ours")

    thread = threading.Thread(target=work, name=name)
    thread.start()
    thread.join(WAIT_S)


def fails_once(name: str) -> None:
    over, calls = threading.Event(), iter([True, False])

    def work() -> None:
        if next(calls):
            raise RuntimeError("a mistake of ours")
        over.set()

    lasting.lasting(name, work, over)
    assert over.wait(WAIT_S)


@pytest.mark.parametrize(
    ("fails", "after_s", "is_named"), [(ends, 1e6, True), (fails_once, 0.0, True), (fails_once, 1e6, False)]
)
def test_what_failed_is_named_and_logged(
    fails: Callable[[str], None],
    after_s: float,
    is_named: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(lasting, "AGAIN_S", (0.01,))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    lasting.notice_all()
    name = fails.__name__
    fails(name)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + after_s)
    assert (name in lasting.failing()) is is_named
    assert f"{name}: " in caplog.text
    assert "RuntimeError: a mistake of ours" in caplog.text
