"""The Signal for Help: what completes it, what does not, at any frame rate."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesture.signal_for_help import COMPLETE, DEFAULT, START, Limits, confidence, step

OPEN, TUCK, FIST = "open_palm", "thumb_tucked", "fist"
Script = Sequence[tuple[str, float]]
"""Sign and seconds."""


def shown(sign: str, probability: float = 0.9) -> dict[str, float]:
    rest = "none" if sign != "none" else "ok"
    return {sign: probability, rest: 1 - probability}


def completions(
    script: Script, rate: float = 15, limits: Limits = DEFAULT, probability: float = 0.9
) -> tuple[list[float], float]:
    """Times at which the sequence becomes complete, and the highest confidence."""
    progress, before, highest = START, 0.0, 0.0
    times: list[float] = []
    frame, start = 0, 0.0
    for sign, seconds in script:
        while frame / rate < start + seconds:
            progress = step(progress, shown(sign, probability), frame / rate, limits)
            now = confidence(progress, limits)
            if now >= COMPLETE > before:
                times.append(frame / rate)
            before, highest = now, max(highest, now)
            frame += 1
        start += seconds
    return times, highest


SIGN: Script = [(OPEN, 0.8), (TUCK, 0.8), (FIST, 1.0)]


@pytest.mark.parametrize("rate", [5, 10, 15, 30, 60])
def test_the_sign_is_complete_within_half_a_second_of_the_closing(rate: float) -> None:
    times, highest = completions(SIGN, rate)
    assert len(times) == 1
    assert 1.6 <= times[0] <= 2.1
    assert highest < 1.0


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([(OPEN, 0.4), (TUCK, 0.4), (FIST, 0.4)], id="quick"),
        pytest.param([(OPEN, 10), (TUCK, 5), (FIST, 1)], id="slow"),
        pytest.param([("victory", 1), (OPEN, 0.8), (TUCK, 0.8), (FIST, 1)], id="after another sign"),
        pytest.param([(FIST, 1), (OPEN, 0.8), (TUCK, 0.8), (FIST, 1)], id="after a fist"),
        pytest.param([(OPEN, 0.8), ("none", 0.4), (TUCK, 0.8), ("none", 0.4), (FIST, 1)], id="slow passages"),
        pytest.param([(OPEN, 0.8), (TUCK, 0.5), ("ok", 0.2), (TUCK, 0.4), (FIST, 1)], id="misread for a moment"),
        pytest.param(
            [(OPEN, 0.8), (TUCK, 0.5), (OPEN, 0.07), (TUCK, 0.4), (FIST, 1)], id="one frame misread as a palm"
        ),
        pytest.param([(OPEN, 0.8), (FIST, 0.07), (TUCK, 0.5), (FIST, 1)], id="one frame misread as a fist"),
        pytest.param([(OPEN, 0.5), (TUCK, 1), (OPEN, 1), (TUCK, 1), (FIST, 1)], id="tucked twice"),
    ],
)
def test_still_the_sign(script: Script) -> None:
    assert len(completions(script)[0]) == 1


@pytest.mark.parametrize("rate", [10, 15, 30])
@pytest.mark.parametrize(
    "script",
    [
        pytest.param([(FIST, 5)], id="fist"),
        pytest.param([(OPEN, 5)], id="palm"),
        pytest.param([(OPEN, 1), (FIST, 1)] * 4, id="open and close"),
        pytest.param([(OPEN, 1), (FIST, 0.5), (TUCK, 0.5), (FIST, 1)], id="the thumb slips into a fist"),
        pytest.param([(OPEN, 1), ("none", 0.3), (FIST, 1)] * 4, id="open and close slowly"),
        pytest.param([(OPEN, 1), (TUCK, 1), (OPEN, 0.4), (FIST, 1)], id="tuck opens again"),
        pytest.param([(TUCK, 1), (FIST, 1)], id="no palm"),
        pytest.param(
            [("pointer", 0.6), ("victory", 0.6), ("none", 0.6), (TUCK, 0.6), (FIST, 1)], id="counting to four"
        ),
        pytest.param(
            [(OPEN, 0.6), (TUCK, 0.6), ("none", 0.6), ("victory", 0.6), ("pointer", 0.6), (FIST, 1)], id="down"
        ),
        pytest.param([(OPEN, 0.3), (TUCK, 0.3), ("victory", 0.25), ("pointer", 0.25), (FIST, 1)], id="down fast"),
        pytest.param([(OPEN, 1), (TUCK, 0.05), (FIST, 1)], id="a glimpse of a tucked thumb"),
        pytest.param([(OPEN, 1), ("none", 2), (TUCK, 1), (FIST, 1)], id="palm long ago"),
        pytest.param([(OPEN, 1), (TUCK, 1), ("none", 1.5), (FIST, 1)], id="closes much later"),
        pytest.param([(OPEN, 1), (TUCK, 20), (FIST, 1)], id="held for ever"),
        pytest.param([(OPEN, 1), (TUCK, 1), ("victory", 0.7), (FIST, 1)], id="one other sign in between"),
    ],
)
def test_not_the_sign(script: Script, rate: float) -> None:
    times, highest = completions(script, rate)
    assert times == []
    assert highest < COMPLETE


def test_poses_that_are_only_guessed_do_not_add_up() -> None:
    progress, frame = START, 0
    for sign in (OPEN, TUCK, FIST):
        for probability in (0.45, 0.45, 0.45, 0.45, 0.9):
            guess = {sign: probability, "none": 0.6 * (1 - probability), "ok": 0.4 * (1 - probability)}
            progress, frame = step(progress, guess, frame / 15), frame + 1
            assert confidence(progress) < COMPLETE


def test_a_hand_that_is_hidden_for_a_moment_goes_on() -> None:
    progress = START
    for at_s, sign in [(0.0, OPEN), (0.1, OPEN), (0.2, OPEN), (0.3, TUCK), (0.4, TUCK), (0.5, TUCK), (0.6, TUCK)]:
        progress = step(progress, shown(sign), at_s)
    for at_s in (1.2, 1.3, 1.4, 1.5):
        progress = step(progress, shown(FIST), at_s)
    assert confidence(progress) >= COMPLETE


def test_surer_poses_make_a_surer_sign() -> None:
    assert completions(SIGN, probability=0.98)[1] > completions(SIGN, probability=0.6)[1] >= COMPLETE


def test_one_sign_is_told_once_while_the_hand_stays_closed() -> None:
    assert len(completions([*SIGN, (FIST, 10)])[0]) == 1


def test_it_is_over_when_the_hand_has_opened() -> None:
    progress, at_s = START, 0.0
    for sign, seconds in [*SIGN, ("none", 1.5)]:
        for _ in range(int(seconds * 15)):
            progress, at_s = step(progress, shown(sign), at_s), at_s + 1 / 15
    assert confidence(progress) == 0.0


def test_twice_where_twice_is_asked_for() -> None:
    limits = Limits(repeats=2)
    assert completions(SIGN, limits=limits)[0] == []
    again = [*SIGN, (OPEN, 0.8), (TUCK, 0.8), (FIST, 1.0)]
    assert len(completions(again, limits=limits)[0]) == 1
    assert completions([*SIGN, ("none", 20), *SIGN], limits=limits)[0] == []


@settings(max_examples=150, deadline=None)
@given(
    signs=st.lists(
        st.tuples(st.sampled_from([OPEN, FIST, "none", "victory", "pointer"]), st.floats(0.05, 2)), max_size=12
    ),
    rate=st.sampled_from([7.0, 10.0, 15.0, 30.0]),
)
def test_never_without_a_tucked_thumb(signs: list[tuple[str, float]], rate: float) -> None:
    assert completions(signs, rate)[0] == []


@settings(max_examples=150, deadline=None)
@given(
    signs=st.lists(st.tuples(st.sampled_from([TUCK, FIST, "none", "victory"]), st.floats(0.05, 2)), max_size=12),
    rate=st.sampled_from([7.0, 10.0, 15.0, 30.0]),
)
def test_never_without_a_palm(signs: list[tuple[str, float]], rate: float) -> None:
    assert completions(signs, rate)[0] == []
