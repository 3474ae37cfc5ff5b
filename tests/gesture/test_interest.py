"""Which part of a picture is looked at next."""

import numpy as np
import pytest

from gesture.interest import ENLARGED, SPENT, Image, Interest, Part, part_around


def room(size: tuple[int, int], seed: int = 1) -> Image:
    noise = np.random.default_rng(seed).normal(120, 4, (*size, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


def holds(part: Part, x: int, y: int) -> bool:
    """Whether a point lies so far within a part that a hand around it would be seen whole."""
    middle_x, middle_y = part.left + part.side / 2, part.top + part.side / 2
    return max(abs(x - middle_x), abs(y - middle_y)) <= SPENT * part.side / 2


@pytest.mark.parametrize(("x", "y"), [(330, 250), (150, 120), (520, 370)])
def test_a_part_that_moves_is_looked_at_next_or_after(x: int, y: int) -> None:
    interest = Interest()
    for number in range(10):
        interest.next_part(room((480, 640), number), number / 8)
    moved = room((480, 640), 99)
    moved[y - 20 : y + 20, x - 20 : x + 20] = 230
    assert any(holds(interest.next_part(moved, number / 8), x, y) for number in (10, 11))


def test_what_moves_all_the_time_is_looked_at_often_and_keeps_no_other_part_from_it() -> None:
    size = (480, 640)
    seen = np.zeros(size, bool)
    interest, often = Interest(), 0
    for number in range(48):
        screen = room(size, number)
        screen[210:270, 290:350] = 250 if number % 2 else 10
        part = interest.next_part(screen, number / 4)
        often += holds(part, 320, 240)
        seen[part.top : part.top + part.side, part.left : part.left + part.side] = True
    assert seen.mean() > 0.97
    assert often >= 16


@pytest.mark.parametrize("size", [(480, 640), (720, 1280), (1080, 1920), (640, 480), (240, 320)])
def test_a_still_room_is_looked_at_everywhere(size: tuple[int, int]) -> None:
    height, width = size
    seen = np.zeros(size, bool)
    interest = Interest()
    for number in range(24):
        part = interest.next_part(room(size, number), number / 4)
        assert part.side == round(max(size) / ENLARGED)
        assert 0 <= part.left <= width - part.side
        assert 0 <= part.top <= height - part.side
        seen[part.top : part.top + part.side, part.left : part.left + part.side] = True
    assert seen.mean() > 0.97  # all but the very edge


def test_pictures_of_another_size_and_times_that_go_back_begin_anew() -> None:
    interest = Interest()
    for size, at_s in (((480, 640), 5.0), ((480, 640), 1.0), ((720, 1280), 1.1), ((3, 1000), 1.2), ((1, 1), 1.3)):
        part = interest.next_part(room(size), at_s)
        assert part.of(room(size)).shape == (part.side, part.side, 3)


def test_a_part_lies_in_the_picture() -> None:
    assert part_around(10, 470, 100, (480, 640)) == Part(0, 380, 100)
    assert part_around(320, 240, 1000, (480, 640)) == Part(80, 0, 480)
