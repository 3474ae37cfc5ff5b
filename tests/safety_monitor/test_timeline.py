"""Moments come out in the order of time, whatever the threads that put them in do."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safety_monitor.incident import Moment, Sense
from safety_monitor.timeline import CAPACITY, TimeLine
from tests.waiting import until

FOREVER = 60.0


def moments(sense: Sense, times: list[float]) -> list[Moment]:
    return [Moment(sense, at_s, ()) for at_s in times]


def feed(line: TimeLine, given_moments: list[Moment], sense: Sense) -> threading.Thread:
    def run() -> None:
        for moment in given_moments:
            line.put(moment)
        line.end(sense)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


times = st.lists(st.floats(0.0, 100.0), max_size=600).map(sorted)


@given(times, times)
def test_two_recorded_senses_are_merged_by_time_and_none_is_lost(heard: list[float], seen: list[float]) -> None:
    line = TimeLine(Sense, live=False)
    threads = [
        feed(line, moments(Sense.AUDIO, heard), Sense.AUDIO),
        feed(line, moments(Sense.GESTURE, seen), Sense.GESTURE),
    ]
    taken = []
    while not line.over:
        moment = line.take(FOREVER)
        if moment is not None:
            taken.append(moment.at_s)
    for thread in threads:
        thread.join()
    assert taken == sorted(heard + seen)


def test_a_recorded_moment_waits_for_the_other_sense() -> None:
    line = TimeLine(Sense, live=False)
    line.put(Moment(Sense.AUDIO, 5.0, ()))
    assert line.take(0.0) is None
    line.put(Moment(Sense.GESTURE, 4.0, ()))
    first = line.take(0.0)
    assert first is not None
    assert first.at_s == 4.0


def test_a_recorded_sense_that_is_far_ahead_waits_for_room_and_goes_on() -> None:
    line, many = TimeLine([Sense.AUDIO], live=False), 3 * CAPACITY
    heard: list[int] = []

    def hear() -> None:
        for number in range(many):
            line.put(Moment(Sense.AUDIO, float(number), ()))
            heard.append(number)
        line.end(Sense.AUDIO)

    threading.Thread(target=hear, daemon=True).start()
    until(lambda: len(heard) >= CAPACITY)
    for number in range(many):
        moment = line.take(FOREVER)
        assert moment is not None
        assert moment.at_s == number
        assert len(heard) <= number + 1 + CAPACITY


def test_a_live_moment_waits_for_nobody() -> None:
    line = TimeLine(Sense, live=True)
    line.put(Moment(Sense.AUDIO, 5.0, ()))
    assert line.take(0.0) == Moment(Sense.AUDIO, 5.0, ())


def test_a_live_sense_that_is_not_taken_loses_its_oldest() -> None:
    line = TimeLine([Sense.AUDIO], live=True)
    for moment in moments(Sense.AUDIO, [float(number) for number in range(CAPACITY + 10)]):
        line.put(moment)
    taken = [moment.at_s for moment in iter(lambda: line.take(0.0), None)]
    assert taken == [float(number) for number in range(10, CAPACITY + 10)]


@pytest.mark.parametrize("live", [True, False])
def test_it_is_over_only_when_all_have_ended_and_all_is_taken(live: bool) -> None:
    line = TimeLine(Sense, live=live)
    line.put(Moment(Sense.AUDIO, 1.0, ()))
    line.end(Sense.AUDIO)
    line.end(Sense.GESTURE)
    assert not line.over
    assert line.take(0.0) is not None
    assert line.over
    assert line.take(FOREVER) is None


def test_closing_lets_a_sense_go_that_waits_for_room() -> None:
    line = TimeLine(Sense, live=False)
    thread = feed(line, moments(Sense.AUDIO, [float(number) for number in range(CAPACITY + 5)]), Sense.AUDIO)
    line.close()
    thread.join(FOREVER)
    assert not thread.is_alive()
