"""A hand keeps its number: through moves, gaps and a changed mind about its side; another hand has another."""

import numpy as np
import pytest

from gesture.hands import Hand
from gesture.tracks import Track, assign, distinct, palm_of


def hand(x: float, y: float = 0.5, side: str = "right", score: float = 0.9) -> Hand:
    rng = np.random.default_rng(3)
    landmarks = rng.normal(0, 0.05, (21, 3)).astype(np.float32)
    return Hand(landmarks + np.array([x, y, 0], np.float32), side, score)


class Follower:
    """The tracks of a run of frames."""

    def __init__(self, gap_s: float = 1.0) -> None:
        self.tracks: list[Track] = []
        self.number = 1
        self.gap_s = gap_s

    def see(self, at_s: float, *hands: Hand) -> list[int]:
        found, waiting = assign(self.tracks, distinct(hands, 0.75), at_s, self.gap_s, self.number)
        self.tracks = found + waiting
        self.number = max([self.number - 1, *(track.number for track in found)]) + 1
        return [track.number for track in found]


def test_two_hands_keep_their_numbers_when_their_order_changes() -> None:
    follower = Follower()
    assert follower.see(0.0, hand(0.2), hand(0.8, side="left")) == [1, 2]
    assert follower.see(0.1, hand(0.78, side="left"), hand(0.22)) == [2, 1]


@pytest.mark.parametrize(
    ("passed_s", "moved", "side", "same", "jumped"),
    [
        (0.1, 4, "right", True, False),
        (0.033, 4, "right", True, True),  # nobody is so fast
        (0.1, 6, "left", True, True),
        (0.8, 7, "right", True, False),
        (0.8, 8, "right", False, False),
        (0.4, 2, "left", False, False),  # one has gone, the other has come
        (0.8, 1, "left", True, False),
        (1.2, 0, "right", False, False),
    ],
)
def test_a_hand_is_the_missing_one_where_that_can_be_by_now(
    passed_s: float, moved: float, side: str, same: bool, jumped: bool
) -> None:
    """`moved` is in palm sizes."""
    follower = Follower(gap_s=1.0)
    follower.see(0.0, hand(0.1))
    _, size = palm_of(hand(0.1).landmarks, 0.75)
    assert follower.see(passed_s, hand(0.1 + moved * size, side=side)) == [1 if same else 2]
    assert follower.tracks[0].jumped == jumped


def test_a_hand_that_jumps_beside_another_keeps_its_number() -> None:
    follower = Follower()
    follower.see(0.0, hand(0.1), hand(0.8, side="left"))
    assert follower.see(0.1, hand(0.8, side="left"), hand(0.3, 0.2)) == [2, 1]


def test_a_hand_that_is_mistaken_for_the_other_side_keeps_its_number() -> None:
    follower = Follower()
    follower.see(0.0, hand(0.2), hand(0.8, side="left"))
    assert follower.see(0.1, hand(0.2, side="left"), hand(0.8, side="left")) == [1, 2]


def test_a_second_hand_is_another_hand() -> None:
    follower = Follower()
    follower.see(0.0, hand(0.2))
    assert follower.see(0.1, hand(0.2), hand(0.7)) == [1, 2]


def test_of_two_places_a_hand_is_rather_where_its_side_was() -> None:
    _, size = palm_of(hand(0.5).landmarks, 0.75)
    follower = Follower()
    assert follower.see(0.0, hand(0.5, side="left"), hand(0.5 + 1.4 * size)) == [1, 2]
    assert follower.see(0.1, hand(0.5 + 0.6 * size)) == [2]


def test_a_track_lasts_as_long_on_a_clock_that_has_run_for_days() -> None:
    follower = Follower(gap_s=1.0)
    days = 3 * 86_400.0
    assert follower.see(days, hand(0.2)) == [1]
    assert follower.see(days + 0.9, hand(0.2)) == [1]
    assert follower.see(days + 2.0, hand(0.2)) == [2]


def test_palms_are_measured_in_picture_widths_whatever_the_shape_of_the_picture() -> None:
    wide, tall = hand(0.5).landmarks, hand(0.5).landmarks.copy()
    tall[:, 1] /= 2.0  # the same points in a picture twice as high
    (middle, size), (its_middle, its_size) = palm_of(wide, 0.75), palm_of(tall, 1.5)
    assert its_middle == pytest.approx(middle)
    assert its_size == pytest.approx(size)


def test_a_hand_found_twice_is_one_hand_the_surer_one() -> None:
    assert [found.hand.score for found in distinct([hand(0.5, score=0.6), hand(0.505, score=0.9)], 0.75)] == [0.9]
    assert len(distinct([hand(0.2), hand(0.8)], 0.75)) == 2
