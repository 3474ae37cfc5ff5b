"""What the station takes of its machine is read from the system, and growth beyond all use is a trouble."""

import os
import threading
from pathlib import Path

import pytest

from safety_monitor.supervision import selfwatch
from safety_monitor.supervision.selfwatch import Figures, disk, figures, growth

FIRST = Figures(memory=300_000_000, threads=20, files=50)


@pytest.mark.parametrize(
    ("now", "ill"),
    [
        (FIRST, []),
        (Figures(memory=800_000_000, threads=60, files=250), []),
        (Figures(memory=900_000_000, threads=20, files=50), ["memory"]),
        (Figures(memory=300_000_000, threads=61, files=251), ["number of threads", "open files"]),
        (Figures(memory=None, threads=61, files=None), ["number of threads"]),
        (Figures(memory=1, threads=1, files=1), []),
    ],
)
def test_what_has_grown_too_much(now: Figures, ill: list[str]) -> None:
    assert [about for about, each in growth(FIRST, now).items() if each is not None] == ill


def test_a_leak_of_this_very_process_is_seen(tmp_path: Path) -> None:
    before = figures()
    assert before.memory is not None
    assert before.files is not None
    over = threading.Event()
    threads = [threading.Thread(target=over.wait) for _ in range(selfwatch.GROWN_THREADS + 5)]
    files = [os.open(tmp_path, os.O_RDONLY) for _ in range(selfwatch.GROWN_FILES + 5)]
    kept = b"\1" * (selfwatch.GROWN_MEMORY + 50_000_000)
    for thread in threads:
        thread.start()
    try:
        texts = {about: ill.text for about, ill in growth(before, figures()).items() if ill is not None}
    finally:
        over.set()
        for each in files:
            os.close(each)
        for thread in threads:
            thread.join()
    assert kept
    assert texts.keys() == {"memory", "number of threads", "open files"}
    assert all("start the station anew" in text for text in texts.values())


def test_a_disk_that_is_full_or_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk(tmp_path) is None
    gone = disk(tmp_path / "gone")
    assert gone is not None
    assert "No such file" in gone.text
    monkeypatch.setattr(selfwatch, "LEAST_FREE", 1 << 62)
    full = disk(tmp_path)
    assert full is not None
    assert full.text.startswith("only ")
