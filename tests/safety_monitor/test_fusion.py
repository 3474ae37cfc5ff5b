"""The rule that decides: what opens an incident, what confirms it, and that it always ends."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from safety_monitor.fusion import Fusion, FusionRules, together
from safety_monitor.incident import MAY_FOLLOW, Evidence, Incident, Moment, Sense, State

RULES = FusionRules()
RANK = {State.PENDING: 1, State.CONFIRMED: 2}


def scream(probability: float, at_s: float) -> Evidence:
    return Evidence(Sense.AUDIO, "scream", probability, at_s)


def sign(probability: float, at_s: float) -> Evidence:
    return Evidence(Sense.GESTURE, "signal_for_help", probability, at_s)


def fusion(rules: FusionRules = RULES) -> Fusion:
    numbers = itertools.count(1)
    return Fusion(rules, new_id=lambda: str(next(numbers)))


def play(evidence: Iterable[Evidence], until_s: float = 0.0, rules: FusionRules = RULES) -> list[Incident]:
    machine = fusion(rules)
    transitions = [step for piece in evidence for step in machine.observe(piece)]
    return transitions + machine.advance(until_s)


def states(transitions: list[Incident]) -> list[tuple[str, State]]:
    return [(incident.id, incident.state) for incident in transitions]


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        pytest.param([scream(0.49, 1)], [], id="too weak to count"),
        pytest.param([scream(float("nan"), 1)], [], id="not a number does not count"),
        pytest.param([scream(0.79, 1)], [State.PENDING], id="noticed, not enough"),
        pytest.param([scream(0.80, 1)], [State.PENDING, State.CONFIRMED], id="a scream alone"),
        pytest.param([sign(0.80, 1)], [State.PENDING, State.CONFIRMED], id="an emergency gesture alone"),
        pytest.param([scream(0.6, 1), sign(0.6, 2)], [State.PENDING, State.CONFIRMED], id="both, each too weak alone"),
        pytest.param([scream(0.6, 1), scream(0.7, 2)], [State.PENDING], id="one sense does not add up with itself"),
        pytest.param([scream(0.5, 1), sign(0.5, 2)], [State.PENDING], id="both together still too weak"),
        pytest.param([scream(0.6, 1), sign(0.6, 4)], [State.PENDING, State.CONFIRMED], id="both, a window apart"),
        pytest.param([scream(0.6, 1), sign(0.6, 4.5)], [State.PENDING], id="both, too far apart"),
        pytest.param([scream(0.6, 2), sign(0.6, 1)], [State.PENDING, State.CONFIRMED], id="both, one of them late"),
    ],
)
def test_what_becomes_of_evidence(evidence: list[Evidence], expected: list[State]) -> None:
    assert [state for _, state in states(play(evidence))] == expected


def test_a_pending_incident_is_dropped_at_its_deadline_and_says_why() -> None:
    *_, dropped = play([scream(0.7, 1.0)], until_s=5.1)
    assert (dropped.state, dropped.at_s) == (State.CANCELLED, 5.0)
    assert "0.70 < 0.80" in dropped.reason


def test_every_transition_says_when_it_was_known() -> None:
    machine = fusion()
    transitions = [*machine.observe(scream(0.6, 1.0)), *machine.advance(2.0), *machine.observe(sign(0.6, 1.5))]
    assert [step.at_s for step in [*transitions, *machine.advance(100.0)]] == [1.0, 2.0, 2.0 + RULES.cool_down_s]


@pytest.mark.parametrize(("probability", "expected"), [(0.9, State.CONFIRMED), (0.6, State.PENDING)])
def test_what_a_slow_sense_says_later_than_the_window_counts_with_what_was_noticed(
    probability: float, expected: State
) -> None:
    machine = fusion()
    machine.advance(10.0)
    *_, last = machine.observe(sign(probability, 10.0 - RULES.window_s - 1.0))
    assert (last.state, last.labels, last.senses) == (expected, ("signal_for_help",), (Sense.GESTURE,))


def test_a_moment_brings_its_evidence_and_the_time() -> None:
    machine = fusion()
    assert states(machine.judge(Moment(Sense.AUDIO, 1.0, (scream(0.6, 1.0),)))) == [("1", State.PENDING)]
    assert states(machine.judge(Moment(Sense.GESTURE, 5.1, ()))) == [("1", State.CANCELLED)]
    assert machine.advance(2.0) == []
    assert machine.now_s == 5.1


@pytest.mark.parametrize(
    ("evidence", "decided", "end"),
    [
        ([], None, []),
        ([scream(0.6, 1)], None, [State.CANCELLED]),
        ([scream(0.9, 1)], None, [State.CLOSED]),
        ([scream(0.9, 1)], State.ACKNOWLEDGED, [State.CLOSED]),
        ([scream(0.9, 1)], State.CANCELLED, []),
    ],
)
def test_at_the_end_of_the_inputs_nothing_stays_open(
    evidence: list[Evidence], decided: State | None, end: list[State]
) -> None:
    machine = fusion()
    for piece in evidence:
        machine.observe(piece)
    if decided:
        machine.follow("1", decided)
    assert [incident.state for incident in machine.finish()] == end
    assert machine.incident is None


@pytest.mark.parametrize("times", [(1.0, 3.0, 4.5), (3.0, 1.0, 4.5)])
def test_neither_growing_evidence_nor_what_comes_late_puts_the_deadline_off(times: tuple[float, ...]) -> None:
    growing = zip((0.6, 0.7, 0.75), times, strict=True)
    *_, dropped = play([scream(probability, at_s) for probability, at_s in growing], until_s=6.0)
    assert (dropped.state, dropped.at_s) == (State.CANCELLED, 5.0)


def test_lasting_weak_evidence_is_one_near_miss_not_many() -> None:
    murmur = [scream(0.6, step / 4) for step in range(400)]
    assert states(play(murmur)) == [("1", State.PENDING), ("1", State.CANCELLED)]


def test_a_scream_after_a_dropped_near_miss_is_not_held_back() -> None:
    transitions = play([scream(0.6, 0.0), scream(0.6, 4.5), scream(0.9, 5.0)])
    assert states(transitions)[-1] == ("2", State.CONFIRMED)


def test_evidence_of_the_other_sense_still_counts_after_a_dropped_near_miss() -> None:
    transitions = play([scream(0.6, 0.0), scream(0.6, 4.5), sign(0.6, 5.0)])
    assert states(transitions)[-1][1] is State.CONFIRMED
    assert transitions[-1].senses == (Sense.AUDIO, Sense.GESTURE)


def test_a_late_sign_that_counts_with_a_murmur_of_before_names_both() -> None:
    transitions = play([scream(0.7, 0.0), scream(0.6, 5.0), sign(0.6, 8.5), sign(0.7, 7.9)])
    assert states(transitions)[-1] == ("2", State.CONFIRMED)
    assert transitions[-1].labels == ("scream", "signal_for_help")


@pytest.mark.parametrize("late_s", [4.0, 12.0])
def test_what_a_sense_sees_that_is_late_all_the_time_counts_with_what_was_heard_then(late_s: float) -> None:
    machine = fusion()
    said = [Moment(Sense.GESTURE, step - late_s, (), late_s) for step in range(100)]
    said[20] = Moment(Sense.GESTURE, 20.0 - late_s, (sign(0.6, 20.0 - late_s),), late_s)
    heard_s = round(22.0 - late_s)
    heard = [Moment(Sense.AUDIO, step, (scream(0.6, step),) if step == heard_s else ()) for step in range(100)]
    transitions = [step for pair in zip(heard, said, strict=True) for each in pair for step in machine.judge(each)]
    (confirmed,) = [step for step in transitions if step.state is State.CONFIRMED]
    assert confirmed.senses == (Sense.AUDIO, Sense.GESTURE)


def test_one_event_in_both_senses_is_one_incident_with_both() -> None:
    machine = fusion()
    for step in range(20):
        machine.observe(scream(0.95, 1 + step / 4))
        machine.observe(sign(0.9, 1.1 + step / 4))
    closed = machine.advance(100)
    assert states(closed) == [("1", State.CLOSED)]
    assert closed[0].senses == (Sense.AUDIO, Sense.GESTURE)
    assert closed[0].confidence == pytest.approx(together(0.95, 0.9))


@pytest.mark.parametrize("murmur_s", [0.5, 1.0, 2.5])
def test_a_murmur_beside_an_unmistakable_sign_is_not_part_of_the_incident(murmur_s: float) -> None:
    evidence = sorted([scream(0.6, murmur_s), sign(0.95, 1.0)], key=lambda piece: piece.at_s)
    machine = fusion()
    for piece in evidence:
        machine.observe(piece)
    (closed,) = machine.advance(100)
    assert closed.senses == (Sense.GESTURE,)


def test_nothing_fires_again_within_the_cool_down_and_does_after_it() -> None:
    machine = fusion()
    assert len(machine.observe(scream(0.9, 0))) == 2
    assert machine.observe(scream(0.99, RULES.cool_down_s - 0.1)) == []
    assert states(machine.observe(scream(0.99, 3 * RULES.cool_down_s))) == [
        ("1", State.CLOSED),
        ("2", State.PENDING),
        ("2", State.CONFIRMED),
    ]


def test_a_scream_that_is_heard_later_than_the_cool_down_is_one_incident() -> None:
    machine = fusion(FusionRules(cool_down_s=5.0))
    transitions: list[Incident] = []
    for at_s in range(4):
        transitions += machine.advance(at_s + 10.0) + machine.observe(scream(0.9, at_s))
    assert states(transitions) == [("1", State.PENDING), ("1", State.CONFIRMED)]
    assert machine.follow("1", State.CANCELLED)
    for at_s in range(4, 20):  # nor does the same noise open another once it was called off
        assert machine.advance(at_s + 10.0) + machine.observe(scream(0.9, at_s)) == []


def test_a_sound_that_never_stops_is_one_incident_that_ends_after_its_longest_time() -> None:
    begun_s = 86_400.0  # of a station that has run for long
    siren = [scream(0.95, begun_s + step / 4) for step in range(4 * 1200)]
    transitions = play(siren)
    assert states(transitions) == [("1", State.PENDING), ("1", State.CONFIRMED), ("1", State.CLOSED)]
    assert transitions[-1].at_s == begun_s + RULES.longest_s


def test_a_cancelled_incident_is_not_opened_again_by_the_same_noise_but_by_the_other_sense() -> None:
    machine = fusion()
    machine.observe(scream(0.9, 0))
    machine.follow("1", State.CANCELLED)
    assert machine.incident is None
    assert machine.observe(scream(0.95, 1)) == []
    assert states(machine.observe(sign(0.9, 2))) == [("2", State.PENDING), ("2", State.CONFIRMED)]


def test_the_noise_of_a_cancelled_incident_opens_another_once_it_was_quiet_for_the_cool_down() -> None:
    machine = fusion()
    machine.observe(scream(0.9, 0))
    machine.advance(20)
    machine.follow("1", State.CANCELLED)
    for at_s in (21, 45, 74):  # each within the cool-down of the one before
        assert machine.observe(scream(0.9, at_s)) == []
    assert states(machine.observe(scream(0.9, 74 + RULES.cool_down_s))) == [
        ("2", State.PENDING),
        ("2", State.CONFIRMED),
    ]


def test_where_it_is_never_quiet_a_scream_is_an_incident_again_once_an_incident_s_longest_time_has_passed() -> None:
    machine = fusion()
    machine.observe(scream(0.9, 0))
    machine.follow("1", State.CANCELLED)
    shrieks = [step for at_s in range(0, int(RULES.longest_s), 25) for step in machine.observe(scream(0.55, at_s))]
    assert shrieks == []
    assert states(machine.observe(scream(0.97, RULES.longest_s))) == [("2", State.PENDING), ("2", State.CONFIRMED)]


def test_what_belongs_to_a_cancelled_incident_does_not_count_with_the_other_sense() -> None:
    machine = fusion()
    machine.observe(scream(0.9, 0))
    machine.follow("1", State.CANCELLED)
    assert states(machine.observe(sign(0.6, 1))) == [("2", State.PENDING)]
    assert machine.observe(scream(0.95, 1.2)) == []  # the noise goes on


def test_the_noise_of_a_cancelled_incident_opens_none_after_one_of_the_other_sense() -> None:
    machine = fusion()
    machine.observe(scream(0.9, 0))
    machine.follow("1", State.CANCELLED)
    machine.observe(sign(0.9, 1))
    noise = [step for second in range(2, 60) for step in machine.observe(scream(0.9, second))]
    assert states(noise) == [("2", State.CLOSED)]


def test_an_acknowledged_incident_takes_evidence_in_and_closes_by_itself() -> None:
    machine = fusion()
    machine.observe(scream(0.9, 0))
    machine.follow("1", State.ACKNOWLEDGED)
    assert machine.observe(sign(0.9, 5)) == []
    (closed,) = machine.advance(5 + RULES.cool_down_s)
    assert (closed.state, closed.senses) == (State.CLOSED, (Sense.AUDIO, Sense.GESTURE))


@pytest.mark.parametrize(
    ("probability", "about", "decided"),
    [
        pytest.param(0.9, "2", State.CANCELLED, id="another incident"),
        pytest.param(0.9, "1", State.PENDING, id="back to pending"),
        pytest.param(0.6, "1", State.ACKNOWLEDGED, id="nobody was called yet"),
    ],
)
def test_a_decision_that_cannot_be_changes_nothing(probability: float, about: str, decided: State) -> None:
    machine = fusion()
    *_, opened = machine.observe(scream(probability, 0))
    assert machine.follow(about, decided) is None
    assert machine.incident == opened


@pytest.mark.parametrize(
    "numbers",
    [
        {"threshold": 0.4},
        {"threshold": 1.1},
        {"weak": 0.0},
        {"window_s": 0.0},
        {"window_s": 5.0},
        {"cool_down_s": 0.0},
        {"cool_down_s": 601.0},
    ],
)
def test_rules_that_contradict_each_other_are_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="needs"):
        FusionRules(**numbers)


probabilities = st.floats(0.0, 1.0)
pieces = st.builds(
    lambda sense, probability, at_s: Evidence(sense, "scream" if sense is Sense.AUDIO else "help", probability, at_s),
    st.sampled_from(Sense),
    probabilities,
    st.floats(0.0, 200.0),
)
within_a_window = st.lists(
    st.builds(
        lambda sense, probability, at_s: Evidence(sense, sense.value, probability, at_s),
        st.sampled_from(Sense),
        probabilities,
        st.floats(0.0, RULES.window_s),
    ),
    max_size=8,
)


@given(within_a_window.flatmap(lambda evidence: st.tuples(st.just(evidence), st.permutations(evidence))))
def test_order_of_arrival_inside_a_window_does_not_matter(orders: tuple[list[Evidence], list[Evidence]]) -> None:
    first, second = (fusion(), fusion())
    for piece in orders[0]:
        first.observe(piece)
    for piece in orders[1]:
        second.observe(piece)
    for machine in (first, second):
        machine.advance(RULES.window_s)
    outcome = [
        machine.incident and (machine.incident.state, machine.incident.confidence, machine.incident.evidence)
        for machine in (first, second)
    ]
    assert outcome[0] == outcome[1]


eighths = st.integers(0, 8 * int(RULES.window_s)).map(lambda number: number / 8)


weak = st.builds(Evidence, st.sampled_from(Sense), st.just("help"), st.sampled_from([0.5, 0.6, 0.7]), eighths)


@given(st.lists(weak, max_size=4), eighths, eighths)
@example([scream(0.6, 2.5), sign(0.6, 0.0)], 1.0, 0.0)
def test_senses_that_are_late_by_up_to_a_window_confirm_the_same(
    evidence: list[Evidence], sound_late_s: float, picture_late_s: float
) -> None:
    late_s = {Sense.AUDIO: sound_late_s, Sense.GESTURE: picture_late_s}
    arrivals = sorted((piece.at_s + late_s[piece.sense], number) for number, piece in enumerate(evidence))
    machine = fusion()
    late = [step for at_s, number in arrivals for step in machine.advance(at_s) + machine.observe(evidence[number])]
    in_order = play(sorted(evidence, key=lambda piece: piece.at_s))
    assert State.CONFIRMED in {step.state for step in late} or State.CONFIRMED not in {step.state for step in in_order}


@given(within_a_window, within_a_window)
def test_more_evidence_never_lowers_the_state(evidence: list[Evidence], more: list[Evidence]) -> None:
    def highest(given_evidence: list[Evidence]) -> int:
        ordered = sorted(given_evidence, key=lambda piece: piece.at_s)
        return max((RANK.get(incident.state, 0) for incident in play(ordered)), default=0)

    assert highest(evidence + more) >= highest(evidence)


@given(st.lists(pieces, max_size=60))
def test_incidents_come_one_after_another_follow_the_states_and_always_end(evidence: list[Evidence]) -> None:
    machine = fusion()
    transitions = [
        step for piece in sorted(evidence, key=lambda piece: piece.at_s) for step in machine.observe(piece)
    ] + machine.advance(200.0 + RULES.longest_s)
    assert machine.incident is None
    ended: set[str] = set()
    current: Incident | None = None
    for transition in transitions:
        if current is None or transition.id != current.id:
            assert current is None or current.id in ended
            assert transition.state is State.PENDING
        else:
            assert transition.state in MAY_FOLLOW[current.state]
        if not MAY_FOLLOW[transition.state]:
            ended.add(transition.id)
        current = transition
    assert ended == {transition.id for transition in transitions}


@given(st.lists(pieces, max_size=60))
def test_a_burst_of_evidence_within_the_cool_down_confirms_at_most_one_incident(evidence: list[Evidence]) -> None:
    burst = sorted(
        (Evidence(piece.sense, piece.label, piece.probability, piece.at_s / 10) for piece in evidence),
        key=lambda piece: piece.at_s,
    )
    confirmed = [incident for incident in play(burst) if incident.state is State.CONFIRMED]
    assert len(confirmed) <= 1


@given(st.lists(pieces, max_size=60))
def test_every_confirmed_incident_carries_numbers_that_reach_the_threshold(evidence: list[Evidence]) -> None:
    for incident in play(sorted(evidence, key=lambda piece: piece.at_s)):
        if incident.state is State.CONFIRMED:
            strongest = dict.fromkeys(Sense, 0.0)
            for piece in incident.evidence:
                strongest[piece.sense] = max(strongest[piece.sense], piece.probability)
            assert incident.confidence >= RULES.threshold
            assert together(*strongest.values()) >= RULES.threshold
            assert incident.reason
