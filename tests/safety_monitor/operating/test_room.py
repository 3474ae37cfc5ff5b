"""What a room means for hearing screams in it."""

import pytest

from audio.blocks import SoundError
from audio.detector import SoundReading
from safety_monitor.operating.room import room_of


@pytest.mark.parametrize(
    ("levels", "scream", "good", "advice"),
    [
        ([-60.0, -58.0, -40.0], 0.1, True, "well suited"),
        ([-120.0, -120.0], 0.0, False, "muted"),
        ([-12.0, -11.0, -60.0], 0.2, False, "gain"),
        ([-40.0, -30.0], 0.85, False, "raised the alarm"),
    ],
)
def test_what_a_room_means(levels: list[float], scream: float, good: bool, advice: str) -> None:
    room = room_of(SoundReading(0.0, 1.0, "ambient", {"scream": scream}, scream, level) for level in levels)
    assert room.good is good
    assert advice in room.advice()


def test_a_room_that_gives_nothing_is_an_error() -> None:
    with pytest.raises(SoundError):
        room_of([])
