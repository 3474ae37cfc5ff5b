"""What hangs is left behind, and is not begun a second time while it hangs."""

import threading

import pytest

from media.in_time import in_time


def test_what_comes_in_time_is_given_and_what_is_raised_is_raised() -> None:
    assert in_time("quick", lambda: 7, 60.0) == 7
    with pytest.raises(ZeroDivisionError):
        in_time("broken", lambda: 1 // 0, 60.0)


def test_what_hangs_is_left_behind_until_it_ends() -> None:
    release, cleared = threading.Event(), threading.Event()
    late: list[str] = []

    def clear(what: str) -> None:
        late.append(what)
        cleared.set()

    def hang() -> str:
        release.wait(60.0)
        return "device"

    with pytest.raises(TimeoutError):
        in_time("hangs", hang, 0.01, clear)
    with pytest.raises(TimeoutError):
        in_time("hangs", pytest.fail, 60.0, clear)
    release.set()
    assert cleared.wait(60.0)
    assert late == ["device"]
    for thread in threading.enumerate():
        if thread.name == "hangs":
            thread.join(60.0)
    assert in_time("hangs", lambda: "again", 60.0, clear) == "again"


def test_where_no_thread_is_to_be_had_it_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        with pytest.raises(TimeoutError):
            in_time("refused", pytest.fail, 60.0, pytest.fail)
    assert in_time("refused", lambda: 7, 60.0) == 7
