"""Evidence goes in its time, and not because a clock is wrong."""

import os
from pathlib import Path

import pytest

from safety_monitor.actions.ageing import HOLD_S, Ageing
from safety_monitor.actions.evidence import BELIEVED, DAY_S, FOLDER, EvidenceStore

OLD, NEW = "11111111-0000-0000-0000-000000000001", "11111111-0000-0000-0000-000000000002"
HOUR = 3600.0


class Machine:
    """A station's home and clocks. Evidence is kept for 30 days."""

    def __init__(self, home: Path) -> None:
        self.now, self.elapsed = 1_800_000_000.0, 50.0
        self.store = EvidenceStore(home, keep_days=30.0, most_bytes=10**9, clock=lambda: self.now)
        self.start()

    def start(self) -> None:
        """The program, or the machine, is started anew."""
        self.ageing = Ageing(self.store, lambda: self.now, lambda: self.elapsed)

    def save(self, incident_id: str, age_s: float = 0.0) -> None:
        path = self.store.save(incident_id, "sound.flac", b"fLaC")
        assert path is not None
        os.utime(path, (self.now - age_s, self.now - age_s))

    def runs(self, hours: float) -> list[str]:
        """What is deleted while it runs for so long."""
        gone: list[str] = []
        for _ in range(round(hours * 6)):
            self.now += 600.0
            self.elapsed += 600.0
            gone += self.ageing.tidy()
        return gone


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.save(OLD, 29.5 * DAY_S)
    machine.save(NEW)
    assert machine.runs(8) == []
    return machine


def test_what_is_too_old_goes_while_the_station_runs_and_after_it_was_off_for_a_night(machine: Machine) -> None:
    assert machine.runs(6) == [OLD]
    machine.now += 29 * DAY_S
    machine.elapsed += 29 * DAY_S  # it slept: one of the clocks that nobody sets went on
    assert machine.runs(0.5) == []
    machine.now += 12 * HOUR
    machine.elapsed = 30.0  # switched off overnight
    machine.start()
    assert machine.runs(0.5) == [NEW]


def test_a_clock_that_jumps_ahead_deletes_nothing_that_is_put_right_in_time(machine: Machine) -> None:
    machine.now += 3650 * DAY_S
    assert machine.runs(0.5) == []
    assert "evidence of 2 incidents would be too old and is deleted in 6 h" in machine.ageing.withheld
    machine.now -= 3650 * DAY_S
    assert machine.runs(0.5) == []
    assert machine.ageing.withheld == ""
    assert machine.runs(12) == [OLD]
    assert machine.store.files(NEW)


def test_a_clock_that_stands_before_what_it_showed_is_a_trouble_once_the_network_should_have_set_it(
    machine: Machine,
) -> None:
    machine.now -= 400 * DAY_S
    machine.elapsed = 30.0
    machine.start()
    assert machine.ageing.tidy() == []
    assert machine.ageing.doubt == ""
    assert machine.runs(0.5) == []
    assert "before: set it, or hours and times are wrong" in machine.ageing.doubt
    machine.now += 400 * DAY_S
    assert machine.ageing.doubt == ""


def test_a_new_time_that_holds_is_believed_and_evidence_goes(machine: Machine) -> None:
    machine.now += 31 * DAY_S
    assert machine.runs(HOLD_S / HOUR) == []
    assert machine.runs(0.5) == [OLD, NEW]
    assert machine.ageing.withheld == ""


@pytest.mark.parametrize("off_days", [31, 3650])
def test_after_days_off_the_time_of_day_must_hold_before_it_is_believed(machine: Machine, off_days: int) -> None:
    machine.now += off_days * DAY_S
    machine.elapsed = 30.0
    machine.start()
    assert machine.runs(3) == []
    assert machine.ageing.withheld
    machine.start()  # as often as it is started: what is not believed is not remembered
    assert machine.runs(HOLD_S / HOUR) == []
    assert machine.runs(0.5) == [OLD, NEW]


@pytest.mark.parametrize("wrong", [0.0, 4_000_000_000.0])
def test_what_was_kept_while_the_clock_was_wrong_stays_as_long_as_any_other(machine: Machine, wrong: float) -> None:
    right, machine.now = machine.now, wrong
    machine.save("during")
    assert machine.runs(0.5) == []
    machine.now = right
    assert machine.runs(20 * 24) == [OLD]
    assert machine.runs(11 * 24) == [NEW, "during"]


def test_evidence_goes_though_a_full_disk_does_not_take_the_time_of_day(machine: Machine, tmp_path: Path) -> None:
    mark = tmp_path / FOLDER / BELIEVED
    mark.unlink()
    mark.symlink_to(tmp_path / "nowhere" / "mark")  # as on a full disk, no file can be made there
    assert machine.runs(6) == [OLD]


def test_too_much_goes_whatever_the_clock_says(machine: Machine, tmp_path: Path) -> None:
    machine.store = EvidenceStore(tmp_path, keep_days=30.0, most_bytes=6, clock=lambda: machine.now)
    machine.now += 3650 * DAY_S
    machine.start()
    assert machine.runs(0.5) == [OLD]
