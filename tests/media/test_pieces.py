import pytest

from media.pieces import PieceClock

STEP_S, PIECE = 0.1, 20


def send(clock: PieceClock, first: int, pieces: int, *, late_s: float = 0.0, ahead_s: float = 0.0) -> None:
    """Pieces of two seconds; each comes when it is over, or so late, on a time line that is so far ahead."""
    for piece in range(first, first + pieces):
        for part in range(piece * PIECE, (piece + 1) * PIECE):
            clock.note(part * STEP_S + ahead_s, 1_000.0 + (piece + 1) * PIECE * STEP_S + late_s)


def test_the_end_of_a_piece_was_made_when_it_came_and_all_of_it_is_as_late_as_its_beginning() -> None:
    clock = PieceClock()
    assert clock.late_s == 0.0
    send(clock, 0, 3)
    assert clock.made(1.0) == pytest.approx(1_001.0, abs=2 * STEP_S)
    assert clock.late_s == pytest.approx(2.0, abs=2 * STEP_S)


def test_what_lay_there_already_is_told_from_what_is_new() -> None:
    clock = PieceClock()
    send(clock, 7, 1)
    assert clock.new_from_s is None
    send(clock, 8, 2)
    assert clock.new_from_s == pytest.approx(8 * PIECE * STEP_S)


def test_after_a_piece_that_was_late_all_are_until_that_is_made_up_for() -> None:
    clock = PieceClock()
    send(clock, 0, 3)
    send(clock, 3, 1, late_s=3.0)
    send(clock, 4, 1)
    assert clock.late_s == pytest.approx(5.0, abs=3 * STEP_S)
    assert clock.made(9.0) == pytest.approx(1_009.0, abs=2 * STEP_S)
    send(clock, 5, 200)
    assert clock.late_s == pytest.approx(2.0, abs=2 * STEP_S)


@pytest.mark.parametrize("jump_s", [-3_600.0, 3_600.0])
def test_a_time_line_that_begins_anew_is_followed(jump_s: float) -> None:
    clock = PieceClock()
    send(clock, 0, 3)
    send(clock, 3, 2, ahead_s=jump_s)
    assert clock.made(9.0 + jump_s) == pytest.approx(1_009.0, abs=2 * STEP_S)
    assert clock.late_s == pytest.approx(2.0, abs=2 * STEP_S)
