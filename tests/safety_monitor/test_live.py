"""What the station shows of itself: bounded, and with the reason why something was no alarm."""

from dataclasses import replace

import numpy as np
import pytest

from audio.blocks import Block
from audio.detector import SoundReading
from gesture.capture import Frame
from safety_monitor.fusion import FusionRules
from safety_monitor.incident import Evidence, Incident, Moment, Sense, State
from safety_monitor.live import BUCKETS, QUIET_S, LiveView
from safety_monitor.near_misses import NEAR_KEPT, NEAR_OVER_S, why_no_alarm
from tests.clock import Clock

RULES = FusionRules()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def view(clock: Clock) -> LiveView:
    return LiveView(RULES, [Sense.AUDIO, Sense.GESTURE], clock=clock)


def scream(probability: float) -> Moment:
    return Moment(Sense.AUDIO, 0.0, (Evidence(Sense.AUDIO, "scream", probability, 0.0),))


def incident(state: State) -> Incident:
    return Incident("a", state, 1.0, 0.9, scream(0.9).evidence, "")


def test_a_sense_is_ill_until_it_is_open_and_when_it_breaks(view: LiveView, clock: Clock) -> None:
    assert view.troubles() == ["audio: not opened yet", "gesture: not opened yet"]
    view.opened(Sense.AUDIO, "microphone", True)
    view.opened(Sense.GESTURE, "film", False)
    assert view.ready.is_set()
    assert view.troubles() == []
    view.broke(Sense.GESTURE, "the cable is out")
    assert view.troubles() == ["gesture: the cable is out"]


def test_a_live_sense_that_is_quiet_is_ill_and_a_recording_is_not(view: LiveView, clock: Clock) -> None:
    view.opened(Sense.AUDIO, "microphone", True)
    view.opened(Sense.GESTURE, "film", False)
    clock.now += QUIET_S + 1
    assert view.troubles() == ["audio: microphone has said nothing for 6 s"]
    view.judged(scream(0.0))
    assert view.troubles() == []


def test_the_last_minute_keeps_the_highest_of_each_half_second(view: LiveView, clock: Clock) -> None:
    for probability in (0.1, 0.7, 0.2):
        view.judged(scream(probability))
    clock.now += 1.0
    view.judged(scream(0.3))
    assert view.snapshot().minute["scream"][-3:] == (0.7, None, 0.3)


def test_days_of_moments_and_pictures_take_no_more_room(view: LiveView, clock: Clock) -> None:
    for number in range(2000):
        clock.now += NEAR_OVER_S
        view.judged(scream(0.4 if number % 2 else 0.0))
        view.saw(Frame(np.zeros((2, 2, 3), np.uint8), float(number)), [])
    snapshot = view.snapshot()
    assert len(snapshot.minute["scream"]) == BUCKETS
    assert len(snapshot.near_misses) == NEAR_KEPT
    assert view.picture is not None
    assert view.picture.number == 2000


def test_a_near_miss_is_told_once_with_its_peak(view: LiveView, clock: Clock) -> None:
    for probability in (0.35, 0.62, 0.4):
        view.judged(scream(probability))
        clock.now += 0.12
    assert view.snapshot().near_misses == ()
    clock.now += NEAR_OVER_S
    (miss,) = view.snapshot().near_misses
    assert (miss.label, miss.probability) == ("scream", 0.62)
    assert "0.62 is below the threshold 0.80" in miss.reason


def test_what_stays_near_is_one_near_miss_however_long(view: LiveView, clock: Clock) -> None:
    for _ in range(10):
        view.judged(scream(0.4))
        clock.now += NEAR_OVER_S - 0.1
    assert view.snapshot().near_misses == ()
    clock.now += 0.1
    assert len(view.snapshot().near_misses) == 1


def test_what_begins_while_an_incident_is_open_is_no_near_miss_and_what_begins_later_is(
    view: LiveView, clock: Clock
) -> None:
    view.moved(incident(State.CONFIRMED))
    for probability, state in ((0.6, State.CLOSED), (0.5, None)):
        view.judged(scream(probability))
        clock.now += NEAR_OVER_S
        view.judged(scream(0.0))
        if state is not None:
            view.moved(incident(state))
    assert [miss.probability for miss in view.snapshot().near_misses] == [0.5]


def test_of_a_hidden_incident_nothing_is_shown(view: LiveView, clock: Clock) -> None:
    view.judged(scream(0.9))
    view.moved(incident(State.PENDING), hidden=True)
    view.moved(incident(State.CONFIRMED), hidden=True)
    assert view.snapshot().incident is None
    clock.now += NEAR_OVER_S
    view.judged(scream(0.7))
    clock.now += NEAR_OVER_S
    assert view.snapshot().near_misses == ()


@pytest.mark.parametrize("state", [State.CONFIRMED, State.ACKNOWLEDGED])
def test_what_belongs_to_an_incident_is_no_near_miss(view: LiveView, clock: Clock, state: State) -> None:
    view.judged(scream(0.9))
    view.moved(incident(State.CONFIRMED))
    clock.now += NEAR_OVER_S
    view.moved(incident(state))
    view.judged(scream(0.6))
    clock.now += NEAR_OVER_S
    assert view.snapshot().near_misses == ()


def test_an_incident_is_shown_while_it_is_open(view: LiveView) -> None:
    view.moved(incident(State.CONFIRMED))
    assert view.snapshot().incident == incident(State.CONFIRMED)
    view.moved(incident(State.CLOSED))
    assert view.snapshot().incident is None


@pytest.mark.parametrize(
    ("peak", "armed", "said"),
    [
        (0.4, True, "0.40 is below 0.50"),
        (0.5, True, "0.50 is below the threshold 0.80"),
        (0.7, True, "0.70 is below the threshold 0.80"),
        (0.9, True, "called off"),
        (0.9, False, "disarmed"),
    ],
)
def test_why_there_was_no_alarm(peak: float, armed: bool, said: str) -> None:
    assert said in why_no_alarm(peak, RULES, armed=armed)


def test_sound_is_kept_for_a_few_seconds_and_hits_are_counted(view: LiveView) -> None:
    for number in range(60):
        view.listened(Block(np.full(16_000, number, np.float32), float(number)))
        label = "scream" if number >= 57 else "ambient"
        view.heard(SoundReading(number - 1.0, float(number), label, {"scream": 0.5, "ambient": 0.5}, 0.5, -20.0))
    assert [float(piece[0]) for piece in view.sounds] == [float(number) for number in range(47, 60)]
    assert view.snapshot().hits == (3, 12)


def test_of_several_incidents_the_most_urgent_is_shown(view: LiveView, clock: Clock) -> None:
    view.moved(incident(State.CONFIRMED))
    elsewhere = replace(incident(State.PENDING), id="b")
    view.moved(elsewhere, here=False)
    assert view.snapshot().incident == incident(State.CONFIRMED)
    view.moved(incident(State.CLOSED))
    clock.now += 1.5
    assert view.snapshot().incident == elsewhere
    assert view.snapshot().pending_s == pytest.approx(2.5)
    view.moved(replace(elsewhere, state=State.CANCELLED), here=False)
    assert view.snapshot().incident is None


@pytest.mark.parametrize(
    ("state", "shown"), [(State.PENDING, True), (State.CONFIRMED, False), (State.ACKNOWLEDGED, False)]
)
def test_what_is_not_yet_an_emergency_does_not_hide_that_nobody_has_answered_the_last(
    view: LiveView, state: State, shown: bool
) -> None:
    left = replace(incident(State.CLOSED), id="left")
    view.newest_unanswered = lambda: (left, 40.0)
    view.moved(incident(state))
    assert view.snapshot().unanswered == (left if shown else None)
